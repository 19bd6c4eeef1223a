"""Whose a row is: the resource that owns it, as SQL expressions, and as the number that stands for it.

The number is made of the hashes of the resource's type and key. Rows of schema `flat` carry it in a column:
numbers are found among a million rows several times as fast as texts, which would be hashed for every row
each time. Two resources may have one number: what is replaced by key is compared by its key as well, and
where a change is followed by numbers, it reaches a resource more than it needs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from warehouse.names import literal, quoted

OWNER_NUMBER = "owner_number"
PATIENT_NUMBER = "patient_number"
NUMBER_TYPE = "UBIGINT"
NUMBERS: Mapping[str, str] = {
    OWNER_NUMBER: "Number of the resource that owns the row, by which builds find it; no key.",
    PATIENT_NUMBER: "Number of the patient, by which builds find the row; no key.",
}
_PATIENT = literal("Patient")
_KEY_NUMBER = "hash({key})"


@dataclass(frozen=True, slots=True)
class Owner:
    """SQL expressions over a table's columns: the type and the key of the resource that owns a row."""

    resource_type: str
    resource_key: str

    @property
    def number(self) -> str:
        """The number of the owner, from the texts."""
        return number_of(self.resource_type, key_number(self.resource_key))

    def number_in(self, table: str) -> str:
        """The number of the owner in a row of `table`: its own column where the table carries one."""
        return quoted(OWNER_NUMBER) if self.numbers_of(table) else self.number

    def numbers_of(self, table: str) -> dict[str, str]:
        """The numbers that rows of `table` carry, by column, as SQL over its other columns.

        Schema `core` is published as it stands, so its tables carry none.
        """
        return {OWNER_NUMBER: self.number} if table.startswith("flat.") else {}


def numbered(select: str, numbers: Mapping[str, str]) -> str:
    """The SELECT statement of the rows of `select` with these numbers, by column, at their end."""
    added = "".join(f", {number} AS {quoted(column)}" for column, number in numbers.items())
    # Numbers are SQL of ours, not of a file or view.
    return f"SELECT *{added} FROM (\n{select}\n) AS made" if numbers else select  # noqa: S608


def patient_number(patient_key: str) -> str:
    """The number of the patient whose key a row names; NULL where it names none."""
    return f"CASE WHEN {patient_key} IS NOT NULL THEN {Owner(_PATIENT, patient_key).number} END"


def key_number(key: str) -> str:
    """The number of a key alone, whatever the type of the resource that has it."""
    return _KEY_NUMBER.format(key=key)


def number_of(resource_type: str, number_of_key: str) -> str:
    """The number of a resource, from its type and its key's number; the latter, from its own number."""
    return f"xor(hash({resource_type}), {number_of_key})"
