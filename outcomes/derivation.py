"""What shown counts tell about hidden ones: which cells must be hidden so that no small count can be derived.

The rule: of a cell with 1 to threshold - 1, a range of at least threshold - 1 values stays possible, for a
reader who knows how cells add up and that a hidden cell is not zero. Whether it does is decided exactly, by
integer programming (HiGHS through SciPy), not by bounds that a cleverer reader could beat.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from outcomes.results import ALL

_INFEASIBLE = 2
_TRIED = 6


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A place where a count of a group stands: its quantity, such as the lesions, in a group of results."""

    group: str
    quantity: str


@dataclass(frozen=True, slots=True)
class Sum:
    """A cell and its parts, which a reader knows to add up to it."""

    total: Cell
    parts: tuple[Cell, ...]


# Each cell with its factor; factors times counts add up to zero.
_Equation = Mapping[Cell, int]


def hidden_cells(counts: Mapping[Cell, int], sums: Sequence[Sum], threshold: int) -> frozenset[Cell]:
    """The cells that may not be shown: those with small counts, and those that would give one away.

    Zeros are shown. The cells that protect a small one are those whose loss costs least.
    """
    system = _System(counts, _equations(counts, sums), threshold)
    small = sorted(cell for cell, count in counts.items() if 0 < count < threshold)
    hidden = system.with_partners(frozenset(small))
    while (exposed := system.first_exposed(small, hidden)) is not None:
        hidden = system.protected(exposed, hidden)
    return hidden


def _equations(counts: Mapping[Cell, int], sums: Sequence[Sum]) -> list[_Equation]:
    """The sums as equations without zeros, each once; a part that is the whole total tells nothing."""
    found = {}
    for each in sums:
        factors = Counter(part for part in each.parts if counts[part])
        factors.subtract([each.total] if counts[each.total] else [])
        equation = {cell: factor for cell, factor in factors.items() if factor}
        if equation:
            found[frozenset(equation.items())] = equation
    return list(found.values())


class _System:
    """Cells, the equations between them, and what a reader can conclude when some of the cells are hidden."""

    def __init__(self, counts: Mapping[Cell, int], equations: Sequence[_Equation], threshold: int) -> None:
        self._counts = counts
        self._equations = equations
        self._enough = threshold - 1
        self._wholes = {c for e in equations if len({x.group for x in e}) == 1 for c in e if e[c] < 0}
        self._needed = Counter(cell for equation in equations for cell in equation)
        self._safe: set[frozenset[Cell]] = set()

    def first_exposed(self, small: Sequence[Cell], hidden: Set[Cell]) -> Cell | None:
        """The first small cell that the shown ones tell too much of, or None."""
        for component in self._components(small, hidden):
            if component in self._safe:
                continue
            for cell in small:
                if cell in component and self._is_exposed(cell, component):
                    return cell
            # Hiding more elsewhere leaves this component as it is, so it need not be looked at again.
            self._safe.add(component)
        return None

    def with_partners(self, hidden: frozenset[Cell]) -> frozenset[Cell]:
        """`hidden`, and a second cell of every equation that would otherwise tell the only one it hides."""
        while True:
            alone = [e for e in self._equations if sum(cell in hidden for cell in e) == 1 and len(e) > 1]
            if not alone:
                return hidden
            shown = [cell for cell in alone[0] if cell not in hidden]
            hidden |= {min(shown, key=self._price)}

    def protected(self, exposed: Cell, hidden: frozenset[Cell]) -> frozenset[Cell]:
        """`hidden`, and a near and cheap shown cell (with partners) that protects `exposed`.

        Where none of the first does it alone, all of them are hidden.
        """
        candidates = self._candidates(exposed, hidden)[:_TRIED]
        for candidate in candidates:
            enough = self.with_partners(hidden | {candidate})
            (component,) = self._components([exposed], enough)
            if not self._is_exposed(exposed, component):
                return enough
        return self.with_partners(hidden | frozenset(candidates))

    def _price(self, cell: Cell) -> tuple[bool, int, bool, int, Cell]:
        """Cheap is what has no parts, what few sums need, what is a center's own, and what is small."""
        return cell in self._wholes, self._needed[cell], cell.group == ALL, self._counts[cell], cell

    def _candidates(self, exposed: Cell, hidden: Set[Cell]) -> list[Cell]:
        """Shown cells that hang together with `exposed` through equations: nearest first, then cheapest."""
        found: list[Cell] = []
        near, seen = {exposed}, set[Cell]()
        while near:
            seen |= near
            touching = [equation for equation in self._equations if not near.isdisjoint(equation)]
            cells = {cell for equation in touching for cell in equation} - seen
            shown = cells - hidden
            found += sorted(shown, key=self._price)
            seen |= shown
            near = cells & hidden
        return found

    def _components(self, cells: Sequence[Cell], hidden: Set[Cell]) -> Iterator[frozenset[Cell]]:
        """The hidden cells that hang together through equations, once for all of `cells` in them."""
        of_cell: dict[Cell, list[_Equation]] = {cell: [] for cell in hidden}
        for equation in self._equations:
            for cell in equation:
                if cell in hidden:
                    of_cell[cell].append(equation)
        seen: set[Cell] = set()
        for start in cells:
            if start in seen:
                continue
            component, open_cells = {start}, [start]
            while open_cells:
                near = {c for e in of_cell[open_cells.pop()] for c in e if c in hidden} - component
                component |= near
                open_cells.extend(near)
            seen |= component
            yield frozenset(component)

    def _is_exposed(self, cell: Cell, component: frozenset[Cell]) -> bool:
        """Whether the possible values of a hidden cell, lowest to highest, are too few."""
        unknown = sorted(component)
        lowest = self._lowest(cell, unknown, at_least=1)
        if lowest is None:
            raise ValueError("the sums contradict the counts")
        return self._lowest(cell, unknown, at_least=lowest + self._enough - 1) is None

    def _lowest(self, cell: Cell, unknown: Sequence[Cell], *, at_least: int) -> int | None:
        """The lowest possible value of `cell` from `at_least` on, or None."""
        place = {each: number for number, each in enumerate(unknown)}
        objective, floor = np.zeros(len(unknown)), np.ones(len(unknown))
        objective[place[cell]], floor[place[cell]] = 1, at_least
        found = milp(
            objective,
            constraints=self._constraints(place),
            integrality=np.ones(len(unknown)),
            bounds=Bounds(floor),
        )
        if found.status == _INFEASIBLE:
            return None
        if found.x is None:
            raise ArithmeticError(f"HiGHS ended without an answer: {found.message}")
        return int(found.x[place[cell]].round())

    def _constraints(self, place: Mapping[Cell, int]) -> list[LinearConstraint]:
        """The equations with unknown cells: factors of the unknown, and what the shown ones come to."""
        known = [equation for equation in self._equations if not place.keys().isdisjoint(equation)]
        factors, constants = np.zeros((len(known), len(place))), np.zeros(len(known))
        for number, equation in enumerate(known):
            for cell, factor in equation.items():
                if cell in place:
                    factors[number, place[cell]] = factor
                else:
                    constants[number] -= factor * self._counts[cell]
        return [LinearConstraint(factors, constants, constants)] if known else []
