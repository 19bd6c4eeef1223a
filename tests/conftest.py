"""Rows of the fault matrix: which tests proved them in a run, as a page when one is asked for."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.reliability import FIRED, HAS_FAILED, Proof, page

PROOFS = pytest.StashKey[list[Proof]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reliability", metavar="FILE", help="write the table of rows, tests and faults to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROOFS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    if report.when == "teardown" and not item.stash[HAS_FAILED]:
        _note(item)
    return report


def _note(item: pytest.Item) -> None:
    """A test that does not count its faults has looked at each itself: once for each of its cases."""
    fired = item.stash.get(FIRED, 1)
    name = getattr(item, "originalname", None) or item.name
    proofs = [Proof(mark.args[0], item.path.name, name, fired) for mark in item.iter_markers("row")]
    item.config.stash[PROOFS] += proofs


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    target = session.config.getoption("--reliability", None)
    if target and exitstatus == 0:
        Path(target).write_text(page(session.config.stash[PROOFS]), encoding="utf-8")
