"""The status page of `serve` as Chromium shows it: healthy, not healthy, on a phone and in the dark."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from mappings.errors import IncompleteError
from service.configuration import load_settings
from service.demo.server import demo_servers
from service.demo.workplace import prepare
from service.refresh import refresh_night
from service.run import Night
from service.status_page import status_page
from service.sync import sync_night
from tests.browser.chromium import Browser
from tests.browser.test_report_in_browser import AXE

pytestmark = pytest.mark.browser


class _Silent:
    """Progress that nobody watches."""

    def landed(self, event: object) -> None:
        """Nothing to show."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Pages:
    """The page after a good night, and that of a study whose center b is dead."""

    good: str
    bad: str


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    good, bad = tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("bad")
    with demo_servers(_now) as servers:
        night = _night(good, servers.urls)
        sync_night(night)
        refresh_night(night)
        broken = _night(bad, {"a": servers.urls["a"], "b": "http://127.0.0.1:9/fhir"})
        with pytest.raises(IncompleteError):
            sync_night(broken)
    with status_page(night.settings, _now) as shown, status_page(broken.settings, _now) as told:
        yield Pages(shown, told)


def _night(folder: Path, urls: dict[str, str]) -> Night:
    config = prepare(folder, urls)
    path = config / "cryocohort.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('listen = "127.0.0.1:8642"', 'listen = "127.0.0.1:0"'), encoding="utf-8")
    return Night(load_settings(config), _now, _Silent(), lambda: False)


def test_a_good_night_is_healthy(browser: Browser, pages: Pages) -> None:
    browser.open(pages.good, width=1280)
    assert browser.run("return document.querySelector('.state').textContent") == "Healthy"
    rows = browser.run("return [...document.querySelectorAll('table')].map(t => t.tBodies[0].rows.length)")
    assert rows[:2] == [2, 2]  # two centers, two runs


def test_a_dead_center_is_told_with_its_reason(browser: Browser, pages: Pages) -> None:
    browser.open(pages.bad, width=1280)
    assert browser.run("return document.querySelector('.state').textContent") == "Not healthy"
    text = browser.run("return document.body.innerText")
    assert "incomplete" in text
    assert "Center b" in text or "center b" in text


@pytest.mark.parametrize("width", [390, 1280])
def test_only_the_page_and_its_style_are_fetched_and_nothing_is_logged(
    browser: Browser, pages: Pages, width: int
) -> None:
    browser.open(pages.good, width=width)
    assert browser.console() == []
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [pages.good, f"{pages.good}status.css"]
    shown, whole = browser.run("const r = document.documentElement; return [r.clientWidth, r.scrollWidth]")
    assert shown == whole


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", ["good", "bad"])
def test_everybody_can_read_it(
    browser: Browser, pages: Pages, axe: str, kept: Path, state: str, theme: Literal["light", "dark"]
) -> None:
    browser.open(getattr(pages, state), width=1280, theme=theme)
    browser.screenshot(kept / f"status-{state}-{theme}.png")
    browser.run(axe)
    found: dict[str, Any] = browser.run_async(AXE)
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found["violations"]] == []
