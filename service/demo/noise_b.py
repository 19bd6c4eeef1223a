"""Noise of center b (R5): what its charts hold beside the cohort.

There is no score after death here: this center says that a patient died, never when.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from service.demo import center_b as b
from service.demo import fhir
from service.demo.cohort import DemoPatient
from service.demo.fhir import SNOMED, UCUM, DemoCenter, Resource, coding, concept, refer
from service.demo.noise_item import NoiseItem, Ward, page_warning, spoiled, ward

RIB = concept(coding(SNOMED, "113197003", "Bone structure of rib (body structure)"))
KIDNEY = concept(coding(SNOMED, "64033007", "Kidney structure (body structure)"))


def items(center: DemoCenter, patients: Sequence[DemoPatient]) -> tuple[NoiseItem, ...]:
    """All noise of the center, each kind under its own label."""
    chart = ward(center, patients)
    return (*_scores(chart), *_treatments(chart), *_outsiders(chart), *_events(chart), *_messages(chart))


def _score(chart: Ward, patient_id: str, offset: int, score: int) -> Resource:
    when = chart.day(patient_id, offset).isoformat()
    return b.pain_score(chart.ids.take("Observation"), chart.subject(patient_id), score, when)


def _scores(chart: Ward) -> list[NoiseItem]:
    in_error = _score(chart, "P09", 30, 10) | {"status": "entered-in-error"}
    local = _score(chart, "P12", -1, 10) | {"code": concept(coding(f"{b.LOCAL}.4", "PAIN-NOW"))}
    visual = _score(chart, "P27", 30, 0)
    del visual["valueInteger"]
    visual |= {
        "code": concept(coding(fhir.LOINC, "38214-3"), text="Pain, visual analog"),
        "valueQuantity": {"value": 70, "unit": "mm", "system": UCUM, "code": "mm"},
    }
    outside = tuple(_score(chart, "P35", offset, 10) for offset in (-45, 6, 10))
    return [
        NoiseItem("a score charted twice", "repeated", (_score(chart, "P02", -1, 9),)),
        NoiseItem("a score entered in error", "excluded", (in_error,)),
        NoiseItem("a score of 11", "excluded", (_score(chart, "P37", -1, 11),)),
        NoiseItem("a visual analog score in mm", "excluded", (visual,)),
        NoiseItem("scores outside every window", "excluded", outside),
        NoiseItem("a score under a local code nobody mapped", "absent", (local,)),
        NoiseItem("invalid scores", "quarantined", spoiled(_score(chart, "P41", 30, 10))),
    ]


def _cryoablation(chart: Ward, patient_id: str, offset: int, level: str) -> Resource:
    day = {"occurrenceDateTime": chart.day(patient_id, offset).isoformat()}
    code = concept(coding(b.CPT, "20983"))
    base = b.procedure(chart.ids.take("Procedure"), chart.subject(patient_id), code, day)
    return base | {"bodySite": [b.site(level, 1)]}


def _treatments(chart: Ward) -> list[NoiseItem]:
    in_error = _cryoablation(chart, "P28", 7, "L5") | {"status": "entered-in-error"}
    not_done = _cryoablation(chart, "P34", 40, "L3") | {"status": "not-done"}
    begun = _cryoablation(chart, "P55", 60, "T9") | {"status": "in-progress"}
    status = b.response(
        chart.ids.take("Observation"),
        chart.subject("P33"),
        "progressive",
        chart.last_assessed("P33").isoformat(),
    )
    return [
        NoiseItem("a treatment entered in error", "excluded", (in_error,)),
        NoiseItem("treatments never completed", "excluded", (not_done, begun)),
        NoiseItem("a disease status of the whole patient", "excluded", (status,)),
    ]


def _outsider(chart: Ward, diagnosis: str, treated: Resource, day: date) -> tuple[Resource, ...]:
    """A patient outside the cohort: the diagnosis, the treatment of it and a score of 10 the day before.

    diagnosis: ICD-10-CM. treated: the Procedure's elements that make the case.
    """
    key = chart.ids.take("Patient")
    who = b.demo_person(key, f"N{key}", "male", date(1950, 2, 3))
    code = concept(coding(fhir.ICD10CM, diagnosis))
    found = fhir.condition(chart.ids.take("Condition"), refer(who), code, recorded=day - timedelta(days=9))
    occurrence = {"occurrenceDateTime": day.isoformat(), "bodySite": [treated["bodySite"]]}
    done = b.procedure(chart.ids.take("Procedure"), refer(who), treated["code"], occurrence)
    when = (day - timedelta(days=1)).isoformat()
    score = b.pain_score(chart.ids.take("Observation"), refer(who), 10, when)
    site = {"bodySite": [treated["bodySite"]]}
    return who, found | site, done | {"reason": [{"reference": refer(found)}]}, score


def _outsiders(chart: Ward) -> list[NoiseItem]:
    cold, hot = concept(coding(b.CPT, "20983")), concept(coding(b.CPT, "20982"))
    renal = concept(coding(b.CPT, "50593"))
    spinal = concept(coding(b.CPT, "20983"), coding(b.PCS, "0Q503ZZ"))
    rib_case = _outsider(chart, "C79.51", {"code": cold, "bodySite": RIB}, date(2014, 5, 6))
    kidney_case = _outsider(chart, "C64.9", {"code": renal, "bodySite": KIDNEY}, date(2015, 9, 1))
    heated = _outsider(chart, "C79.51", {"code": hot, "bodySite": b.site("T8", 0)}, date(2016, 3, 8))
    chordoma = _outsider(chart, "C41.2", {"code": spinal, "bodySite": b.site("L3", 1)}, date(2017, 6, 20))
    return [
        NoiseItem("cryoablation of a rib", "excluded", rib_case),
        NoiseItem("cryoablation of a kidney", "absent", kidney_case),
        NoiseItem("radiofrequency of a vertebra", "excluded", heated),
        NoiseItem("cryoablation of a primary bone tumor", "excluded", chordoma),
    ]


def _event(chart: Ward, patient_id: str, offset: int) -> Resource:
    """A fracture that would be major if it counted."""
    day = chart.day(patient_id, offset)
    event = b.adverse_event(chart.ids.take("AdverseEvent"), chart.subject(patient_id), "902", day)
    return event | {"extension": [b.grade(b.sir_class("D"))]}


def _events(chart: Ward) -> list[NoiseItem]:
    potential = _event(chart, "P44", 1) | {"actuality": "potential"}
    in_error = _event(chart, "P52", 2) | {"status": "entered-in-error"}
    return [
        NoiseItem("an adverse event that only might have been", "excluded", (potential,)),
        NoiseItem("an adverse event entered in error", "excluded", (in_error,)),
        NoiseItem("an adverse event long after any session", "excluded", (_event(chart, "P63", 200),)),
    ]


def _messages(chart: Ward) -> list[NoiseItem]:
    return [
        NoiseItem("a resource twice on a page", "repeated", repeats=(chart.first_score("P02"),)),
        page_warning("Some archived results are not searchable."),
    ]
