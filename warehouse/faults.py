"""The quarantine looked at: open faults in groups, and refused resources with all that is wrong with them."""

import datetime as dt
from dataclasses import dataclass

from warehouse.connection import Warehouse

HANDLE_DIGITS = 12
_FAULT_COLUMNS = ("rule", "path", "message", "first_seen_at", "last_seen_at")


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """Open faults of one rule at one element of one center's type; instants are starts of runs, UTC."""

    center_id: str
    resource_type: str
    rule: str
    path: str
    message: str
    resources: int
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """One open fault of one refused resource."""

    rule: str
    path: str
    message: str
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused resource. `handle` names it without telling its id; `body` is None where raw holds it."""

    handle: str
    center_id: str
    resource_type: str
    resource_id: str
    body: str | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Which:
    """A choice among open faults: of one center, one resource type, one rule; None chooses all."""

    center_id: str | None = None
    resource_type: str | None = None
    rule: str | None = None


# An index within a list says nothing about the cause: Observation.component[3] is Observation.component.
_GROUPS = r"""
SELECT fault.center_id, fault.resource_type, fault.rule,
    regexp_replace(fault.path, '\[[0-9]+\]', '', 'g') AS path, min(fault.message) AS message,
    count(DISTINCT (fault.resource_id, fault.content_hash)) AS resources,
    min(first_run.started_at) AS first_seen_at, max(last_run.started_at) AS last_seen_at
FROM ops.quarantine AS fault
INNER JOIN ops.run AS first_run ON fault.first_run_id = first_run.run_id
INNER JOIN ops.run AS last_run ON fault.last_run_id = last_run.run_id
WHERE fault.is_open AND ($center IS NULL OR fault.center_id = $center)
    AND ($type IS NULL OR fault.resource_type = $type) AND ($rule IS NULL OR fault.rule = $rule)
GROUP BY ALL ORDER BY resources DESC, 1, 2, 3, 4
"""
_FAULTS = """
SELECT substr(fault.content_hash, 1, $digits) AS handle, fault.center_id, fault.resource_type,
    fault.resource_id, fault.body, fault.rule, fault.path, fault.message,
    first_run.started_at AS first_seen_at, last_run.started_at AS last_seen_at
FROM ops.quarantine AS fault
INNER JOIN ops.run AS first_run ON fault.first_run_id = first_run.run_id
INNER JOIN ops.run AS last_run ON fault.last_run_id = last_run.run_id
WHERE fault.is_open AND ($center IS NULL OR fault.center_id = $center)
    AND ($handle IS NULL OR starts_with(fault.content_hash, $handle))
ORDER BY fault.center_id, fault.resource_type, handle, fault.rule, fault.path
"""


# What a view refuses is stored whole, and judged again whenever the view or the resource changes.
_GATE_REFUSED = """
SELECT DISTINCT center_id, resource_type, resource_id FROM ops.quarantine
WHERE is_open AND rule <> 'view' AND ($center IS NULL OR center_id = $center)
    AND ($type IS NULL OR resource_type = $type) AND ($rule IS NULL OR rule = $rule)
ORDER BY ALL
"""


def fault_groups(warehouse: Warehouse, which: Which) -> list[FaultGroup]:
    """Open faults by center, type, rule and element, those of most resources first."""
    return [FaultGroup(**row) for row in warehouse.rows(_GROUPS, _chosen(which))]


def gate_refused(warehouse: Warehouse, which: Which) -> dict[tuple[str, str], list[str]]:
    """The ids of what the gate refuses, by center and resource type; '' stands for those without id."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in warehouse.rows(_GATE_REFUSED, _chosen(which)):
        found.setdefault((row["center_id"], row["resource_type"]), []).append(row["resource_id"])
    return found


def _chosen(which: Which) -> dict[str, str | None]:
    return {"center": which.center_id, "type": which.resource_type, "rule": which.rule}


def refused_resources(
    warehouse: Warehouse, center_id: str | None = None, handle: str | None = None
) -> list[Refused]:
    """Refused resources with their open faults, of one center or all; those whose handle begins so."""
    wanted = {"digits": HANDLE_DIGITS, "center": center_id, "handle": handle}
    found: dict[tuple[str, str, str], Refused] = {}
    for row in warehouse.rows(_FAULTS, wanted):
        fault = Fault(
            *(row.pop(name) for name in ("rule", "path", "message", "first_seen_at", "last_seen_at"))
        )
        key = row["center_id"], row["resource_type"], row["handle"]
        known = found.get(key)
        found[key] = Refused(**row, faults=(*(known.faults if known else ()), fault))
    return list(found.values())
