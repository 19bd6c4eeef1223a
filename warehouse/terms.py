"""Codes in the warehouse: code map, aliases and value rules as tables, and which codes in use they know.

`ops.unmapped` lists the codes in use that mean no concept, `ops.code_coverage` the share that does, by center
and domain (resource type and element).
"""

import datetime as dt
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from mappings.terminology import MappedCode
from mappings.value_rules import ValueRules, load_value_rules
from warehouse.built import BuildLedger, BuiltTable, digest
from warehouse.catalog import count_rows
from warehouse.connection import Row, Transaction, Warehouse
from warehouse.flat_plan import FlatPart
from warehouse.names import literal, with_names
from warehouse.scope import CODE_USE, Scope

UNMAPPED = "ops.unmapped"
_USE_KEY = ("owner_type", "owner_key", "center_id", "resource_type", "element", "system", "code")

_CODING_COLUMNS = {"element", "system", "code", "display"}
_COMPONENT_COLUMNS = {"component_index", "code_system", "code", "value_code_system", "value_code"}

_CODING = """
SELECT center_id, run_id, {key} AS resource_key, element, system, code, display FROM {table}
"""
# A component's row repeats its code for every coding of its value, and the other way round.
_COMPONENT = """
SELECT DISTINCT center_id, run_id, {key} AS resource_key, component_index,
    'code' AS element, code_system AS system, code, NULL::VARCHAR AS display
FROM {table}
UNION ALL
SELECT DISTINCT center_id, run_id, {key}, component_index, 'value', value_code_system, value_code, NULL
FROM {table}
"""
_OWNER = "SELECT {key} AS resource_key, patient_key FROM {owner}"
_NO_OWNER = "SELECT NULL::VARCHAR AS resource_key, NULL::VARCHAR AS patient_key WHERE FALSE"

# Each resource has one owner, so the numbers of owners add up.
_USE = """
WITH coding AS ({coding}),

owner AS ({owner}),

owned AS (
    SELECT
        coding.*,
        CASE WHEN owner.patient_key IS NULL THEN {type} ELSE 'Patient' END AS owner_type,
        coalesce(owner.patient_key, coding.resource_key) AS owner_key,
    FROM coding LEFT JOIN owner ON coding.resource_key = owner.resource_key
    WHERE coding.code IS NOT NULL
)

SELECT
    owned.owner_type,
    owned.owner_key,
    owned.center_id,
    {counted_as} AS resource_type,
    owned.element,
    coalesce(known_system.system, owned.system, '') AS system,
    owned.code,
    max(coalesce(owned.display, '')) AS display,
    count(*) AS codings,
    count(DISTINCT owned.resource_key) AS resources,
    min(run.started_at) AS first_seen_at,
    max(run.started_at) AS last_seen_at,
FROM owned
LEFT JOIN ops.system_alias AS known_system ON owned.system = known_system.alias
LEFT JOIN ops.run AS run ON owned.run_id = run.run_id
GROUP BY ALL
"""
# Spelled-out body sites (system `text`) are compared without blanks and in upper case, codes exactly.
_CODE_IN_USE = r"""
CREATE OR REPLACE TEMP TABLE code_in_use AS
WITH used AS (
    SELECT
        center_id,
        resource_type,
        element,
        system,
        code,
        max(display) AS display,
        sum(codings)::BIGINT AS codings,
        sum(resources)::BIGINT AS resources,
        count(*) FILTER (owner_type = 'Patient') AS patients,
        min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at,
    FROM ops.code_use
    GROUP BY ALL
),

known AS (
    SELECT DISTINCT
        center_id,
        system,
        CASE WHEN system = 'text' THEN upper(regexp_replace(code, '\s', '', 'g')) ELSE code END AS compared,
    FROM ops.code_map
)

SELECT
    used.*,
    known.compared IS NOT NULL AS is_mapped,
FROM used
LEFT JOIN known
    ON used.center_id = known.center_id
    AND used.system = known.system
    AND CASE WHEN used.system = 'text' THEN upper(regexp_replace(used.code, '\s', '', 'g')) ELSE used.code END
    = known.compared
"""
# A resource landed again carries the later run only: what was seen before stays.
_SEEN_BEFORE = """
UPDATE code_in_use SET
    first_seen_at = least(before.first_seen_at, code_in_use.first_seen_at),
    last_seen_at = greatest(before.last_seen_at, code_in_use.last_seen_at)
FROM ops.unmapped AS before
WHERE code_in_use.center_id = before.center_id
    AND code_in_use.resource_type = before.resource_type
    AND code_in_use.element = before.element
    AND code_in_use.system = before.system
    AND code_in_use.code = before.code
"""
_UNMAPPED = """
INSERT INTO ops.unmapped BY NAME
SELECT * EXCLUDE (codings, is_mapped) FROM code_in_use WHERE NOT is_mapped
"""
_COVERAGE = """
INSERT INTO ops.code_coverage BY NAME
SELECT
    center_id,
    resource_type,
    element,
    sum(codings)::BIGINT AS codings,
    coalesce(sum(codings) FILTER (is_mapped), 0)::BIGINT AS mapped_codings,
    coalesce(sum(codings) FILTER (is_mapped), 0) / sum(codings) AS mapped_share,
FROM code_in_use
GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class UnmappedCode:
    """A code in use that means no concept; instants are aware UTC, None for runs no longer in the ledger.

    `system` is empty when the resources name none, and 'text' for a spelled-out body site.
    """

    center_id: str
    resource_type: str
    element: str
    system: str
    code: str
    display: str
    resources: int
    patients: int
    first_seen_at: dt.datetime | None
    last_seen_at: dt.datetime | None


def load_codes(
    transaction: Transaction,
    code_map: Sequence[MappedCode],
    aliases: Mapping[str, str],
    ledger: BuildLedger,
) -> None:
    """Make the tables of codes say what the configuration, and those of value rules what we ship, say now."""
    _replace(
        transaction, ledger, "ops.code_map", [_fields(code) for code in code_map], _codes_by_center(code_map)
    )
    rows = [{"alias": alias, "system": system} for alias, system in aliases.items()]
    _replace(transaction, ledger, "ops.system_alias", rows, {"system aliases": digest(dict(aliases))})
    _load_values(transaction, _shipped_value_rules(), ledger)


@functools.cache  # files of the installed package, which do not change under a process
def _shipped_value_rules() -> ValueRules:
    return load_value_rules()


def _load_values(transaction: Transaction, rules: ValueRules, ledger: BuildLedger) -> None:
    """Make `ops.measure`, `ops.measure_unit` and `ops.answer_score` hold these rules and no others."""
    tables = {
        "ops.measure": ("measures", [asdict(measure) for measure in rules.measures]),
        "ops.measure_unit": ("units", [asdict(unit) for unit in rules.units]),
        "ops.answer_score": ("answer scores", [asdict(answer) for answer in rules.answers]),
    }
    for table, (source, rows) in tables.items():
        _replace(transaction, ledger, table, rows, {source: digest(rows)})


_CODE_FIELDS = tuple(field.name for field in fields(MappedCode))


def _fields(code: MappedCode) -> Row:
    """The fields of a code; `asdict` copies deeply, which takes ten times as long."""
    return {name: getattr(code, name) for name in _CODE_FIELDS}


def _codes_by_center(codes: Sequence[MappedCode]) -> dict[str, str]:
    """The fingerprint of each center's codes."""
    centers = sorted({code.center_id for code in codes})
    return {
        f"codes of center {center_id}": digest(
            sorted(list(_fields(code).values()) for code in codes if code.center_id == center_id)
        )
        for center_id in centers
    }


def _replace(
    transaction: Transaction, ledger: BuildLedger, table: str, rows: Sequence[Row], sources: Mapping[str, str]
) -> None:
    reasons = ledger.reasons(table, sources)
    if reasons:
        transaction.execute(with_names("DELETE FROM {table}", table=table))
        transaction.insert(table, rows)
        ledger.note(table, sources, reasons)


def find_unmapped(
    transaction: Transaction, parts: Sequence[FlatPart], ledger: BuildLedger, scope: Scope | None = None
) -> BuiltTable:
    """List in `ops.unmapped` the codes of the flat tables that mean no concept, by use.

    `ops.code_coverage` gets the share of codings that do mean one. Both stay when neither the tables nor
    the codes have changed.
    """
    _bring_up_use(transaction, parts, ledger, scope)
    sources = {
        "the comparison of codes": digest([_CODE_IN_USE, _SEEN_BEFORE, _UNMAPPED, _COVERAGE]),
        **ledger.fingerprints(["ops.code_map", CODE_USE]),
    }
    reasons = ledger.reasons(UNMAPPED, sources)
    if reasons:
        _compare(transaction)
        ledger.note(UNMAPPED, sources, reasons)
    return BuiltTable(UNMAPPED, count_rows(transaction, UNMAPPED), reasons)


def _bring_up_use(
    transaction: Transaction, parts: Sequence[FlatPart], ledger: BuildLedger, scope: Scope | None
) -> None:
    """Make `ops.code_use` say which codes are in use now, by patient."""
    by_table = {part.table: part for part in parts}
    queries = [query for part in by_table.values() for query in _queries(part, by_table)]
    tables = [table for part in by_table.values() if any(_codings(part)) for table in _read(part, by_table)]
    sources = {
        "the search for codes": digest(queries),
        **ledger.fingerprints(["ops.system_alias", *tables]),
    }
    reasons, changed = ledger.reasons(CODE_USE, sources), ledger.changed(CODE_USE, sources)
    if not reasons:
        return
    changes = None
    if scope is not None and changed is not None and scope.covers(changed):
        changes = scope.replace(CODE_USE, _USE_KEY, "\nUNION ALL\n".join(f"({query})" for query in queries))
    if changes is None:
        transaction.execute(with_names("DELETE FROM {table}", table=CODE_USE))
        # One by one: of a union DuckDB holds every part's join and groups at once, and cannot spill them.
        for query in queries:
            transaction.execute(with_names("INSERT INTO {table} BY NAME ", table=CODE_USE) + query)
    ledger.note(CODE_USE, sources, reasons, is_changed=changes != 0)


def _compare(transaction: Transaction) -> None:
    transaction.execute(_CODE_IN_USE)
    transaction.execute(_SEEN_BEFORE)
    transaction.execute("DELETE FROM ops.unmapped")
    transaction.execute(_UNMAPPED)
    transaction.execute("DELETE FROM ops.code_coverage")
    transaction.execute(_COVERAGE)
    transaction.execute("DROP TABLE code_in_use")


def unmapped_codes(warehouse: Warehouse) -> list[UnmappedCode]:
    """The codes in use that meant no concept at the last refresh, those of most resources first."""
    rows = warehouse.rows(
        "SELECT center_id, resource_type, element, system, code, display, resources, patients, "
        "first_seen_at, last_seen_at FROM ops.unmapped "
        "ORDER BY resources DESC, patients DESC, center_id, resource_type, element, system, code"
    )
    return [UnmappedCode(**row) for row in rows]


def _queries(part: FlatPart, by_table: Mapping[str, FlatPart]) -> Iterator[str]:
    """The query of the use, by owner, of the codings that a flat table holds, if it holds any."""
    for counted_as, coding in _codings(part):
        yield _USE.format(
            coding=coding,
            owner=_owner(part, by_table),
            type=literal(part.view.resource),
            counted_as=literal(counted_as),
        )


def _codings(part: FlatPart) -> Iterator[tuple[str, str]]:
    """The resource type and the query of the codings that a flat table holds, if it holds any."""
    table, columns = f"flat.{part.table}", set(part.columns)
    if columns >= _CODING_COLUMNS:
        yield part.view.resource, with_names(_CODING, table=table, key=_key(part))
    if columns >= _COMPONENT_COLUMNS:
        yield f"{part.view.resource}Component", with_names(_COMPONENT, table=table, key=_key(part))


def _owner(part: FlatPart, by_table: Mapping[str, FlatPart]) -> str:
    """The query of the patient of each resource, from the table of the resources themselves."""
    owner = by_table.get(part.table.rpartition("_")[0])
    if owner is None or not {_key(part), "patient_key"} <= set(owner.columns):
        return _NO_OWNER
    return with_names(_OWNER, key=_key(part), owner=f"flat.{owner.table}")


def _read(part: FlatPart, by_table: Mapping[str, FlatPart]) -> list[str]:
    """The flat tables that the query of a part's codings reads."""
    owner = part.table.rpartition("_")[0]
    return [f"flat.{name}" for name in (part.table, owner) if name in by_table]


def _key(part: FlatPart) -> str:
    return next(column for column in part.columns if column.endswith("_key"))
