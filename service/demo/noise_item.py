"""What noise is: labelled resources of which none may change a figure, and the chart they go into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from service.demo.cohort import DemoPatient
from service.demo.fhir import FIRST_IDS, DemoCenter, IdSequence, Resource

Visibility = Literal["absent", "excluded", "quarantined", "repeated", "reported"]
"""Where noise ends: no query asks for it; a rule keeps it out, if it is read at all; the gate refuses it;
it is a second copy; it is a message of the server about a page."""

FIRST_NOISE_ID = 7000  # above the running ids of either cohort


@dataclass(frozen=True, slots=True)
class NoiseItem:
    """One kind of noise; `repeats` names cohort resources ('Type/id') that a page holds twice."""

    label: str
    visibility: Visibility
    resources: tuple[Resource, ...] = ()
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ward:
    """A center's cohort as noise needs it: whom to write about, when, and under which new ids."""

    center: DemoCenter
    patients: Mapping[str, DemoPatient]
    ids: IdSequence

    def subject(self, patient_id: str) -> Resource:
        """The Reference to a patient of the cohort."""
        return {"reference": f"Patient/{self.center.patient_ids[patient_id]}"}

    def day(self, patient_id: str, offset: int) -> date:
        """The day that many days after a patient's index treatment."""
        return self.patients[patient_id].index_date + timedelta(days=offset)

    def last_assessed(self, patient_id: str) -> date:
        """The day of a patient's last imaging."""
        return max(day for lesion in self.patients[patient_id].lesions for day, _ in lesion.assessments())

    def first_score(self, patient_id: str) -> str:
        """'Observation/id' of a patient's first score or imaging result."""
        subject = self.subject(patient_id)
        found = (
            r for r in self.center.resources if r["resourceType"] == "Observation" and r["subject"] == subject
        )
        return f"Observation/{next(found)['id']}"


def ward(center: DemoCenter, patients: Sequence[DemoPatient]) -> Ward:
    """The ward of one center."""
    ids = IdSequence({kind: first + FIRST_NOISE_ID for kind, first in FIRST_IDS.items()})
    return Ward(center, {patient.patient_id: patient for patient in patients}, ids)


def page_warning(text: str) -> NoiseItem:
    """A server's warning inside a search result."""
    issue = {"severity": "warning", "code": "informational", "diagnostics": text}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return NoiseItem("a warning among the results", "reported", (outcome,))


def spoiled(resource: Resource) -> tuple[Resource, Resource]:
    """Two invalid copies of an Observation: without its status, and with an element FHIR does not have."""
    without_status = {name: value for name, value in resource.items() if name != "status"}
    unknown_element = resource | {"id": f"{resource['id']}-x", "painScale": "NRS"}
    return without_status, unknown_element
