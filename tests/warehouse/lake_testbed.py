"""A lake beside a small warehouse, filled as the command does it; run as a program, until it kills itself."""

import os
import pickle
import signal
import sys
from pathlib import Path

from landing_examples import NOON

import warehouse.lake as lakes
from warehouse.connection import Warehouse
from warehouse.lake import Filled, LakeFile, fill_lake, read_lake
from warehouse.lake_plan import lake_scratch, raw_files, release_files
from warehouse.publish import current_release
from warehouse.segments import checksum


def planned(warehouse: Warehouse, scratch: Path) -> list[LakeFile]:
    return [*release_files(current_release(warehouse.folder)), *raw_files(warehouse, scratch)]


def fill(warehouse: Warehouse, lake: Path) -> Filled:
    with lake_scratch(warehouse.folder) as scratch:
        return fill_lake(lake, planned(warehouse, scratch), {"run_id": 1}, NOON)


def wrong(lake: Path) -> list[str]:
    """The files that the manifest names and that are missing or changed."""
    named = read_lake(lake).items()
    return [path for path, sha256 in named if not (lake / path).is_file() or checksum(lake / path) != sha256]


def killed_at(step: int) -> None:
    """Let this process die, as by kill -9, when it writes through to the disk for the `step`-th time."""
    synced = lakes.sync_to_disk
    counted = iter(range(1, step + 1))

    def sync_or_die(path: Path) -> None:
        if next(counted) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        synced(path)

    lakes.sync_to_disk = sync_or_die


if __name__ == "__main__":
    place, plan, step = sys.argv[1:]
    killed_at(int(step))
    fill_lake(Path(place), pickle.loads(Path(plan).read_bytes()), {}, NOON)  # noqa: S301 -- the test wrote it
