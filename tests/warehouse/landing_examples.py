"""Small units of Patients for the warehouse tests."""

import datetime as dt
import hashlib
import json
from typing import Any

import duckdb

from warehouse.connection import Warehouse
from warehouse.land import Landed, Quarantined, Unit
from warehouse.runs import start_run

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


def at(hours: int) -> dt.datetime:
    return NOON + dt.timedelta(hours=hours)


def a_run(warehouse: Warehouse, kind: Any = "sync") -> int:
    return start_run(warehouse, kind=kind, now=NOON, version="0.1.0", config_fingerprint="abc")


def patient(
    resource_id: str = "p1",
    *,
    version: str | None = "1",
    hours: int | None = 0,
    **elements: Any,
) -> Landed:
    """A Patient whose content is `elements`, last updated `hours` after NOON."""
    body = json.dumps({"resourceType": "Patient", "id": resource_id, **elements}, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    updated = None if hours is None else at(hours)
    return Landed("Patient", resource_id, version, updated, digest, body)


def refused(resource_id: str = "p1", *, content: str = "bad", rule: str = "required") -> Quarantined:
    return Quarantined("Patient", resource_id, content, rule, "Patient.gender", "not a code", '{"id":"x"}')


def unit(run_id: int, *landed: Landed, center_id: str = "a", **more: Any) -> Unit:
    quarantined = more.get("quarantined", ())
    return Unit(
        run_id=run_id,
        center_id=center_id,
        resource_type="Patient",
        received=len(landed) + len(quarantined),
        landed=landed,
        finished_at=NOON,
        **more,
    )


class Commits:
    """The writing connection, with a COMMIT that raises before or after it was carried out."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, is_durable: bool) -> None:
        self._connection = connection
        self._is_durable = is_durable

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, sql: str, params: object = None) -> object:
        if sql != "COMMIT":
            return self._connection.execute(sql, params)
        if self._is_durable:
            self._connection.execute(sql)
        raise duckdb.FatalException("the checkpoint after the commit failed")
