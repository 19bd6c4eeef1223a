"""The audit log: who did what to the warehouse, when, and how it ended; append-only and chained by hashes.

It is a table of the working database and not a file beside it. An entry is written in the transaction of what
it tells of, so no crash leaves a change without its entry or an entry without its change, and what protects
the ledger (one writer, synced commits, backups) protects the log. Every entry carries the hash of the one
before it: whoever changes, removes or inserts one breaks the chain there. Entries cut off the end leave a
sound chain; they are noticed by comparing its head with the one that a backup or a release wrote down.

Entries name centers, types, releases, folders and counts, never patients, ids or content.
"""

import datetime as dt
import hashlib
import json
import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

from warehouse.transaction import Row, Transaction

Action = Literal["run", "configuration", "deletion", "publish", "rollback", "export", "backup", "restore"]
START = hashlib.sha256(b"cryocohort audit log").hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """What is noted: `at` is aware, `subject` what it was done to, `outcome` how it ended.

    `details` are counts, fingerprints and paths by name: no ids of patients or resources, no content.
    """

    action: Action
    at: dt.datetime
    subject: str
    outcome: str
    details: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log as it stands; `noted_at` is aware UTC, `details` JSON text."""

    number: int
    noted_at: dt.datetime
    actor: str
    action: str
    subject: str
    outcome: str
    details: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: how many entries, the head of the chain, the first broken link or None."""

    entries: int
    head: str
    broken_at: int | None


def append(transaction: Transaction, event: Event) -> None:
    """Add an entry by the user of this process to the log, to be committed with the caller's transaction."""
    last = _entries(transaction.rows(f"{_READ} ORDER BY number DESC LIMIT 1"))
    number, head = (last[0].number, last[0].hash) if last else (0, START)
    told: Row = {
        "number": number + 1,
        "noted_at": event.at.astimezone(dt.UTC),
        "actor": _actor(),
        "action": event.action,
        "subject": event.subject,
        "outcome": event.outcome,
        "details": json.dumps(dict(event.details), sort_keys=True),
    }
    transaction.insert("ops.audit", [told | {"hash": _link(head, told)}])


def read_log(rows: Callable[[str], list[Row]]) -> list[Entry]:
    """The whole log in its order; `rows` runs a query on the warehouse (`Warehouse.rows`)."""
    return _entries(rows(f"{_READ} ORDER BY number"))


def verify(log: Sequence[Entry]) -> Verdict:
    """Follow the chain from its start; the first entry that does not continue it is the broken link."""
    head = log[-1].hash if log else START
    return Verdict(len(log), head, next(_broken(log), None))


def _broken(log: Sequence[Entry]) -> Iterator[int]:
    """The numbers of the entries that do not continue the one before them."""
    if log and (log[0].number != 1 or log[0].hash != _link(START, _told(log[0]))):
        yield 1
    for before, entry in pairwise(log):
        if entry.number != before.number + 1 or entry.hash != _link(before.hash, _told(entry)):
            yield before.number + 1


_READ = "SELECT number, noted_at, actor, action, subject, outcome, details, hash FROM ops.audit"


def _entries(rows: Sequence[Row]) -> list[Entry]:
    return [Entry(**row) for row in rows]


def _told(entry: Entry) -> Row:
    told = asdict(entry)
    del told["hash"]
    return told


def _link(head: str, told: Row) -> str:
    """SHA-256 over the hash before and everything the entry tells."""
    values = [
        value.isoformat(timespec="microseconds") if isinstance(value, dt.datetime) else value
        for value in told.values()
    ]
    return hashlib.sha256(json.dumps([head, *values]).encode("utf-8")).hexdigest()


def _actor() -> str:
    """The name of the process's user, or its number where no name is known (as in many containers)."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
