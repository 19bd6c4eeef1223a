import datetime as dt
import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from outcomes_testbed import RUN, empty_core, fill_core

from mappings.errors import WarehouseError
from mappings.terminology import MappedCode
from outcomes.disclosure import TEAM, Audience, shared_audience
from outcomes.metric import load_metrics
from outcomes.publication import load_publications
from outcomes.refresh import refresh
from outcomes.report.facts import CenterFacts, ReportFacts, read_published
from outcomes.report.page import render, write_private, write_report
from outcomes.report.parts import Definition, Table, groups
from outcomes.report.sections import further, sections
from outcomes.results import Results
from tests.properties.failing_files import FailingDisk, refuses
from warehouse.connection import Warehouse
from warehouse.mart import Mart, open_mart
from warehouse.publish import PublishInput, publish

NOW = dt.datetime(2026, 11, 23, 2, 41, tzinfo=dt.UTC)
CANARY = "<script>alert(1)</script>"
VOID = {"meta", "br", "hr", "img", "input", "link"}
SECTIONS = (
    "summary", "flow", "patients", "lesions", "pain", "control", "safety", "centers", "quality", "history",
    "publication", "definitions", "rules", "figures", "codes", "reporting", "software",
)  # fmt: skip
FACTS = ReportFacts(
    study="Cryoablation of spinal metastases",
    data_lock=dt.date(2021, 6, 30),
    version="0.1.0",
    release=1,
    generated_at=NOW,
    centers=(
        CenterFacts(
            center_id="a",
            name="Center A",
            fhir_version="R4",
            read_at=NOW,
            is_complete=True,
            key_fingerprint="0a1b",
        ),
        CenterFacts(
            center_id="b",
            name="Center B",
            fhir_version="R5",
            read_at=None,
            is_complete=False,
            key_fingerprint="2c3d",
        ),
    ),
    is_synthetic=True,
    audience=TEAM,
    config_fingerprint="f" * 64,
    codes=(MappedCode("a", "http:--snomed", "26782000", "procedure", "cryoablation", ""),),
    publications=load_publications(Path("config/publications")),
)


class Page(HTMLParser):
    """Checks that tags balance and collects ids, anchors, headings and cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")]
        self.ids.extend(value for name, value in attrs if name == "id" and value)
        self.targets.extend(v for n, v in attrs if n in ("href", "src", "xlink:href") and v)
        for name in ("aria-labelledby", "aria-describedby"):
            self.targets.extend(f"#{target}" for target in (found.get(name) or "").split())
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def has_row(self, *cells: str) -> bool:
        return any(row[: len(cells)] == list(cells) for row in self.rows)


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mart]:
    folder = tmp_path_factory.mktemp("mart")
    with Warehouse.open(folder) as warehouse:
        with warehouse.transaction() as tx:
            fill_core(tx)
            tx.execute(
                "UPDATE core.patient SET primary_concept = ? WHERE primary_concept = 'liver'", [CANARY]
            )
            refresh(tx, RUN)
        keys = {"a": b"a" * 32, "b": b"b" * 32}
        publish(warehouse, PublishInput(RUN, NOW, "test", keys, 3, {}))
    with open_mart(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def text(mart: Mart) -> str:
    return render(mart, FACTS)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_page_is_well_formed_and_its_ids_are_unique_and_resolved(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {target[1:] for target in page.targets if target.startswith("#")} <= set(page.ids)
    assert set(SECTIONS) <= set(page.ids)


def test_page_fetches_nothing_and_runs_nothing(text: str, page: Page) -> None:
    assert "script" not in page.tags
    assert all(target.startswith("#") for target in page.targets)
    assert not re.search(r"@import|url\((?!#)|\ssrc=", text)
    assert "default-src 'none'" in text


def test_texts_of_a_center_are_escaped(mart: Mart, text: str) -> None:
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    named = replace(FACTS, study=CANARY, centers=(replace(FACTS.centers[0], name=CANARY), FACTS.centers[1]))
    assert "<script" not in render(mart, named)


def test_every_metric_is_defined_with_its_sql_and_checksum(page: Page, text: str) -> None:
    for metric in load_metrics():
        assert f"metric-{metric.metric}" in page.ids
        file = (files("outcomes") / "metrics" / f"{metric.metric}.sql").read_text(encoding="utf-8")
        assert hashlib.sha256(file.encode()).hexdigest()[:12] in text
        assert f"#metric-{metric.metric}" in page.targets


# The lists of the appendix that define and are not defined: codes, guidelines, versions.
DEFINING = {"codes", "reporting", "software"}


@pytest.mark.parametrize("audience", [TEAM, shared_audience(5)], ids=lambda audience: audience.name)
def test_every_table_and_figure_leads_to_a_definition_with_its_file_and_version(
    mart: Mart, audience: Audience
) -> None:
    parts = [
        (section.anchor, part)
        for section in sections(read_published(mart, audience), FACTS, groups([("a", "A"), ("b", "B")]))
        for part in section.parts
    ]
    defined = {part.anchor: part for _, part in parts if isinstance(part, Definition)}
    assert all(part.file and re.search(r"version \d|cryocohort \d", part.facts) for part in defined.values())
    shown = [(a, p) for a, p in parts if a not in DEFINING and not isinstance(p, Definition)]
    assert len(shown) > 20
    for _, part in shown:
        assert {origin.anchor for origin in part.origins} <= defined.keys()
        if isinstance(part, Table) and not part.origins:
            # Lines of a category or a summary belong to the line above them.
            lines = [
                line for line in part.lines if not line.is_heading and line.tone not in ("part", "excluded")
            ]
            assert [line.cells[0] for line in lines if line.anchor not in defined] == []
        else:
            assert part.origins, part.caption


def test_the_rules_applied_are_printed_with_each_metric(text: str) -> None:
    assert "rules: baseline_from_day = -30; baseline_to_day = 0; last_from_day = 21" in text


def test_levels_and_regions_stand_in_the_order_of_the_spine(page: Page) -> None:
    levels = [row[0] for row in page.rows if row and re.fullmatch(r"[CTLS]\d+", row[0])]
    numbered = [("CTLS".index(level[0]), int(level[1:])) for level in dict.fromkeys(levels)]
    assert len(numbered) > 10
    assert numbered == sorted(numbered)
    regions = [row[0] for row in page.rows if row and row[0] in ("cervical", "thoracic", "lumbar", "sacral")]
    assert regions[:4] == ["cervical", "thoracic", "lumbar", "sacral"]


def test_a_table_tells_the_notes_of_what_it_shows_and_each_once(mart: Mart) -> None:
    published = read_published(mart, TEAM)
    shown = sections(published, FACTS, groups([("a", "A"), ("b", "B")]))
    notes = {p.caption: p.notes for s in shown for p in s.parts if isinstance(p, Table)}
    assert notes["The same figures under other assumptions (95% CI)"] == ()
    assert notes["Over time, by lesion (95% CI)"] == ()
    assert notes["Responders: fall from baseline (95% CI)"] == (
        "At least 30%, At least 50%: 1 of 64 without a value left out.",
    )
    assert (
        "24 hours: tested without the 6 of 64 pairs that did not change."
        in notes["Change from baseline, points"]
    )


def test_a_metric_without_a_place_of_its_own_still_appears(mart: Mart) -> None:
    published = read_published(mart, TEAM)
    added = published.metrics["lesions"].model_copy(update={"metric": "brand_new", "title": "Brand new"})
    counted = published.results.get("lesions", "count")
    assert counted is not None
    with_it = replace(
        published,
        metrics={**published.metrics, "brand_new": added},
        results=Results([*published.results, replace(counted, metric="brand_new")]),
    )
    centers = groups([("a", "A"), ("b", "B")])
    shown = sections(published, FACTS, centers)
    (section,) = further(with_it, [s for s in shown if s.anchor != "further"], centers)
    (table,) = section.parts
    assert isinstance(table, Table)
    cells = [line.cells for line in table.lines if line.anchor == "metric-brand_new"]
    assert cells == [("count", "105", "", "", "")]


def test_page_holds_no_key_of_a_patient_or_lesion(mart: Mart, text: str) -> None:
    keys = {row["key"] for row in mart.rows("SELECT patient_key AS key FROM core.patient")}
    keys |= {row["key"] for row in mart.rows("SELECT lesion_key AS key FROM core.lesion")}
    assert len(keys) == 74 + 105
    assert not [key for key in keys if key in text]


@pytest.mark.parametrize(
    ("first", "cells"),
    [
        ("Patients, n", ["74", "45", "29"]),
        ("female", ["35/74 (47.3%)", "25/45 (55.6%)", "10/29 (34.5%)"]),
        ("Completed cryoablations found", ["procedure", "113", "68", "45"]),
        ("excluded: another site", ["procedure", "6", "3", "3"]),
        ("Per lesion (95% CI)", ["9/105 (8.6%) 4.0 to 15.6"]),
        ("24 hours", ["64", "4.1 (2.4)", "4.0 (2.0 to 6.0)", "0 to 9"]),
        ("Lesions at risk", ["17", "10", "7"]),
        ("The same by patient, GEE (95% CI)", ["9.0% (4.6 to 17.1)"]),
        ("At least 50%", ["25/63 (39.7%) 28.5 to 52.0"]),
        ("Local progression, deaths censored", ["8.4%"]),
        ("24 hours", ["64", "\N{MINUS SIGN}2.72 (\N{MINUS SIGN}3.20 to \N{MINUS SIGN}2.24)"]),
        ("Complications per lesion (%)", ["8.5", "8.6", "+0.1", "known difference"]),
        ("score in range", ["convention", "violated", "2", "259"]),
        ("Center B", ["b", "R5", "never; the newest sync was incomplete"]),
        ("data lock", ["2021-06-30"]),
    ],
)
def test_figures_stand_in_their_rows(page: Page, first: str, cells: list[str]) -> None:
    assert page.has_row(first, *cells)


def test_checks_of_older_runs_are_not_shown(text: str) -> None:
    assert "older run" not in text


def test_banner_only_for_synthetic_data(mart: Mart, text: str) -> None:
    assert "Synthetic data" in text
    assert "Synthetic data" not in render(mart, replace(FACTS, is_synthetic=False))


def test_the_same_release_gives_the_same_bytes(mart: Mart, text: str) -> None:
    assert render(mart, FACTS) == text


def test_report_is_private_and_replaces_the_old_one(mart: Mart, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    assert write_report(mart, target, FACTS) == target
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_private(target, "broken \ud800")
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_whatever_write_fails_the_old_report_stays(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    failed = []
    for nth in range(1, 20):
        disk = FailingDisk(tmp_path, nth)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch)
            if not refuses(lambda: write_private(target, "new")):
                break
        failed.append(disk.failed)
        assert target.read_text(encoding="utf-8") == "old"
        assert list(tmp_path.iterdir()) == [target]
    assert failed == ["open", "write", "fsync", "replace"]
    assert target.read_text(encoding="utf-8") == "new"


def test_an_empty_cohort_still_gives_a_report(warehouse: Warehouse) -> None:
    with warehouse.transaction() as tx:
        empty_core(tx)
        refresh(tx, RUN)
    page = Page(render(warehouse, FACTS))
    assert page.open == []
    assert page.has_row("Patients, n", "0")


def test_a_release_without_results_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="no results"):
        render(warehouse, FACTS)


@pytest.fixture(scope="module")
def shared(mart: Mart) -> str:
    return render(mart, replace(FACTS, audience=shared_audience(5)))


def test_a_shared_report_shows_no_small_count_and_nothing_that_gives_one_away(shared: str) -> None:
    page = Page(shared)
    assert page.open == []
    assert page.has_row("Patients, n", "74", "45", "29")
    assert page.has_row("Major, per lesion (95% CI)", "*", "*", "*")
    # 9 complications in all: 7 minor ones would tell the 2 major ones.
    assert page.has_row("Minor, per lesion (95% CI)", "*", "*", "*")
    counts = [cell for row in page.rows for cell in row[1:] if re.fullmatch(r"[1-4]/\d+ .*", cell)]
    assert counts == []


def test_a_shared_report_has_no_dots_no_listing_and_no_history(text: str, shared: str) -> None:
    assert "Each dot is a patient" in text
    assert "Each dot is a patient" not in shared
    assert "Listing, for the study team" in text
    assert "Listing, for the study team" not in shared
    assert "history" in Page(text).ids
    assert "history" not in Page(shared).ids
    assert "Lesions at risk</text>" not in shared


def test_the_figures_of_a_shared_report_hide_the_same(mart: Mart) -> None:
    results = [*read_published(mart, shared_audience(5)).results]
    assert {r.value for r in results if r.metric == "complications_major"} == {None}
    assert not [r for r in results if r.numerator in (1, 2, 3, 4)]
    # A pooled share and a difference between centers would give the hidden counts of the centers away.
    compared = [r for r in results if r.metric == "responders_1m" and r.statistic.startswith("difference[")]
    assert [r.value for r in compared] == [None] * 3


def test_curves_that_may_not_be_shown_are_left_out(mart: Mart) -> None:
    strict = render(mart, replace(FACTS, audience=shared_audience(100)))
    assert "Time to local progression</title>" not in strict
    assert Page(strict).open == []
