"""How far a change reaches: the resources that hang together with what changed, by patient or by reference.

Resources that name each other, and those of one patient, are one component. All that is in a component of
which something changed is reached, and stands in the temporary table `reached` by its number.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from warehouse.connection import Transaction
from warehouse.flat_plan import PATIENT_KEY, FlatPart
from warehouse.names import literal, quoted, with_names
from warehouse.owner import OWNER_NUMBER, PATIENT_NUMBER, key_number, number_of
from warehouse.touched import named_columns

MOST_OF_ALL = 0.1
_PATIENT = literal("Patient")

_REACHED = "CREATE OR REPLACE TEMP TABLE reached (reached_number UBIGINT, reached_key UBIGINT)"
_NAMES = "CREATE OR REPLACE TEMP TABLE resource_name AS "
_SEEDS = """
INSERT INTO reached
SELECT {number}, {key} FROM ops.touched WHERE resource_type <> ''
UNION DISTINCT
SELECT {any_number}, {key} FROM ops.touched CROSS JOIN (SELECT unnest(?) AS any_type) WHERE resource_type = ''
"""
# What is one step away: a resource's patient, a patient's resources, whom they name, and who names them.
_PATIENT_OF = """
SELECT {{patient}}, {key} FROM {{table}} SEMI JOIN reached ON {{owner}} = reached_number
WHERE {{patient}} IS NOT NULL
"""
_OF_PATIENT = "SELECT {{owner}}, {key} FROM {{table}} SEMI JOIN reached ON {{patient}} = reached_number"
# What is named by its key alone may be a resource of any type.
_NAMED = """
SELECT {number}, other_key FROM (
    SELECT DISTINCT other_key FROM resource_name SEMI JOIN reached ON number = reached_number
) CROSS JOIN (SELECT unnest(?) AS any_type)
"""
_NAMING = "SELECT number, number_of_key FROM resource_name SEMI JOIN reached ON other_key = reached_key"
_ADD = """
INSERT INTO reached
SELECT DISTINCT step_number, step_key FROM ({step}) AS step (step_number, step_key)
ANTI JOIN reached ON step_number = reached_number
"""
_NAME = """
SELECT {{owner}} AS number, {key} AS number_of_key, {other} AS other_key
FROM {{table}} WHERE {named} IS NOT NULL
"""
_NO_NAME = "SELECT 0::UBIGINT AS number, 0::UBIGINT AS number_of_key, 0::UBIGINT AS other_key WHERE FALSE"


def find_reach(transaction: Transaction, parts: Sequence[FlatPart]) -> bool:
    """Put everything that the changes reach into `reached`; returns whether it is little enough."""
    return _Reach(transaction, parts).find()


class _Reach:
    """One search over the flat tables, of which `parts` has a part each."""

    def __init__(self, transaction: Transaction, parts: Sequence[FlatPart]) -> None:
        self._transaction = transaction
        self._parts = parts
        self._types = sorted({part.view.resource for part in parts})
        self._most = MOST_OF_ALL * self._count("FROM ops.flat_head")

    def find(self) -> bool:
        if self._count("FROM ops.touched") > self._most:
            return False
        self._transaction.execute(_REACHED)
        self._transaction.execute(_NAMES + (_union(_names(self._parts)) or _NO_NAME))
        self._transaction.execute(_seeds(), [self._types])
        return self._grow()

    def _grow(self) -> bool:
        """Take the steps in turn until a whole turn adds nothing; returns whether that is little enough."""
        steps = self._steps()
        turn, in_vain = cycle(steps), 0
        while in_vain < len(steps):
            added = self._step(next(turn))
            if added and self._count("FROM (SELECT DISTINCT reached_key FROM reached)") > self._most:
                return False
            in_vain = 0 if added else in_vain + 1
        return True

    def _steps(self) -> list[str]:
        named = _NAMED.format(number=number_of("any_type", "other_key"))
        steps = (_union(_patients(self._parts)), _union(_resources(self._parts)), named, _NAMING)
        return [step for step in steps if step]

    def _step(self, step: str) -> int:
        params = [self._types] if "?" in step else []
        added: int = self._transaction.value(_ADD.format(step=step), params)
        return added

    def _count(self, relation: str) -> int:
        found: int = self._transaction.value(f"SELECT count(*) {relation}")
        return found


def _seeds() -> str:
    key = key_number("resource_key")
    return _SEEDS.format(
        key=key, number=number_of("resource_type", key), any_number=number_of("any_type", key)
    )


def _patients(parts: Sequence[FlatPart]) -> Iterator[str]:
    """The patients of the resources reached."""
    for part in parts:
        if PATIENT_NUMBER in part.numbers:
            yield _over(part, _PATIENT_OF.format(key=number_of(_PATIENT, quoted(PATIENT_NUMBER))))


def _resources(parts: Sequence[FlatPart]) -> Iterator[str]:
    """The resources of the patients reached."""
    for part in parts:
        if PATIENT_NUMBER in part.numbers:
            yield _over(part, _OF_PATIENT.format(key=_own_key(part)))


def _names(parts: Sequence[FlatPart]) -> Iterator[str]:
    """Which resource names which key."""
    for part in parts:
        for column in named_columns(part):
            if column != PATIENT_KEY:
                named = quoted(column)
                yield _over(part, _NAME.format(key=_own_key(part), other=key_number(named), named=named))


def _own_key(part: FlatPart) -> str:
    return number_of(literal(part.view.resource), quoted(OWNER_NUMBER))


def _over(part: FlatPart, select: str) -> str:
    return with_names(select, table=f"flat.{part.table}", owner=OWNER_NUMBER, patient=PATIENT_NUMBER)


def _union(selects: Iterator[str]) -> str:
    return "\nUNION ALL\n".join(selects)
