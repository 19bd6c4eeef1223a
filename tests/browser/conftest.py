"""The report in a real browser, for the tests marked `browser`: `make test-browser`.

They run only when asked for. A machine without Chromium or npm skips them and says why; with CI=true that is
a failure. Screenshots and the printed report are kept in build/browser.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from outcomes.disclosure import TEAM
from outcomes.report.page import render
from service.configuration import load_settings
from service.demo.server import DemoServer
from service.demo.workplace import prepare
from service.refresh import refresh_night
from service.report import report_facts, report_night
from service.run import Night
from service.sync import sync_night
from tests.browser.axe import axe_source
from tests.browser.chromium import CHROMEDRIVER, CHROMIUM, Browser, chromium
from tests.browser.planted import CANARY, plant_in_release, planted
from tests.servers.server_study import stock
from warehouse.mart import open_mart, open_release
from warehouse.releases import MART_FILE, current_release

KEPT = Path(__file__).parents[2] / "build" / "browser"


def need() -> None:
    """Skip on a laptop without the tools; fail where everything must have run."""
    lacking = [str(tool) for tool in (CHROMIUM, CHROMEDRIVER) if not tool.exists()]
    lacking += [] if shutil.which("npm") else ["npm"]
    reason = f"the browser tests need Chromium, its driver and npm; not found: {', '.join(lacking)}"
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if lacking:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    need()
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe(browser: Browser) -> str:
    return axe_source()


@pytest.fixture(scope="session")
def kept() -> Path:
    """Where screenshots stay when the tests have ended."""
    KEPT.mkdir(parents=True, exist_ok=True)
    return KEPT


@dataclass(frozen=True, slots=True)
class Reports:
    """The report as a night wrote it, and one from a release with scripts planted in all of its texts."""

    team: Path
    planted: Path
    planted_columns: int


class _Silent:
    """Progress that nobody watches."""

    def landed(self, event: object) -> None:
        """Nothing to show."""


@pytest.fixture(scope="session")
def reports(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """Two nights on the demo servers, so that there is a history; the servers' resources hold scripts."""
    folder = tmp_path_factory.mktemp("study")
    with _server("a", "R4") as a, _server("b", "R5") as b:
        settings = load_settings(prepare(folder, {"a": a.url, "b": b.url}))
        night = Night(settings, _now, _Silent(), lambda: False)
        sync_night(night)
        refresh_night(night)
        refresh_night(night)
        team = report_night(night)
    file = folder / "planted.html"
    columns = plant_in_release(current_release(settings.warehouse_folder) / MART_FILE, folder / MART_FILE)
    with open_mart(settings.warehouse_folder) as mart:
        facts = report_facts(settings, mart, _now(), TEAM)
    named = replace(
        facts,
        study=f"{facts.study} {CANARY}",
        centers=[replace(center, name=f"{center.name} {CANARY}") for center in facts.centers],
        codes=[replace(code, code=f"{code.code} {CANARY}") for code in facts.codes],
    )
    with open_release(folder / MART_FILE) as mart:
        file.write_text(render(mart, named), encoding="utf-8")
    return Reports(team, file, columns)


def _server(center_id: str, fhir_version: str) -> DemoServer:
    """The demo's server of one center, its resources with a script behind every string people read."""
    server = DemoServer(fhir_version, _now)
    resources = [planted(resource) for resource in stock(center_id).valid]
    assert CANARY in str(resources)
    server.load(resources, _now() - dt.timedelta(days=1))
    return server


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
