"""The report as Chromium shows it: complete, silent, readable on a phone, in the dark and on paper."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.browser.chromium import Browser, is_outside
from tests.browser.conftest import Reports
from tests.browser.planted import CANARY

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
SECTIONS = (
    "summary", "flow", "patients", "lesions", "pain", "control", "safety", "centers", "quality", "history",
    "publication", "definitions", "rules", "figures", "codes", "reporting", "software",
)  # fmt: skip
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')]
  .filter(e => e.getClientRects().length && !e.closest('.wide, pre, svg'))
  .filter(e => e.getBoundingClientRect().right > wide + 1)
  .map(e => e.tagName + '.' + e.className);
"""
# Closed parts are opened, to be looked at as well: of many alike the first, since axe takes its time.
OPEN = """
for (const section of document.querySelectorAll('section:not(#figures)')) {
  section.querySelector('details')?.setAttribute('open', '');
}
"""
OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.setAttribute('open', ''))"
# 210 mm less the margins that the style names, in CSS pixels.
A4_WIDTH = round((210 - 2 * 14) / 25.4 * 96)
CUT = """
const page = document.documentElement.clientWidth;
return [...document.querySelectorAll('.wide')].filter(box => box.getClientRects().length)
  .filter(box => box.scrollWidth > box.clientWidth || box.querySelector('table').offsetWidth > page)
  .map(box => box.getAttribute('aria-label'));
"""
# Tables and figures without a link to a definition that has a file and its checksum.
UNDEFINED = """
const defining = '#definitions, #codes, #reporting, #software';
const leads = a => document.getElementById(a.getAttribute('href').slice(1))?.matches('.definition:has(pre)');
return [...document.querySelectorAll('figure, .wide')].filter(e => !e.closest(defining)).filter(e => {
  const own = [...e.querySelectorAll('a')];
  let next = (e.closest('details') ?? e).nextElementSibling;
  while (next?.matches('.note')) { own.push(...next.querySelectorAll('a')); next = next.nextElementSibling; }
  return !own.some(leads);
}).map(e => e.getAttribute('aria-label') ?? e.querySelector('title').textContent);
"""
AXE = "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
TEXT_SIZES = """
return [...document.querySelectorAll('figure svg text')].filter(t => t.getClientRects().length).map(t => {
  const m = t.getScreenCTM();
  return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(m.a, m.b);
})
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_is_shown(browser: Browser, reports: Reports, width: int) -> None:
    browser.open(reports.team, width=width)
    heights = browser.run(
        "return Object.fromEntries([...document.querySelectorAll('main section')]"
        ".map(s => [s.id, s.getBoundingClientRect().height]))"
    )
    assert set(SECTIONS) <= set(heights)
    assert min(heights.values()) > 60


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_logged_and_nothing_is_fetched(browser: Browser, reports: Reports, width: int) -> None:
    browser.open(reports.team, width=width)
    assert browser.console() == []
    assert browser.requests() == [reports.team.as_uri()]


def test_a_page_that_would_fetch_and_log_is_noticed(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    loud = "<script>console.log('here')</script><img src='http://127.0.0.1:9/x.png'>"
    page.write_text(loud, encoding="utf-8")
    browser.open(page, width=390)
    assert any("here" in message for message in browser.console())
    assert any(is_outside(url) for url in browser.requests())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_does_not_scroll_sideways(browser: Browser, reports: Reports, width: int) -> None:
    browser.open(reports.team, width=width)
    shown, whole = browser.run("const r = document.documentElement; return [r.clientWidth, r.scrollWidth]")
    # A scroll bar at the side takes a few pixels of the width.
    assert width - 20 <= shown <= width
    assert whole == shown
    assert browser.run(OVERFLOWING) == []


def test_every_table_fits_its_place_on_a_page(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=1280)
    browser.run(OPEN_ALL)
    assert browser.run("return document.querySelectorAll('.wide').length") > 25
    assert browser.run(CUT) == []


def test_every_table_fits_on_a4(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=A4_WIDTH, media="print")
    assert browser.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.run("return document.querySelectorAll('table').length") > 20
    assert browser.run(CUT) == []


def test_a_table_that_is_cut_is_noticed(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=A4_WIDTH, media="print")
    browser.run("document.querySelector('#pain td:last-child').textContent = 'wide'.repeat(60)")
    assert browser.run(CUT) == ["Numerical pain rating scale, painful patients"]


def test_every_table_and_figure_leads_to_its_definition(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=1280)
    browser.run(OPEN_ALL)
    assert browser.run(UNDEFINED) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(
    browser: Browser, reports: Reports, axe: str, width: int, theme: Literal["light", "dark"]
) -> None:
    browser.open(reports.team, width=width, theme=theme)
    browser.run(OPEN)
    browser.run(axe)
    found: dict[str, Any] = browser.run_async(AXE)
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found["violations"]] == []


def test_axe_finds_a_planted_violation(browser: Browser, reports: Reports, axe: str) -> None:
    browser.open(reports.team, width=1280)
    browser.run("document.querySelector('.lead').style.color = '#dddddd'")
    browser.run(
        "document.querySelectorAll('figure svg').forEach(s => {"
        "  s.removeAttribute('aria-labelledby');"
        "  s.querySelectorAll('title, desc').forEach(t => t.remove()) })"
    )
    browser.run(axe)
    assert {"color-contrast", "svg-img-alt"} <= {v["id"] for v in browser.run_async(AXE)["violations"]}


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_has_a_title_and_a_description_and_one_of_its_two_widths_is_shown(
    browser: Browser, reports: Reports, width: int
) -> None:
    browser.open(reports.team, width=width)
    figures = browser.run(
        "return [...document.querySelectorAll('figure')].map(f => [...f.querySelectorAll('svg')]"
        ".filter(s => s.getClientRects().length).map(s => [s.querySelector('title')?.textContent,"
        " s.querySelector('desc')?.textContent, s.getBoundingClientRect().width]))"
    )
    assert len(figures) >= 5
    for shown in figures:
        ((title, description, drawn),) = shown
        assert title
        assert len(description) > 30
        assert drawn <= width


def test_texts_in_figures_can_be_read_on_a_phone(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=390)
    sizes = browser.run(TEXT_SIZES)
    assert len(sizes) > 50
    assert min(sizes) >= 9


def test_figures_follow_the_theme(browser: Browser, reports: Reports) -> None:
    script = "return getComputedStyle(document.querySelector('figure svg text')).fill"
    fills = []
    for theme in ("light", "dark"):
        browser.open(reports.team, width=1280, theme="dark" if theme == "dark" else "light")
        fills.append(browser.run(script))
    assert fills[0] != fills[1]


def test_every_link_leads_to_a_part_of_the_same_file(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=1280)
    lost = browser.run(
        "return [...document.querySelectorAll('a[href]')].filter(a => !a.getAttribute('href').startsWith('#')"
        " || !document.getElementById(a.getAttribute('href').slice(1))).map(a => a.outerHTML)"
    )
    assert lost == []


def test_scripts_in_resources_never_reach_the_page(browser: Browser, reports: Reports) -> None:
    browser.open(reports.team, width=1280)
    assert browser.run("return document.scripts.length") == 0
    assert "onerror" not in reports.team.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_scripts_in_the_texts_of_a_release_stay_text(browser: Browser, reports: Reports, width: int) -> None:
    assert reports.planted_columns > 20
    browser.open(reports.planted, width=width)
    shown = browser.run("return document.documentElement.textContent").count(CANARY)
    assert shown > 100
    made = browser.run("return [document.scripts.length, document.images.length, document.title]")
    assert made[:2] == [0, 0]
    assert made[2].startswith("Percutaneous")
    assert browser.console() == []
    assert browser.requests() == [reports.planted.as_uri()]


def test_the_report_prints_on_a4(browser: Browser, reports: Reports, kept: Path) -> None:
    browser.open(reports.team, width=1280, theme="dark")
    printed = browser.pdf()
    (kept / "report.pdf").write_bytes(printed)
    boxes = re.findall(rb"/MediaBox ?\[([0-9. ]+)\]", printed)
    sizes = {tuple(round(float(side)) for side in box.split()[2:]) for box in boxes}
    assert sizes == {(595, 842)}
    pages = len(re.findall(rb"/Type ?/Page\b(?!s)", printed))
    assert 6 <= pages <= 36


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_screenshots_are_kept(
    browser: Browser, reports: Reports, kept: Path, width: int, theme: Literal["light", "dark"]
) -> None:
    target = kept / f"report-{width}-{theme}.png"
    browser.open(reports.team, width=width, theme=theme)
    browser.screenshot(target)
    assert target.read_bytes().startswith(b"\x89PNG")
