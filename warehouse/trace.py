"""The trace of a run: which core rows its metrics counted, and what else it was computed with.

Both are kept as intervals of runs: a row that stays the same is written once, however many runs count it. The
trace stays in the private working database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.catalog import columns_of
from warehouse.connection import Row, Transaction
from warehouse.names import literal, with_names

_RESOURCE = ("center_id", "patient_key", "resource_type", "resource_key")


@dataclass(frozen=True, slots=True)
class TracedTable:
    """A core table whose rows are traced, with the columns of its key."""

    table: str
    key: tuple[str, ...]


def trace_run(transaction: Transaction, run_id: int, tables: Sequence[TracedTable], *, version: str) -> None:
    """Note what of `tables` and of the inputs of this run differs from the run before.

    A table that no traced run knows yet is noted whole; one that is traced no more ends. `version` is the
    product's.
    """
    traced = [table for table in tables if set(_RESOURCE) <= set(columns_of(transaction, table.table))]
    transaction.execute(
        "UPDATE ops.row_history SET to_run = ? "
        "WHERE to_run IS NULL AND table_name NOT IN (SELECT unnest(?::VARCHAR[]))",
        [run_id, [table.table for table in traced]],
    )
    for table in traced:
        _trace_table(transaction, run_id, table)
    _trace_inputs(transaction, run_id, version)


def _trace_table(transaction: Transaction, run_id: int, table: TracedTable) -> None:
    transaction.execute("CREATE OR REPLACE TEMP TABLE traced_row AS " + _rows_now(transaction, table))
    transaction.execute(
        "UPDATE ops.row_history AS history SET to_run = ? WHERE history.table_name = ? AND to_run IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM traced_row WHERE traced_row.row_key = history.row_key "
        "AND traced_row.content = history.content)",
        [run_id, table.table],
    )
    transaction.execute(
        "INSERT INTO ops.row_history SELECT ?, traced_row.*, ?, NULL FROM traced_row "
        "WHERE NOT EXISTS (SELECT 1 FROM ops.row_history AS history WHERE history.table_name = ? "
        "AND history.to_run IS NULL AND history.row_key = traced_row.row_key)",
        [table.table, run_id, table.table],
    )
    transaction.execute("DROP TABLE traced_row")


def _rows_now(transaction: Transaction, table: TracedTable) -> str:
    """The query of a table's rows with key, resource and content; the run that landed one is no content."""
    content = [name for name in columns_of(transaction, table.table) if name != "run_id"]
    fields = ", ".join(f"{literal(name)}, " + with_names("{name}", name=name) for name in content)
    key = ", ".join(with_names("{name}", name=name) for name in table.key)
    named = with_names("{names} FROM {table}", names=_RESOURCE, table=table.table)
    query = f"SELECT concat_ws(' ', {key}) AS row_key, {named}"
    return query.replace(" FROM ", f", json_object({fields})::VARCHAR AS content FROM ", 1)


def _trace_inputs(transaction: Transaction, run_id: int, version: str) -> None:
    now = {**_rules(transaction), **_codes(transaction), **_definitions(transaction)}
    now["product", "cryocohort"] = version
    rows = transaction.rows("SELECT kind, name, value FROM ops.run_input WHERE to_run IS NULL")
    before = {(row["kind"], row["name"]): row["value"] for row in rows}
    for kind, name in sorted(before.keys() | now.keys()):
        if before.get((kind, name)) == now.get((kind, name)):
            continue
        transaction.execute(
            "UPDATE ops.run_input SET to_run = ? WHERE kind = ? AND name = ? AND to_run IS NULL",
            [run_id, kind, name],
        )
        if (kind, name) in now:
            row: Row = {"kind": kind, "name": name, "value": now[kind, name], "from_run": run_id}
            transaction.insert("ops.run_input", [row])


def _rules(transaction: Transaction) -> dict[tuple[str, str], str]:
    (rules,) = transaction.rows("FROM core.rule")
    return {("rule", name): str(value) for name, value in rules.items()}


def _codes(transaction: Transaction) -> dict[tuple[str, str], str]:
    rows = transaction.rows(
        "SELECT center_id, md5(string_agg(concat_ws('|', system, code, code_set, concept, requires), chr(10) "
        "ORDER BY system, code, code_set, concept, requires)) AS value FROM ops.code_map GROUP BY center_id"
    )
    return {("codes", row["center_id"]): row["value"] for row in rows}


def _definitions(transaction: Transaction) -> dict[tuple[str, str], str]:
    rows = transaction.rows(
        "SELECT table_name, fingerprint FROM ops.built_from WHERE source LIKE '%.sql' ORDER BY table_name"
    )
    return {("table", row["table_name"]): row["fingerprint"] for row in rows}
