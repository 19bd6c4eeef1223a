"""What all tests share: those that need more than Python, run on demand, and rows of the fault matrix.

Of each row, which tests proved it in a run is written as a page when one is asked for.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.reliability import FIRED, HAS_FAILED, Proof, page

ON_DEMAND = {
    "browser": "needs Chromium and npm; `make test-browser`",
    "servers": "needs FHIR servers of others; `make test-servers`",
    "soak": "takes long; `make soak`",
    "spark": "needs Spark and Java; `make test-spark`",
}
PROOFS = pytest.StashKey[list[Proof]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reliability", metavar="FILE", help="write the table of rows, tests and faults to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROOFS] = []
    for marker, needs in ON_DEMAND.items():
        config.addinivalue_line("markers", f"{marker}: {needs}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of each marker out of a run that did not name it."""
    unnamed = [marker for marker in ON_DEMAND if marker not in config.option.markexpr]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in unnamed)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


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
