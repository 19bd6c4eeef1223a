"""The synthetic cohort as rows: 74 invented patients with 105 treated lesions, and what follows from them.

The rows know nothing of FHIR. Months become whole days here, once, so that both centers and the tests
place every score, assessment and death on the same day.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable

DAYS_PER_MONTH = 30.4375
MONTH1_DAY = 30
CONTROL_MONTHS = (
    3,
    6,
    12,
    24,
    36,
    48,
    60,
    72,
)  # imaging visits, beside the month of progression and the last


@dataclass(frozen=True, slots=True)
class DemoComplication:
    """One complication of a lesion's treatment, graded on three scales; `day` counts from the treatment."""

    text: str
    severity: str
    cirse_grade: int
    sir_class: str
    ctcae_grade: int
    day: int


@dataclass(frozen=True, slots=True)
class DemoLesion:
    """One treated lesion; the control fields are None unless the intent is curative."""

    lesion_id: str
    level: str
    region: str
    session: int
    treated: date
    has_cement: bool
    intent: str
    control_months: int | None
    progression_months: int | None
    complication: DemoComplication | None

    def assessments(self) -> list[tuple[date, bool]]:
        """Imaging of this lesion, oldest first: day and whether it had progressed by then."""
        if self.control_months is None:
            return []
        end = self.control_months
        months = {month for month in CONTROL_MONTHS if month < end} | {end}
        months |= {self.progression_months} if self.progression_months is not None else set()
        progressed_from = self.progression_months if self.progression_months is not None else end + 1
        return [(after(self.treated, month), month >= progressed_from) for month in sorted(months)]


@dataclass(frozen=True, slots=True)
class DemoScores:
    """A painful patient's four scores 0-10; `last_months` is when the last one was taken."""

    baseline: int
    day1: int
    month1: int
    last: int
    last_months: int

    def by_day(self) -> list[tuple[int, int]]:
        """Days from the index treatment and scores, oldest first.

        Where follow-up ends at one month the last score is the one-month score, so there are three.
        """
        scores = [(-1, self.baseline), (1, self.day1), (MONTH1_DAY, self.month1)]
        last_day = round(self.last_months * DAYS_PER_MONTH)
        return scores if last_day == MONTH1_DAY else [*scores, (last_day, self.last)]


@dataclass(frozen=True, slots=True)
class DemoPatient:
    """One invented patient with the lesions treated; `scores` is None for the ten without pain."""

    patient_id: str
    center_id: str
    sex: str
    birth_date: date
    primary: str
    primary_code: str
    index_date: date
    scores: DemoScores | None
    vital_status: str
    last_contact_months: int
    lesions: tuple[DemoLesion, ...]

    def death_date(self) -> date | None:
        """Day of death, or None: never before the last score or imaging, whatever the months round to."""
        if self.vital_status != "dead":
            return None
        seen = [after(self.index_date, self.last_contact_months)]
        seen += [day for lesion in self.lesions for day, _ in lesion.assessments()]
        seen += (
            [self.index_date + timedelta(days=day) for day, _ in self.scores.by_day()] if self.scores else []
        )
        return max(seen)

    def charted_scores(self, *, asks_all: bool) -> list[tuple[int, int]]:
        """Days from the index treatment and scores; a patient without pain has a zero where all are asked."""
        if self.scores is not None:
            return self.scores.by_day()
        return [(-1, 0)] if asks_all else []

    def sessions(self) -> list[tuple[date, tuple[DemoLesion, ...]]]:
        """Treatment days, oldest first, with the lesions treated on each."""
        days = sorted({lesion.treated for lesion in self.lesions})
        return [(day, tuple(lesion for lesion in self.lesions if lesion.treated == day)) for day in days]


def after(start: date, months: int) -> date:
    """The day that many months of 30.4375 days after `start`."""
    return start + timedelta(days=round(months * DAYS_PER_MONTH))


def read_cohort(folder: Traversable | None = None) -> tuple[DemoPatient, ...]:
    """The patients of `patients.csv` with the lesions of `lesions.csv`, in file order.

    folder: where the two files are; the packaged cohort by default.
    """
    source = folder if folder is not None else files("service.demo") / "cohort"
    lesions: dict[str, list[DemoLesion]] = {}
    for row in _rows(source / "lesions.csv"):
        lesions.setdefault(row["patient_id"], []).append(_lesion(row))
    return tuple(_patient(row, tuple(lesions[row["patient_id"]])) for row in _rows(source / "patients.csv"))


def _rows(file: Traversable) -> Iterator[Mapping[str, str]]:
    yield from csv.DictReader(file.read_text(encoding="utf-8").splitlines())


def _months(text: str) -> int | None:
    return int(text) if text else None


def _patient(row: Mapping[str, str], lesions: tuple[DemoLesion, ...]) -> DemoPatient:
    return DemoPatient(
        patient_id=row["patient_id"],
        center_id=row["center"].lower(),
        sex=row["sex"],
        birth_date=date.fromisoformat(row["birth_date"]),
        primary=row["primary_tumour"],
        primary_code=row["primary_icd10cm"],
        index_date=date.fromisoformat(row["index_date"]),
        scores=_scores(row) if row["painful"] == "yes" else None,
        vital_status=row["vital_status"],
        last_contact_months=int(row["last_contact_months"]),
        lesions=lesions,
    )


def _scores(row: Mapping[str, str]) -> DemoScores:
    return DemoScores(
        baseline=int(row["nprs_baseline"]),
        day1=int(row["nprs_24h"]),
        month1=int(row["nprs_1m"]),
        last=int(row["nprs_last"]),
        last_months=int(row["pain_followup_months"]),
    )


def _lesion(row: Mapping[str, str]) -> DemoLesion:
    return DemoLesion(
        lesion_id=row["lesion_id"],
        level=row["level"],
        region=row["region"],
        session=int(row["session"]),
        treated=date.fromisoformat(row["procedure_date"]),
        has_cement=row["cement"] == "yes",
        intent=row["intent"],
        control_months=_months(row["ltc_followup_months"]),
        progression_months=_months(row["progression_month"]),
        complication=_complication(row) if row["complication"] != "none" else None,
    )


def _complication(row: Mapping[str, str]) -> DemoComplication:
    return DemoComplication(
        text=row["complication_text"],
        severity=row["complication"],
        cirse_grade=int(row["cirse_grade"]),
        sir_class=row["sir_class"],
        ctcae_grade=int(row["ctcae_grade"]),
        day=int(row["complication_day"]),
    )
