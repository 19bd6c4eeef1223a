"""How far a change reaches, and the part of a table within that reach made anew.

Resources that name each other, and those of one patient, are one component. A table that declares `owner`
makes each of its rows from the component of the row's owner alone. So when few resources have changed, the
rows of the touched components are made by the table's own statement, reading the tables it needs reduced to
those components, and replace the rows that these owners had. The rest would come out as it stands.

Everything that cannot be shown to be such a case is left to a full build: another file, code list or rule, a
flat table filled again, a need without owner that has changed, a reach of more than a tenth of all resources.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from warehouse.connection import Transaction
from warehouse.flat_plan import FlatPart
from warehouse.names import literal, quoted, with_names
from warehouse.sqlfile import SqlFile, TableHeader
from warehouse.touched import named_columns, refilled

MOST_OF_ALL = 0.1
CODE_USE = "ops.code_use"
_PATIENT = "patient_key"

# A resource is a node: the hashes of its type and its key in one number. Numbers join several times as fast
# as texts, and two resources of one number do no more than widen the reach.
_NODE = "xor(hash({resource_type}), hash({resource_key}))"
_REACHED = "CREATE OR REPLACE TEMP TABLE reached (reached_node UBIGINT, reached_key UBIGINT)"
_RESOURCES = "CREATE OR REPLACE TEMP TABLE resource_of_patient AS "
_NAMES = "CREATE OR REPLACE TEMP TABLE resource_name AS "
_SEEDS = """
INSERT INTO reached
SELECT xor(hash(resource_type), hash(resource_key)), hash(resource_key)
FROM ops.touched WHERE resource_type <> ''
UNION DISTINCT
SELECT xor(hash(any_type), hash(resource_key)), hash(resource_key)
FROM ops.touched CROSS JOIN (SELECT unnest(?) AS any_type)
WHERE resource_type = ''
"""
# What is one step away: a resource's patient, a patient's resources, whom they name, and who names them.
# What is named by its key alone may be a resource of any type.
_STEPS = (
    """
    SELECT xor(hash('Patient'), other_key), other_key FROM resource_of_patient
    SEMI JOIN reached ON node = reached_node
    """,
    """
    SELECT node, node_key FROM resource_of_patient
    SEMI JOIN reached ON xor(hash('Patient'), other_key) = reached_node
    """,
    """
    SELECT xor(hash(any_type), other_key), other_key FROM (
        SELECT DISTINCT other_key FROM resource_name SEMI JOIN reached ON node = reached_node
    ) CROSS JOIN (SELECT unnest(?) AS any_type)
    """,
    """
    SELECT node, node_key FROM resource_name SEMI JOIN reached ON other_key = reached_key
    """,
)
_ADD = """
INSERT INTO reached
SELECT DISTINCT step_node, step_key FROM ({step}) AS step (step_node, step_key)
ANTI JOIN reached ON step_node = reached_node
"""
_EDGES = """
SELECT {node} AS node, hash({{key}}) AS node_key, hash({{other}}) AS other_key
FROM {{table}} WHERE {{other}} IS NOT NULL
"""
_NO_EDGES = "SELECT 0::UBIGINT AS node, 0::UBIGINT AS node_key, 0::UBIGINT AS other_key WHERE FALSE"


@dataclass(frozen=True, slots=True)
class Owner:
    """SQL expressions over a table's columns: the type and the key of the resource that owns a row."""

    resource_type: str
    resource_key: str

    @property
    def is_reached(self) -> str:
        """The condition of a join with `reached`; a row without owner never meets it."""
        return "reached_node = " + self.node

    @property
    def node(self) -> str:
        """The number of the owner."""
        return _NODE.format(resource_type=self.resource_type, resource_key=self.resource_key)


@dataclass(frozen=True, slots=True)
class TableRead:
    """One place in a statement where a table is read: its alias or '', and where it stands, in bytes."""

    table: str
    alias: str
    start: int


_PARSED: dict[str, tuple[TableRead, ...]] = {}
_COLUMNS: dict[str, frozenset[str]] = {}


class Scope:
    """The reach of what changed since the last build; found when it is first asked for."""

    def __init__(
        self, transaction: Transaction, parts: Sequence[FlatPart], files: Sequence[SqlFile[TableHeader]]
    ) -> None:
        self._transaction = transaction
        self._parts = list({part.table: part for part in parts if part.key}.values())
        self._types = sorted({part.view.resource for part in self._parts})
        self._owners = {f"flat.{part.table}": _owner_of(part) for part in self._parts}
        self._owners[CODE_USE] = Owner("owner_type", "owner_key")
        self._owners |= {file.header.table: Owner(*file.header.owner) for file in files if file.header.owner}
        self._within = {f"flat.{part.table}" for part in self._parts} - refilled(transaction)
        self._reduced: dict[str, str] = {}
        self._is_small: bool | None = None

    def covers(self, sources: Collection[str]) -> bool:
        """Whether all that changed in these sources of a table lies within a small reach."""
        if not set(sources) <= self._within:
            return False
        if self._is_small is None:
            self._is_small = self._find_reach()
        return self._is_small

    def replace(self, table: str, key: Sequence[str], select: str) -> bool:
        """Make the rows of a table that lie within reach anew by `select`; False when that is not safe.

        It is not for a table without owner, for rows of owners beyond the reach, and for a broken key: then
        the table has to be made as a whole, whatever stands in it.
        """
        owner = self._owners.get(table)
        statement = self._reading_reduced(select) if owner else None
        if owner is None or statement is None:
            return False
        made = self._keep("made", table, statement)
        if self._is_amiss(made, owner, key):
            return False
        if not self._remove(table, made, owner, key):
            return False
        self._transaction.execute(
            with_names("INSERT INTO {table} BY NAME FROM {made}", table=table, made=made)
        )
        self._reduced[table] = made
        self._within.add(table)
        return True

    def _find_reach(self) -> bool:
        """Put everything that the changes reach into `reached`; returns whether it is little enough."""
        most = MOST_OF_ALL * self._count("FROM ops.flat_head")
        if self._count("FROM ops.touched") > most:
            return False
        self._transaction.execute(_RESOURCES + _union(_resources(self._parts)))
        self._transaction.execute(_NAMES + _union(_names(self._parts)))
        self._transaction.execute(_REACHED)
        self._transaction.execute(_SEEDS, [self._types])
        while self._grow():
            if self._transaction.value("SELECT count(DISTINCT reached_key) FROM reached") > most:
                return False
        return True

    def _grow(self) -> bool:
        """Take every step once; returns whether any of them added something."""
        patients, *others = _STEPS
        grown = self._step(patients)
        return bool(sum(self._step(step) for step in others) + grown)

    def _step(self, step: str) -> int:
        params = [self._types] if "?" in step else []
        added: int = self._transaction.value(_ADD.format(step=step), params)
        return added

    def _reading_reduced(self, select: str) -> str | None:
        """The statement with every table that has an owner replaced by its rows within reach."""
        text = select.encode("utf-8")
        for read in sorted(tables_read(self._transaction, select), key=lambda read: -read.start):
            if read.table not in self._owners:
                continue
            spellings = (read.table, quoted(read.table))
            written = [each for each in spellings if text.startswith(each.encode(), read.start)]
            if not written:
                return None
            alias = "" if read.alias else f" AS {quoted(read.table.partition('.')[2])}"
            reduced = (quoted(self._reduce(read.table)) + alias).encode()
            text = text[: read.start] + reduced + text[read.start + len(written[0].encode()) :]
        return text.decode("utf-8")

    def _reduce(self, table: str) -> str:
        """A temporary table with the rows of a table that lie within reach."""
        if table not in self._reduced:
            rows = with_names("FROM {table} SEMI JOIN reached ON ", table=table)
            self._reduced[table] = self._keep("reduced", table, rows + self._owners[table].is_reached)
        return self._reduced[table]

    def _keep(self, what: str, table: str, statement: str) -> str:
        name = f"{what}_{table.replace('.', '_')}"
        self._transaction.execute(
            with_names("CREATE OR REPLACE TEMP TABLE {name} AS ", name=name) + statement
        )
        return name

    def _is_amiss(self, made: str, owner: Owner, key: Sequence[str]) -> bool:
        """Whether a row made has no owner within reach, or the key is empty or not unique among them.

        Without such an owner the statement does not keep to what it declares.
        """
        astray = with_names("SELECT count(*) FROM {made} ANTI JOIN reached ON ", made=made) + owner.is_reached
        empty = " OR ".join(with_names("{column} IS NULL", column=column) for column in key)
        repeated = with_names("count(*) - count(DISTINCT row({key}))", key=key)
        counted = f"SELECT ({astray}) + {repeated} + count(*) FILTER ({empty}) "
        return bool(self._transaction.value(counted + with_names("FROM {made}", made=made)))

    def _remove(self, table: str, made: str, owner: Owner, key: Sequence[str]) -> bool:
        """Delete the rows of owners within reach; False when a row that stays has the key of one made."""
        if self._tells_owner(key, owner):
            self._transaction.execute(
                with_names("DELETE FROM {table} USING reached WHERE ", table=table) + owner.is_reached
            )
            return True
        rows = with_names(
            "SELECT rowid AS removed_row, {key} FROM {table} SEMI JOIN reached ON ", key=key, table=table
        )
        removed = self._keep("removed", table, rows + owner.is_reached)
        self._transaction.execute(
            with_names(
                "DELETE FROM {table} WHERE rowid IN (SELECT removed_row FROM {removed})",
                table=table,
                removed=removed,
            )
        )
        # Keys are unique in a table that was built, so one that was removed stands nowhere else.
        new = self._keep(
            "new",
            table,
            with_names(
                "SELECT {key} FROM {made} ANTI JOIN {removed} USING ({key})",
                key=key,
                made=made,
                removed=removed,
            ),
        )
        others = with_names("FROM {table} SEMI JOIN {new} USING ({key})", table=table, new=new, key=key)
        return not (self._count(with_names("FROM {new}", new=new)) and self._count(others))

    def _tells_owner(self, key: Sequence[str], owner: Owner) -> bool:
        """Whether rows of one key have one owner, so that no row of another owner can have the key."""
        expressions = f"SELECT {owner.resource_type}, {owner.resource_key}"
        return _columns(self._transaction, expressions) <= set(key)

    def _count(self, relation: str) -> int:
        found: int = self._transaction.value(f"SELECT count(*) {relation}")
        return found


def _owner_of(part: FlatPart) -> Owner:
    return Owner(literal(part.view.resource), with_names("{key}", key=part.key))


def _resources(parts: Sequence[FlatPart]) -> Iterator[str]:
    """The resources of each type, with their patients where a view tells them."""
    for part in parts:
        if _PATIENT in part.columns:
            yield _edges(part, _PATIENT)


def _names(parts: Sequence[FlatPart]) -> Iterator[str]:
    """Which resource names which key."""
    for part in parts:
        for column in named_columns(part):
            if column != _PATIENT:
                yield _edges(part, column)


def _edges(part: FlatPart, other: str) -> str:
    return with_names(
        _EDGES.format(node=_owner_of(part).node), key=part.key, other=other, table=f"flat.{part.table}"
    )


def _union(selects: Iterator[str]) -> str:
    """All of them together; a relation without rows when there is none."""
    return "\nUNION ALL\n".join(selects) or _NO_EDGES


def tables_read(transaction: Transaction, select: str) -> tuple[TableRead, ...]:
    """The tables that a SELECT statement reads by their schema; each text is parsed once a process."""
    if select not in _PARSED:
        _PARSED[select] = tuple(
            TableRead(f"{node['schema_name']}.{node['table_name']}", node["alias"], node["query_location"])
            for node in _nodes(_parsed(transaction, select))
            if node.get("type") == "BASE_TABLE" and node["schema_name"]
        )
    return _PARSED[select]


def _columns(transaction: Transaction, select: str) -> frozenset[str]:
    """The names of the columns that a SELECT statement reads; each text is parsed once a process."""
    if select not in _COLUMNS:
        _COLUMNS[select] = frozenset(
            node["column_names"][-1]
            for node in _nodes(_parsed(transaction, select))
            if node.get("class") == "COLUMN_REF"
        )
    return _COLUMNS[select]


def _parsed(transaction: Transaction, select: str) -> Any:
    return json.loads(transaction.value("SELECT json_serialize_sql(?)", [select]))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within a parsed statement."""
    if isinstance(tree, dict):
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from _nodes(child)
