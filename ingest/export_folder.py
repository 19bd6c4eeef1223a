"""Where the files of exports lie while a sync reads them: private, and gone afterwards."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mappings.errors import WarehouseError
from warehouse.disk import disk_errors


class ExportFolder:
    """A folder of files that are named by counting: no name of a server's reaches the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = 0

    def new_file(self) -> Path:
        """An empty file that only its owner can read."""
        self._files += 1
        path = self._path / f"{self._files}.ndjson"
        with disk_errors("A file of an export could not be made"):
            path.touch(mode=0o600, exist_ok=False)
        return path


@contextmanager
def export_folder(warehouse_folder: Path, center_id: str) -> Iterator[ExportFolder]:
    """A center's folder for one sync, emptied of what a crash left before and removed after the block."""
    path = warehouse_folder / "spill" / "exports" / center_id
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700)
    except OSError as error:
        raise WarehouseError(
            f"The folder for exports cannot be made ({error.strerror}).",
            "Check the mode of spill/ in the warehouse folder, then run again.",
        ) from None
    try:
        yield ExportFolder(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
