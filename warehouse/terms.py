"""Codes in the warehouse: the code map and system aliases as tables, and the codes in use that they lack."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from mappings.terminology import MappedCode
from warehouse.connection import Transaction
from warehouse.flat import FlatPart
from warehouse.names import with_names

_CODING_COLUMNS = {"element", "system", "code", "display"}

# Spelled-out body sites (system `text`) are compared without blanks and in upper case, codes exactly.
_UNMAPPED = r"""
INSERT INTO ops.unmapped (center_id, resource_type, element, system, code, display, resources)
WITH used AS (
    SELECT
        coding.center_id,
        coding.element,
        coalesce(known_system.system, coding.system, '') AS system,
        coding.code,
        coding.display,
        coding.{key} AS resource_key,
        CASE
            WHEN coding.system = 'text' THEN upper(regexp_replace(coding.code, '\s', '', 'g'))
            ELSE coding.code
        END AS compared,
    FROM {table} AS coding
    LEFT JOIN ops.system_alias AS known_system ON coding.system = known_system.alias
    WHERE coding.code IS NOT NULL
),

known AS (
    SELECT
        center_id,
        system,
        CASE WHEN system = 'text' THEN upper(regexp_replace(code, '\s', '', 'g')) ELSE code END AS compared,
    FROM ops.code_map
)

SELECT
    used.center_id,
    $resource_type,
    used.element,
    used.system,
    used.code,
    max(coalesce(used.display, '')),
    count(DISTINCT used.resource_key),
FROM used
ANTI JOIN known
    ON used.center_id = known.center_id AND used.system = known.system AND used.compared = known.compared
GROUP BY used.center_id, used.element, used.system, used.code
"""


def load_codes(transaction: Transaction, code_map: Sequence[MappedCode], aliases: Mapping[str, str]) -> None:
    """Make `ops.code_map` and `ops.system_alias` say what the configuration says now."""
    transaction.execute("DELETE FROM ops.code_map")
    transaction.insert("ops.code_map", [asdict(code) for code in code_map])
    transaction.execute("DELETE FROM ops.system_alias")
    rows = [{"alias": alias, "system": system} for alias, system in aliases.items()]
    transaction.insert("ops.system_alias", rows)


def find_unmapped(transaction: Transaction, parts: Sequence[FlatPart]) -> None:
    """List in `ops.unmapped` the codes of the flat coding tables that mean no concept, by use."""
    transaction.execute("DELETE FROM ops.unmapped")
    coding_parts = {part.table: part for part in parts if set(part.columns) >= _CODING_COLUMNS}
    for table, part in coding_parts.items():
        key = next(column for column in part.columns if column.endswith("_key"))
        statement = with_names(_UNMAPPED, table=f"flat.{table}", key=key)
        transaction.execute(statement, {"resource_type": part.view.resource})
