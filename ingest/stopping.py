"""A run that is asked to stop: what it waits for is not waited for, and what it has not asked it leaves.

Waits are made of steps this short, so that a stop is noticed within one of them.
"""

import time
from collections.abc import Callable

from mappings.errors import StoppedError

STEP = 0.5  # seconds


class Stopping:
    """Whether the run at one center is asked to stop, and waits that end then."""

    def __init__(self, center_id: str, is_asked: Callable[[], bool]) -> None:
        self._center_id = center_id
        self.is_asked = is_asked

    def require_going_on(self) -> None:
        """Raise StoppedError when the run is asked to stop."""
        if self.is_asked():
            raise StoppedError(
                f"The run at center {self._center_id} was asked to stop.",
                "run it again: it takes up where this one stopped.",
            )

    def wait(self, seconds: float, pause: Callable[[float], object] = time.sleep) -> None:
        """Wait by steps of `pause`, until one of them is true or the time is over; raises StoppedError."""
        left = seconds
        self.require_going_on()
        while left > 0 and not pause(min(left, STEP)):
            left -= STEP
            self.require_going_on()
