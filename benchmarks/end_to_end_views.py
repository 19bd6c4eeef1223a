"""The four tables that every way of benchmarks/end_to_end_ways.py makes, in the words of each kind of way.

Texts stay as they were sent, so that the results can be compared to the letter.
"""

from collections.abc import Callable, Mapping
from typing import Any

TABLES = ("Patient", "Procedure", "Condition", "Observation")

# FHIRPath of each column: for whoever takes a ViewDefinition.
PATHS: Mapping[str, Mapping[str, str]] = {
    "Patient": {"id": "id", "gender": "gender", "birth_date": "birthDate"},
    "Procedure": {
        "id": "id",
        "patient_id": "subject.reference",
        "status": "status",
        "code": "code.coding.first().code",
        "performed": "performed.ofType(dateTime)",
    },
    "Condition": {
        "id": "id",
        "patient_id": "subject.reference",
        "code": "code.coding.first().code",
        "onset": "onset.ofType(dateTime)",
    },
    "Observation": {
        "id": "id",
        "patient_id": "subject.reference",
        "status": "status",
        "code": "code.coding.first().code",
        "effective": "effective.ofType(dateTime)",
        "value": "value.ofType(Quantity).value",
    },
}
COLUMNS = {table: tuple(paths) for table, paths in PATHS.items()}

_REFERENCE = "STRUCT(reference TEXT)"
_CONCEPT = "STRUCT(coding STRUCT(code TEXT)[])"

# What a JSON reader with a schema is told to read.
READ_AS: Mapping[str, Mapping[str, str]] = {
    "Patient": {"id": "TEXT", "gender": "TEXT", "birthDate": "TEXT"},
    "Procedure": {
        "id": "TEXT",
        "subject": _REFERENCE,
        "status": "TEXT",
        "code": _CONCEPT,
        "performedDateTime": "TEXT",
    },
    "Condition": {"id": "TEXT", "subject": _REFERENCE, "code": _CONCEPT, "onsetDateTime": "TEXT"},
    "Observation": {
        "id": "TEXT",
        "subject": _REFERENCE,
        "status": "TEXT",
        "code": _CONCEPT,
        "effectiveDateTime": "TEXT",
        "valueQuantity": "STRUCT(value DOUBLE)",
    },
}

_PATIENT_ID = "split_part(subject.reference, '/', 2) AS patient_id"
_CODE = "code.coding[1].code AS code"

# The projection over that, in SQL that DuckDB reads; Spark counts elements of a list from 0.
SELECTS: Mapping[str, str] = {
    "Patient": 'id, gender, "birthDate" AS birth_date',
    "Procedure": f'id, {_PATIENT_ID}, status, {_CODE}, "performedDateTime" AS performed',
    "Condition": f'id, {_PATIENT_ID}, {_CODE}, "onsetDateTime" AS onset',
    "Observation": (
        f'id, {_PATIENT_ID}, status, {_CODE}, "effectiveDateTime" AS effective, '
        '"valueQuantity"."value" AS "value"'
    ),
}


def _patient_id(held: Mapping[str, Any]) -> str:
    reference: str = held["subject"]["reference"]
    return reference.partition("/")[2]


def _code(held: Mapping[str, Any]) -> object:
    return held["code"]["coding"][0]["code"]


# The same from a decoded resource.
ROWS: Mapping[str, Callable[[Mapping[str, Any]], tuple[object, ...]]] = {
    "Patient": lambda held: (held["id"], held["gender"], held["birthDate"]),
    "Procedure": lambda held: (
        held["id"],
        _patient_id(held),
        held["status"],
        _code(held),
        held["performedDateTime"],
    ),
    "Condition": lambda held: (held["id"], _patient_id(held), _code(held), held["onsetDateTime"]),
    "Observation": lambda held: (
        held["id"],
        _patient_id(held),
        held["status"],
        _code(held),
        held["effectiveDateTime"],
        float(held["valueQuantity"]["value"]),
    ),
}

# Where our own way leaves the same columns: the flat tables of the warehouse, joined.
OURS: Mapping[str, str] = {
    "Patient": """
        SELECT substr(patient_key, 3) AS id, gender, birth_text AS birth_date FROM flat.patient""",
    "Procedure": """
        SELECT
            substr(procedure_key, 3) AS id, substr(patient_key, 3) AS patient_id,
            status, code, performed_start_text AS performed
        FROM flat.procedure
        INNER JOIN flat.procedure_coding USING (procedure_key)
        WHERE element = 'code'""",
    "Condition": """
        SELECT substr(condition_key, 3) AS id, substr(patient_key, 3) AS patient_id, code, onset_text AS onset
        FROM flat.condition
        INNER JOIN flat.condition_coding USING (condition_key)
        WHERE element = 'code'""",
    "Observation": """
        SELECT
            substr(observation_key, 3) AS id, substr(patient_key, 3) AS patient_id,
            status, code, effective_text AS effective, CAST(value_quantity AS DOUBLE) AS "value"
        FROM flat.observation
        INNER JOIN flat.observation_coding USING (observation_key)
        WHERE element = 'code'""",
}
