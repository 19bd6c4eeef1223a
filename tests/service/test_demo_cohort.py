"""The synthetic cohort as FHIR: valid, consistent, with the published totals when read back from FHIR alone.

Nothing here asks the generator what it meant: figures are recomputed from the resources.
"""

import csv
import json
import statistics
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_reading import address, references
from fhir import resources as r5
from fhir.resources import R4B

from service.demo import center_a, center_b
from service.demo.cohort import read_cohort
from service.demo.fhir import DemoCenter, Resource

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "paper-cohort"
PRODUCT = ROOT / "service" / "demo" / "cohort"
ANSWERS = [
    *("LA6111-4", "LA6112-2", "LA6113-0", "LA6114-8", "LA6115-5", "LA10137-0"),
    *("LA10138-8", "LA10139-6", "LA10140-4", "LA10141-2", "LA13942-0"),
]
CRYOABLATION = {"26782000", "C15215", "CRYO-RACH", "20983"}
CEMENT = {"CIM-VERT", "22510", "22511", "22513", "22514"}
MAJOR = {"G3", "G4", "SIR-C", "SIR-D", "SIR-E", "C41340"}
CONTROLLED = {"268910001", "359746009", "LA28366-5", "LA28369-9", "LA28371-5"}
PROGRESSED = {"271299001", "LA28370-7"}
CENTERS = ("a", "b")


@pytest.fixture(scope="module")
def centers() -> Mapping[str, DemoCenter]:
    patients = read_cohort()
    return {"a": center_a.build(patients), "b": center_b.build(patients)}


def rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / name).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def dead(center: str) -> int:
    return sum(row["center"] == center and row["vital_status"] == "dead" for row in rows("patients.csv"))


def of_type(center: DemoCenter, resource_type: str) -> list[Resource]:
    return [each for each in center.resources if each["resourceType"] == resource_type]


def codes(concept: Resource) -> list[str]:
    return [coding["code"] for coding in concept.get("coding", [])]


def score(observation: Resource) -> int | None:
    """The 0-10 score of an Observation in any of the forms, None for an Observation of something else."""
    if not {"72514-3", "38208-5", "225908003"} & set(codes(observation["code"])):
        return None
    if "valueCodeableConcept" in observation:
        return ANSWERS.index(codes(observation["valueCodeableConcept"])[0])
    if "component" in observation:
        return int(observation["component"][0]["valueInteger"])
    return int(observation.get("valueInteger", observation.get("valueQuantity", {}).get("value")))


def ablations(center: DemoCenter) -> list[Resource]:
    return [each for each in of_type(center, "Procedure") if CRYOABLATION & set(codes(each["code"]))]


def day_of(procedure: Resource) -> date:
    for element in ("performed", "occurrence"):
        if f"{element}Period" in procedure:
            return datetime.fromisoformat(procedure[f"{element}Period"]["start"]).date()
    return date.fromisoformat(procedure["occurrenceDateTime"])


def treated(ablation: Resource) -> list[str]:
    linked = [
        *ablation.get("reasonReference", []),
        *(each.get("reference", {}) for each in ablation.get("reason", [])),
    ]
    return [each["reference"] for each in linked if each]


def scores_by_patient(center: DemoCenter) -> dict[str, dict[int, int]]:
    """Per patient reference: day from the first ablation -> score."""
    index: dict[str, date] = {}
    for each in sorted(ablations(center), key=day_of):
        index.setdefault(each["subject"]["reference"], day_of(each))
    found: dict[str, dict[int, int]] = {}
    for each in of_type(center, "Observation"):
        value, who = score(each), each["subject"]["reference"]
        if value is not None:
            day = date.fromisoformat(each["effectiveDateTime"][:10])
            found.setdefault(who, {})[(day - index[who]).days] = value
    return found


def painful_scores(centers: Mapping[str, DemoCenter]) -> list[dict[int, int]]:
    return [days for each in centers.values() for days in scores_by_patient(each).values() if len(days) > 1]


@pytest.mark.parametrize("name", ["patients.csv", "lesions.csv"])
def test_product_holds_the_reference_cohort(name: str) -> None:
    assert (PRODUCT / name).read_bytes() == (FIXTURES / name).read_bytes()


@pytest.mark.parametrize(("center_id", "models"), [("a", R4B), ("b", r5)])
def test_every_resource_is_valid_for_its_fhir_version(
    centers: Mapping[str, DemoCenter], center_id: str, models: Any
) -> None:
    for resource in centers[center_id].resources:
        model = models.get_fhir_model_class(resource["resourceType"]).model_validate_json(
            json.dumps(resource)
        )
        assert json.loads(model.model_dump_json()) == resource


@pytest.mark.parametrize("center_id", CENTERS)
def test_ids_are_unique_and_every_reference_resolves(
    centers: Mapping[str, DemoCenter], center_id: str
) -> None:
    resources = centers[center_id].resources
    addresses = [address(each) for each in resources]
    assert len(set(addresses)) == len(addresses)
    assert set(references(list(resources))) <= set(addresses)


def test_the_centers_use_the_same_ids_for_different_patients(centers: Mapping[str, DemoCenter]) -> None:
    births = [
        {each["id"]: each["birthDate"] for each in of_type(centers[name], "Patient")} for name in CENTERS
    ]
    shared = births[0].keys() & births[1].keys()
    assert "1001" in shared
    assert all(births[0][key] != births[1][key] for key in shared)


def test_patients_lesions_and_cement_are_those_of_the_paper(centers: Mapping[str, DemoCenter]) -> None:
    patients = [each for center in centers.values() for each in of_type(center, "Patient")]
    lesions = [(name, each) for name, c in centers.items() for done in ablations(c) for each in treated(done)]
    cement = [p for c in centers.values() for p in of_type(c, "Procedure") if CEMENT & set(codes(p["code"]))]
    assert len(patients) == 74
    assert sum(each["gender"] == "female" for each in patients) == 35
    assert len(lesions) == len(set(lesions)) == 105
    assert len(cement) == 76


def test_curative_lesions_are_28_in_21_patients(centers: Mapping[str, DemoCenter]) -> None:
    found = [
        (name, done["subject"]["reference"])
        for name, center in centers.items()
        for done in ablations(center)
        if codes(done["extension"][0]["valueCodeableConcept"]) == ["373808002"]
        for _ in treated(done)
    ]
    assert (len(found), len(set(found))) == (28, 21)


@pytest.mark.parametrize(
    ("pick", "mean", "sd"),
    [
        (lambda days: days[-1], 6.81, 2.217),
        (lambda days: days[1], 4.09, 2.402),
        (lambda days: days[30], 2.50, 2.576),
        (lambda days: days[max(days)], 2.36, 2.597),
    ],
    ids=["baseline", "24 h", "1 month", "last"],
)
def test_pain_scores_of_64_patients_have_the_reference_mean_and_sd(
    centers: Mapping[str, DemoCenter], pick: Any, mean: float, sd: float
) -> None:
    values = [pick(days) for days in painful_scores(centers)]
    assert len(values) == 64
    assert statistics.mean(values) == pytest.approx(mean, abs=0.005)
    assert statistics.stdev(values) == pytest.approx(sd, abs=0.0005)


def test_34_patients_end_pain_free_and_8_end_with_their_one_month_score(
    centers: Mapping[str, DemoCenter],
) -> None:
    days = painful_scores(centers)
    assert sum(each[max(each)] == 0 for each in days) == 34
    assert sum(max(each) == 30 for each in days) == 8


def test_painful_patients_score_above_zero_or_have_a_coded_pain_reason(
    centers: Mapping[str, DemoCenter],
) -> None:
    told = {
        (name, done["subject"]["reference"])
        for name, center in centers.items()
        for done in ablations(center)
        if "48926009" in json.dumps(done)
    }
    scored = {(name, who): days for name, c in centers.items() for who, days in scores_by_patient(c).items()}
    painful = told | {key for key, days in scored.items() if days[-1] > 0}
    assert painful == {key for key, days in scored.items() if len(days) > 1}
    assert sum(days == {-1: 0} for days in scored.values()) >= 3


def test_23_of_28_curative_lesions_are_controlled_when_last_seen(centers: Mapping[str, DemoCenter]) -> None:
    last: dict[tuple[str, str], tuple[str, bool]] = {}
    for name, center in centers.items():
        for each in of_type(center, "Observation"):
            if "focus" in each:
                answer = codes(each["valueCodeableConcept"])[0]
                assert answer in CONTROLLED | PROGRESSED
                key = (name, each["focus"][0]["reference"])
                seen = (each["effectiveDateTime"][:10], answer in CONTROLLED)
                had_progressed = key in last and not last[key][1]
                assert last.get(key, ("",))[0] < seen[0]
                assert not (had_progressed and seen[1])
                last[key] = seen
    assert (sum(is_controlled for _, is_controlled in last.values()), len(last)) == (23, 28)


def test_complications_are_9_in_8_patients_of_which_2_are_major(centers: Mapping[str, DemoCenter]) -> None:
    found: dict[tuple[str, str, str], bool] = {}
    for name, center in centers.items():
        for each in of_type(center, "AdverseEvent"):
            code = codes(each["event"] if name == "a" else each["code"])[0]
            grades = [g for e in each.get("extension", []) for g in codes(e["valueCodeableConcept"])]
            found[name, each["subject"]["reference"], code] = bool(MAJOR & set(grades))
        for each in of_type(center, "Procedure"):
            for told in each.get("complication", []):
                code, grade = codes(told["concept"])
                found[name, each["subject"]["reference"], code] = grade in MAJOR
    assert (len(found), len({key[:2] for key in found}), sum(found.values())) == (9, 8, 2)


def test_one_complication_is_told_by_the_procedure_alone_and_one_by_its_date_alone(
    centers: Mapping[str, DemoCenter],
) -> None:
    events = of_type(centers["b"], "AdverseEvent")
    in_events = {(each["subject"]["reference"], codes(each["code"])[0]) for each in events}
    in_procedures = {
        (each["subject"]["reference"], codes(told["concept"])[0])
        for each in of_type(centers["b"], "Procedure")
        for told in each.get("complication", [])
    }
    assert {code for _, code in in_procedures - in_events} == {"903"}
    assert [codes(each["code"]) for each in events if "suspectEntity" not in each] == [["902"]]


def test_scores_of_center_a_fall_into_their_hours(centers: Mapping[str, DemoCenter]) -> None:
    starts: dict[str, datetime] = {}
    for each in sorted(ablations(centers["a"]), key=lambda p: str(p["performedPeriod"]["start"])):
        starts.setdefault(
            each["subject"]["reference"], datetime.fromisoformat(each["performedPeriod"]["start"])
        )
    hours: list[float] = []
    for each in of_type(centers["a"], "Observation"):
        taken = datetime.fromisoformat(each["effectiveDateTime"])
        if (
            score(each) is not None
            and 0 <= (taken.date() - starts[each["subject"]["reference"]].date()).days < 5
        ):
            hours.append((taken - starts[each["subject"]["reference"]]) / timedelta(hours=1))
    assert len(hours) == 38
    assert all(23 <= each <= 26 for each in hours)


def test_center_a_writes_the_offset_of_the_season(centers: Mapping[str, DemoCenter]) -> None:
    starts = [each["performedPeriod"]["start"] for each in ablations(centers["a"])]
    offsets = {(start[5:7] in {"05", "06", "07", "08", "09"}, start[-6:]) for start in starts}
    assert {(True, "+02:00"), (False, "+01:00")} <= offsets
    assert (True, "+01:00") not in offsets


def test_nothing_happens_to_a_dead_patient_of_center_a(centers: Mapping[str, DemoCenter]) -> None:
    deaths = {
        f"Patient/{each['id']}": each["deceasedDateTime"][:10]
        for each in of_type(centers["a"], "Patient")
        if "deceasedDateTime" in each
    }
    dates = [
        (each["subject"]["reference"], each["effectiveDateTime"][:10])
        for each in of_type(centers["a"], "Observation")
    ]
    assert len(deaths) == dead("A")
    assert all(when <= deaths.get(who, "9999") for who, when in dates)


def test_center_b_tells_deaths_without_a_date(centers: Mapping[str, DemoCenter]) -> None:
    patients = of_type(centers["b"], "Patient")
    assert sum(each.get("deceasedBoolean") is True for each in patients) == dead("B")
    assert not [each for each in patients if "deceasedDateTime" in each]


def test_every_habit_of_the_centers_is_walked(centers: Mapping[str, DemoCenter]) -> None:
    used = {name: json.dumps(center.resources) for name, center in centers.items()}
    for code in (
        "26782000",
        "C15215",
        "CRYO-RACH",
        "{score}",
        '"code": "1"',
        "ctcae-grade",
        "backport",
        '"partOf"',
    ):
        assert code in used["a"], code
    for code in (
        "VERT-T12",
        '"D8"',
        '"1626008"',
        "LA6113-0",
        '"valueInteger"',
        '"component"',
        "BodyStructure/",
    ):
        assert code in used["b"], code
    assert '"partOf"' not in used["b"]
    assert '"survey"' not in used["a"]
    assert any(len(treated(each)) > 1 for each in ablations(centers["b"]))


@pytest.mark.parametrize("center_id", CENTERS)
def test_every_deciding_code_is_known_to_the_code_lists(
    centers: Mapping[str, DemoCenter], center_id: str
) -> None:
    known = {
        (row["system"], row["code"])
        for path in (ROOT / "mappings" / "codes").glob("*.csv")
        for row in read(path)
    }
    folder = ROOT / "config" / "centers" / center_id / "codes"
    known |= {
        (row["source_system"], row["source_code"]) for path in folder.glob("*.csv") for row in read(path)
    }
    known |= {("https://loinc.org", code) for system, code in known if system == "http://loinc.org"}
    used: set[tuple[str, str]] = set()
    for each in centers[center_id].resources:
        spots = [
            each.get("code"),
            each.get("event"),
            each.get("valueCodeableConcept"),
            *each.get("bodySite", []),
        ]
        spots += [one["structure"] for one in each.get("includedStructure", [])]
        used |= {(c["system"], c["code"]) for spot in spots if spot for c in spot.get("coding", [])}
        texts = [spot["text"] for spot in each.get("bodySite", []) if "coding" not in spot]
        used |= {("text", text.upper().replace(" ", "")) for text in texts}
    assert used - known == set()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_levels_are_those_of_the_reference_cohort(centers: Mapping[str, DemoCenter]) -> None:
    levels = {(row["system"], row["code"]): row["concept"] for row in read(ROOT / "mappings/codes/level.csv")}
    levels |= {("text", row["code"]): row["concept"] for row in read(ROOT / "mappings/codes/level_text.csv")}
    expected: dict[str, set[str]] = {}
    for row in rows("lesions.csv"):
        expected.setdefault(row["patient_id"], set()).add(row["level"])
    for center in centers.values():
        found: dict[str, set[str]] = {}
        for each in of_type(center, "Condition"):
            for spot in each.get("bodySite", []):
                found.setdefault(each["subject"]["reference"], set()).add(level_of(spot, levels))
        named = {name: f"Patient/{key}" for name, key in center.patient_ids.items()}
        assert {name: found[who] for name, who in named.items()} == {name: expected[name] for name in named}


def level_of(spot: Resource, levels: Mapping[tuple[str, str], str]) -> str:
    if "coding" not in spot:
        return levels["text", spot["text"].upper().replace(" ", "")]
    coding = spot["coding"][0]
    if coding["code"].startswith("VERT-"):
        return f"{coding['code'][5]}{int(coding['code'][6:])}"
    return levels[coding["system"], coding["code"]]
