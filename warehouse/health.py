"""What operators ask of the ledger: open quarantine, its share, the release, the centers."""

import datetime as dt
from dataclasses import dataclass

from warehouse.connection import Warehouse
from warehouse.runs import CenterSync


@dataclass(frozen=True, slots=True)
class OpenFaults:
    """How many resources of a type are quarantined by one rule at one element path."""

    center_id: str
    resource_type: str
    rule: str
    path: str
    resources: int


@dataclass(frozen=True, slots=True)
class QuarantineShare:
    """Of the resources a center sent, as they stand now: how many the gate holds back."""

    center_id: str
    quarantined: int
    resources: int


@dataclass(frozen=True, slots=True)
class TypeState:
    """How far one type of one center is: every patient's resources are here as of `read_up_to`.

    `read_up_to` is the server's time, None when some patient of the cohort was never read completely.
    `compared_at` and `departed` tell of the last comparison of ids, None before the first.
    """

    center_id: str
    resource_type: str
    read_up_to: dt.datetime | None
    resources: int
    quarantined: int
    compared_at: dt.datetime | None
    departed: int | None


@dataclass(frozen=True, slots=True)
class LastRelease:
    """The newest release in the ledger."""

    release: int
    run_id: int
    published_at: dt.datetime


def open_faults(warehouse: Warehouse) -> list[OpenFaults]:
    """Open quarantine by center, type, rule and path, the largest groups first."""
    rows = warehouse.rows(
        "SELECT center_id, resource_type, rule, path, count(DISTINCT resource_id) AS resources "
        "FROM ops.quarantine WHERE is_open GROUP BY ALL "
        "ORDER BY resources DESC, center_id, resource_type, rule, path"
    )
    return [OpenFaults(**row) for row in rows]


def quarantine_shares(warehouse: Warehouse) -> list[QuarantineShare]:
    """The share of quarantined resources by center; faults found by views count as the gate's."""
    rows = warehouse.rows(
        "WITH refused AS ("
        "SELECT DISTINCT center_id, resource_type, resource_id FROM ops.quarantine WHERE is_open"
        "), "
        "known AS (SELECT center_id, resource_type, resource_id FROM ops.head UNION SELECT * FROM refused) "
        "SELECT known.center_id, count(refused.resource_id) AS quarantined, count(*) AS resources "
        "FROM known LEFT JOIN refused USING (center_id, resource_type, resource_id) "
        "GROUP BY known.center_id ORDER BY known.center_id"
    )
    return [QuarantineShare(**row) for row in rows]


def last_release(warehouse: Warehouse) -> LastRelease | None:
    """The newest release, or None before the first."""
    rows = warehouse.rows(
        "SELECT release, run_id, published_at FROM ops.release ORDER BY release DESC LIMIT 1"
    )
    return LastRelease(**rows[0]) if rows else None


_TYPE_STATES = """
WITH member AS (
    SELECT center_id, patient_id FROM ops.cohort_member WHERE left_run_id IS NULL
),
covered AS (
    SELECT coverage.center_id, coverage.resource_type, min(coverage.watermark) AS read_up_to,
        count(member.patient_id) AS patients
    FROM ops.coverage LEFT JOIN member USING (center_id, patient_id)
    WHERE coverage.patient_id = '' OR member.patient_id IS NOT NULL
    GROUP BY ALL
),
stored AS (
    SELECT center_id, resource_type, count(*) AS resources FROM ops.head GROUP BY ALL
),
refused AS (
    SELECT center_id, resource_type, count(DISTINCT resource_id) AS quarantined
    FROM ops.quarantine WHERE is_open GROUP BY ALL
),
compared AS (
    SELECT center_id, resource_type, finished_at AS compared_at, departed FROM ops.reconciliation
    QUALIFY row_number() OVER (PARTITION BY center_id, resource_type ORDER BY run_id DESC) = 1
),
asked AS (
    SELECT DISTINCT center_id, resource_type FROM ops.type_sync WHERE asked > 0
    UNION SELECT center_id, resource_type FROM covered
)
SELECT asked.center_id, asked.resource_type,
    CASE WHEN covered.patients = (SELECT count(*) FROM member WHERE member.center_id = asked.center_id)
        THEN covered.read_up_to END AS read_up_to,
    coalesce(stored.resources, 0) AS resources, coalesce(refused.quarantined, 0) AS quarantined,
    compared.compared_at, compared.departed
FROM asked
LEFT JOIN covered USING (center_id, resource_type)
LEFT JOIN stored USING (center_id, resource_type)
LEFT JOIN refused USING (center_id, resource_type)
LEFT JOIN compared USING (center_id, resource_type)
ORDER BY asked.center_id, asked.resource_type
"""


def type_states(warehouse: Warehouse) -> list[TypeState]:
    """How far each type of each center is that was ever asked for."""
    return [TypeState(**row) for row in warehouse.rows(_TYPE_STATES)]


def latest_center_syncs(warehouse: Warehouse) -> list[CenterSync]:
    """How the newest sync of each center ended, complete or not."""
    rows = warehouse.rows(
        "SELECT run_id, center_id, status, reason, finished_at FROM ops.center_sync "
        "QUALIFY row_number() OVER (PARTITION BY center_id ORDER BY run_id DESC) = 1 ORDER BY center_id"
    )
    return [CenterSync(**row) for row in rows]
