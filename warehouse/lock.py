"""One writer at a time: an advisory lock of the operating system on a file beside the data.

The kernel frees the lock when its process ends, however it ends, so a crash never leaves the warehouse locked
and no process id has to be trusted.
"""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mappings.errors import WarehouseBusyError
from warehouse.disk import disk_errors

Purpose = Literal["run", "serve", "lake export"]
FILES: Mapping[Purpose, str] = {"run": "lock", "serve": "serve.lock", "lake export": "lake.lock"}


class FolderLock:
    """An exclusive lock on a file of the folder, held from `acquire` to `release`.

    A process made by fork shares the lock with its parent; start workers by spawn.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path, purpose: Purpose = "run") -> "FolderLock":
        """Take the lock at once or raise WarehouseBusyError; never waits.

        A `serve` and a lake export lock files of their own: others may work on the warehouse meanwhile.
        """
        path = folder / FILES[purpose]
        with disk_errors(f"The warehouse cannot be locked by {path}"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _take(descriptor, path, purpose)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
            except BaseException:
                os.close(descriptor)  # left open, it would keep the lock as long as this process lives
                raise
        return cls(descriptor)

    def release(self) -> None:
        """Free the lock; the file stays, since removing it would let two processes lock two files."""
        os.close(self._descriptor)


def _take(descriptor: int, path: Path, purpose: Purpose) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        raise WarehouseBusyError(
            f"Another {purpose} holds the warehouse: {path} is locked (process {holder or 'unknown'}).",
            f"Wait for that {purpose} to end, or stop it. Deleting the lock file does not free it.",
        ) from None


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
