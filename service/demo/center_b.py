"""Center b, FHIR R5: billing codes, one Procedure a session, many dates without a time, a US address book.

Metastases are ICD-10-CM with the vertebra as SNOMED, local code or text; ablations are CPT beside ICD-10-PCS;
cement is a second Procedure of the day, not linked; scores take four forms; responses focus on the tumor's
BodyStructure; complications are AdverseEvents, entries of `Procedure.complication`, or both.
"""

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
    DemoCenter,
    IdSequence,
    Resource,
    coding,
    concept,
    extension,
    refer,
)

ZONE = ZoneInfo("America/Chicago")
LOCAL = "urn:oid:2.16.840.1.113883.3.9999"
LEVELS = f"{LOCAL}.1"
SIR = f"{LOCAL}.2"
COMPLICATIONS = f"{LOCAL}.3"
CPT = "http://www.ama-assn.org/go/cpt"
PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
AE_GRADE = "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/ae-grade"

WHOLE_VERTEBRAE = {"C4": "5329002", "T3": "1626008", "T10": "7610001"}
SPELLINGS = {
    "T": ("T{0}", "D{0}", "Th{0}", "BWK {0}", "vertebra T{0}"),
    "L": ("L{0}", "L {0}", "LWK {0}"),
    "S": ("S{0}",),
}
DESTRUCTION = {"thoracic": "0P543ZZ", "lumbar": "0Q503ZZ", "sacral": "0Q513ZZ"}
CEMENTS = {"thoracic": ("22510", "22513"), "lumbar": ("22511", "22514"), "sacral": ("22511",)}
ANSWERS = (
    "LA6111-4",
    "LA6112-2",
    "LA6113-0",
    "LA6114-8",
    "LA6115-5",
    "LA10137-0",
    "LA10138-8",
    "LA10139-6",
    "LA10140-4",
    "LA10141-2",
    "LA13942-0",
)
RESPONSES = {
    "complete": "LA28366-5",
    "partial": "LA28369-9",
    "stable": "LA28371-5",
    "progressive": "LA28370-7",
}
EVENTS = {
    "cement leakage without symptoms": "906",
    "transient paraesthesia": "904",
    "radicular motor deficit": "903",
    "pathological fracture of the treated vertebra": "902",
}
NO_EVENT = frozenset({"radicular motor deficit"})  # told by the Procedure alone
IN_PROCEDURE = frozenset({"radicular motor deficit", "transient paraesthesia"})
UNLINKED = frozenset({"pathological fracture of the treated vertebra"})  # only its date leads to the session
BY_CTCAE = frozenset({"cement leakage without symptoms", "pathological fracture of the treated vertebra"})


@dataclass(frozen=True, slots=True)
class _Chart:
    """One patient's chart while it is written; `number` decides which of the center's habits it shows."""

    patient: DemoPatient
    subject: Resource
    number: int
    ids: IdSequence

    def procedure_time(self, day: date, start: str, end: str) -> Resource:
        """The occurrence of a Procedure: every third patient's charts hold the day only."""
        if self.number % 3 == 1:
            return {"occurrenceDateTime": day.isoformat()}
        period = {"start": fhir.local_time(day, start, ZONE), "end": fhir.local_time(day, end, ZONE)}
        return {"occurrencePeriod": period}

    def score_time(self, day: date, clock: str) -> str:
        """The time of a score: two of three patients' charts hold the day only."""
        return fhir.local_time(day, clock, ZONE) if self.number % 3 == 0 else day.isoformat()


@dataclass(frozen=True, slots=True)
class _Tumor:
    """A lesion with the two resources that stand for it."""

    lesion: DemoLesion
    found: Resource
    structure: Resource


def build(patients: Sequence[DemoPatient]) -> DemoCenter:
    """The resources of the center's own patients, in the order a chart would be written."""
    ids, resources, patient_ids = IdSequence(), [], {}
    for number, patient in enumerate(row for row in patients if row.center_id == "b"):
        chart = _chart(patient, ids, number)
        patient_ids[patient.patient_id] = chart[0]["id"]
        resources += chart
    return DemoCenter("b", "R5", tuple(resources), patient_ids)


def demo_person(key: str, label: str, sex: str, birth_date: date) -> Resource:
    """A Patient of this center: US address and a telephone number kept for fiction."""
    address = {"line": ["1 Example Plaza"], "city": "Exampleton", "state": "MO", "postalCode": "00000"}
    facts = fhir.Person(label, sex, birth_date, f"{LOCAL}.10", f"+1 314 555 {int(key) % 10000:04d}", address)
    return fhir.person(key, facts)


def site(level: str, turn: int) -> Resource:
    """A vertebral level as whole vertebra where SNOMED has one here, else in turn as local code or text."""
    if level in WHOLE_VERTEBRAE:
        return concept(coding(SNOMED, WHOLE_VERTEBRAE[level]))
    part, number = level[0], int(level[1:])
    if turn % 2:
        return concept(coding(LEVELS, f"VERT-{part}{number:02d}"))
    spellings = SPELLINGS[part]
    return concept(text=spellings[turn // 2 % len(spellings)].format(number))


def metastasis(key: str, subject: Resource, where: Resource, recorded: date) -> Resource:
    """A bone metastasis with its site: the code alone does not say that it is the spine."""
    code = concept(coding(fhir.ICD10CM, "C79.51"), text="Bone metastasis")
    return fhir.condition(key, subject, code, recorded=recorded) | {"bodySite": [where]}


def procedure(key: str, subject: Resource, code: Resource, occurrence: Resource) -> Resource:
    """A completed Procedure with an operator's name and a note to drop."""
    return {
        "resourceType": "Procedure",
        "id": key,
        "status": "completed",
        "code": code,
        "subject": subject,
        **occurrence,
        "performer": [{"actor": {"display": "Zz-Synthetic-Operator, MD"}}],
        "note": [{"text": "Invented operation note of the demo."}],
    }


def pain_score(key: str, subject: Resource, score: int, effective: str, *, form: int = 0) -> Resource:
    """A 0-10 pain score: integer (0), LOINC answer (1), SNOMED with an integer (2) or component (3)."""
    question = coding(LOINC, "72514-3")
    code = {2: coding(SNOMED, "225908003", "Pain score (observable entity)"), 3: coding(LOINC, "38208-5")}
    asked = concept(code.get(form, question), text="Pain 0-10")
    base = fhir.observation(key, subject, asked, category="survey", effective=effective)
    match form:
        case 1:
            return base | {"valueCodeableConcept": concept(coding(LOINC, ANSWERS[score]))}
        case 3:
            return base | {"component": [{"code": concept(question), "valueInteger": score}]}
        case _:
            return base | {"valueInteger": score}


def response(key: str, subject: Resource, answer: str, effective: str) -> Resource:
    """A response to treatment without focus: complete, partial, stable or progressive."""
    code = concept(coding(LOINC, "88040-1"), text="Response to treatment")
    base = fhir.observation(key, subject, code, category="imaging", effective=effective)
    return base | {"valueCodeableConcept": concept(coding(LOINC, RESPONSES[answer]))}


def adverse_event(key: str, subject: Resource, code: str, day: date) -> Resource:
    """A completed, actual adverse event with a local code, neither graded nor linked."""
    return {
        "resourceType": "AdverseEvent",
        "id": key,
        "identifier": [{"system": f"{LOCAL}.11", "value": f"AE-{key}"}],
        "status": "completed",
        "actuality": "actual",
        "code": concept(coding(COMPLICATIONS, code), text="Invented complication"),
        "subject": subject,
        "occurrenceDateTime": day.isoformat(),
        "recordedDate": day.isoformat(),
    }


def sir_class(letter: str) -> Resource:
    """The local coding of an SIR class A-F."""
    return coding(SIR, f"SIR-{letter}")


def grade(value: Resource) -> Resource:
    """The grade extension of an R5 adverse event."""
    return extension(AE_GRADE, valueCodeableConcept=concept(value))


def _chart(patient: DemoPatient, ids: IdSequence, number: int) -> list[Resource]:
    """Everything of one patient, the Patient first. number: patients written before."""
    who = demo_person(ids.take("Patient"), patient.patient_id, patient.sex, patient.birth_date)
    if patient.vital_status != "lost":
        who["deceasedBoolean"] = patient.vital_status == "dead"
    chart = _Chart(patient, refer(who), number, ids)
    code = concept(coding(fhir.ICD10CM, patient.primary_code), text=f"{patient.primary} cancer")
    found = patient.index_date - timedelta(days=400)
    primary = fhir.condition(ids.take("Condition"), chart.subject, code, recorded=found)
    resources = [who, primary]
    for day, treated in patient.sessions():
        tumors = [_tumor(chart, lesion, primary) for lesion in treated]
        resources += [resource for tumor in tumors for resource in (tumor.found, tumor.structure)]
        for intent in sorted({lesion.intent for lesion in treated}):
            resources += _session(chart, day, [tumor for tumor in tumors if tumor.lesion.intent == intent])
        resources += [status for tumor in tumors for status in _responses(chart, tumor)]
    return [*resources, *_scores(chart)]


def _tumor(chart: _Chart, lesion: DemoLesion, primary: Resource) -> _Tumor:
    recorded = lesion.treated - timedelta(days=20)
    where = site(lesion.level, chart.number)
    found = metastasis(chart.ids.take("Condition"), chart.subject, where, recorded)
    url = f"{MCODE}/mcode-related-primary-cancer-condition"
    found["extension"] = [extension(url, valueReference=refer(primary))]
    key = chart.ids.take("BodyStructure")
    structure = {
        "resourceType": "BodyStructure",
        "id": key,
        "extension": [extension(f"{MCODE}/mcode-related-condition", valueReference=refer(found))],
        "identifier": [{"system": f"{LOCAL}.12", "value": f"TUMOR-{key}"}],
        "active": True,
        "includedStructure": [{"structure": site(lesion.level, chart.number + 1)}],
        "patient": chart.subject,
    }
    return _Tumor(lesion, found, structure)


def _session(chart: _Chart, day: date, tumors: Sequence[_Tumor]) -> list[Resource]:
    """One cryoablation of all the session's tumors of one intent, their cement and their complications."""
    ablation = _ablation(chart, day, tumors)
    resources = [ablation]
    for tumor in tumors:
        if tumor.lesion.has_cement:
            resources.append(_cement(chart, day, tumor.lesion))
        if tumor.lesion.complication is not None:
            resources += _complication(chart, day, tumor.lesion.complication, ablation)
    return resources


def _ablation(chart: _Chart, day: date, tumors: Sequence[_Tumor]) -> Resource:
    """One Procedure for several lesions: a PCS code where they share a region, sites if not or at times."""
    regions = sorted({tumor.lesion.region for tumor in tumors})
    destruction = [coding(PCS, DESTRUCTION[regions[0]])] if len(regions) == 1 else []
    code = concept(coding(CPT, "20983"), *destruction, text="Percutaneous cryoablation")
    occurrence = chart.procedure_time(day, "08:30", "11:00")
    base = procedure(chart.ids.take("Procedure"), chart.subject, code, occurrence)
    url = f"{MCODE}/mcode-treatment-intent"
    base["extension"] = [fhir.intent(url, tumors[0].lesion.intent)]
    base["reason"] = [{"reference": refer(tumor.found)} for tumor in tumors]
    scores = chart.patient.scores
    if scores is not None and (scores.baseline == 0 or chart.number % 4 == 0):
        base["reason"].append({"concept": concept(coding(SNOMED, "48926009", "Pain in spine (finding)"))})
    if len(regions) > 1 or chart.number % 2 == 0:
        base["bodySite"] = [site(tumor.lesion.level, chart.number + 2) for tumor in tumors]
    return base


def _cement(chart: _Chart, day: date, lesion: DemoLesion) -> Resource:
    codes = CEMENTS[lesion.region]
    code = concept(coding(CPT, codes[chart.number % len(codes)]), text="Cement")
    occurrence = chart.procedure_time(day, "11:00", "11:20")
    base = procedure(chart.ids.take("Procedure"), chart.subject, code, occurrence)
    return base | {"bodySite": [site(lesion.level, chart.number + 4)]}


def _responses(chart: _Chart, tumor: _Tumor) -> list[Resource]:
    statuses = []
    for visit, (day, progressed) in enumerate(tumor.lesion.assessments()):
        answer = "progressive" if progressed else ("stable", "partial", "complete")[visit % 3]
        key = chart.ids.take("Observation")
        status = response(key, chart.subject, answer, chart.score_time(day, "14:30"))
        statuses.append(status | {"focus": [refer(tumor.structure)]})
    return statuses


def _complication(chart: _Chart, day: date, told: DemoComplication, ablation: Resource) -> list[Resource]:
    """The adverse event, if there is one; the Procedure's own entry carries event and SIR class together."""
    code = EVENTS[told.text]
    if told.text in IN_PROCEDURE:
        both = concept(coding(COMPLICATIONS, code), sir_class(told.sir_class))
        ablation.setdefault("complication", []).append({"concept": both})
    if told.text in NO_EVENT:
        return []
    event = adverse_event(chart.ids.take("AdverseEvent"), chart.subject, code, day + timedelta(days=told.day))
    by_ctcae = told.text in BY_CTCAE
    scale = coding(NCIT, fhir.CTCAE_GRADES[told.ctcae_grade]) if by_ctcae else sir_class(told.sir_class)
    seriousness = "serious" if told.severity == "major" else "non-serious"
    event |= {
        "extension": [grade(scale)],
        "seriousness": concept(coding(f"{THO}/adverse-event-seriousness", seriousness)),
    }
    if told.text not in UNLINKED:
        event["suspectEntity"] = [{"instanceReference": refer(ablation)}]
    return [event]


def _scores(chart: _Chart) -> list[Resource]:
    """The scores in all four forms; patients without pain have at most a zero from the day before."""
    patient = chart.patient
    scores = []
    for turn, (offset, score) in enumerate(patient.charted_scores(asks_all=chart.number % 2 == 1)):
        clock = {-1: "15:00", 1: "08:45"}.get(offset, "13:00")
        effective = chart.score_time(patient.index_date + timedelta(days=offset), clock)
        form = (chart.number + turn) % 4
        scores.append(pain_score(chart.ids.take("Observation"), chart.subject, score, effective, form=form))
    return scores
