"""How often Python's garbage collector looks through what a command has made."""

import gc

# Libraries and models make objects by the hundred thousand that stay: after every 700 new ones, as is usual,
# looking them through takes a twentieth of a short command.
_COLLECT_AFTER = 50_000


def collect_rarely() -> None:
    """Collect as the command line does, for the whole process."""
    gc.set_threshold(_COLLECT_AFTER)
