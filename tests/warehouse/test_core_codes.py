"""Core: codes, dates and spinal sites as the rest of the core reads them."""

import re
from datetime import date, datetime

import pytest
from core_testbed import Bed, core_files


def test_every_core_table_is_described_and_its_needs_are_what_it_reads() -> None:
    outside = {need for file in core_files().values() for need in file.header.needs} - set(core_files())
    assert [need for need in outside if need.startswith("core.")] == ["core.rule"]
    for file in core_files().values():
        read = set(re.findall(r"(?:FROM|JOIN) ((?:flat|core|ops)\.\w+)", file.body))
        assert read == set(file.header.needs), f"{file.name}: needs and body differ"


def test_every_core_table_can_be_made_of_nothing_and_has_its_columns_and_key() -> None:
    bed = Bed().build()
    bed.make(*core_files())
    assert bed.made == set(core_files())


def test_a_code_is_found_through_a_system_alias_and_only_in_its_own_center() -> None:
    bed = Bed()
    bed.add("ops.system_alias", alias="urn:oid:9.9", system="urn:test:procedure")
    bed.procedure("x1", codes={"code": ["urn:oid:9.9|cementoplasty"]})
    bed.coding("procedure:cementoplasty")
    other = Bed(center="b", rows_to_insert=bed.rows_to_insert)
    other.procedure("x1", codes={"code": ["urn:oid:9.9|cementoplasty"]})
    bed.build()
    assert bed.column("SELECT resource_key FROM flat.concept") == ["a/x1"]


def test_the_same_coding_twice_gives_one_concept() -> None:
    bed = Bed()
    bed.procedure("x1", codes={"code": ["procedure:cementoplasty", "procedure:cementoplasty"]})
    bed.build()
    assert bed.column("SELECT concept FROM flat.concept") == ["cementoplasty"]


@pytest.mark.parametrize("spelling", ["T8", "t8", " T 8 ", "BWK 8", "bwk\t8"])
def test_body_site_texts_are_compared_without_blanks_and_case(spelling: str) -> None:
    bed = Bed()
    for text in ("T8", "BWK 8"):
        bed.add(
            "ops.code_map",
            center_id="a",
            system="text",
            code=text,
            code_set="level",
            concept="T8",
            requires="",
        )
    bed.procedure("x1", codes={"body_site": [f"text|{spelling}"]})
    bed.build()
    assert bed.column("SELECT site FROM flat.spine_site") == ["T8"]


@pytest.mark.parametrize(
    ("text", "day", "instant", "latest", "precision"),
    [
        ("2020", None, None, date(2020, 12, 31), "year"),
        ("2020-02", None, None, date(2020, 2, 29), "month"),
        ("2020-02-29", date(2020, 2, 29), None, date(2020, 2, 29), "day"),
        ("2020-02-29T10:00:00", date(2020, 2, 29), None, date(2020, 2, 29), "local_time"),
        (
            "2020-03-01T00:30:00+02:00",
            date(2020, 3, 1),
            datetime.fromisoformat("2020-02-29T22:30"),
            date(2020, 3, 1),
            "instant",
        ),
        (
            "2020-03-01T23:30:00.250-06:00",
            date(2020, 3, 1),
            datetime.fromisoformat("2020-03-02T05:30:00.250"),
            date(2020, 3, 1),
            "instant",
        ),
        (
            "2020-03-01T08:15Z",
            date(2020, 3, 1),
            datetime.fromisoformat("2020-03-01T08:15"),
            date(2020, 3, 1),
            "instant",
        ),
        ("2020-03-01T24:00:00Z", date(2020, 3, 1), None, date(2020, 3, 1), "local_time"),
        ("2016-12-31T23:59:60Z", date(2016, 12, 31), None, date(2016, 12, 31), "local_time"),
        ("2021-02-29", None, None, None, "invalid"),
        ("2020-13", None, None, None, "invalid"),
        ("soon", None, None, None, "invalid"),
        ("", None, None, None, "invalid"),
    ],
)
def test_a_date_keeps_its_day_its_instant_and_its_precision(
    text: str, day: date | None, instant: datetime | None, latest: date | None, precision: str
) -> None:
    bed = Bed()
    bed.condition("c1", codes={}, onset_text=text)
    bed.connection.execute("SET TimeZone = 'America/Chicago'")
    bed.build()
    assert bed.rows("SELECT dated_date, dated_at, latest_date, dated_precision FROM flat.dated") == [
        {"dated_date": day, "dated_at": instant, "latest_date": latest, "dated_precision": precision}
    ]
    earliest = {"2020": date(2020, 1, 1), "2020-02": date(2020, 2, 1)}.get(text, day)
    assert bed.column("SELECT earliest_date FROM flat.dated") == [earliest]


@pytest.mark.parametrize(
    ("sites", "level", "region"),
    [
        (["level:T8"], "T8", "thoracic"),
        (["level:T10", "level:T9"], "T9+T10", "thoracic"),
        (["level:L1", "level:T12"], "T12+L1", "thoracic+lumbar"),
        (["level:C7"], "C7", "cervical"),
        (["level:S2"], "S2", "sacral"),
        (["level:T8", "region:thoracic"], "T8", "thoracic"),
        (["level:T8", "region:spine"], "T8", "thoracic"),
        (["region:lumbar", "region:spine"], None, "lumbar"),
        (["region:spine"], None, "spine"),
    ],
)
def test_a_level_set_reads_from_the_head_down(sites: list[str], level: str | None, region: str) -> None:
    bed = Bed()
    bed.condition("c1", codes={"body_site": sites})
    bed.build()
    assert bed.rows("SELECT level, region FROM flat.site_set") == [{"level": level, "region": region}]
