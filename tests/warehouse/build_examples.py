"""Small views, SQL files and releases for the warehouse tests."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from landing_examples import NOON

from warehouse.build import BuildCenter, BuildInput, BuildSources, StudyRules
from warehouse.publish import PublishInput

KEYS = {"a": b"a" * 32, "b": b"b" * 32}
RULES = StudyRules(
    study_start=dt.date(2009, 1, 1),
    study_end=dt.date(2020, 12, 31),
    data_lock=dt.date(2021, 12, 31),
    baseline_from_day=-30,
    baseline_to_day=0,
    h24_from_hours=12,
    h24_to_hours=48,
    month1_from_day=21,
    month1_to_day=45,
    month1_target_day=30,
    last_from_day=21,
    complication_days=30,
    event_merge_days=3,
)


def write_view(folder: Path, name: str, columns: list[tuple[str, str, str]], **more: Any) -> None:
    """A ViewDefinition file: columns are (name, path, type)."""
    view: dict[str, Any] = {
        "resourceType": "ViewDefinition",
        "name": name.partition(".")[0],
        "status": "active",
        "resource": "Patient",
        "select": [
            {
                "column": [
                    {"name": column, "path": path, "type": kind, "description": f"The {column}."}
                    for column, path, kind in columns
                ]
            }
        ],
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(view | more))


PATIENT_COLUMNS = [
    ("patient_key", "getResourceKey()", "string"),
    ("gender", "gender", "code"),
    ("birth_text", "birthDate", "date"),
]

TABLE_FIELDS: dict[str, str] = {
    "table": '"core.patient"',
    "title": '"Patients"',
    "grain": '"one patient"',
    "key": '["patient_key"]',
    "needs": '["flat.patient"]',
    "reference": '"a test"',
    "definition": '"Every patient."',
}


def write_table(folder: Path, name: str, body: str, columns: dict[str, str], **fields: str) -> Path:
    """A SQL file with a full header; `fields` replace single TOML values of it."""
    folder.mkdir(exist_ok=True)
    header = [f"{field} = {value}" for field, value in (TABLE_FIELDS | fields).items()]
    header += ["[columns]", *(f"{column} = {json.dumps(meaning)}" for column, meaning in columns.items())]
    path = folder / f"{name}.sql"
    path.write_text("\n".join(f"-- {line}" for line in header) + f"\n{body}\n")
    return path


def build_input(run_id: int, views: Path, core: Path, **more: Any) -> BuildInput:
    centers = more.pop(
        "centers",
        [BuildCenter("a", "http://a/fhir", "R4"), BuildCenter("b", "http://b/fhir", "R5")],
    )
    fields: dict[str, Any] = {"code_map": [], "aliases": {}, "rules": RULES} | more
    return BuildInput(run_id=run_id, centers=centers, sources=BuildSources(views, core), **fields)


def release_of(run_id: int, **more: Any) -> PublishInput:
    fields: dict[str, Any] = {"now": NOON, "project": "study", "keys": KEYS, "keep": 3, "facts": {}}
    return PublishInput(run_id=run_id, **(fields | more))
