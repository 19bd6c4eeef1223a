"""HL7's npm packages of FHIR examples (CC0), fetched once into the cache of the test run.

Without npm or a network a test that needs one is skipped with the reason; with CI=true that is a failure.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def packed(name: str, version: str, folder: Path) -> Path:
    """The package's archive in the cache folder; npm compares its checksum with the registry's."""
    archive = folder / f"{name}-{version}.tgz"
    if archive.exists():
        return archive
    npm = shutil.which("npm")
    if npm is None:
        unavailable("npm is not installed: it fetches the examples")
    arriving = folder / f"arriving-{os.getpid()}"  # tests in other processes may fetch it too
    arriving.mkdir(exist_ok=True)
    options = ["--pack-destination", str(arriving), "--fetch-retries=1", "--fetch-timeout=60000"]
    fetched = subprocess.run(
        [npm, "pack", f"{name}@{version}", *options], capture_output=True, text=True, check=False, timeout=300
    )
    if fetched.returncode:
        unavailable(f"npm could not fetch {name}@{version} (exit {fetched.returncode})")
    (arriving / archive.name).replace(archive)
    return archive
