"""What each built table was made from: how a build knows which tables would come out the same.

A table's fingerprint is that of everything its rows were made from: its file, and the fingerprints of the
tables it reads. As long as none of these differs, building it again would give what is there, so it is kept.
A source whose fingerprint nobody knows counts as changed: what cannot be proved is built. A table that was
made again and came out as it stood keeps its fingerprint, so what reads it is kept, too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from warehouse.catalog import existing_tables
from warehouse.connection import Transaction
from warehouse.flat_ledger import flat_states

FIRST_BUILD = "first build"
_UNKNOWN = "unknown"
# Not a source: the table's fingerprint, where that is not of the sources it was made from last.
_ROWS = "its rows"


@dataclass(frozen=True, slots=True)
class BuiltTable:
    """A table as a build left it: how many rows it has, and why it was built or changed.

    Without reasons it was kept: building it again would have given what was there.
    """

    table: str
    rows: int
    reasons: tuple[str, ...] = ()


def count_made(tables: Sequence[BuiltTable]) -> int:
    """How many of the tables were made or changed; the others were kept."""
    return sum(bool(table.reasons) for table in tables)


class BuildLedger:
    """The ledger of built tables within one build; every table must be noted after those it reads."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._sources: dict[str, dict[str, str]] = flat_states(transaction)
        self._rows: dict[str, str] = {}
        for row in transaction.rows("SELECT table_name, source, fingerprint FROM ops.built_from"):
            if row["source"] == _ROWS:
                self._rows[row["table_name"]] = row["fingerprint"]
            else:
                self._sources.setdefault(row["table_name"], {})[row["source"]] = row["fingerprint"]
        self._existing = existing_tables(transaction)
        self._reasons: dict[str, Sequence[str]] = {}

    def fingerprint(self, table: str) -> str:
        """The fingerprint of a table as it stands, or one that counts as changed when nobody knows."""
        if table not in self._sources:
            return _UNKNOWN
        return self._rows.get(table) or digest(sorted(self._sources[table].items()))

    def fingerprints(self, tables: Sequence[str]) -> dict[str, str]:
        """The fingerprint of each table."""
        return {table: self.fingerprint(table) for table in tables}

    def reasons(self, table: str, sources: Mapping[str, str]) -> tuple[str, ...]:
        """Why the table must be built from `sources`; nothing when it would come out as it stands."""
        changed = self.changed(table, sources)
        if changed is None:
            return (FIRST_BUILD,)
        return tuple(sorted({reason for source in changed for reason in self._causes(source)}))

    def changed(self, table: str, sources: Mapping[str, str]) -> set[str] | None:
        """What differs from what the table was built from; None before its first build."""
        known = self._sources.get(table)
        if known is None or table not in self._existing:
            return None
        return {source for source in {*known, *sources} if _differs(source, known, sources)}

    def _causes(self, source: str) -> Iterator[str]:
        """What changed a source: for a table built by this very build the causes of that, else itself."""
        for reason in self._reasons.get(source, ()):
            yield f"{source} is new" if reason == FIRST_BUILD else reason
        if source not in self._reasons:
            yield f"{source} changed"

    def note(
        self, table: str, sources: Mapping[str, str], reasons: Sequence[str], *, is_changed: bool = True
    ) -> None:
        """Note that the table was built from `sources` in this transaction, and why; `keep` writes it.

        `is_changed`: whether any row came out other than it stood.
        """
        if is_changed:
            self._rows.pop(table, None)
        else:
            self._rows[table] = self.fingerprint(table)
        self._sources[table] = dict(sources)
        self._existing.add(table)
        self._reasons[table] = reasons

    def keep(self) -> None:
        """Write what was noted into the warehouse: all of it at once, a statement a table is dear."""
        noted = list(self._reasons)
        self._transaction.execute(
            "DELETE FROM ops.built_from WHERE table_name IN (SELECT unnest(?))", [noted]
        )
        rows = [
            {"table_name": table, "source": source, "fingerprint": fingerprint}
            for table in noted
            for source, fingerprint in self._noted(table)
        ]
        self._transaction.insert("ops.built_from", rows)

    def _noted(self, table: str) -> Iterator[tuple[str, str]]:
        yield from self._sources[table].items()
        if table in self._rows:
            yield _ROWS, self._rows[table]

    def missing(self, tables: Sequence[str]) -> list[str]:
        """Which of these tables are not there."""
        return [table for table in tables if table not in self._existing]


def _differs(source: str, known: Mapping[str, str], sources: Mapping[str, str]) -> bool:
    return sources.get(source) == _UNKNOWN or known.get(source) != sources.get(source)


def digest(value: object) -> str:
    """SHA-256 of a value of lists, mappings, texts and numbers."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
