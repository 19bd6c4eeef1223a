"""The plan asks for the minimum: codes of the center, new patients whole, known ones from their watermark."""

import dataclasses
import datetime as dt

import pytest

from ingest.center import Center
from ingest.plan import COHORT, Ask, asks, cohort_task, patient_tasks
from ingest.resource_types import load_resource_types, parse_resource_file
from mappings.errors import ConfigError
from mappings.terminology import MappedCode
from tests.ingest.examples import CODE_MAP, LOCAL, SCT, center
from warehouse.land import Covered

BASE = "https://fhir.example.org/r4"
MARCH = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def place(**changes: object) -> Center:
    return center(BASE, patient_batch=2, **changes)


def ask_for(resource_type: str, step: str = "patient", code_map: list[MappedCode] = CODE_MAP) -> Ask:
    found = asks(place(), code_map, "cohort" if step == "cohort" else "patient")
    return {ask.resource_type.name: ask for ask in found}[resource_type]


def covered(ask: Ask, **watermarks: dt.datetime) -> dict[str, Covered]:
    return {key: Covered(key, ask.fingerprint, watermark) for key, watermark in watermarks.items()}


def test_the_cohort_step_asks_procedures_only_and_by_every_ablation() -> None:
    (ask,) = asks(place(), CODE_MAP, "cohort")
    assert ask.resource_type.name == "Procedure"
    assert ask.codes is not None
    assert set(ask.codes.codings) == {(SCT, "26782000"), (LOCAL, "CRYO,1|x"), (SCT, "RF")}


def test_the_patient_step_asks_every_shipped_type() -> None:
    names = {ask.resource_type.name for ask in asks(place(), CODE_MAP, "patient")}
    assert names == {each.name for each in load_resource_types("R4")}


def test_only_cryoablation_makes_a_member() -> None:
    ask = ask_for("Procedure", "cohort")
    assert ask.members == {(SCT, "26782000"), (LOCAL, "CRYO,1|x")}


@pytest.mark.parametrize(
    ("resource_type", "parameter"),
    [
        ("AdverseEvent", "subject"),
        ("BodyStructure", "patient"),
        ("Condition", "subject"),
        ("Observation", "subject"),
        ("Patient", "_id"),
        ("Procedure", "subject"),
    ],
)
def test_patients_are_asked_for_by_a_parameter_both_versions_have(resource_type: str, parameter: str) -> None:
    (task,) = patient_tasks(place(), ask_for(resource_type), ["p1"], {})
    assert task.query.patients is not None
    assert task.query.patients.parameter == parameter


def test_of_a_patient_only_sex_birth_death_and_merges_are_asked_for() -> None:
    (task,) = patient_tasks(place(), ask_for("Patient"), ["p1"], {})
    assert dict(task.query.options)["_elements"].split(",") == [
        "gender",
        "birthDate",
        "deceased",
        "deceasedBoolean",
        "deceasedDateTime",
        "link",
    ]


def test_an_unknown_cohort_is_read_whole() -> None:
    task = cohort_task(place(), ask_for("Procedure", "cohort"), {})
    assert dict(task.query.options) == {"_count": "200"}
    assert task.query.patients is None
    assert task.covers == (COHORT,)


def test_a_known_cohort_is_asked_from_its_watermark_less_the_overlap_in_utc() -> None:
    ask = ask_for("Procedure", "cohort")
    task = cohort_task(place(), ask, {COHORT: Covered(COHORT, ask.fingerprint, MARCH)})
    assert dict(task.query.options)["_lastUpdated"] == "ge2026-02-28T11:00:00.123Z"


def test_a_changed_fingerprint_means_reading_everything() -> None:
    ask = ask_for("Procedure", "cohort")
    task = cohort_task(place(), ask, {COHORT: Covered(COHORT, "another", MARCH)})
    assert "_lastUpdated" not in dict(task.query.options)


def test_new_patients_come_whole_and_known_ones_by_change_in_batches_of_the_same_need() -> None:
    ask = ask_for("Condition")
    early, late = MARCH - dt.timedelta(days=9), MARCH
    known = covered(ask, k1=late, k2=early, k3=late) | {"x1": Covered("x1", "another", late)}
    tasks = patient_tasks(place(), ask, ["k1", "k2", "k3", "n1", "n2", "x1"], known)
    assert [(task.covers, dict(task.query.options).get("_lastUpdated")) for task in tasks] == [
        (("n1", "n2"), None),
        (("x1",), None),
        (("k2", "k1"), "ge2026-02-19T11:00:00.123Z"),
        (("k3",), "ge2026-02-28T11:00:00.123Z"),
    ]


def test_every_patient_is_asked_for_exactly_once() -> None:
    ask = ask_for("Condition")
    patient_ids = [f"p{number}" for number in range(11)]
    tasks = patient_tasks(place(), ask, patient_ids, covered(ask, p3=MARCH, p5=MARCH, p7=MARCH, gone=MARCH))
    assert sorted(each for task in tasks for each in task.covers) == sorted(patient_ids)
    assert all(len(task.covers) <= 2 for task in tasks)


def test_the_fingerprint_follows_codes_server_and_what_is_kept_but_not_paging() -> None:
    ask = ask_for("Condition")
    more = [*CODE_MAP, MappedCode("a", "urn:x", "y", "metastasis", "spinal_metastasis", "")]
    assert ask_for("Condition", code_map=more).fingerprint != ask.fingerprint
    assert asks(center("https://new.example.org"), CODE_MAP, "cohort")[0].fingerprint != (
        ask_for("Procedure", "cohort").fingerprint
    )
    assert (
        asks(place(page_size=7), CODE_MAP, "cohort")[0].fingerprint
        == ask_for("Procedure", "cohort").fingerprint
    )
    others = [*CODE_MAP, MappedCode("b", "urn:x", "y", "metastasis", "spinal_metastasis", "")]
    assert ask_for("Condition", code_map=others).fingerprint == ask.fingerprint


def test_a_search_without_codes_is_never_sent_unfiltered() -> None:
    with pytest.raises(ConfigError, match="Condition"):
        asks(place(), [code for code in CODE_MAP if code.code_set != "metastasis"], "patient")


@pytest.mark.parametrize("fhir_version", ["R4", "R5"])
def test_every_listed_element_exists_in_the_version(fhir_version: str) -> None:
    version = "R4" if fhir_version == "R4" else "R5"
    for resource_type in load_resource_types(version):
        fields = _model_fields(resource_type.name, version)
        assert {path.partition(".")[0] for path in resource_type.elements} <= fields


def _model_fields(name: str, version: str) -> set[str]:
    from ingest.gate import _MODELS  # noqa: PLC0415 - the models have one door

    model = _MODELS[version](name)
    return {field.alias or key for key, field in model.model_fields.items()}


GOOD = 'resource_type = "Basic"\npatient_element = "subject"\nsearch = []\n'


def test_a_resource_file_is_read() -> None:
    assert parse_resource_file(GOOD, "basic.toml").resource_type == "Basic"


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        GOOD + "surprise = 1\n",
        'resource_type = "Basic"\npatient_element = "subject"\n',
        GOOD + 'elements = ["a b"]\n',
        GOOD.replace("[]", '[{ step = "patient" }]'),
        GOOD.replace("[]", '[{ step = "cohort", code_parameter = "code" }]'),
        GOOD.replace("[]", '[{ step = "cohort" }, { step = "cohort" }]'),
        GOOD.replace("[]", '[{ step = "weekly" }]'),
    ],
)
def test_a_broken_resource_file_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"basic\.toml"):
        parse_resource_file(text, "basic.toml")


def test_a_code_that_comes_to_mean_cryoablation_makes_the_cohort_query_another() -> None:
    """Its patients' procedures were read before: only a full read finds them again."""
    place = center(BASE)
    code = MappedCode(place.center_id, "urn:x", "RF", "procedure", "other_ablation", "")
    other = MappedCode(place.center_id, "urn:x", "CRYO", "procedure", "cryoablation", "")
    (before,) = asks(place, [code, other], "cohort")
    (after,) = asks(place, [dataclasses.replace(code, concept="cryoablation"), other], "cohort")
    assert before.codes == after.codes
    assert before.fingerprint != after.fingerprint
