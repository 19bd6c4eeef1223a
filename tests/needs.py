"""Programs that a test needs and a laptop may lack: without one it is skipped, with CI=true it fails."""

import os
import shutil

import pytest


def needed(program: str, advice: str) -> str:
    """The path of `program`; `advice` says how to install it."""
    path = shutil.which(program)
    if path is not None:
        return path
    lacking = f"{program} is not installed: {advice}"
    if os.environ.get("CI") == "true":
        pytest.fail(lacking)
    pytest.skip(lacking)
