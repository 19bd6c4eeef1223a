"""A disk whose n-th write fails: what our own code asks of the operating system below one folder.

Counted are opening for writing, writing, fsync, truncating, renaming, making folders and links, changing
modes, and a Parquet file as a whole. A write that fails has written half, as on a full disk. The files of
DuckDB are its own business: failing_database.py fails its statements.
"""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import warehouse.segments
from mappings.errors import ConfigError, WarehouseError

CODES = (errno.ENOSPC, errno.EIO)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_OPEN, _CLOSE, _OPEN_FILE, _MKDIR = os.open, os.close, io.open, os.mkdir
_WRITE_TABLE = warehouse.segments.pq.write_table


class FailingDisk:
    """Counts the writes below `folder` and fails the `nth`; `failed` names the operation that did."""

    def __init__(self, folder: Path, nth: int) -> None:
        self.seen = 0
        self.failed = ""
        self._folder = f"{folder.resolve()}{os.sep}"
        self._nth = nth
        self._paths: dict[int, str] = {}

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the product and the operating system."""
        patch.setattr(os, "open", self._open)
        patch.setattr(os, "close", self._close)
        patch.setattr(os, "mkdir", self._mkdir)
        patch.setattr(io, "open", self._open_file)
        patch.setattr(warehouse.segments.pq, "write_table", self._write_table)
        for name, position in (
            ("write", 0),
            ("fsync", 0),
            ("ftruncate", 0),
            ("replace", 1),
            ("rename", 1),
            ("symlink", 1),
            ("chmod", 0),
        ):
            patch.setattr(os, name, self._counted(name, position))

    def turn(self, operation: str, place: Any) -> None:
        """Count an operation on a path or an open file of the folder; raise when it is its turn."""
        path = self._paths.get(place, "") if isinstance(place, int) else os.fspath(place)
        if not str(path).startswith(self._folder):
            return
        self.seen += 1
        if self.seen == self._nth:
            self.failed = operation
            code = CODES[self._nth % 2]
            raise OSError(code, os.strerror(code), str(path))

    def _counted(self, name: str, position: int) -> Any:
        sound = getattr(os, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.turn(name, arguments[position])
            return sound(*arguments, **options)

        return counted

    def _open(self, path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if flags & _WRITING and not options:
            self.turn("open", path)
        descriptor = _OPEN(path, flags, mode, **options)
        self._paths[descriptor] = os.fspath(path)
        return descriptor

    def _close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)
        _CLOSE(descriptor)

    def _mkdir(self, path: Any, *arguments: Any, **options: Any) -> None:
        if not os.path.exists(path):  # noqa: PTH110 -- else the system says that it exists, whatever the disk
            self.turn("mkdir", path)
        _MKDIR(path, *arguments, **options)

    def _open_file(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        is_path = not isinstance(file, int)
        if set(mode).isdisjoint("wax+") or (not is_path and file not in self._paths):
            return _OPEN_FILE(file, mode, *arguments, **options)
        if is_path:
            self.turn("open", file)
        return FailingFile(_OPEN_FILE(file, mode, *arguments, **options), file, self)

    def _write_table(self, table: Any, where: Path, **options: Any) -> None:
        try:
            self.turn("write_table", where)
        except OSError:
            with _OPEN_FILE(where, "wb") as torn:
                torn.write(b"PAR1")
            raise
        _WRITE_TABLE(table, where, **options)


def refuses(work: Callable[[], object]) -> bool:
    """Whether the work ends in an error of ours that tells the disk's reason; any other error passes."""
    try:
        work()
    except (ConfigError, WarehouseError) as error:
        return any(os.strerror(code) in error.message for code in CODES)
    return False


def refused_one_by_one(folder: Path, work: Callable[[], object], after: Callable[[], object]) -> set[str]:
    """Do the work with each of its writes below `folder` refused once, `after` each time; at last it is done.

    Returns which operations were refused; each must have been told.
    """
    failed: set[str] = set()
    for nth in range(1, 500):
        disk = FailingDisk(folder, nth)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            is_refused = refuses(work)
        assert is_refused == bool(disk.failed), f"write {nth} ({disk.failed}) failed and nobody was told"
        if not is_refused:
            return failed
        failed.add(disk.failed)
        after()
    raise AssertionError("the work never came to its end")


class FailingFile:
    """A file open for writing whose writes are counted; everything else is the file's own."""

    def __init__(self, file: Any, place: Any, disk: FailingDisk) -> None:
        self._file = file
        self._place = place
        self._disk = disk

    def write(self, data: Any) -> int:
        try:
            self._disk.turn("write", self._place)
        except OSError:
            self._file.write(data[: len(data) // 2])
            raise
        written: int = self._file.write(data)
        return written

    def __enter__(self) -> "FailingFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
