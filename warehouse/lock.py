"""One writer at a time: an advisory lock of the operating system on a file beside the data.

The kernel frees the lock when its process ends, however it ends, so a crash never leaves the warehouse locked
and no process id has to be trusted.
"""

import fcntl
import os
from pathlib import Path

from mappings.errors import WarehouseBusyError


class FolderLock:
    """An exclusive lock on `<folder>/lock`, held from `acquire` to `release`.

    A process made by fork shares the lock with its parent; start workers by spawn.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> "FolderLock":
        """Take the lock at once or raise WarehouseBusyError; never waits."""
        path = folder / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise WarehouseBusyError(
                f"Another run holds the warehouse: {path} is locked (process {holder or 'unknown'}).",
                "Wait for that run to end, or stop it. Deleting the lock file does not free the warehouse.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        return cls(descriptor)

    def release(self) -> None:
        """Free the lock; the file stays, since removing it would let two processes lock two files."""
        os.close(self._descriptor)


def holder(folder: Path) -> str:
    """The process id that the run which holds, or last held, the warehouse wrote down; empty if unknown."""
    try:
        text = (folder / "lock").read_bytes()[:20].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""
    return text if text.isdecimal() else ""


def is_locked(folder: Path) -> bool:
    """Whether a run holds the warehouse in `folder` right now."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
