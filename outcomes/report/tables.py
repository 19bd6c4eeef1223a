"""The report's tables of counts and of text, ready to print (estimates: estimates.py)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mappings.terminology import MappedCode
from outcomes.comparison import Comparison
from outcomes.plausibility import PrintedSummary, solutions
from outcomes.report.facts import CenterFacts
from outcomes.report.origins import Origin, method_origin, metric_anchor, query_origin
from outcomes.report.parts import Group, Line, Table
from outcomes.report.strobe import Step
from outcomes.rounding import NOT_ASSESSABLE

Row = Mapping[str, Any]
# Times as people say them; core.flow has their short names.
_TIMES = {
    "scored at 24h": "scored at 24 hours",
    "scored at 1m": "scored at 1 month",
    "scored at last": "scored at last follow-up",
}
# A count of a group as its audience may see it.
Shown = Callable[[str, int], str]


def flow_steps(rows: Sequence[Row], centers: Sequence[Group], shown: Shown) -> list[Step]:
    """STROBE item 13: what each step kept, and what it excluded and why, for all centers and each."""
    by_step: dict[tuple[int, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_step[row["step_order"], row["step"], row["unit"]].append(row)
    steps = []
    for (_, step, unit), found in sorted(by_step.items(), key=lambda item: item[0][0]):
        reasons = sorted({row["reason"] for row in found if row["reason"] and row["excluded"]})
        kept = tuple(shown(group.name, _kept(found, group)) for group in centers)
        excluded = tuple(
            (r, tuple(shown(group.name, _excluded(found, r, group)) for group in centers)) for r in reasons
        )
        steps.append(Step(_TIMES.get(step, step), unit, kept, excluded))
    return steps


def flow(steps: Sequence[Step], centers: Sequence[Group], origins: tuple[Origin, ...]) -> Table:
    """Every step of the flow, also those that the diagram leaves out."""
    lines = []
    for step in steps:
        lines.append(Line((step.title, step.unit, *step.kept), tone="kept"))
        for reason, counts in step.excluded:
            lines.append(Line((f"excluded: {reason}", step.unit, *counts), tone="excluded"))
    columns = ("Step", "Unit", *(g.label for g in centers))
    caption = "Every step, from procedures to analyzed rows"
    return Table(caption, columns, tuple(lines), text_columns=(0, 1), is_folded=True, origins=origins)


def complications(rows: Sequence[Row], centers: Sequence[Group]) -> Table:
    """Events by class, and the scale and grade the class comes from."""
    counts: dict[tuple[str, str, str], dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for center in (None, row["center_id"]):
            counts[row["class"], row["scale"], row["grade"]][center] += row["counted"]
    lines = tuple(
        Line((*key, *(str(found[group.center_id]) for group in centers)))
        for key, found in sorted(counts.items())
    )
    columns = ("Class", "Scale", "Grade", *(g.label for g in centers))
    caption, origins = "Events by class, scale and grade", (query_origin("complications"),)
    return Table(caption, columns, lines, text_columns=(0, 1, 2), origins=origins)


def listing(rows: Sequence[Row], centers: Sequence[Group]) -> Table:
    """Every complication in a line of its own, without ids."""
    names = {group.center_id: group.label for group in centers}
    lines = tuple(_listed(row, names) for row in rows)
    columns = ("Event", "Class", "Scale and grade", "Center", "Days from session")
    caption, origins = "Listing, for the study team", (query_origin("listing"),)
    return Table(caption, columns, lines, text_columns=(0, 1, 2, 3), is_folded=True, origins=origins)


def _listed(row: Row, names: Mapping[str | None, str]) -> Line:
    graded = " ".join(str(part) for part in (row["scale"], row["grade"]) if part is not None)
    return Line(
        (
            (row["event_concept"] or "not coded").replace("_", " "),
            row["class"] or "not classed",
            graded or "no scale",
            names[row["center_id"]],
            _number(row["days_from_session"]),
        )
    )


def checks(rows: Sequence[Row], *, shows_counts: bool) -> Table:
    """Quality checks of the run, violated ones first and marked; counts of rows are for the team alone."""
    columns = ("Check", "Severity", "Result", *(("Violations", "Of") if shows_counts else ()))
    lines = tuple(
        Line(
            (
                row["check_name"].replace("_", " "),
                row["severity"],
                row["status"],
                *([_number(row["violations"]), _number(row["denominator"])] if shows_counts else []),
            ),
            tone="" if row["status"] == "passed" else "attention",
        )
        for row in sorted(rows, key=lambda row: bool(row["status"] == "passed"))
    )
    caption, origins = "Quality checks of this run", (query_origin("checks"),)
    return Table(caption, columns, lines, text_columns=(0, 1, 2), origins=origins)


def unmapped(rows: Sequence[Row], centers: Sequence[Group], shown: Shown) -> Table:
    """Codes in use that mean no concept of the study, by center."""
    found = {row["center_id"]: row for row in rows}
    lines = []
    for group in centers:
        if group.center_id is not None:
            row = found.get(group.center_id, {"codes": 0, "resources": 0})
            lines.append(Line((group.label, str(row["codes"]), shown(group.name, row["resources"]))))
    caption, origins = "Codes without a meaning in the study", (query_origin("unmapped"),)
    return Table(caption, ("Center", "Codes", "Uses"), tuple(lines), origins=origins)


def centers(found: Sequence[CenterFacts]) -> Table:
    """How fresh each center is, and by which key its pseudonyms are made."""
    lines = []
    for center in found:
        read = f"{center.read_at:%Y-%m-%d %H:%M} UTC" if center.read_at else "never"
        late = "" if center.is_complete else "; the newest sync was incomplete"
        cells = (center.name, center.center_id, center.fhir_version, f"{read}{late}", center.key_fingerprint)
        lines.append(Line(cells, tone="" if center.is_complete else "attention"))
    columns = ("Center", "Id", "FHIR version", "Last read completely", "Key fingerprint")
    origins = (query_origin("sources"),)
    return Table("Sources", columns, tuple(lines), text_columns=(0, 1, 2, 3, 4), origins=origins)


def code_lists(codes: Iterable[MappedCode], groups: Sequence[Group]) -> tuple[Table, ...]:
    """One table a code set: what each code means, and the centers at which it does."""
    names = {group.center_id: group.label for group in groups}
    found: dict[str, dict[tuple[str, str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for code in codes:
        key = (code.concept, code.system, code.code)
        found[code.code_set][key].append(names.get(code.center_id, code.center_id))
    return tuple(
        Table(
            f"{code_set.replace('_', ' ').capitalize()}: {len(rows)} codes",
            ("Concept", "System", "Code", "Centers"),
            tuple(Line((*key, ", ".join(dict.fromkeys(where)))) for key, where in sorted(rows.items())),
            text_columns=(0, 1, 2, 3),
            is_folded=True,
        )
        for code_set, rows in sorted(found.items())
    )


def comparison(rows: Iterable[Comparison]) -> Table:
    """Each printed figure beside ours."""
    tones = {"as printed": "", "known difference": "known", "different": "attention"}
    lines = tuple(
        Line(
            (r.figure, r.printed, r.computed, r.difference, r.state, r.reason),
            tone=tones[r.state],
            anchor=metric_anchor(r.metric),
        )
        for r in rows
    )
    columns = ("Figure", "Printed", "Computed", "Difference", "State", "Reason")
    return Table("Figures of the publication", columns, lines, text_columns=(0, 4, 5))


def plausibility(summaries: Iterable[PrintedSummary]) -> Table:
    """Whether whole-number scores exist that give each printed summary."""
    lines = []
    for s in summaries:
        found = solutions(s)
        verdict = "can hold together" if found else "cannot hold together"
        cells = (s.figure, str(s.n), f"{s.mean} ({s.sd})", f"{s.lowest} to {s.highest}", str(found), verdict)
        lines.append(Line(cells, tone="" if found else "known"))
    columns = ("Printed summary", "n", "Mean (SD)", "Range", "Solutions", "Verdict")
    notes = (
        "Solutions: pairs of sum and sum of squares that whole-number scores can reach; an exact search.",
    )
    caption, origins = "Can the printed figures hold together?", (method_origin("plausibility"),)
    return Table(caption, columns, tuple(lines), notes, text_columns=(0, 5), origins=origins)


def rules(row: Row) -> Table:
    """The study's windows as they were applied."""
    lines = tuple(Line((name.replace("_", " "), str(value))) for name, value in row.items())
    return Table("Windows and rules", ("Rule", "Value"), lines, origins=(query_origin("rules"),))


def _kept(rows: Sequence[Row], group: Group) -> int:
    # A step has one line for each reason, all with the same number kept: count each center once.
    kept = {row["center_id"]: row["kept"] for row in rows}
    return sum(n for center, n in kept.items() if group.center_id in (None, center))


def _excluded(rows: Sequence[Row], reason: str, group: Group) -> int:
    return sum(
        row["excluded"]
        for row in rows
        if row["reason"] == reason and group.center_id in (None, row["center_id"])
    )


def _number(value: int | None) -> str:
    return NOT_ASSESSABLE if value is None else str(value)
