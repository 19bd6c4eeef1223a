"""The audit log: appended with what it tells of, and broken by whoever changes it afterwards."""

from typing import Any

import pytest
from landing_examples import NOON, a_run, at

from warehouse.audit import START, Event, append, read_log, verify
from warehouse.connection import Warehouse
from warehouse.runs import finish_run, start_run


def note(warehouse: Warehouse, subject: str, **more: Any) -> None:
    with warehouse.transaction() as transaction:
        append(transaction, Event("export", NOON, subject, "written", {"tables": 3} | more))


@pytest.fixture
def noted(warehouse: Warehouse) -> Warehouse:
    for number in range(1, 6):
        note(warehouse, f"release {number}", path="/srv/exports/Zürich")
    return warehouse


def broken_link(warehouse: Warehouse) -> int | None:
    return verify(read_log(warehouse.rows)).broken_at


def test_entries_are_numbered_chained_and_told_back(noted: Warehouse) -> None:
    log = read_log(noted.rows)
    assert [entry.number for entry in log] == [1, 2, 3, 4, 5]
    assert (log[0].action, log[0].noted_at, log[0].subject) == ("export", NOON, "release 1")
    assert len({entry.hash for entry in log}) == 5
    verdict = verify(log)
    assert (verdict.entries, verdict.head, verdict.broken_at) == (5, log[-1].hash, None)


def test_an_empty_log_is_sound(warehouse: Warehouse) -> None:
    assert verify(read_log(warehouse.rows)).head == START


@pytest.mark.parametrize(
    ("tampering", "link"),
    [
        ("UPDATE ops.audit SET outcome = 'refused' WHERE number = 3", 3),
        ("UPDATE ops.audit SET actor = 'nobody' WHERE number = 1", 1),
        ("UPDATE ops.audit SET noted_at = noted_at + INTERVAL 1 microsecond WHERE number = 5", 5),
        ("UPDATE ops.audit SET details = '{}' WHERE number = 2", 2),
        ("DELETE FROM ops.audit WHERE number = 1", 1),
        ("DELETE FROM ops.audit WHERE number = 4", 4),
        ("UPDATE ops.audit SET number = 7 - number WHERE number IN (3, 4)", 3),
        ("INSERT INTO ops.audit SELECT * REPLACE (6 AS number) FROM ops.audit WHERE number = 5", 6),
        ("INSERT INTO ops.audit SELECT * FROM ops.audit WHERE number = 2", 3),
    ],
)
def test_whoever_changes_the_log_breaks_its_chain_there(noted: Warehouse, tampering: str, link: int) -> None:
    with noted.transaction() as transaction:
        transaction.execute(tampering)
    assert broken_link(noted) == link


def test_an_entry_falls_with_the_transaction_it_tells_of(noted: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), noted.transaction() as transaction:  # noqa: PT012
        append(transaction, Event("reset", NOON, "center a", "reset", {}))
        raise ZeroDivisionError
    assert len(read_log(noted.rows)) == 5
    assert broken_link(noted) is None


def test_every_run_is_noted_from_its_start_to_its_end(warehouse: Warehouse) -> None:
    run_id = a_run(warehouse)
    finish_run(warehouse, run_id, status="complete", now=at(1))
    finish_run(warehouse, run_id, status="complete", now=at(2))
    log = read_log(warehouse.rows)
    assert [(entry.action, entry.subject, entry.outcome) for entry in log] == [
        ("run", "sync 1", "started"),
        ("run", "sync 1", "complete"),
    ]


def test_a_run_that_a_crash_ended_is_noted_by_the_next(warehouse: Warehouse) -> None:
    a_run(warehouse)
    a_run(warehouse)
    outcomes = [(entry.subject, entry.outcome) for entry in read_log(warehouse.rows)]
    assert outcomes == [("sync 1", "started"), ("sync 1", "failed"), ("sync 2", "started")]


def test_another_configuration_is_noted_when_a_run_first_uses_it(warehouse: Warehouse) -> None:
    a_run(warehouse)
    for fingerprint in ("def", "def"):
        start_run(warehouse, kind="sync", now=at(1), version="0.1.0", config_fingerprint=fingerprint)
    changes = [entry for entry in read_log(warehouse.rows) if entry.action == "configuration"]
    assert [entry.details for entry in changes] == ['{"after": "def", "before": "abc"}']


def test_secret_files_are_noted_when_they_are_first_used_and_when_they_were_changed(
    warehouse: Warehouse,
) -> None:
    for number, password in enumerate(("abc", "abc", "def"), start=1):
        prints = {"a": {"auth.password_file": password}, "b": {}}
        start_run(
            warehouse, kind="sync", now=at(number), version="0", config_fingerprint="x", secret_prints=prints
        )
    noted = [
        (entry.subject, entry.outcome, entry.details)
        for entry in read_log(warehouse.rows)
        if entry.action == "configuration"
    ]
    assert noted == [
        ("secrets of center a", "first used", '{"auth.password_file": "abc"}'),
        ("secrets of center a", "changed", '{"auth.password_file": "def"}'),
    ]
