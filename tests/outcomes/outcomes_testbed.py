"""A warehouse whose core tables hold the 74-patient synthetic cohort, straight from its CSV files."""

import csv
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outcomes.refresh import refresh
from outcomes.results import MetricResult, Results
from warehouse.connection import Transaction, Warehouse

FIXTURES = Path(__file__).parents[1] / "fixtures" / "paper-cohort"
DAYS_PER_MONTH = 30.4375
RUN = 7

_CORE = """
CREATE TABLE core.rule (study_start DATE, study_end DATE, data_lock DATE, baseline_from_day INTEGER,
    baseline_to_day INTEGER, h24_from_hours INTEGER, h24_to_hours INTEGER, month1_from_day INTEGER,
    month1_to_day INTEGER, month1_target_day INTEGER, last_from_day INTEGER, complication_days INTEGER,
    event_merge_days INTEGER, responder_points DOUBLE, responder_percent DOUBLE,
    responder_percent_high DOUBLE, lost_after_months DOUBLE, days_per_month DOUBLE);
INSERT INTO core.rule VALUES ('2008-05-01', '2020-09-30', '2021-06-30', -30, 0, 12, 48, 21, 45, 30, 21, 30, 3,
    2, 30, 50, 12, 30.4375);
CREATE TABLE core.patient (patient_key TEXT, center_id TEXT, sex TEXT, age_at_index_years INTEGER,
    index_date DATE, is_dead BOOLEAN, death_date DATE, last_contact_date DATE, follow_up_days BIGINT,
    n_sessions BIGINT, n_lesions BIGINT, primary_concept TEXT, is_painful BOOLEAN, painful_reason TEXT);
CREATE TABLE core.session (session_key TEXT, center_id TEXT, patient_key TEXT, session_date DATE,
    session_number BIGINT);
CREATE TABLE core.pain_score (pain_score_key TEXT, center_id TEXT, patient_key TEXT, score DOUBLE,
    scored_date DATE, day_from_index BIGINT, hours_from_index DOUBLE, phase TEXT, is_usable BOOLEAN);
CREATE TABLE core.pain_timeline (patient_key TEXT, center_id TEXT, time_point TEXT, score DOUBLE,
    day_from_index BIGINT);
CREATE TABLE core.treatment (lesion_key TEXT, center_id TEXT, patient_key TEXT, treated_date DATE);
CREATE TABLE core.lesion (lesion_key TEXT, center_id TEXT, patient_key TEXT, level TEXT, region TEXT,
    first_treated_date DATE, intent TEXT, has_cementoplasty BOOLEAN, n_sessions BIGINT);
CREATE TABLE core.local_control (local_control_key TEXT, center_id TEXT, patient_key TEXT, lesion_key TEXT,
    months_from_treatment DOUBLE, status TEXT, is_usable BOOLEAN);
CREATE TABLE core.complication (complication_key TEXT, center_id TEXT, patient_key TEXT, session_key TEXT,
    class TEXT, scale TEXT, grade TEXT, event_concept TEXT,
    days_from_session BIGINT);
CREATE TABLE core.flow (center_id TEXT, step_order INTEGER, step TEXT, unit TEXT, kept BIGINT,
    excluded BIGINT, reason TEXT);
"""

Row = dict[str, Any]


def patients() -> list[dict[str, str]]:
    return _read("patients.csv")


def lesions() -> list[dict[str, str]]:
    return _read("lesions.csv")


def reference() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / "reference-results.json").read_text(encoding="utf-8"))
    return loaded


def scores(column: str, center: str | None = None) -> list[float]:
    return [float(p[column]) for p in patients() if p[column] and center in (None, p["center"].lower())]


def curative() -> tuple[list[float], list[bool]]:
    """Durations in whole months, and whether they ended in a progression."""
    rows = [row for row in lesions() if row["intent"] == "curative"]
    durations = [float(row["progression_month"] or row["ltc_followup_months"]) for row in rows]
    return durations, [bool(row["progression_month"]) for row in rows]


def curative_patients() -> list[str]:
    """The patient of each row of `curative`."""
    return [row["patient_id"] for row in lesions() if row["intent"] == "curative"]


def fill_core(tx: Transaction) -> None:
    """Make the core tables and fill them with the cohort."""
    tx.execute(_CORE)
    for table, rows in cohort_rows().items():
        tx.insert(table, rows)


def empty_core(tx: Transaction) -> None:
    """Make the core tables without a patient."""
    tx.execute(_CORE)


def refreshed(warehouse: Warehouse) -> Results:
    """Fill, refresh and return the results."""
    with warehouse.transaction() as tx:
        fill_core(tx)
        return Results(refresh(tx, RUN))


def stored(warehouse: Warehouse) -> list[MetricResult]:
    rows = warehouse.rows('SELECT * FROM outcomes.metric_result ORDER BY metric, "group", statistic')
    return [MetricResult.from_row(row) for row in rows]


def cohort_rows() -> dict[str, Sequence[Row]]:
    people, treated = patients(), lesions()
    return {
        "core.patient": [_patient(p) for p in people],
        "core.pain_timeline": [row for p in people if p["painful"] == "yes" for row in _timeline(p)],
        "core.pain_score": [row for p in people if p["painful"] == "yes" for row in _scores(p)],
        "core.session": _sessions(treated),
        "core.treatment": [_treatment(row) for row in treated],
        "core.lesion": [_lesion(row) for row in treated],
        "core.local_control": [row for x in treated if x["intent"] == "curative" for row in _assessments(x)],
        "core.complication": [_complication(x) for x in treated if x["complication"] != "none"],
        "core.flow": _flow(),
        "ops.check_result": _checks(),
        "ops.unmapped": [_unmapped()],
    }


def _read(name: str) -> list[dict[str, str]]:
    with (FIXTURES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _days(months: str) -> int:
    return round(int(months) * DAYS_PER_MONTH)


def _key(row: Mapping[str, str]) -> str:
    return f"{row['center'].lower()}/{row['patient_id']}"


def _patient(p: Mapping[str, str]) -> Row:
    index_date = dt.date.fromisoformat(p["index_date"])
    last_contact = index_date + dt.timedelta(days=_days(p["last_contact_months"]))
    return {
        "patient_key": _key(p),
        "center_id": p["center"].lower(),
        "sex": p["sex"],
        "age_at_index_years": int(p["age"]),
        "index_date": index_date,
        "is_dead": p["vital_status"] == "dead",
        "death_date": last_contact if p["vital_status"] == "dead" else None,
        "last_contact_date": last_contact,
        "follow_up_days": _days(p["last_contact_months"]),
        "n_sessions": int(p["n_sessions"]),
        "n_lesions": int(p["n_lesions"]),
        "primary_concept": p["primary_tumour"],
        "is_painful": p["painful"] == "yes",
        "painful_reason": _reason(p),
    }


def _reason(p: Mapping[str, str]) -> str | None:
    if p["painful"] == "no":
        return None
    return "coded indication" if p["nprs_baseline"] == "0" else "baseline score"


def _scores(p: Mapping[str, str]) -> list[Row]:
    """Each Observation once: the last score of a patient seen to one month is that of one month."""
    found = {row["day_from_index"]: row for row in _timeline(p)}
    phases = {-1: "before", 1: "24h"}
    return [
        {
            "pain_score_key": f"{_key(p)}/{day}",
            "center_id": row["center_id"],
            "patient_key": row["patient_key"],
            "score": row["score"],
            "scored_date": dt.date.fromisoformat(p["index_date"]) + dt.timedelta(days=day),
            "day_from_index": day,
            "hours_from_index": None,
            "phase": phases.get(day, "after"),
            "is_usable": True,
        }
        for day, row in found.items()
    ]


def _sessions(treated: Sequence[Mapping[str, str]]) -> list[Row]:
    days = {(_key(row), row["procedure_date"]): row for row in treated}
    return [
        {
            "session_key": f"{patient}/{day}",
            "center_id": row["center"].lower(),
            "patient_key": patient,
            "session_date": dt.date.fromisoformat(day),
            "session_number": int(row["session"]),
        }
        for (patient, day), row in sorted(days.items())
    ]


def _timeline(p: Mapping[str, str]) -> list[Row]:
    last = 30 if p["pain_followup_months"] == "1" else _days(p["pain_followup_months"])
    times = (("baseline", "nprs_baseline", -1), ("24h", "nprs_24h", 1), ("1m", "nprs_1m", 30))
    return [
        {
            "patient_key": _key(p),
            "center_id": p["center"].lower(),
            "time_point": time,
            "score": float(p[column]),
            "day_from_index": day,
        }
        for time, column, day in (*times, ("last", "nprs_last", last))
    ]


def _treatment(row: Mapping[str, str]) -> Row:
    return {
        "lesion_key": f"{_key(row)}/{row['level']}",
        "center_id": row["center"].lower(),
        "patient_key": _key(row),
        "treated_date": dt.date.fromisoformat(row["procedure_date"]),
    }


def _lesion(row: Mapping[str, str]) -> Row:
    return {
        "lesion_key": f"{_key(row)}/{row['level']}",
        "center_id": row["center"].lower(),
        "patient_key": _key(row),
        "level": row["level"],
        "region": row["region"],
        "first_treated_date": dt.date.fromisoformat(row["procedure_date"]),
        "intent": row["intent"],
        "has_cementoplasty": row["cement"] == "yes",
        "n_sessions": 1,
    }


def _assessments(row: Mapping[str, str]) -> list[Row]:
    """What counts, and three that must not: whole disease, unusable, not assessed."""
    status = "controlled" if row["local_control"] == "yes" else "progression"
    last, late = row["ltc_followup_months"], f"{int(row['ltc_followup_months']) + 9}"
    found = [(last, status, True, True)]
    if row["progression_month"]:
        found.append((row["progression_month"], "progression", True, True))
    noise = [(late, "progression", False, True), (late, "progression", True, False)]
    noise.append((late, "not_assessed", True, True))
    return [
        {
            "local_control_key": f"{row['lesion_id']}/{number}",
            "center_id": row["center"].lower(),
            "patient_key": _key(row),
            "lesion_key": f"{_key(row)}/{row['level']}" if is_linked else None,
            "months_from_treatment": _days(months) / DAYS_PER_MONTH,
            "status": state,
            "is_usable": is_usable,
        }
        for number, (months, state, is_linked, is_usable) in enumerate([*found, *noise])
    ]


def _complication(row: Mapping[str, str]) -> Row:
    return {
        "complication_key": f"{row['lesion_id']}/event",
        "center_id": row["center"].lower(),
        "patient_key": _key(row),
        "session_key": f"{_key(row)}/{row['procedure_date']}",
        "class": row["complication"],
        "scale": "CIRSE 2017",
        "event_concept": "paresthesia",
        "days_from_session": 1,
        "grade": row["cirse_grade"],
    }


def _flow() -> list[Row]:
    columns = ("center_id", "step_order", "step", "unit", "kept", "excluded", "reason")
    rows = (
        ("a", 1, "Completed cryoablations found", "procedure", 68, 0, None),
        ("b", 1, "Completed cryoablations found", "procedure", 45, 0, None),
        ("a", 2, "Spinal metastases treated in the window", "procedure", 63, 3, "another site"),
        ("a", 2, "Spinal metastases treated in the window", "procedure", 63, 2, "outside the study window"),
        ("b", 2, "Spinal metastases treated in the window", "procedure", 42, 3, "another site"),
        ("a", 3, "Patients", "patient", 45, 0, None),
        ("b", 3, "Patients", "patient", 29, 0, None),
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _checks() -> list[Row]:
    columns = ("run_id", "check_name", "severity", "violations", "denominator", "status", "message")
    rows = (
        (RUN, "patient_key_unique", "fatal", 0, 74, "passed", ""),
        (RUN, "score_in_range", "convention", 2, 259, "violated", "2 of 259"),
        (RUN - 1, "from_an_older_run", "fatal", 5, 5, "violated", ""),
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _unmapped() -> Row:
    return {
        "center_id": "b",
        "resource_type": "Procedure",
        "element": "code",
        "system": "urn:local",
        "code": "X1",
        "display": "",
        "resources": 4,
    }
