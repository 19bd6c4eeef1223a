"""A warehouse, its views and core files, and the proof that bringing it up to date equals starting anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from build_examples import PATIENT_COLUMNS, build_input, write_table, write_view
from landing_examples import patient, unit

from mappings.terminology import MappedCode
from warehouse.build import BuildCenter, BuiltTable, build, build_flat
from warehouse.connection import Transaction, Warehouse
from warehouse.land import land

KEY = PATIENT_COLUMNS[0]
A = BuildCenter("a", "http://a/fhir", "R4")
B = BuildCenter("b", "http://b/fhir", "R5")
KNOWN = MappedCode("a", "s", "x", "set", "concept", "")
GENDERS = {"gender": "As sent.", "patients": "How many."}
CONCEPTS = {"patient_key": "Patient.", "concept": "What is meant."}
CONCEPT_BODY = """SELECT coding.patient_key, code_map.concept
FROM flat.patient_coding AS coding INNER JOIN ops.code_map AS code_map
ON coding.center_id = code_map.center_id AND coding.code = code_map.code"""


def write_views(folder: Path) -> Path:
    """Views that make one row, many rows, rejects, keys under the base URL, and rows without a key."""
    write_view(folder, "patient", PATIENT_COLUMNS)
    coding = [{"name": name, "path": name, "type": "string"} for name in ("system", "code", "display")]
    key = {"name": KEY[0], "path": KEY[1]}
    element = {"name": "element", "path": "'marital'", "type": "string"}
    loops = [{"column": [key, element]}, {"forEach": "maritalStatus.coding", "column": coding}]
    write_view(folder, "patient_coding", [], select=loops)
    write_view(folder, "named", [KEY, ("family", "name.family", "string")])
    write_view(
        folder, "managed", [KEY, ("organization_key", "managingOrganization.getReferenceKey()", "string")]
    )
    write_view(folder, "keyless", [("gender", "gender", "code")])
    return folder


def write_core(folder: Path) -> Path:
    """A table of the resources alone, one of the codes too, and one of that one."""
    counted = "SELECT gender, count(*) AS patients FROM flat.patient WHERE gender IS NOT NULL GROUP BY gender"
    write_table(folder, "gender", counted, GENDERS, table='"core.gender"', key='["gender"]')
    needs = '["flat.patient_coding", "ops.code_map"]'
    meant = {"table": '"core.meant"', "key": '["patient_key", "concept"]'}
    write_table(folder, "meant", f"{CONCEPT_BODY}\nGROUP BY ALL", CONCEPTS, needs=needs, **meant)
    write_table(
        folder,
        "last",
        "FROM core.meant",
        CONCEPTS,
        **meant | {"table": '"core.last"'},
        needs='["core.meant"]',
    )
    return folder


def a_patient(number: int, **elements: Any) -> Any:
    return patient(f"p{number}", **elements)


def coded(*codes: str) -> dict[str, Any]:
    return {"maritalStatus": {"coding": [{"system": "s", "code": code} for code in codes]}}


MANAGED = {"managingOrganization": {"reference": "http://a/fhir/Organization/o1"}}
TWO_FAMILIES = {"name": [{"family": "Canary"}, {"family": "Finch"}]}


@dataclass
class IncrementalBed:
    """One warehouse and how it is configured now."""

    warehouse: Warehouse
    views: Path
    core: Path
    centers: Sequence[BuildCenter] = (A, B)
    codes: Sequence[MappedCode] = (KNOWN,)
    more: dict[str, Any] = field(default_factory=dict)
    run_id: int = 1

    def land(self, *landed: Any, center_id: str = "a") -> None:
        self.run_id += 1
        land(self.warehouse, unit(self.run_id, *landed, center_id=center_id))

    def lose(self, resource_id: str, center_id: str = "a") -> None:
        """The resource has no current version any more."""
        with self.warehouse.transaction() as transaction:
            deleted = transaction.value(
                "DELETE FROM ops.head WHERE center_id = ? AND resource_id = ?", [center_id, resource_id]
            )
        assert deleted == 1

    def flat(self) -> dict[str, tuple[str, ...]]:
        """Bring the flat tables up to date; returns why each was changed."""
        with self.warehouse.transaction() as transaction:
            return reasons_of(self.build_flat(transaction))

    def build_flat(self, transaction: Transaction) -> list[BuiltTable]:
        return build_flat(transaction, self._input(), folder=self.warehouse.folder)

    def build(self) -> dict[str, tuple[str, ...]]:
        """Bring everything up to date; returns why each table was built."""
        with self.warehouse.transaction() as transaction:
            return reasons_of(build(transaction, self._input(), folder=self.warehouse.folder))

    def _input(self) -> Any:
        made = build_input(self.run_id, self.views, self.core, centers=self.centers, code_map=self.codes)
        return replace(made, **self.more)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return sorted(self.warehouse.rows(f"FROM {table}"), key=repr)

    def changed_in(self, table: str) -> dict[str, int]:
        """The number of the transaction that last changed each center's rows."""
        fills = self.warehouse.rows("FROM ops.flat_fill")
        return {fill["center_id"]: fill["changed_in"] for fill in fills if fill["table_name"] == table}

    def state(self, *schemas: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables of these schemas, what means no concept, and the open faults of views."""
        found = self.warehouse.rows(
            "SELECT schema_name || '.' || table_name AS name FROM duckdb_tables() "
            "WHERE schema_name IN (SELECT unnest(?)) ORDER BY name",
            [list(schemas)],
        )
        rejects = "SELECT * EXCLUDE (first_run_id, last_run_id) FROM ops.quarantine WHERE is_open"
        state = {row["name"]: self.rows(row["name"]) for row in found}
        return state | {"rejects": sorted(self.warehouse.rows(rejects), key=repr)}

    def assert_equal_to_scratch(self) -> None:
        """What was brought up to date is what a build that knows of nothing before makes."""
        schemas = ("flat", "core")
        kept, unmapped = self.state(*schemas), self.rows("ops.unmapped")
        with self.warehouse.transaction() as transaction:
            transaction.execute("DELETE FROM ops.flat_head")
            transaction.execute("DELETE FROM ops.flat_fill")
            transaction.execute("DELETE FROM ops.built_from")
            transaction.execute("UPDATE ops.quarantine SET is_open = FALSE")
        reasons = self.build()
        assert all("first build" in why[0] for why in reasons.values())
        assert (self.state(*schemas), self.rows("ops.unmapped")) == (kept, unmapped)


def reasons_of(built: Sequence[BuiltTable]) -> dict[str, tuple[str, ...]]:
    """Why tables were changed, those that were."""
    return {table.table: table.reasons for table in built if table.reasons}
