"""Core: what a center writes into an element with a fixed list of codes never reaches a core table."""

import pytest
from core_testbed import Bed, core_files

INDEX = "2020-03-10"
WRITTEN = "see Jane Doe"
CORE_TABLES = sorted(table for table in core_files() if table.startswith("core."))


@pytest.mark.parametrize(
    ("gender", "sex"),
    [
        *((code, code) for code in ("female", "male", "other", "unknown")),
        (WRITTEN, "unknown"),
        ("F", "unknown"),
        ("", "unknown"),
        (None, None),
    ],
)
def test_a_sex_outside_the_value_set_is_unknown(gender: str | None, sex: str | None) -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.rows_to_insert["flat.patient"] = []
    bed.patient(gender=gender)
    bed.build()
    assert bed.column("SELECT sex FROM core.patient") == [sex]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("registered", "status registered"),
        ("cancelled", "status cancelled"),
        ("unknown", "status unknown"),
        (WRITTEN, "status other"),
        ("Final", "status other"),
        ("", "status other"),
        (None, "status missing"),
    ],
)
def test_an_observation_status_outside_the_value_set_is_other(status: str | None, reason: str) -> None:
    bed = Bed()
    bed.treated(day=INDEX)
    bed.score("o1", 7, "2020-03-09", status=status)
    bed.assessment("o2", "controlled", "2020-09-10", focus=["Condition/c-p1"], status=status)
    bed.build()
    assert bed.column("SELECT exclusion_reason FROM core.pain_score") == [reason]
    assert bed.column("SELECT exclusion_reason FROM core.local_control") == [reason]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("preparation", "status preparation"),
        ("on-hold", "status on-hold"),
        ("unknown", "status unknown"),
        (WRITTEN, "status other"),
        ("Completed", "status other"),
        ("", "status other"),
    ],
)
def test_a_procedure_status_outside_the_value_set_is_other(status: str, reason: str) -> None:
    bed = Bed()
    bed.treated(day=INDEX, status=status)
    bed.build()
    assert bed.column("SELECT exclusion_reason FROM flat.ablation") == [reason]
    assert bed.column("SELECT reason FROM core.flow WHERE step = 'completed'") == [reason]


@pytest.fixture(scope="module")
def written_bed() -> Bed:
    """A cohort whose coded elements have the same free text, beside resources that are right."""
    bed = Bed()
    codes = {"intent": ["intent:curative"], "complication": [f"urn:x|{WRITTEN}"]}
    bed.treated("p1", day=INDEX, codes=codes)
    bed.rows_to_insert["flat.patient"] = []
    bed.patient("p1", gender=WRITTEN, deceased_text=WRITTEN)
    bed.link("p9", "replaced-by", "p1")
    bed.link("p8", WRITTEN, "p1")
    bed.cryoablation("x2", "c-p1", status=WRITTEN)
    bed.score("o1", 7, "2020-03-09")
    bed.score("o2", 7, "2020-03-09", status=WRITTEN)
    bed.score("o3", 7, WRITTEN, value_unit=WRITTEN, value_comparator=WRITTEN)
    bed.score("o4", 7, "2020-03-09", value_unit_code=WRITTEN)
    bed.assessment("a1", "controlled", "2020-09-10", focus=["Condition/c-p1"])
    bed.assessment("a2", "controlled", "2020-09-10", focus=["Condition/c-p1"], status=WRITTEN)
    event = {"event": [f"urn:x|{WRITTEN}"], "grade": [f"urn:x|{WRITTEN}"]}
    bed.adverse_event("e1", day="2020-03-11", codes=event, status=WRITTEN)
    bed.adverse_event("e2", day="2020-03-11", codes=event, actuality=WRITTEN)
    pain = {"code": ["painful:pain_in_spine"], "body_site": [f"text|{WRITTEN}"]}
    bed.condition("c9", codes=pain, clinical_status=WRITTEN, verification_status=WRITTEN, onset_text=WRITTEN)
    return bed.build()


@pytest.mark.parametrize("table", CORE_TABLES)
def test_no_core_table_has_free_text(written_bed: Bed, table: str) -> None:
    rows = written_bed.rows(f"SELECT * FROM {table}")  # noqa: S608 - a core table's name
    assert rows
    assert not [row for row in rows if any(WRITTEN in str(value) for value in row.values())]
