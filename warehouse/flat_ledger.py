"""What the flat tables hold: which versions of which resources, filled by which view.

`ops.flat_head` is compared with `ops.head`, never with a time: whatever changed, came or went since the flat
tables were last brought up to date is due, however often that was missed. Both move in one transaction with
the rows themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warehouse.connection import Transaction
from warehouse.flat_plan import FlatPart
from warehouse.names import with_names

HELD = "ops.flat_head"
DUE = "flat_due"

# The one place that says which resources belong into the flat tables: the current versions.
_PLANNED = """
CREATE OR REPLACE TEMP TABLE flat_planned AS
SELECT unnest($centers) AS center_id, unnest($resource_types) AS resource_type
"""
# A segment is of one center and type and gains no head once it is written: of what the flat tables took from
# it, heads can only have left. So as many are the same ones, and quicker counted than joined.
_DIFFERING = """
CREATE OR REPLACE TEMP TABLE flat_differing AS
WITH current AS (
    SELECT
        path,
        any_value(center_id) AS center_id,
        any_value(resource_type) AS resource_type,
        count(*) AS heads,
    FROM ops.head GROUP BY path
),

wanted AS (
    FROM current SEMI JOIN flat_planned AS planned
        ON current.center_id = planned.center_id AND current.resource_type = planned.resource_type
),

held AS (SELECT path, count(*) AS heads FROM ops.flat_head GROUP BY path)

SELECT path, wanted.path IS NOT NULL AS is_wanted FROM wanted FULL OUTER JOIN held USING (path)
WHERE wanted.heads IS DISTINCT FROM held.heads
"""
_STAGE_DUE = """
CREATE OR REPLACE TEMP TABLE flat_due AS
WITH wanted AS (FROM ops.head SEMI JOIN (FROM flat_differing WHERE is_wanted) USING (path)),

held AS (SELECT rowid AS held_row, * FROM ops.flat_head SEMI JOIN flat_differing USING (path))

SELECT
    coalesce(wanted.center_id, held.center_id) AS center_id,
    coalesce(wanted.resource_type, held.resource_type) AS resource_type,
    coalesce(wanted.resource_id, held.resource_id) AS resource_id,
    wanted.path,
    held.held_row,
FROM wanted
FULL OUTER JOIN held
    ON wanted.center_id = held.center_id
    AND wanted.resource_type = held.resource_type
    AND wanted.resource_id = held.resource_id
WHERE wanted.path IS DISTINCT FROM held.path
"""
_NOTHING_DUE = """
CREATE OR REPLACE TEMP TABLE flat_due AS
SELECT center_id, resource_type, resource_id, path, rowid AS held_row FROM ops.flat_head LIMIT 0
"""
_COUNT_DUE = """
SELECT center_id, resource_type, count(path) AS changed, count(*) - count(path) AS gone
FROM flat_due GROUP BY ALL
"""
_FORGET = "DELETE FROM ops.flat_head WHERE rowid IN (SELECT held_row FROM flat_due)"
_HOLD = """
INSERT INTO ops.flat_head BY NAME
SELECT center_id, resource_type, resource_id, path FROM flat_due WHERE path IS NOT NULL
"""
_PATHS = """
SELECT DISTINCT path FROM {heads}
WHERE resource_type = ? AND center_id IN (SELECT unnest(?)) AND path IS NOT NULL ORDER BY path
"""


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many resources of one center and type the flat tables hold no longer as they are now."""

    changed: int
    gone: int


@dataclass(frozen=True, slots=True)
class Fill:
    """By what a center's part of a flat table was filled."""

    view_fingerprint: str
    base_url: str


def stage_due(transaction: Transaction, parts: Sequence[FlatPart]) -> dict[tuple[str, str], DueCount]:
    """Put what is due into the temporary relation `DUE` and count it by center and resource type.

    A resource that is no longer current (or whose center or type no view reads any more) has no path there.
    """
    pairs = {(center_id, part.view.resource) for part in parts for center_id in part.center_ids}
    planned = {"centers": [pair[0] for pair in pairs], "resource_types": [pair[1] for pair in pairs]}
    transaction.execute(_PLANNED, planned)
    transaction.execute(_DIFFERING)
    is_any = transaction.value("SELECT count(*) > 0 FROM flat_differing")
    transaction.execute(_STAGE_DUE if is_any else _NOTHING_DUE)
    counts = transaction.rows(_COUNT_DUE)
    return {(row["center_id"], row["resource_type"]): DueCount(row["changed"], row["gone"]) for row in counts}


def hold_due(transaction: Transaction) -> None:
    """Note that the flat tables hold the current versions of everything that is due."""
    transaction.execute(_FORGET)
    transaction.execute(_HOLD)


def drop_due(transaction: Transaction) -> None:
    """Remove the temporary relations."""
    transaction.execute("DROP TABLE flat_due")
    transaction.execute("DROP TABLE flat_differing")
    transaction.execute("DROP TABLE flat_planned")


def paths_of(
    transaction: Transaction, heads: str, resource_type: str, center_ids: Sequence[str]
) -> list[str]:
    """The segments that hold what `heads` (`HELD` or `DUE`) lists of a type at these centers."""
    rows = transaction.rows(with_names(_PATHS, heads=heads), [resource_type, list(center_ids)])
    return [row["path"] for row in rows]


def known_fills(transaction: Transaction) -> dict[str, dict[str, Fill]]:
    """By what each flat table was filled, by table and center."""
    found: dict[str, dict[str, Fill]] = {}
    for row in transaction.rows(
        "SELECT table_name, center_id, view_fingerprint, base_url FROM ops.flat_fill"
    ):
        fill = Fill(row["view_fingerprint"], row["base_url"])
        found.setdefault(row["table_name"], {})[row["center_id"]] = fill
    return found


def note_fills(transaction: Transaction, table: str, changed: Mapping[str, Fill]) -> None:
    """Note by what these centers' rows of the table were changed, in this transaction."""
    if not changed:
        return
    forget_fills(transaction, table, list(changed))
    # The number this transaction gets when it commits.
    number = transaction.value("SELECT number + 1 FROM ops.last_transaction")
    rows = [
        {
            "table_name": table,
            "center_id": center_id,
            "view_fingerprint": fill.view_fingerprint,
            "base_url": fill.base_url,
            "changed_in": number,
        }
        for center_id, fill in changed.items()
    ]
    transaction.insert("ops.flat_fill", rows)


def forget_fills(transaction: Transaction, table: str, center_ids: Sequence[str]) -> None:
    """Forget these centers' part of a table."""
    if not center_ids:
        return
    transaction.execute(
        "DELETE FROM ops.flat_fill WHERE table_name = ? AND center_id IN (SELECT unnest(?))",
        [table, list(center_ids)],
    )


def flat_states(transaction: Transaction) -> dict[str, dict[str, str]]:
    """When each flat table's rows changed last, by table (with its schema) and center."""
    found: dict[str, dict[str, str]] = {}
    for row in transaction.rows("SELECT table_name, center_id, changed_in FROM ops.flat_fill"):
        found.setdefault(f"flat.{row['table_name']}", {})[row["center_id"]] = str(row["changed_in"])
    return found
