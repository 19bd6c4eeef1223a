"""What the operating system refuses on the warehouse's disk, as an error with its next step."""

from collections.abc import Iterator
from contextlib import contextmanager

from mappings.errors import WarehouseError


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Raise WarehouseError for an OSError of the block; `what` is the sentence its reason is put after."""
    try:
        yield
    except OSError as error:
        raise WarehouseError(
            f"{what}: {error.strerror or type(error).__name__}.",
            "Check the free space and the health of the disk, then run again.",
        ) from None
