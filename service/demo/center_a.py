"""Center a, FHIR R4: SNOMED CT, one Procedure a lesion, exact times, a French address book.

Metastases are SNOMED with the vertebral body as site; ablations mix SNOMED, NCIt and a local code;
cement is `partOf` the ablation; scores are Quantities; disease status focuses on the Condition;
complications are AdverseEvents graded by a local CIRSE code, CTCAE or severity alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from service.demo import fhir
from service.demo.cohort import DemoComplication, DemoLesion, DemoPatient
from service.demo.fhir import (
    LOINC,
    MCODE,
    NCIT,
    SNOMED,
    THO,
    UCUM,
    DemoCenter,
    IdSequence,
    Resource,
    coding,
    concept,
    extension,
    refer,
)

ZONE = ZoneInfo("Europe/Paris")
LOCAL = "urn:oid:1.2.250.1.999"
PROCEDURES = f"{LOCAL}.1"
CIRSE = f"{LOCAL}.2"
COMPLICATIONS = f"{LOCAL}.3"
LOINC_AS_SENT = "https://loinc.org"  # this server's habit: an alias of the canonical system
CTCAE_GRADE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"
AE_GRADE = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/ae-grade"
CONDITION_RELATED = "http://hl7.org/fhir/StructureDefinition/condition-related"

METASTASIS = coding(SNOMED, "94602001", "Secondary malignant neoplasm of vertebral column (disorder)")
CRYOTHERAPY = coding(SNOMED, "26782000", "Cryotherapy")
ABLATIONS = (
    CRYOTHERAPY,
    coding(NCIT, "C15215", "Cryoablation"),
    coding(PROCEDURES, "CRYO-RACH", "Cryoablation rachidienne"),
)
BODIES = {
    "C3": "91116008",
    "T1": "56094003",
    "T2": "50060007",
    "T3": "73138009",
    "T4": "86197001",
    "T5": "6105006",
    "T6": "32430008",
    "T7": "71737002",
    "T8": "77435000",
    "T9": "33766003",
    "T10": "48405002",
    "T11": "52120002",
    "T12": "280849005",
    "L1": "61032001",
    "L2": "53983007",
    "L3": "55492004",
    "L4": "71996003",
    "L5": "21799000",
    "S1": "65985001",
    "S2": "11808007",
}
REGIONS = {"cervical": "122494005", "thoracic": "122495006", "lumbar": "122496007", "sacral": "54735007"}
STARTS = ("09:00", "09:50", "10:40", "11:30", "12:20")  # the lesions of one session, one after the other
ENDS = ("09:45", "10:35", "11:25", "12:15", "13:05")
EVENTS = {
    "haematoma at the puncture site": "HEMATOMA",
    "pleural effusion without drainage": "PLEURAL-EFFUSION",
    "post-ablation pain flare": "PAIN-FLARE",
    "cement leakage without symptoms": "CEMENT-LEAK",
}


@dataclass(frozen=True, slots=True)
class Performed:
    """When and where one Procedure took place: day, clock times 'HH:MM' and body site."""

    day: date
    start: str
    end: str
    site: Resource | None

    def elements(self) -> Resource:
        """The R4 elements that say so."""
        period = {
            "start": fhir.local_time(self.day, self.start, ZONE),
            "end": fhir.local_time(self.day, self.end, ZONE),
        }
        return {"performedPeriod": period} | ({"bodySite": [self.site]} if self.site else {})


def build(patients: Sequence[DemoPatient]) -> DemoCenter:
    """The resources of the center's own patients, in the order a chart would be written."""
    ids, resources, patient_ids = IdSequence(), [], {}
    lesions = 0
    for number, patient in enumerate(row for row in patients if row.center_id == "a"):
        chart = _chart(patient, ids, number, lesions)
        patient_ids[patient.patient_id] = chart[0]["id"]
        resources += chart
        lesions += len(patient.lesions)
    return DemoCenter("a", "R4", tuple(resources), patient_ids)


def demo_person(key: str, label: str, sex: str, birth_date: date) -> Resource:
    """A Patient of this center: French address and a telephone number kept for fiction."""
    address = {"line": ["1 rue de l'Exemple"], "city": "Exempleville", "postalCode": "00000", "country": "FR"}
    facts = fhir.Person(label, sex, birth_date, f"{LOCAL}.10", f"+33 1 99 00 {int(key) % 10000:04d}", address)
    return fhir.person(key, facts)


def vertebral_body(level: str) -> Resource:
    """A vertebral level as the SNOMED code of its body."""
    return concept(coding(SNOMED, BODIES[level]))


def metastasis(key: str, subject: Resource, level: str, recorded: date) -> Resource:
    """A metastasis of one vertebra."""
    base = fhir.condition(key, subject, concept(METASTASIS), recorded=recorded)
    return base | {"bodySite": [vertebral_body(level)]}


def procedure(key: str, subject: Resource, code: Resource, performed: Performed) -> Resource:
    """A completed Procedure with an operator's name and a note to drop."""
    return {
        "resourceType": "Procedure",
        "id": key,
        "status": "completed",
        "code": code,
        "subject": subject,
        **performed.elements(),
        "performer": [{"actor": {"display": "Dr Zz-Synthetic-Operator"}}],
        "note": [{"text": "Invented operation note of the demo."}],
    }


def pain_score(key: str, subject: Resource, score: int, effective: str, *, unit: str = "{score}") -> Resource:
    """A 0-10 pain score as a Quantity in UCUM `{score}` or `1`."""
    code = concept(coding(LOINC, "72514-3"), text="Pain 0-10")
    base = fhir.observation(key, subject, code, category="vital-signs", effective=effective)
    return base | {"valueQuantity": {"value": score, "unit": "score", "system": UCUM, "code": unit}}


def disease_status(key: str, subject: Resource, value: str, effective: str) -> Resource:
    """A disease status without focus: improved, stable, worsened or undetermined."""
    codes = {
        "improved": "268910001",
        "stable": "359746009",
        "worsened": "271299001",
        "undetermined": "709137006",
    }
    display = f"Patient's condition {value} (finding)" if value != "undetermined" else None
    code = concept(coding(LOINC_AS_SENT, "97509-4"), text="Disease status")
    base = fhir.observation(key, subject, code, category="imaging", effective=effective)
    return base | {"valueCodeableConcept": concept(coding(SNOMED, codes[value], display))}


def adverse_event(key: str, subject: Resource, event: str, day: date) -> Resource:
    """An actual adverse event with a local event code, neither graded nor linked."""
    return {
        "resourceType": "AdverseEvent",
        "id": key,
        "identifier": {"system": f"{LOCAL}.11", "value": f"AE-{key}"},
        "actuality": "actual",
        "event": concept(coding(COMPLICATIONS, event), text="Invented complication"),
        "subject": subject,
        "date": day.isoformat(),
        "recordedDate": day.isoformat(),
        "outcome": concept(coding(f"{THO}/adverse-event-outcome", "resolved")),
    }


def _chart(patient: DemoPatient, ids: IdSequence, number: int, lesions: int) -> list[Resource]:
    """Everything of one patient, the Patient first. number, lesions: patients and lesions written before."""
    who = demo_person(ids.take("Patient"), patient.patient_id, patient.sex, patient.birth_date)
    death = patient.death_date()
    if death is not None:
        who["deceasedDateTime"] = fhir.local_time(death, "23:10", ZONE) if number % 2 else death.isoformat()
    primary = _primary(patient, ids.take("Condition"), refer(who))
    chart = [who, primary]
    turns = itertools.count(lesions)
    for day, treated in patient.sessions():
        for slot, lesion in enumerate(treated):
            place = _Place(refer(who), primary, day, slot, next(turns))
            chart += _lesion(lesion, place, ids, in_pain=patient.scores is not None)
    return [*chart, *_scores(patient, refer(who), ids, number)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a lesion's treatment stands in its chart; `turn` decides which of the habits it shows."""

    subject: Resource
    primary: Resource
    day: date
    slot: int
    turn: int


def _primary(patient: DemoPatient, key: str, subject: Resource) -> Resource:
    found = patient.index_date - timedelta(days=400)
    code = concept(coding(fhir.ICD10CM, patient.primary_code), text=f"{patient.primary} cancer")
    return fhir.condition(key, subject, code, recorded=found) | {"onsetDateTime": f"{found:%Y-%m}"}


def _lesion(lesion: DemoLesion, place: _Place, ids: IdSequence, *, in_pain: bool) -> list[Resource]:
    found = metastasis(ids.take("Condition"), place.subject, lesion.level, place.day - timedelta(days=20))
    found["extension"] = [extension(CONDITION_RELATED, valueReference=refer(place.primary))]
    ablation = _ablation(lesion, found, place, ids)
    if in_pain and place.turn % 4 == 0:
        ablation["reasonCode"] = [concept(coding(SNOMED, "48926009", "Pain in spine (finding)"))]
    chart = [found, ablation]
    if lesion.has_cement:
        chart.append(_cement(lesion, ablation, place, ids))
    chart += _assessments(lesion, found, place, ids)
    if lesion.complication is not None:
        chart += _complication(lesion.complication, ablation, place, ids)
    return chart


def _ablation(lesion: DemoLesion, found: Resource, place: _Place, ids: IdSequence) -> Resource:
    """One cryoablation: its own site is the vertebral body or only the region; the reason tells the level."""
    turn = place.turn
    site = vertebral_body(lesion.level) if turn % 2 else concept(coding(SNOMED, REGIONS[lesion.region]))
    performed = Performed(place.day, STARTS[place.slot], ENDS[place.slot], site)
    base = procedure(ids.take("Procedure"), place.subject, concept(ABLATIONS[turn % 3]), performed)
    return base | {
        "extension": [fhir.intent(f"{MCODE}/mcode-procedure-intent", lesion.intent)],
        "category": concept(coding(SNOMED, "387713003", "Surgical procedure (procedure)")),
        "reasonReference": [refer(found)],
    }


def _cement(lesion: DemoLesion, ablation: Resource, place: _Place, ids: IdSequence) -> Resource:
    """The cementoplasty after an ablation: part of it, and only every other one repeats the site."""
    site = vertebral_body(lesion.level) if place.turn % 2 else None
    performed = Performed(place.day, ENDS[place.slot], ENDS[place.slot], site)
    code = concept(coding(PROCEDURES, "CIM-VERT", "Cimentoplastie vertebrale"))
    base = procedure(ids.take("Procedure"), place.subject, code, performed)
    cement = concept(coding(SNOMED, "427811002", "Polymethyl methacrylate (substance)"))
    return base | {"partOf": [refer(ablation)], "usedCode": [cement]}


def _assessments(lesion: DemoLesion, found: Resource, place: _Place, ids: IdSequence) -> list[Resource]:
    statuses = []
    for visit, (day, progressed) in enumerate(lesion.assessments()):
        value = "worsened" if progressed else ("stable", "improved")[visit % 2]
        effective = fhir.local_time(day, "11:15", ZONE) if place.turn % 2 else day.isoformat()
        status = disease_status(ids.take("Observation"), place.subject, value, effective)
        statuses.append(status | {"focus": [refer(found)]})
    return statuses


def _complication(
    told: DemoComplication, ablation: Resource, place: _Place, ids: IdSequence
) -> list[Resource]:
    day = place.day + timedelta(days=told.day)
    event = adverse_event(ids.take("AdverseEvent"), place.subject, EVENTS[told.text], day)
    event |= {
        "seriousness": concept(coding(f"{THO}/adverse-event-seriousness", "Non-serious")),
        "suspectEntity": [{"instance": refer(ablation)}],
        **_grade(told),
    }
    if told.text != "pleural effusion without drainage":
        return [event]
    code = concept(coding(SNOMED, "60046008", "Pleural effusion (disorder)"))
    effusion = fhir.condition(ids.take("Condition"), place.subject, code, recorded=day)
    return [effusion, event | {"resultingCondition": [refer(effusion)]}]


def _grade(told: DemoComplication) -> Resource:
    """The grade by one of four habits; the flare is felt as severe though its CIRSE grade makes it minor."""
    cirse = concept(coding(CIRSE, f"G{told.cirse_grade}"))
    ctcae = concept(coding(NCIT, fhir.CTCAE_GRADES[told.ctcae_grade]))
    match told.text:
        case "haematoma at the puncture site":
            return {"extension": [extension(CTCAE_GRADE, valueCodeableConcept=cirse)]} | _severity("mild")
        case "pleural effusion without drainage":
            return {"extension": [extension(CTCAE_GRADE, valueCodeableConcept=ctcae)]}
        case "post-ablation pain flare":
            return {"extension": [extension(AE_GRADE, valueCodeableConcept=cirse)]} | _severity("severe")
        case _:
            return _severity("mild")


def _severity(code: str) -> Resource:
    return {"severity": concept(coding(f"{THO}/adverse-event-severity", code))}


def _scores(patient: DemoPatient, subject: Resource, ids: IdSequence, number: int) -> list[Resource]:
    """The scores with their times; patients without pain have at most a zero from the day before."""
    scores = []
    for turn, (offset, score) in enumerate(patient.charted_scores(asks_all=number % 2 == 1)):
        clock = {-1: "16:30", 1: "09:20"}.get(offset, "10:00")
        effective = fhir.local_time(patient.index_date + timedelta(days=offset), clock, ZONE)
        unit = "1" if (number + turn) % 3 == 0 else "{score}"
        scores.append(pain_score(ids.take("Observation"), subject, score, effective, unit=unit))
    return scores
