"""Noise of center a (R4): what its charts hold beside the cohort."""

from collections.abc import Sequence
from datetime import date, timedelta

from service.demo import center_a as a
from service.demo import fhir
from service.demo.cohort import DemoPatient
from service.demo.fhir import SNOMED, UCUM, DemoCenter, Resource, coding, concept, extension, refer
from service.demo.noise_item import NoiseItem, Ward, page_warning, spoiled, ward

RIB = coding(SNOMED, "113197003", "Bone structure of rib (body structure)")
KIDNEY = coding(SNOMED, "64033007", "Kidney structure (body structure)")
BONE_METASTASIS = coding(SNOMED, "94222008", "Secondary malignant neoplasm of bone (disorder)")


def items(center: DemoCenter, patients: Sequence[DemoPatient]) -> tuple[NoiseItem, ...]:
    """All noise of the center, each kind under its own label."""
    chart = ward(center, patients)
    return (*_scores(chart), *_treatments(chart), *_outsiders(chart), *_events(chart), *_messages(chart))


def _score(chart: Ward, patient_id: str, offset: int, score: int, clock: str = "18:45") -> Resource:
    when = fhir.local_time(chart.day(patient_id, offset), clock, a.ZONE)
    return a.pain_score(chart.ids.take("Observation"), chart.subject(patient_id), score, when)


def _scores(chart: Ward) -> list[NoiseItem]:
    in_error = _score(chart, "P08", 30, 10) | {"status": "entered-in-error"}
    dead = chart.patients["P16"].death_date() or chart.day("P16", 0)
    beyond = (dead - chart.patients["P16"].index_date).days + 20
    local = _score(chart, "P13", -1, 10) | {"code": concept(coding(f"{a.LOCAL}.4", "EVA-LOCALE"))}
    analogue = _score(chart, "P11", 30, 0) | {
        "code": concept(coding(fhir.LOINC, "38214-3"), text="Pain, visual analog"),
        "valueQuantity": {"value": 62, "unit": "mm", "system": UCUM, "code": "mm"},
    }
    outside = tuple(_score(chart, "P18", offset, 10) for offset in (-45, 4, 10))
    return [
        NoiseItem("a score charted twice", "repeated", (_score(chart, "P01", -1, 9, "16:30"),)),
        NoiseItem("a score entered in error", "excluded", (in_error,)),
        NoiseItem("a score of 11", "excluded", (_score(chart, "P10", -1, 11),)),
        NoiseItem("a visual analog score in mm", "excluded", (analogue,)),
        NoiseItem("a score after death", "excluded", (_score(chart, "P16", beyond, 9),)),
        NoiseItem("scores outside every window", "excluded", outside),
        NoiseItem("a score under a local code nobody mapped", "absent", (local,)),
        NoiseItem("invalid scores", "quarantined", spoiled(_score(chart, "P19", 30, 10))),
    ]


def _cryotherapy(chart: Ward, subject: Resource, day: date, site: Resource) -> Resource:
    performed = a.Performed(day, "09:00", "10:00", site)
    return a.procedure(chart.ids.take("Procedure"), subject, concept(a.CRYOTHERAPY), performed)


def _treatments(chart: Ward) -> list[NoiseItem]:
    in_error = _cryotherapy(chart, chart.subject("P05"), chart.day("P05", 7), a.vertebral_body("L5"))
    not_done = _cryotherapy(chart, chart.subject("P30"), chart.day("P30", 40), a.vertebral_body("L4"))
    begun = _cryotherapy(chart, chart.subject("P68"), chart.day("P68", 60), a.vertebral_body("T9"))
    unfinished = (not_done | {"status": "not-done"}, begun | {"status": "in-progress"})
    status = a.disease_status(
        chart.ids.take("Observation"),
        chart.subject("P24"),
        "worsened",
        chart.last_assessed("P24").isoformat(),
    )
    return [
        NoiseItem("a treatment entered in error", "excluded", (in_error | {"status": "entered-in-error"},)),
        NoiseItem("treatments never completed", "excluded", unfinished),
        NoiseItem("a disease status of the whole patient", "excluded", (status,)),
    ]


def _outsider(chart: Ward, code: Resource, treated: Resource, day: date) -> tuple[Resource, ...]:
    """A patient outside the cohort: the diagnosis, the treatment of it and a score of 10 the day before.

    code, treated: the Condition's and the Procedure's elements that make the case.
    """
    key = chart.ids.take("Patient")
    who = a.demo_person(key, f"N{key}", "female", date(1950, 2, 3))
    found = fhir.condition(
        chart.ids.take("Condition"), refer(who), code["code"], recorded=day - timedelta(days=9)
    )
    performed = a.Performed(day, "09:00", "10:00", treated["bodySite"])
    done = a.procedure(chart.ids.take("Procedure"), refer(who), treated["code"], performed)
    when = fhir.local_time(day - timedelta(days=1), "16:00", a.ZONE)
    score = a.pain_score(chart.ids.take("Observation"), refer(who), 10, when)
    site = {"bodySite": [treated["bodySite"]]}
    return who, found | site, done | {"reasonReference": [refer(found)]}, score


def _outsiders(chart: Ward) -> list[NoiseItem]:
    spine, bone = {"code": concept(a.METASTASIS)}, {"code": concept(BONE_METASTASIS)}
    kidney = {"code": concept(coding(fhir.ICD10CM, "C64.9"))}
    cold, hot = concept(a.CRYOTHERAPY), concept(coding(a.PROCEDURES, "RF-VERT", "Radiofrequence vertebrale"))
    rib_case = _outsider(chart, bone, {"code": cold, "bodySite": concept(RIB)}, date(2014, 5, 6))
    kidney_case = _outsider(chart, kidney, {"code": cold, "bodySite": concept(KIDNEY)}, date(2015, 9, 1))
    heated = {"code": hot, "bodySite": a.vertebral_body("T8")}
    earlier = {"code": cold, "bodySite": a.vertebral_body("L2")}
    return [
        NoiseItem("cryoablation of a rib", "excluded", rib_case),
        NoiseItem("cryoablation of a kidney", "excluded", kidney_case),
        NoiseItem(
            "radiofrequency of a vertebra", "excluded", _outsider(chart, spine, heated, date(2016, 3, 8))
        ),
        NoiseItem(
            "a treatment before the study", "excluded", _outsider(chart, spine, earlier, date(2006, 3, 14))
        ),
    ]


def _event(chart: Ward, patient_id: str, offset: int) -> Resource:
    """A fracture that would be major if it counted."""
    day = chart.day(patient_id, offset)
    event = a.adverse_event(chart.ids.take("AdverseEvent"), chart.subject(patient_id), "FRACTURE", day)
    cirse = concept(coding(a.CIRSE, "G3"))
    return event | {"extension": [extension(a.AE_GRADE, valueCodeableConcept=cirse)]}


def _events(chart: Ward) -> list[NoiseItem]:
    potential = _event(chart, "P15", 1) | {"actuality": "potential"}
    return [
        NoiseItem("an adverse event that only might have been", "excluded", (potential,)),
        NoiseItem("an adverse event long after any session", "excluded", (_event(chart, "P17", 200),)),
    ]


def _messages(chart: Ward) -> list[NoiseItem]:
    return [
        NoiseItem("a resource twice on a page", "repeated", repeats=(chart.first_score("P01"),)),
        page_warning("Some scanned documents are not searchable."),
    ]
