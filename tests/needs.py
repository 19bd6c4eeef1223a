"""Programs that a test needs and a laptop may lack: without one it is skipped, with CI=true it fails."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(program: str, advice: str) -> str:
    """The path of `program`; `advice` says how to install it."""
    path = shutil.which(program)
    if path is None:
        lacking(f"{program} is not installed: {advice}")
    return path


def lacking(what: str) -> NoReturn:
    """End a test for want of something: a failure where everything must have run."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
