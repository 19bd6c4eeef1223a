"""Every quality check finds a planted violation, and nothing in clean data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core_testbed import TABLES, Bed

from warehouse.sqlfile import CheckHeader, SqlFile, read_sql_file

PATHS = sorted((Path(__file__).parents[2] / "warehouse" / "checks").glob("*.sql"))
Plant = Callable[[Bed], None]
# Read by checks alone, which is why the bed of the core tables lacks them.
TABLES["ops.code_coverage"] = (
    "center_id TEXT, resource_type TEXT, element TEXT, codings BIGINT, mapped_codings BIGINT,"
    " mapped_share DOUBLE"
)
TABLES["ops.run"] = "run_id INTEGER, kind TEXT, started_at TIMESTAMP"
TABLES["ops.cohort_member"] = "center_id TEXT, patient_id TEXT, run_id INTEGER"
TABLES["outcomes.metric_result"] = 'run_id INTEGER, metric TEXT, "group" TEXT, statistic TEXT, value DOUBLE'
DEFECTS_OF_THE_BUILD = {"core_keys_unresolved"}
INDEX = "2020-03-10"
RIB = {"body_site": ["urn:x|rib"]}
EVENT = {"event": ["complication:fracture"]}


def clean_bed() -> Bed:
    """A patient of whom everything is known and right."""
    bed = Bed()
    bed.treated(day=INDEX, codes={"intent": ["intent:curative"]})
    for name, value, day in (("o1", 7, "2020-03-09"), ("o2", 3, "2020-03-11"), ("o3", 0, "2020-04-09")):
        bed.score(name, value, day)
    bed.assessment("a1", "controlled", "2020-09-10", focus=["Condition/c-p1"])
    bed.adverse_event("e1", day="2020-03-11", codes=EVENT | {"grade": ["cirse_grade:1"]})
    bed.add("ops.head", center_id="a", resource_type="Patient", resource_id="p1", content_hash="h")
    bed.add("ops.run", run_id=1, kind="sync", started_at="2021-06-30 02:00:00")
    bed.add("ops.cohort_member", center_id="a", patient_id="p1", run_id=1)
    _count(bed, 2, "patients", 10)
    _count(bed, 4, "patients", 10)
    return bed


def _count(bed: Bed, run_id: int, metric: str, value: float) -> None:
    found = {"metric": metric, "group": "center=a", "statistic": "count", "value": value}
    bed.add("outcomes.metric_result", run_id=run_id, **{f'"{name}"': each for name, each in found.items()})


def _empty(bed: Bed) -> None:
    bed.rows_to_insert = {"ops.code_map": bed.rows_to_insert["ops.code_map"]}


def _second_patient(bed: Bed) -> None:
    bed.treated("p2", codes={"intent": ["intent:curative"]})
    bed.condition("pain", patient="p2", codes={"code": ["painful:pain_in_spine"]}, onset_text="2019")


def _replaced_patient(**columns: Any) -> Plant:
    def plant(bed: Bed) -> None:
        bed.rows_to_insert["flat.patient"].clear()
        bed.patient(**columns)

    return plant


def _second_patient_scored_on_the_day(bed: Bed) -> None:
    _second_patient(bed)
    bed.score("o9", 5, INDEX, patient="p2")


def _seen_after_death(bed: Bed) -> None:
    _replaced_patient(deceased_text="2020-10-01")(bed)
    bed.score("o9", 5, "2020-10-02")
    bed.assessment("a2", "controlled", "2020-10-02", focus=["Condition/c-p1"])


def _quarantined(bed: Bed) -> None:
    bed.add(
        "ops.quarantine", center_id="a", resource_type="Patient", resource_id="p9", rule="gate", is_open=True
    )


def _no_body_site(bed: Bed) -> None:
    bed.metastasis("c2")
    bed.cryoablation("x2", "c2", codes={"intent": ["intent:curative"]})


def _codes_changed(bed: Bed) -> None:
    """Body sites that mostly mean nothing, and findings that need not mean anything."""
    for element, share in (("body_site", 0.79), ("used", 0.1), ("code", 0.5)):
        bed.add(
            "ops.code_coverage",
            center_id="a",
            resource_type="Procedure",
            element=element,
            codings=100,
            mapped_codings=round(100 * share),
            mapped_share=share,
        )


def _volume_dropped(bed: Bed) -> None:
    """Fewer lesions than in the run before; as many patients; a first complication."""
    for run_id, lesions in ((2, 20), (4, 17)):
        _count(bed, run_id, "lesions", lesions)
    _count(bed, 4, "complications", 1)


def _scored_in_a_later_sync(bed: Bed) -> None:
    """An old score and a fresh one arrive by the second sync, and a patient whom nobody had read before."""
    bed.add("ops.run", run_id=3, kind="sync", started_at="2021-07-01 02:00:00")
    bed.score("o8", 5, "2020-05-01", run_id=3)
    bed.score("o9", 5, "2020-12-24", run_id=3)
    bed.treated("p2", codes={"intent": ["intent:curative"]}, run_id=3)
    bed.add("ops.cohort_member", center_id="a", patient_id="p2", run_id=3)


def _whole_and_part(bed: Bed) -> None:
    """T8 again, now as a part of T8+T9 in a session of its own."""
    bed.metastasis("c2", "T8", "T9")
    bed.cryoablation("x2", "c2", day="2020-06-10", codes={"intent": ["intent:curative"]})


def _named_nowhere(bed: Bed) -> None:
    """A score whose patient the build lost."""
    bed.make("core.pain_score")
    bed.connection.execute("UPDATE core.pain_score SET patient_key = 'a/lost' WHERE pain_score_key = 'a/o3'")


PLANTS: dict[str, Plant] = {
    "adverse_event_status": lambda bed: bed.adverse_event(
        "e2", day="2020-12-01", codes=EVENT, actuality="perhaps"
    ),
    "age_out_of_range": _replaced_patient(birth_text="2010-06-15"),
    "blank_strings": lambda bed: bed.condition("c2", codes={"code": ["urn:x| "]}),
    "center_volume_drop": _volume_dropped,
    "condition_status": lambda bed: bed.condition("c2", codes={}, clinical_status="cured"),
    "core_keys_unresolved": _named_nowhere,
    "date_in_future": lambda bed: bed.score("o9", 5, "2021-07-02"),
    "date_order": lambda bed: bed.procedure("x2", codes={}, performed_end_text="2020-03-09T09:00:00Z"),
    "duplicate_lesions": _whole_and_part,
    "late_changes": _scored_in_a_later_sync,
    "ablation_outside_spine": lambda bed: bed.cryoablation("x2", codes=RIB),
    "ablation_without_date": lambda bed: bed.cryoablation("x2", "c-p1", day="2020-03"),
    "age_unknown": _replaced_patient(birth_text="1950"),
    "baseline_assumed": _second_patient_scored_on_the_day,
    "baseline_missing": _second_patient,
    "center_without_cohort": lambda bed: bed.add(
        "ops.code_map", center_id="b", system="s", code="c", code_set="s"
    ),
    "code_coverage": _codes_changed,
    "complication_not_linked": lambda bed: bed.adverse_event("e2", day="2020-12-01", codes=EVENT),
    "complication_without_grade": lambda bed: bed.adverse_event("e2", day="2020-03-20", codes=EVENT),
    "date_unreadable": lambda bed: bed.score("o9", 5, "soon"),
    "disease_status_without_lesion": lambda bed: bed.assessment("a2", "controlled", "2020-09-10"),
    "duplicate_heads": lambda bed: bed.add(
        "ops.head", center_id="a", resource_type="Patient", resource_id="p1"
    ),
    "duplicate_keys": lambda bed: bed.patient("p1"),
    "entered_in_error": lambda bed: bed.score("o9", 5, INDEX, status="entered-in-error"),
    "lesion_without_intent": lambda bed: bed.treated("p2"),
    "lesion_without_level": _no_body_site,
    "metastasis_not_confirmed": lambda bed: bed.cryoablation(
        "x2", patient="p2", codes={"body_site": ["level:T8"]}
    ),
    "no_cohort": _empty,
    "observation_after_death": _seen_after_death,
    "observation_before_birth": lambda bed: bed.score("o9", 5, "1949"),
    "observation_status": lambda bed: bed.score("o9", 5, INDEX, status="done"),
    "other_ablation_of_vertebra": lambda bed: bed.procedure(
        "x2", codes={"code": ["procedure:other_ablation"], "body_site": ["level:T8"]}
    ),
    "pain_score_other_scale": lambda bed: bed.observation(
        "o9", day=INDEX, codes={"code": ["pain_score:vas"]}
    ),
    "pain_score_out_of_range": lambda bed: bed.score("o9", 11, INDEX),
    "pain_score_unit": lambda bed: bed.score("o9", 70, INDEX, value_unit_code="mm"),
    "pain_score_without_day": lambda bed: bed.score("o9", 5, "2020-03"),
    "pain_score_without_value": lambda bed: bed.score("o9", 5, INDEX, value_comparator="<"),
    "pain_scales_conflict": lambda bed: bed.observation(
        "o9", day=INDEX, codes={"code": ["pain_score:vas", "pain_score:nprs"]}, value_integer=5
    ),
    "pain_scores_same_day": lambda bed: bed.score("o9", 5, "2020-03-09"),
    "patient_gender": _replaced_patient(gender="F"),
    "patient_links": lambda bed: bed.link("p1", "replaced-by", "p2"),
    "patient_unresolved": lambda bed: bed.metastasis("c2", "T8", patient="elsewhere"),
    "procedure_not_completed": lambda bed: bed.cryoablation("x2", "c-p1", status="not-done"),
    "procedure_status": lambda bed: bed.cryoablation("x2", "c-p1", status="done"),
    "quarantine_open": _quarantined,
    "reference_unresolved": lambda bed: bed.add(
        "flat.procedure_reference", center_id="a", procedure_key="a/x-p1", element="reason"
    ),
    "treatment_after_death": _replaced_patient(deceased_text="2020-03-09"),
    "unmapped_codes": lambda bed: bed.add("ops.unmapped", center_id="a", resource_type="Condition", code="c"),
    "vertebral_procedure_to_review": lambda bed: bed.procedure(
        "x2", codes={"code": ["urn:x|local"], "body_site": ["level:T8"]}
    ),
}


def violations(bed: Bed, check: SqlFile[CheckHeader]) -> int:
    """Violating rows of a built bed; also that they name their center and stay below the denominator."""
    [looked_at] = bed.column(check.header.denominator)
    rows = bed.rows(check.body)
    assert all(next(iter(row)) == "center_id" and row["center_id"] for row in rows)
    assert len(rows) <= looked_at
    return len(rows)


@pytest.fixture(scope="module")
def clean() -> Bed:
    return clean_bed().build()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_check_is_silent_on_clean_data_and_finds_what_is_planted(path: Path, clean: Bed) -> None:
    check = read_sql_file(path, CheckHeader)
    assert check.header.check == path.stem
    assert violations(clean, check) == 0
    bed = clean_bed()
    if path.stem in DEFECTS_OF_THE_BUILD:
        bed.build()
        PLANTS[path.stem](bed)
    else:
        PLANTS[path.stem](bed)
        bed.build()
    assert violations(bed, check) == (2 if path.stem == "observation_after_death" else 1)


def test_every_planted_violation_has_its_check() -> None:
    assert sorted(PLANTS) == [path.stem for path in PATHS]


def test_what_makes_a_release_worthless_is_fatal() -> None:
    fatal = [path.stem for path in PATHS if read_sql_file(path, CheckHeader).header.severity == "fatal"]
    assert fatal == ["core_keys_unresolved", "duplicate_heads", "duplicate_keys", "no_cohort"]
