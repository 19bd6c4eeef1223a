"""What leaves the private warehouse: names of columns decide, and what no rule knows is refused.

    <x>_key              -> HMAC-SHA-256 under the center's key, 128 bits as 32 hexadecimal digits
    index_date           -> index_month, 'YYYY-MM'
    birth_date, <x>_at   -> left out
    any other <x>_date   -> <x>_day, days from the patient's index date
    <x>_text, <x>_id     -> refused (texts as sent and identifiers), but for center_id and run_id
    everything else      -> as it is, unless its type is a date or one that other engines cannot read

The pseudonym depends on project, center, kind of key and key, not on the table: equal keys stay equal and
joins work. The kind is the last word before `_key`, so `index_session_key` meets `session_key`; that of a
`resource_key` is the row's resource_type, so it meets `patient_key` and `procedure_key`.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mappings.errors import ConfigError, SqlFileError

# Study-level tables: their dates are the protocol's, not a patient's.
STUDY_LEVEL = frozenset({"core.rule"})
_UNREADABLE_TYPES = re.compile(r"\b(HUGEINT|UHUGEINT|BIGNUM|UUID|TIME|INTERVAL|TIMESTAMP_NS)\b")
_DATE_TYPES = ("DATE", "TIMESTAMP")
_OUR_IDS = frozenset({"center_id", "run_id"})
RESOURCE_KEY = "resource_key"

# Ages of 90 and more are pooled, as the HIPAA Safe Harbor method has it: so few are that old.
OLDEST_AGE = 90


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the private warehouse."""

    name: str
    sql_type: str
    comment: str


@dataclass(frozen=True, slots=True)
class PublishedColumn:
    """A column of the mart, and how it is made from `source`: copied, or turned by one of the rules."""

    name: str
    source: str
    treatment: Literal["copy", "pseudonym", "day", "month", "age"]
    comment: str

    @property
    def kind(self) -> str:
        """Kind of a key: the last word of its name."""
        return self.source.removesuffix("_key").rpartition("_")[2]


class KeyOfCenter(NamedTuple):
    """One key of the private warehouse that needs a pseudonym: a tuple, for there are millions of them."""

    center_id: str
    kind: str
    key: str


def published_columns(table: str, columns: Sequence[Column]) -> list[PublishedColumn]:
    """Decide what becomes of every column of `table`; raises SqlFileError for one that may not leave."""
    kept = [column for column in columns if not _is_left_out(table, column.name)]
    for column in kept:
        if _UNREADABLE_TYPES.search(column.sql_type):
            raise _refused(table, column, f"its type {column.sql_type} is not readable everywhere; cast it")
    if table in STUDY_LEVEL:
        return [_copy(column) for column in kept]
    published = [_published(table, column) for column in kept]
    _require_companions(table, columns, published)
    return published


def _is_left_out(table: str, name: str) -> bool:
    # The run that landed a row tells, with the runs' own dates, when its resource was written.
    tells_when = name.endswith("_at") or (name == "run_id" and table.startswith("core."))
    return tells_when or name == "birth_date"


def _published(table: str, column: Column) -> PublishedColumn:
    name = column.name
    if name.endswith("_key"):
        return PublishedColumn(name, name, "pseudonym", column.comment)
    if name == "index_date":
        return PublishedColumn("index_month", name, "month", column.comment)
    if name.startswith("age_") and name.endswith("_years"):
        return PublishedColumn(
            name, name, "age", f"{column.comment} {OLDEST_AGE} means {OLDEST_AGE} or more."
        )
    if name.endswith("_date"):
        comment = f"{column.comment} Days from the patient's index date.".strip()
        return PublishedColumn(f"{name.removesuffix('_date')}_day", name, "day", comment)
    if name.endswith("_text") or (name.endswith("_id") and name not in _OUR_IDS):
        raise _refused(table, column, "texts as sent and identifiers stay private")
    if column.sql_type.startswith(_DATE_TYPES):
        raise _refused(table, column, "only columns named *_date and *_at may hold a date or time")
    return _copy(column)


def _copy(column: Column) -> PublishedColumn:
    return PublishedColumn(column.name, column.name, "copy", column.comment)


def _require_companions(table: str, columns: Sequence[Column], published: Sequence[PublishedColumn]) -> None:
    names = {column.name for column in columns}
    for column in published:
        if column.treatment == "day" and "patient_key" not in names:
            raise SqlFileError(
                f"{table} cannot be published: {column.source} is a date but there is no patient_key.",
                "Add patient_key, or name the column's date in days.",
            )
        if column.treatment == "pseudonym" and "center_id" not in names:
            raise SqlFileError(
                f"{table} cannot be published: it has keys but no center_id.", "Add center_id."
            )
        if column.source == RESOURCE_KEY and "resource_type" not in names:
            raise SqlFileError(
                f"{table} cannot be published: it has a resource_key but no resource_type.",
                "Add resource_type.",
            )


def _refused(table: str, column: Column, reason: str) -> SqlFileError:
    return SqlFileError(
        f"{table} cannot be published because of {column.name}: {reason}.",
        "Change the SQL file of the table.",
    )


def pseudonyms(
    found: Iterable[tuple[str, str, str]], *, project: str, keys: Mapping[str, bytes]
) -> list[str]:
    """Return the pseudonym of each key (see `KeyOfCenter`), in their order.

    Raises ConfigError for a center without a pseudonymization key.
    """
    # What the keys of one center and kind have in common is hashed once, and only copied for each of them.
    begun: dict[tuple[str, str], hmac.HMAC] = {}
    made = []
    for center_id, kind, key in found:
        common = begun.get((center_id, kind))
        if common is None:
            common = begun[center_id, kind] = _begin(center_id, kind, project, keys)
        digest = common.copy()
        digest.update(key.encode("utf-8"))
        made.append(digest.hexdigest()[:32])
    return made


def _begin(center_id: str, kind: str, project: str, keys: Mapping[str, bytes]) -> hmac.HMAC:
    """The hash of everything of a pseudonym but the key."""
    secret = keys.get(center_id)
    if secret is None:
        raise ConfigError(
            f"Center {center_id} has no pseudonymization key.", "Name its key file in center.toml."
        )
    return hmac.new(secret, f"{project}\0{center_id}\0{kind}\0".encode(), hashlib.sha256)


def key_fingerprint(secret: bytes) -> str:
    """Return a short fingerprint that tells two pseudonymization keys apart without giving either away."""
    return hmac.new(secret, b"cryocohort key fingerprint", hashlib.sha256).hexdigest()[:12]
