"""A warehouse in memory for the tests of core and checks: hand-made flat tables in, core tables out.

A code is written 'code_set:concept' (with '!' behind it when it requires a spinal site) and enters the code
map by itself; 'system|code' is a code the map does not know. Ids are short: patient 'p1' of center 'a' has
the key 'a/p1'.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from mappings.value_rules import load_value_rules
from warehouse.sqlfile import SqlFile, TableHeader, in_order, read_sql_folder

CORE = Path(__file__).parents[2] / "warehouse" / "core"
CODING = "center_id TEXT, run_id INTEGER, {key} TEXT, element TEXT, system TEXT, code TEXT, display TEXT"
VALUED_CODING = f"{CODING}, ordinal DOUBLE".format(key="observation_key")
REFERENCE = "center_id TEXT, run_id INTEGER, {key} TEXT, element TEXT, target_key TEXT"
TABLES: dict[str, str] = {
    "ops.code_map": "center_id TEXT, system TEXT, code TEXT, code_set TEXT, concept TEXT, requires TEXT",
    "ops.system_alias": "alias TEXT, system TEXT",
    "ops.measure": "measure TEXT, unit TEXT, low DOUBLE, high DOUBLE",
    "ops.measure_unit": "measure TEXT, written TEXT, unit TEXT, factor DOUBLE",
    "ops.answer_score": "measure TEXT, question_system TEXT, question_code TEXT, concept TEXT, score DOUBLE",
    "ops.head": "center_id TEXT, resource_type TEXT, resource_id TEXT, content_hash TEXT",
    "ops.quarantine": "center_id TEXT, resource_type TEXT, resource_id TEXT, content_hash TEXT, rule TEXT,"
    " path TEXT, message TEXT, is_open BOOLEAN",
    "ops.unmapped": "center_id TEXT, resource_type TEXT, element TEXT, system TEXT, code TEXT,"
    " resources BIGINT",
    "core.rule": "study_start DATE, study_end DATE, data_lock DATE, baseline_from_day INTEGER,"
    " baseline_to_day INTEGER, h24_from_hours INTEGER, h24_to_hours INTEGER, month1_from_day INTEGER,"
    " month1_to_day INTEGER, month1_target_day INTEGER, last_from_day INTEGER, complication_days INTEGER,"
    " event_merge_days INTEGER, days_per_month DOUBLE",
    "flat.patient": "center_id TEXT, run_id INTEGER, patient_key TEXT, gender TEXT, birth_text TEXT,"
    " is_deceased BOOLEAN, deceased_text TEXT",
    "flat.patient_link": "center_id TEXT, run_id INTEGER, patient_key TEXT, link_type TEXT, other_key TEXT",
    "flat.condition": "center_id TEXT, run_id INTEGER, condition_key TEXT, patient_key TEXT,"
    " clinical_status TEXT, verification_status TEXT, onset_text TEXT, recorded_text TEXT",
    "flat.procedure": "center_id TEXT, run_id INTEGER, procedure_key TEXT, patient_key TEXT,"
    " encounter_key TEXT, status TEXT, performed_start_text TEXT, performed_end_text TEXT",
    "flat.observation": "center_id TEXT, run_id INTEGER, observation_key TEXT, patient_key TEXT, status TEXT,"
    " effective_text TEXT, issued_text TEXT, value_quantity DECIMAL(38, 9), value_unit TEXT,"
    " value_unit_system TEXT, value_unit_code TEXT, value_comparator TEXT, value_integer INTEGER,"
    " body_structure_key TEXT",
    "flat.observation_reference": "center_id TEXT, run_id INTEGER, observation_key TEXT, element TEXT,"
    " target_type TEXT, target_key TEXT",
    "flat.observation_component": "center_id TEXT, run_id INTEGER, observation_key TEXT,"
    " component_index INTEGER, code_system TEXT, code TEXT, value_quantity DECIMAL(38, 9), value_unit TEXT,"
    " value_unit_code TEXT, value_comparator TEXT, value_integer INTEGER, value_code_system TEXT,"
    " value_code TEXT, value_ordinal DOUBLE",
    "flat.observation_coding": VALUED_CODING,
    "flat.adverse_event": "center_id TEXT, run_id INTEGER, adverse_event_key TEXT, patient_key TEXT,"
    " actuality TEXT, status TEXT, occurred_text TEXT, detected_text TEXT, recorded_text TEXT",
    "flat.body_structure": "center_id TEXT, run_id INTEGER, body_structure_key TEXT, patient_key TEXT",
} | {
    f"flat.{name}_{suffix}": shape.format(key=f"{name}_key")
    for name in ("condition", "procedure", "observation", "adverse_event", "body_structure")
    for suffix, shape in (("coding", CODING), ("reference", REFERENCE))
    if name != "observation"
}
RULE: dict[str, Any] = {
    "study_start": date(2008, 1, 1),
    "study_end": date(2020, 12, 31),
    "data_lock": date(2021, 6, 30),
    "baseline_from_day": -30,
    "baseline_to_day": 0,
    "h24_from_hours": 12,
    "h24_to_hours": 48,
    "month1_from_day": 21,
    "month1_to_day": 45,
    "month1_target_day": 30,
    "last_from_day": 21,
    "complication_days": 30,
    "event_merge_days": 3,
    "days_per_month": 30.4375,
}
Codes = Mapping[str, Sequence[str]]
Row = dict[str, Any]


@cache
def core_files() -> dict[str, SqlFile[TableHeader]]:
    """The core files by table, each after those it needs."""
    return {file.header.table: file for file in in_order(read_sql_folder(CORE, TableHeader))}


@cache
def value_rows() -> dict[str, list[Row]]:
    """The shipped value rules; answers count under the question that codes of the bed name nprs."""
    rules = load_value_rules()
    question = {"question_system": "urn:test:pain_score", "question_code": "nprs"}
    return {
        "ops.measure": [asdict(measure) for measure in rules.measures],
        "ops.measure_unit": [asdict(unit) for unit in rules.units],
        "ops.answer_score": [asdict(answer) | question for answer in rules.answers],
    }


@dataclass
class Bed:
    """Resources of one center; after `build` its queries see the core tables."""

    center: str = "a"
    rule: Row = field(default_factory=lambda: dict(RULE))
    rows_to_insert: dict[str, list[Row]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    connection: duckdb.DuckDBPyConnection = field(default_factory=lambda: duckdb.connect(":memory:"))

    def add(self, table: str, **columns: Any) -> None:
        """Put one row into a table as it stands; columns left out are NULL."""
        self.rows_to_insert.setdefault(table, []).append(columns)

    def key(self, resource_id: str) -> str:
        return f"{self.center}/{resource_id}"

    def patient(self, name: str = "p1", **columns: Any) -> None:
        """A woman born in 1950 unless told otherwise."""
        defaults = {"gender": "female", "birth_text": "1950-06-15"}
        self._resource("patient", name, defaults | columns, patient=None)

    def link(self, patient: str, link_type: str, other: str) -> None:
        """A Patient.link to another Patient."""
        keys = {"patient_key": self.key(patient), "other_key": self.key(other)}
        self.add("flat.patient_link", center_id=self.center, run_id=1, link_type=link_type, **keys)

    def condition(self, name: str, *, patient: str = "p1", codes: Codes, **columns: Any) -> None:
        """A confirmed Condition; codes by element ('code', 'body_site')."""
        defaults = {"verification_status": "confirmed"}
        self._resource("condition", name, defaults | columns, patient=patient)
        self._codes("condition", name, codes)

    def metastasis(self, name: str, *levels: str, patient: str = "p1", **columns: Any) -> None:
        """A metastasis of the vertebral column at these levels."""
        codes = {
            "code": ["metastasis:spinal_metastasis"],
            "body_site": [f"level:{level}" for level in levels],
        }
        self.condition(name, patient=patient, codes=codes, **columns)

    def procedure(
        self,
        name: str,
        *,
        patient: str | None = "p1",
        day: str | None = "2020-03-10",
        codes: Codes,
        references: Codes | None = None,
        **columns: Any,
    ) -> None:
        """A completed Procedure; references by element ('reason', 'part_of', 'complication')."""
        defaults = {"status": "completed", "performed_start_text": day}
        self._resource("procedure", name, defaults | columns, patient=patient)
        self._codes("procedure", name, codes)
        self._references("procedure", name, references or {})

    def cryoablation(
        self,
        name: str,
        *reasons: str,
        codes: Codes | None = None,
        references: Codes | None = None,
        **columns: Any,
    ) -> None:
        """A completed cryoablation (generic code) by reason of these Conditions."""
        all_codes = {"code": ["procedure:cryoablation!"]} | dict(codes or {})
        self.procedure(
            name, codes=all_codes, references={"reason": reasons} | dict(references or {}), **columns
        )

    def treated(
        self, patient: str = "p1", *, level: str = "T8", day: str | None = "2020-03-10", **columns: Any
    ) -> None:
        """A patient with one metastasis and its cryoablation: Condition 'c-p1', Procedure 'x-p1'."""
        self.patient(patient)
        self.metastasis(f"c-{patient}", level, patient=patient)
        self.cryoablation(f"x-{patient}", f"c-{patient}", patient=patient, day=day, **columns)

    def observation(
        self, name: str, *, day: str | None, codes: Codes, patient: str = "p1", **columns: Any
    ) -> None:
        """A final Observation."""
        defaults = {"status": "final", "effective_text": day}
        self._resource("observation", name, defaults | columns, patient=patient)
        self._codes("observation", name, codes)

    def score(self, name: str, value: float | None, day: str | None, **columns: Any) -> None:
        """A pain score 0-10 as a quantity in {score}."""
        defaults = {"value_quantity": value, "value_unit_code": "{score}"}
        self.observation(name, day=day, codes={"code": ["pain_score:nprs"]}, **(defaults | columns))

    def assessment(
        self,
        name: str,
        value: str,
        day: str | None,
        *,
        focus: Sequence[str] = (),
        body_site: Sequence[str] = (),
        **columns: Any,
    ) -> None:
        """A disease status; focus is written 'Condition/c1' or 'BodyStructure/b1'."""
        codes = {
            "code": ["disease_status:disease_status"],
            "value": [f"disease_status_value:{value}"],
            "body_site": body_site,
        }
        self.observation(name, day=day, codes=codes, **columns)
        for target in focus:
            target_type, target_id = target.split("/")
            self.add(
                "flat.observation_reference",
                center_id=self.center,
                observation_key=self.key(name),
                element="focus",
                target_type=target_type,
                target_key=self.key(target_id),
            )

    def component(
        self, observation: str, index: int, code: str | None, answer: str | None = None, **columns: Any
    ) -> None:
        """A component of an Observation."""
        coded: Row = {}
        if code:
            coded["code_system"], coded["code"] = self.coding(code)
        if answer:
            coded["value_code_system"], coded["value_code"] = self.coding(answer)
        keys = {"center_id": self.center, "observation_key": self.key(observation), "component_index": index}
        self.add("flat.observation_component", **(keys | coded | columns))

    def adverse_event(
        self, name: str, *, day: str | None, codes: Codes, references: Codes | None = None, **columns: Any
    ) -> None:
        """An actual AdverseEvent of patient p1; references by element ('suspect', 'effect')."""
        patient = columns.pop("patient", "p1")
        defaults = {"actuality": "actual", "occurred_text": day}
        self._resource("adverse_event", name, defaults | columns, patient=patient)
        self._codes("adverse_event", name, codes)
        self._references("adverse_event", name, references or {})

    def body_structure(
        self, name: str, *levels: str, condition: str | None = None, patient: str = "p1"
    ) -> None:
        """A tumor at these levels, of a Condition if told."""
        self._resource("body_structure", name, {}, patient=patient)
        self._codes("body_structure", name, {"location": [f"level:{level}" for level in levels]})
        self._references("body_structure", name, {"condition": [condition] if condition else []})

    def coding(self, code: str) -> tuple[str, str]:
        """System and code; 'code_set:concept' enters the code map, 'system|code' does not.

        'code_set:concept!' counts with a spine site only, 'code_set:concept?code' is another code for it.
        """
        if "|" in code:
            system, _, unmapped = code.partition("|")
            return system, unmapped
        name, _, other = code.partition("?")
        code_set, _, concept = name.rstrip("!").partition(":")
        requires = "spine_site" if name.endswith("!") else ""
        coding = (f"urn:test:{code_set}", other or concept + (f"-{requires}" if requires else ""))
        mapped = {"center_id": self.center, "system": coding[0], "code": coding[1], "code_set": code_set}
        row = mapped | {"concept": concept, "requires": requires}
        if row not in self.rows_to_insert.setdefault("ops.code_map", []):
            self.add("ops.code_map", **row)
        return coding

    def build(self) -> "Bed":
        """Make the input tables; core tables follow when a query first names them: planning all is slow."""
        for schema in ("ops", "flat", "core", "outcomes"):
            self.connection.execute(f"CREATE SCHEMA {schema}")
        self.rows_to_insert["core.rule"] = [self.rule]
        self.rows_to_insert |= value_rows()
        for table, columns in TABLES.items():
            self.connection.execute(f"CREATE TABLE {table} ({columns})")
            for row in self.rows_to_insert.get(table, []):
                names, marks = ", ".join(row), ", ".join("?" for _ in row)
                self.connection.execute(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - names from the tests
                    list(row.values()),
                )
        return self

    def make(self, *tables: str) -> None:
        """Make these core tables and all they need, checking columns and keys of each."""
        for table in tables:
            if table in core_files() and table not in self.made:
                file = core_files()[table]
                self.make(*file.header.needs)
                self.connection.execute(f"CREATE TABLE {table} AS {file.body}")
                self._check_contract(file.header)
                self.made.add(table)

    def rows(self, query: str) -> list[Row]:
        """Rows of a query as dicts."""
        self.make(*re.findall(r"\b(?:flat|core)\.\w+", query))
        cursor = self.connection.execute(query)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def column(self, query: str) -> list[Any]:
        """First column of a query."""
        return [next(iter(row.values())) for row in self.rows(query)]

    def _check_contract(self, header: TableHeader) -> None:
        table, key = header.table, ", ".join(header.key)
        cursor = self.connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - a core table's name
        columns = [column[0] for column in cursor.description or []]
        assert columns == list(header.columns), f"{table}: columns differ from the header"
        places = [columns.index(name) for name in header.key]
        keys = [tuple(row[place] for place in places) for row in cursor.fetchall()]
        assert all(part is not None for row_key in keys for part in row_key), f"{table}: NULL in {key}"
        assert len(set(keys)) == len(keys), f"{table}: {key} is not unique"

    def _resource(self, kind: str, name: str, columns: Row, *, patient: str | None) -> None:
        keys: Row = {"center_id": self.center, "run_id": 1, f"{kind}_key": self.key(name)}
        if patient is not None:
            keys["patient_key"] = self.key(patient)
        self.add(f"flat.{kind}", **(keys | columns))

    def _codes(self, kind: str, name: str, codes: Codes) -> None:
        for element, listed in codes.items():
            for system, code in map(self.coding, listed):
                keys = {"center_id": self.center, f"{kind}_key": self.key(name)}
                self.add(f"flat.{kind}_coding", element=element, system=system, code=code, **keys)

    def _references(self, kind: str, name: str, references: Codes) -> None:
        for element, targets in references.items():
            for target in targets:
                keys = {"center_id": self.center, f"{kind}_key": self.key(name)}
                self.add(f"flat.{kind}_reference", element=element, target_key=self.key(target), **keys)


def ids(keys: Iterable[str]) -> list[str]:
    """The keys without their center, sorted."""
    return sorted(key.partition("/")[2] for key in keys)
