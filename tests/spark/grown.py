"""A large cohort of the demo's own resources: copied with other ids, and given more Observations.

Everything is written by one statement for each segment, as raw Parquet that the ledger lists, so a million
resources take seconds. Copies keep every shape and every fault that the demo's servers send.
"""

from dataclasses import dataclass

from warehouse.connection import Transaction, Warehouse
from warehouse.names import literal
from warehouse.segments import checksum, segment_path

NUMBER = 1_000  # of the segments: beyond those of a sync
_TYPES = "Patient|Procedure|Condition|Observation|AdverseEvent|BodyStructure"
_CURRENT = """
CREATE TEMP TABLE grown_from AS
SELECT head.*, stored.body FROM read_parquet($files, hive_partitioning = FALSE, filename = TRUE) AS stored
INNER JOIN ops.head AS head
    ON stored.center_id = head.center_id AND stored.resource_type = head.resource_type
    AND stored.resource_id = head.resource_id AND stored.filename = concat($folder, '/', head.path)
"""
_COPIES = r"""
SELECT
    center_id, resource_type, concat(resource_id, '-', copy) AS resource_id, version_id, last_updated,
    sha256(body) AS content_hash, run_id,
    regexp_replace(
        replace(body, concat('"id":"', resource_id, '"'), concat('"id":"', resource_id, '-', copy, '"')),
        '"reference":"({types})/([A-Za-z0-9.-]+)', concat('"reference":"\1/\2-', copy), 'g'
    ) AS body
FROM grown_from, range({copies}) AS times (copy)
WHERE center_id = {center} AND resource_type = {type}
"""
# Labs mostly; pain scores in the forms and units that the demo knows, on days before and after any treatment.
_OBSERVATIONS = """
WITH patient AS (
    SELECT resource_id, row_number() OVER (ORDER BY resource_id) AS number
    FROM grown_from WHERE center_id = {center} AND resource_type = 'Patient'
),

chance AS (
    SELECT
        number, hash(number, 1) % (SELECT count(*) FROM patient) + 1 AS patient_number,
        hash(number, 2) % {copies} AS copy, hash(number, 3) % 100 AS kind, hash(number, 4) % 11 AS score,
        DATE '2008-01-01' + CAST(hash(number, 5) % 4700 AS INTEGER) AS day, hash(number, 6) % 24 AS hour
    FROM range({observations}) AS made (number)
),

coded AS (
    SELECT
        chance.*, patient.resource_id AS patient_id,
        CASE WHEN kind < 92 THEN '2951-2' ELSE '72514-3' END AS code,
        CASE
            WHEN kind < 92 THEN concat('"valueQuantity":{{"code":"mmol/L","value":', 120 + score, '}}')
            WHEN kind < 96 THEN concat('"valueQuantity":{{"code":"{{score}}","value":', score, '}}')
            WHEN kind < 99 THEN concat('"valueInteger":', score)
            ELSE '"valueCodeableConcept":{{"coding":[{{"code":"LA6113-0","system":"http://loinc.org"}}]}}'
        END AS value,
        CASE
            WHEN kind % 5 > 0 THEN concat('T', lpad(CAST(hour AS VARCHAR), 2, '0'), ':30:00+02:00') ELSE ''
        END AS time
    FROM chance INNER JOIN patient ON chance.patient_number = patient.number
),

written AS (
    SELECT
        concat('made-', number) AS resource_id,
        concat(
            '{{"code":{{"coding":[{{"code":"', code, '","system":"http://loinc.org"}}]}},',
            '"effectiveDateTime":"', day, time, '","id":"made-', number, '","resourceType":"Observation",',
            '"status":"final",',
            '"subject":{{"reference":"Patient/', patient_id, '-', copy, '"}},', value, '}}'
        ) AS body
    FROM coded
)

SELECT
    {center} AS center_id, 'Observation' AS resource_type, resource_id, '1' AS version_id,
    TIMESTAMP '2026-01-01' AS last_updated, sha256(body) AS content_hash, 1::INTEGER AS run_id, body
FROM written
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """How often the demo's resources are copied, and how many Observations each center gets besides."""

    copies: int
    observations: int


def grow(warehouse: Warehouse, growth: Growth) -> None:
    """Land the copies and the Observations in a warehouse that has synced the demo's two centers."""
    with warehouse.transaction() as transaction:
        listed = transaction.rows("SELECT path FROM ops.segment")
        files = [f"{warehouse.folder}/{row['path']}" for row in listed]
        transaction.execute(_CURRENT, {"files": files, "folder": str(warehouse.folder)})
        for kind in transaction.rows("SELECT DISTINCT center_id, resource_type FROM ops.head"):
            names = {"center": literal(kind["center_id"]), "type": literal(kind["resource_type"])}
            copies = _COPIES.format(types=_TYPES, copies=growth.copies, **names)
            _land(warehouse, transaction, (kind["center_id"], kind["resource_type"], NUMBER), copies)
        for center_id in ("a", "b"):
            sizes = {"copies": growth.copies, "observations": growth.observations}
            names = {"center": literal(center_id), **sizes}
            _land(
                warehouse, transaction, (center_id, "Observation", NUMBER + 1), _OBSERVATIONS.format(**names)
            )
        transaction.execute("DROP TABLE grown_from")


def _land(warehouse: Warehouse, transaction: Transaction, place: tuple[str, str, int], rows: str) -> None:
    center_id, resource_type, number = place
    path = segment_path(center_id, resource_type, 1, number)
    target = warehouse.folder / path
    transaction.execute(f"COPY ({rows}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")
    transaction.execute(
        "INSERT INTO ops.head BY NAME SELECT * EXCLUDE (body), $path AS path "
        "FROM read_parquet($file, hive_partitioning = FALSE)",
        {"path": path, "file": str(target)},
    )
    segment = {"run_id": 1, "center_id": center_id, "resource_type": resource_type, "path": path}
    versions = transaction.value("SELECT count(*) FROM ops.head WHERE path = ?", [path])
    transaction.insert("ops.segment", [segment | {"versions": versions, "sha256": checksum(target)}])
