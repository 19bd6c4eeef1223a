"""The study rules: what the settings fix, as the one row of `core.rule` that core SQL reads."""

import dataclasses
import datetime as dt
from collections.abc import Mapping

from warehouse.built import BuildLedger, BuiltTable, digest
from warehouse.catalog import describe
from warehouse.connection import Transaction
from warehouse.names import with_names

RULE = "core.rule"
DAYS_PER_MONTH = 30.4375

_MEANINGS = {
    "study_start": "First day on which an index treatment counts.",
    "study_end": "Last day on which an index treatment counts.",
    "data_lock": "Last day on which anything counts.",
    "baseline_from_day": "First day of the baseline window, from the index day.",
    "baseline_to_day": "Last day of the baseline window, from the index day.",
    "h24_from_hours": "Start of the 24-hour window, hours from the index treatment.",
    "h24_to_hours": "End of the 24-hour window, hours from the index treatment.",
    "month1_from_day": "First day of the one-month window, from the index day.",
    "month1_to_day": "Last day of the one-month window, from the index day.",
    "month1_target_day": "Day of the one-month window that is preferred.",
    "last_from_day": "First day from the index day on which a score counts as the last one.",
    "complication_days": "Days after a session within which a complication counts.",
    "event_merge_days": "Days within which two entries describe one event.",
    "responder_points": "Fall of the pain score from baseline, in points, that makes a responder.",
    "responder_percent": "Fall of the pain score from baseline, in percent, that makes a responder.",
    "responder_percent_high": "The same, a higher percentage.",
    "lost_after_months": "Months without contact before the data lock after which a patient is lost.",
    "days_per_month": "Days of a month in durations.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class StudyRules:
    """Study window, data lock and assessment windows (days and hours from the index treatment)."""

    study_start: dt.date
    study_end: dt.date
    data_lock: dt.date
    baseline_from_day: int
    baseline_to_day: int
    h24_from_hours: int
    h24_to_hours: int
    month1_from_day: int
    month1_to_day: int
    month1_target_day: int
    last_from_day: int
    complication_days: int
    event_merge_days: int
    responder_points: float = 2.0
    responder_percent: float = 30.0
    responder_percent_high: float = 50.0
    lost_after_months: float = 12.0
    days_per_month: float = DAYS_PER_MONTH


_SQL_TYPES: Mapping[object, str] = {dt.date: "DATE", int: "INTEGER", float: "DOUBLE"}


def write_rules(transaction: Transaction, rules: StudyRules, ledger: BuildLedger) -> BuiltTable:
    """Make `core.rule`, one row with a column for each rule, unless it says the same already."""
    sources = {"study rules": digest([dataclasses.asdict(rules), dict(_MEANINGS)])}
    reasons = ledger.reasons(RULE, sources)
    if reasons:
        _write(transaction, rules)
        ledger.note(RULE, sources, reasons)
    return BuiltTable(RULE, 1, reasons)


def _write(transaction: Transaction, rules: StudyRules) -> None:
    columns = ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in dataclasses.fields(rules))
    transaction.execute(with_names("CREATE OR REPLACE TABLE {table}", table=RULE) + f" ({columns})")
    transaction.insert(RULE, [dataclasses.asdict(rules)])
    describe(transaction, RULE, "Study rules: one row.", _MEANINGS)
