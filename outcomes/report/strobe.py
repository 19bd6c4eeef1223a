"""The STROBE flow diagram as inline SVG: boxes of who was kept, and beside each arrow who was not and why.

Read from core.flow, whose steps carry their unit: procedures narrow step by step to the cohort; patients and
lesions then go on as two branches. Drawn twice, for a page and for a phone, in the colors of the page.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from outcomes.plots.canvas import Drawing
from outcomes.report.parts import Group

_LINE, _PAD, _GAP = 16.0, 9.0, 22.0
# Average width of a character of the page's font at 12.5 px; a line is broken before it could overflow.
_CHARACTER = 6.3


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow: how many are kept, in all and by center, and who is not (reason, counts)."""

    title: str
    unit: str
    kept: tuple[str, ...]
    excluded: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Box:
    """A box at its place; `strong` lines are bold."""

    x: float
    y: float
    width: float
    lines: tuple[tuple[str, bool], ...]
    is_side: bool = False

    @property
    def height(self) -> float:
        return 2 * _PAD + _LINE * len(self.lines) - 3


def flow_diagram(steps: Sequence[Step], centers: Sequence[Group]) -> Drawing:
    """The diagram of `steps`, whose counts are in the order of `centers` (all centers first)."""
    names = [group.label for group in centers]
    return Drawing(_diagram(steps, names, "flow-wide", 860.0), _diagram(steps, names, "flow-narrow", 350.0))


def _diagram(steps: Sequence[Step], names: Sequence[str], name: str, width: float) -> str:
    chain = [step for step in steps if step.unit == "procedure"]
    cohort, branches = _cohort(steps)
    is_narrow = width < 500
    main = width if is_narrow else width * 0.47
    marks: list[str] = []
    y = 1.0
    for step in chain:
        y = _chained(marks, step, names, y, (width, main))
    y = _arrow_down(marks, 12.0 if is_narrow else _center_of(main), y, y + _GAP) if chain else y
    box = _Box(1.0, y, width - 2 if not is_narrow else main - 2, tuple(_cohort_lines(cohort, names)))
    marks += _drawn(box)
    end = _branches(marks, branches, names, box, width)
    title, text = "Flow of the study", _told(steps, names)
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-text" viewBox="0 0 {width:.0f} {end + 1:.0f}" '
        f'class="flow"><title id="{name}-title">{title}</title><desc id="{name}-text">{escape(text)}</desc>'
        f"{''.join(marks)}</svg>"
    )


def _cohort(steps: Sequence[Step]) -> tuple[list[Step], list[list[Step]]]:
    """The first step of patients, sessions and lesions; and what follows for patients and for lesions."""
    by_unit: dict[str, list[Step]] = {}
    for step in steps:
        by_unit.setdefault(step.unit, []).append(step)
    cohort = [by_unit[unit][0] for unit in ("patient", "session", "lesion") if unit in by_unit]
    branches = [by_unit[unit][1:] for unit in ("patient", "lesion") if len(by_unit.get(unit, ())) > 1]
    return cohort, branches


def _chained(
    marks: list[str], step: Step, names: Sequence[str], y: float, widths: tuple[float, float]
) -> float:
    """Draw one step of the chain of procedures, with those excluded before it; return where it ends."""
    width, main = widths
    is_narrow = width == main
    if step.excluded:
        lines = tuple(_excluded_lines(step, names, (width - main if not is_narrow else main - 24) - 40))
        if is_narrow:
            side = _Box(24.0, y + _GAP / 2, main - 25, lines, is_side=True)
        else:
            side = _Box(main + 40, y + _GAP / 2, width - main - 41, lines, is_side=True)
        bottom = side.y + side.height + _GAP / 2
        middle = side.y + side.height / 2
        x = 12.0 if is_narrow else _center_of(main)
        marks += [_path(x, middle, right_to=side.x), *_drawn(side)]
        _arrow_down(marks, x, y, bottom)
        y = bottom
    elif y > 1:
        y = _arrow_down(marks, 12.0 if is_narrow else _center_of(main), y, y + _GAP)
    box = _Box(1.0, y, main - 2, tuple(_kept_lines(step, names)))
    marks += _drawn(box)
    return y + box.height


def _branches(
    marks: list[str], branches: Sequence[Sequence[Step]], names: Sequence[str], cohort: _Box, width: float
) -> float:
    """Draw the branches below the cohort, side by side on a page, below one another on a phone."""
    is_narrow = width < 500
    top = cohort.y + cohort.height
    ends = [top]
    share = width if is_narrow else (width - 28) / max(1, len(branches))
    for number, branch in enumerate(branches):
        x = 1.0 if is_narrow else 1.0 + number * (share + 28)
        y = ends[-1] if is_narrow else top
        # What follows the first step looks at its rows from several sides: one box, not a chain.
        for place, together in enumerate(filter(None, (branch[:1], branch[1:]))):
            # On a phone the second branch stands below the first, but does not come from it.
            if is_narrow and number and not place:
                y += _GAP
            else:
                y = _arrow_down(marks, x + (12 if is_narrow else share / 2), y, y + _GAP)
            lines = [line for step in together for line in _branch_lines(step, names, share - 30)]
            box = _Box(x, y, share - 2, tuple(lines))
            marks += _drawn(box)
            y += box.height
        ends.append(y)
    return max(ends)


def _kept_lines(step: Step, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    yield f"{_sentence(step.title)}: n = {step.kept[0]}", True
    if len(names) > 2:
        yield _by_center(names, step.kept), False


def _branch_lines(step: Step, names: Sequence[str], width: float) -> Iterator[tuple[str, bool]]:
    yield from _kept_lines(step, names)
    yield from _excluded_lines(step, names, width)


def _cohort_lines(cohort: Sequence[Step], names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    yield "Cohort: " + ", ".join(f"{step.kept[0]} {step.title.lower()}" for step in cohort), True
    if len(names) > 2:
        for place, name in list(enumerate(names))[1:]:
            yield (
                f"{name}: " + ", ".join(f"{step.kept[place]} {step.title.lower()}" for step in cohort),
                False,
            )


def _excluded_lines(step: Step, names: Sequence[str], width: float) -> Iterator[tuple[str, bool]]:
    if not step.excluded:
        return
    yield "Not kept:", True
    for reason, counts in step.excluded:
        by_center = f" ({_by_center(names, counts)})" if len(names) > 2 else ""
        text = f"{counts[0]} {reason}{by_center}"
        for line in textwrap.wrap(text, max(20, int(width / _CHARACTER))):
            yield line, False


def _by_center(names: Sequence[str], counts: Sequence[str]) -> str:
    # Held together: a line is not broken between a center and its number.
    return ", ".join(
        f"{name} {count}".replace(" ", "\N{NO-BREAK SPACE}")
        for name, count in list(zip(names, counts, strict=True))[1:]
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _center_of(width: float) -> float:
    return width / 2


def _drawn(box: _Box) -> list[str]:
    style = "fill:var(--paper);stroke:var(--line)" if box.is_side else "fill:var(--pale);stroke:var(--soft)"
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    marks = [f'<rect {place} rx="4" style="{style}"/>']
    for number, (text, is_strong) in enumerate(box.lines):
        y = box.y + _PAD + 11 + number * _LINE
        weight = ";font-weight:600" if is_strong else ""
        marks.append(
            f'<text x="{box.x + 11:.1f}" y="{y:.1f}" style="font-size:12.5px;fill:var(--ink){weight}">'
            f"{escape(text)}</text>"
        )
    return marks


def _arrow_down(marks: list[str], x: float, top: float, bottom: float) -> float:
    marks.append(_path(x, top, down_to=bottom))
    return bottom


def _path(x: float, y: float, *, down_to: float | None = None, right_to: float | None = None) -> str:
    """An arrow; its head is part of the line, because a marker would need an id for each drawing."""
    if down_to is not None:
        line = f"V{down_to - 1:.1f}M{x - 3.5:.1f} {down_to - 6:.1f}L{x:.1f} {down_to - 1:.1f}"
        line += f"L{x + 3.5:.1f} {down_to - 6:.1f}"
    else:
        end = right_to or x
        line = f"H{end - 1:.1f}M{end - 6:.1f} {y - 3.5:.1f}L{end - 1:.1f} {y:.1f}L{end - 6:.1f} {y + 3.5:.1f}"
    return f'<path d="M{x:.1f} {y:.1f}{line}" style="fill:none;stroke:var(--soft);stroke-width:1.2"/>'


def _told(steps: Sequence[Step], names: Sequence[str]) -> str:
    """The diagram in words, for those who cannot see it; the table below it holds every number."""
    kept = "; ".join(f"{step.title} {step.kept[0]}" for step in steps if step.unit == "procedure")
    cohort, _ = _cohort(steps)
    found = ", ".join(f"{step.kept[0]} {step.title.lower()}" for step in cohort)
    return f"{kept}. Cohort: {found}. By center: {', '.join(names[1:])}."
