"""The part of a table within the reach of what changed, made anew.

A table that declares `owner` makes each of its rows from what hangs together with the row's owner alone
(`warehouse.reach`). So when few resources have changed, the rows of the owners reached are made by the
table's own statement, reading the tables it needs reduced to what is reached, and replace the rows that these
owners had. The rest would come out as it stands.

Everything that cannot be shown to be such a case is left to a full build: another file, code list or rule, a
flat table filled again, a need without owner that has changed, a reach of more than a tenth of all resources.
"""

from collections.abc import Collection, Sequence

from warehouse.connection import Transaction
from warehouse.flat_plan import FlatPart
from warehouse.names import quoted, with_names
from warehouse.owner import Owner, numbered
from warehouse.reach import find_reach
from warehouse.sqlfile import SqlFile, TableHeader
from warehouse.statement import columns_read, tables_read
from warehouse.touched import refilled

CODE_USE = "ops.code_use"

# A row that comes out as it stands stays where it is: tables grow less, and what is made from a table need
# not be made again when no row of it came out other.
_NEW = "FROM {made} EXCEPT SELECT * EXCLUDE (standing_row) FROM {standing}"
_GONE = """
SELECT standing_row FROM {standing}
ANTI JOIN (SELECT {key} FROM {made} ANTI JOIN {new} USING ({key})) AS staying USING ({key})
"""
_CHANGES = "SELECT (SELECT count(*) FROM {new}) + (SELECT count(*) FROM {gone})"
_DELETE = "DELETE FROM {table} WHERE rowid IN (SELECT standing_row FROM {gone})"


class Scope:
    """The reach of what changed since the last build; found when it is first asked for."""

    def __init__(
        self, transaction: Transaction, parts: Sequence[FlatPart], files: Sequence[SqlFile[TableHeader]]
    ) -> None:
        self._transaction = transaction
        self._parts = list({part.table: part for part in parts if part.key}.values())
        self._owners = {f"flat.{part.table}": part.owner for part in self._parts}
        self._owners[CODE_USE] = Owner("owner_type", "owner_key")
        self._owners |= {file.header.table: file.header.owned_by for file in files if file.header.owned_by}
        self._within = {f"flat.{part.table}" for part in self._parts} - refilled(transaction)
        self._reduced: dict[str, str] = {}
        self._is_small: bool | None = None

    def covers(self, sources: Collection[str]) -> bool:
        """Whether all that changed in these sources of a table lies within a small reach."""
        if not set(sources) <= self._within:
            return False
        if self._is_small is None:
            self._is_small = find_reach(self._transaction, self._parts)
        return self._is_small

    def replace(self, table: str, key: Sequence[str], select: str) -> int | None:
        """Make the rows of a table that lie within reach anew by `select`; returns how many came out other.

        None when that is not safe: for a table without owner, for rows of owners beyond the reach, and for a
        broken key. Then the table has to be made as a whole, whatever stands in it.
        """
        owner = self._owners.get(table)
        statement = self._reading_reduced(select) if owner else None
        if owner is None or statement is None:
            return None
        made = self._keep("made", table, numbered(statement, owner.numbers_of(table)))
        if self._is_amiss(table, made, key):
            return None
        changes = self._exchange(table, made, key)
        if changes is not None:
            self._reduced[table] = made
            self._within.add(table)
        return changes

    def _reading_reduced(self, select: str) -> str | None:
        """The statement with every table that has an owner replaced by its rows within reach."""
        text = select.encode("utf-8")
        for read in sorted(tables_read(self._transaction, select), key=lambda read: -read.start):
            if read.table not in self._owners:
                continue
            spellings = (read.table, quoted(read.table))
            written = [each for each in spellings if text.startswith(each.encode(), read.start)]
            if not written:
                return None
            alias = "" if read.alias else f" AS {quoted(read.table.partition('.')[2])}"
            reduced = (quoted(self._reduce(read.table)) + alias).encode()
            text = text[: read.start] + reduced + text[read.start + len(written[0].encode()) :]
        return text.decode("utf-8")

    def _reduce(self, table: str) -> str:
        """A temporary table with the rows of a table that lie within reach."""
        if table not in self._reduced:
            rows = with_names("FROM {table} SEMI JOIN reached ON ", table=table)
            self._reduced[table] = self._keep("reduced", table, rows + self._is_reached(table))
        return self._reduced[table]

    def _is_reached(self, table: str) -> str:
        """The condition of a join of the table's rows with `reached`; a row without owner never meets it."""
        return f"reached_number = {self._owners[table].number_in(table)}"

    def _keep(self, what: str, table: str, statement: str) -> str:
        name = f"{what}_{table.replace('.', '_')}"
        self._transaction.execute(
            with_names("CREATE OR REPLACE TEMP TABLE {name} AS ", name=name) + statement
        )
        return name

    def _is_amiss(self, table: str, made: str, key: Sequence[str]) -> bool:
        """Whether a row made has no owner within reach, or the key is empty or not unique among them.

        Without such an owner the statement does not keep to what it declares.
        """
        astray = with_names("SELECT count(*) FROM {made} ANTI JOIN reached ON ", made=made)
        astray += self._is_reached(table)
        empty = " OR ".join(with_names("{column} IS NULL", column=column) for column in key)
        repeated = with_names("count(*) - count(DISTINCT row({key}))", key=key)
        counted = f"SELECT ({astray}) + {repeated} + count(*) FILTER ({empty}) "
        return bool(self._transaction.value(counted + with_names("FROM {made}", made=made)))

    def _exchange(self, table: str, made: str, key: Sequence[str]) -> int | None:
        """Put the rows made in place of those within reach where they differ; returns how many differ.

        None when a row beyond the reach has the key of one made.
        """
        rows = with_names("SELECT rowid AS standing_row, * FROM {table} SEMI JOIN reached ON ", table=table)
        standing = self._keep("standing", table, rows + self._is_reached(table))
        new = self._keep("new", table, with_names(_NEW, made=made, standing=standing))
        gone = self._keep("gone", table, with_names(_GONE, made=made, standing=standing, new=new, key=key))
        changes: int = self._transaction.value(with_names(_CHANGES, new=new, gone=gone))
        if not changes:
            return 0
        if not self._tells_owner(key, self._owners[table]) and self._is_taken(table, new, standing, key):
            return None
        self._transaction.execute(with_names(_DELETE, table=table, gone=gone))
        self._transaction.execute(with_names("INSERT INTO {table} BY NAME FROM {new}", table=table, new=new))
        return changes

    def _is_taken(self, table: str, new: str, standing: str, key: Sequence[str]) -> bool:
        """Whether a row beyond the reach has the key of a new one."""
        # Keys are unique in a table that was built, so one that stands within reach stands nowhere else.
        added = with_names(
            "FROM {new} ANTI JOIN {standing} USING ({key})", new=new, standing=standing, key=key
        )
        if not self._count(added):
            return False
        keys = with_names("SEMI JOIN ({{added}}) AS added USING ({key})", key=key).format(added=added)
        return bool(self._count(with_names("FROM {table} ", table=table) + keys))

    def _tells_owner(self, key: Sequence[str], owner: Owner) -> bool:
        """Whether rows of one key have one owner, so that no row of another owner can have the key."""
        expressions = f"SELECT {owner.resource_type}, {owner.resource_key}"
        return columns_read(self._transaction, expressions) <= set(key)

    def _count(self, relation: str) -> int:
        found: int = self._transaction.value(f"SELECT count(*) {relation}")
        return found
