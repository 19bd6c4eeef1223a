"""Scripts planted wherever a center could put one: in its FHIR resources, and in every text of a release."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

CANARY = "<script>document.title='run'</script><img src=x onerror=document.title='run'>"
# Strings that a reader sees and no rule reads; texts are read where there is no coding beside them.
SHOWN = {"display", "family", "div", "title", "description", "comment"}
# What the product itself writes and looks up by.
OURS = {
    "center_id", "metric", "statistic", "group", "curve", "kind", "status", "severity", "version",
    "unit", "time_point", "started_at", "finished_at", "sha256", "config_fingerprint", "check_name",
}  # fmt: skip


def planted(value: Any) -> Any:
    """A resource with a canary behind every string that only people read."""
    if isinstance(value, list):
        return [planted(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {name: _member(name, each, value) for name, each in value.items()}


def _member(name: str, value: Any, around: Mapping[str, Any]) -> Any:
    is_shown = name in SHOWN or (name == "text" and "coding" in around)
    return f"{value} {CANARY}" if is_shown and isinstance(value, str) else planted(value)


def plant_in_release(file: Path, target: Path) -> int:
    """Copy a mart and put a canary behind every text that is not the product's own; how many columns."""
    shutil.copyfile(file, target)
    target.chmod(0o600)
    with duckdb.connect(str(target)) as connection:
        columns = connection.execute(
            "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() "
            "WHERE NOT internal AND data_type = 'VARCHAR' AND column_name NOT LIKE '%\\_key' ESCAPE '\\'"
        ).fetchall()
        chosen = [(table, column) for table, column in columns if column not in OURS]
        for table, column in chosen:
            connection.execute(f'UPDATE {table} SET "{column}" = "{column}" || ?', [CANARY])  # noqa: S608
    return len(chosen)
