"""The rows of a metric as columns: picked by center, and without those that lack a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_Array = Any  # one column; NumPy's own generic alias says no more about the shape


@dataclass(frozen=True, slots=True)
class Sample:
    """Columns of equal length by name, masked where NULL."""

    columns: Mapping[str, _Array]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def of_center(self, center_id: str) -> "Sample":
        """The rows of one center."""
        return self._where(self.columns["center_id"] == center_id)

    def complete(self, names: Iterable[str]) -> "Sample":
        """The rows with a value in each of the columns `names`."""
        missing = np.zeros(len(self), dtype=bool)
        for name in names:
            missing |= np.ma.getmaskarray(self.columns[name])
        return self._where(~missing)

    def floats(self, name: str) -> list[float]:
        """A column without missing values as numbers."""
        values: list[float] = np.ma.getdata(self.columns[name]).astype(float).tolist()
        return values

    def integers(self, name: str) -> list[int]:
        """A column without missing values as whole numbers; TRUE is 1."""
        values: list[int] = np.ma.getdata(self.columns[name]).astype(np.int64).tolist()
        return values

    def texts(self, name: str) -> list[str]:
        """A column without missing values as texts."""
        values: list[str] = np.ma.getdata(self.columns[name]).tolist()
        return values

    def keys(self, name: str) -> list[str]:
        """A column of keys, which nothing may order by: they are other ones after a change of pseudonyms."""
        return self.texts(name)

    def by_category(self) -> "dict[str, Sample]":
        """The rows of each category, by name."""
        names = np.ma.getdata(self.columns["category"])
        return {name: self._where(names == name) for name in sorted(set(names.tolist()))}

    def total(self, name: str) -> int:
        """The sum of a column of whole numbers without missing values."""
        return int(np.ma.getdata(self.columns[name]).astype(np.int64).sum())

    def _where(self, chosen: _Array) -> "Sample":
        chosen = np.ma.getdata(chosen)
        return Sample({name: column[chosen] for name, column in self.columns.items()})
