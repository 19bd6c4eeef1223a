"""What changed in the flat tables since the last build, noted as they change: the seeds of a partial build.

A resource that was read again is noted by its key, together with the patient and the resources that its rows
named before: what it names now can be read from the rows themselves. A flat table that was filled again is
noted as a whole. The notes move in the transaction of the rows, and a build that brought everything up to
date forgets them, so a build knows of every change, however many syncs came before it.
"""

from collections.abc import Sequence

from warehouse.connection import Transaction
from warehouse.flat_ledger import DUE
from warehouse.flat_plan import FlatPart
from warehouse.names import with_names

_RESOURCES = "INSERT INTO ops.touched SELECT resource_type, concat(center_id, '/', resource_id) FROM {due}"
_NAMED_BEFORE = """
INSERT INTO ops.touched
SELECT DISTINCT named_type, named_key FROM (
    SELECT unnest($named_types) AS named_type, unnest([{columns}]) AS named_key
    FROM {table} WHERE rowid IN (FROM {rows})
)
WHERE named_key IS NOT NULL
"""


def touch_due(transaction: Transaction) -> None:
    """Note every resource that is due."""
    transaction.execute(with_names(_RESOURCES, due=DUE))


def touch_named_before(transaction: Transaction, part: FlatPart, rows: str) -> None:
    """Note whom the rows of a flat table name whose row ids `rows` lists, before they are replaced."""
    columns = named_columns(part)
    if not columns:
        return
    statement = with_names(_NAMED_BEFORE, table=f"flat.{part.table}", rows=rows, columns=columns)
    named_types = ["Patient" if column == "patient_key" else "" for column in columns]
    transaction.execute(statement, {"named_types": named_types})


def touch_table(transaction: Transaction, table: str) -> None:
    """Note that a flat table was filled again, or has gone."""
    transaction.execute("INSERT INTO ops.refilled VALUES (?)", [f"flat.{table}"])


def refilled(transaction: Transaction) -> set[str]:
    """The flat tables that were filled again since the last build, with their schema."""
    return {row["table_name"] for row in transaction.rows("SELECT DISTINCT table_name FROM ops.refilled")}


def forget_touched(transaction: Transaction) -> None:
    """Forget the notes: everything has been brought up to date with them."""
    transaction.execute("DELETE FROM ops.touched")
    transaction.execute("DELETE FROM ops.refilled")


def named_columns(part: FlatPart) -> Sequence[str]:
    """The columns of a flat table by which its rows name a patient or another resource."""
    return [column for column in part.columns if column.endswith("_key") and column != part.key]
