"""What the command line shows: counts, types, rules and reasons, never content."""

import datetime as dt
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from mappings.errors import CryocohortError
from service.verbosity import CHOSEN

if TYPE_CHECKING:  # each of these brings a heavy library, and a command should wait for its own only
    from ingest.sync import Progress as SyncProgress
    from ingest.sync import UnitLanded
    from outcomes.comparison import Comparison
    from service.doctor import Checkup
    from service.refresh import RefreshReport
    from service.release_list import KeptRelease
    from service.retry import RetryReport
    from service.status import Status, Step
    from service.sync import SyncReport
    from warehouse.audit import Entry
    from warehouse.built import BuiltTable
    from warehouse.type_sync import TypeSync

STATE_STYLES = {"as printed": "green", "known difference": "yellow", "different": "bold red"}

CHECK_MARKS = {
    "ok": "[green]\N{CHECK MARK}[/]",
    "warning": "[yellow]![/]",
    "failed": "[bold red]\N{BALLOT X}[/]",
    "skipped": "\N{EN DASH}",
}

# Into a file or a pipe nothing is wrapped to the width of a terminal that is not there.
PIPE_WIDTH = 200

console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
error_console = Console(stderr=True, highlight=False)


def show_error(error: CryocohortError) -> None:
    """One message and its next step, on standard error."""
    error_console.print(f"[bold red]cryocohort:[/] {escape(error.message)}", soft_wrap=True)
    error_console.print(f"[bold]next step:[/] {escape(error.next_step.strip())}", soft_wrap=True)


class LoggedProgress:
    """Progress as log lines, for everything that is not a terminal."""

    def landed(self, event: "UnitLanded") -> None:
        """One line a unit."""
        counts = event.counts
        structlog.get_logger().info(
            "landed",
            run_id=event.run_id,
            center=event.center_id,
            resource_type=event.resource_type,
            step=event.step,
            unit=f"{event.number}/{event.units}",
            received=counts.received,
            landed=counts.landed,
            quarantined=counts.quarantined,
            seconds=round(event.seconds, 3),
        )


class BarProgress:
    """Progress as one bar a center and step, for a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def landed(self, event: "UnitLanded") -> None:
        """Move the bar of the center's step; centers report from their own threads."""
        key = event.center_id, event.step
        if key not in self._tasks:
            title = f"center {event.center_id}: {event.step} resources"
            self._tasks[key] = self._bars.add_task(title, total=event.units)
        self._bars.update(self._tasks[key], completed=event.number, total=event.units)


@contextmanager
def shown_progress() -> Iterator["SyncProgress"]:
    """Bars on a terminal, log lines elsewhere; quiet shows neither."""
    if not error_console.is_terminal or CHOSEN.is_quiet:
        yield LoggedProgress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_console, transient=True) as bars:
        yield BarProgress(bars)


def show_sync(report: "SyncReport") -> None:
    """What each center sent, what became of it, and the tables that it was mapped into."""
    if CHOSEN.is_quiet:
        return
    show_account([row for center in report.centers for row in center.account(report.run_id)])
    for center in report.centers:
        for remark in center.remarks:
            console.print(f"[yellow]{escape(remark)}[/]", soft_wrap=True)
    show_built(report.mapped)


def show_account(rows: Sequence["TypeSync"]) -> None:
    """What was asked of each center for each type, what came, what became of it, and what it took."""
    names = ("asked", "received", "new", "changed", "unchanged", "deleted", "quarantined", "requests", "kB")
    table = _table("Center", "Resource type", *names, "seconds", numbers={*names, "seconds"})
    for row in rows:
        counts = (row.asked, row.received, row.new, row.changed, row.unchanged, row.deleted, row.quarantined)
        numbers = (*counts, row.requests, round(row.bytes / 1000))
        shown = (f"{number:,}" for number in numbers)
        table.add_row(row.center_id, row.resource_type, *shown, f"{row.seconds:,.1f}")
    console.print(table)


def show_retried(report: "RetryReport") -> None:
    """What was asked for again, what the center said of it, and what became of it."""
    columns = ("asked again", "accepted", "still refused", "deleted there", "not asked for", "no answer")
    table = _table("Center", "Resource type", *columns, numbers=columns)
    for each in report.types:
        told = each.told
        counts = (told.asked, each.accepted, each.still_refused, told.deleted, told.unasked, told.untold)
        table.add_row(told.center_id, told.resource_type, *(f"{count:,}" for count in counts))
    if report.types:
        console.print(table)
    else:
        console.print("nothing to ask for")
    if any(each.accepted for each in report.types):
        console.print("accepted resources enter the release with the next `cryocohort refresh`")


def show_built(tables: Sequence["BuiltTable"]) -> None:
    """Why tables were built or changed, each with its rows now; how many were kept."""
    by_reasons: dict[tuple[str, ...], list[str]] = {}
    for built in tables:
        if built.reasons:
            by_reasons.setdefault(built.reasons, []).append(f"{built.table} ({built.rows:,})")
    shown = _table("Built or changed because", "Tables (rows)")
    for reasons, names in by_reasons.items():
        shown.add_row(escape("; ".join(reasons)), ", ".join(names))
    if by_reasons:
        console.print(shown)
    kept = sum(not built.reasons for built in tables)
    if kept:
        console.print(f"{kept} of {len(tables)} tables kept as they were")


def show_refresh(report: "RefreshReport") -> None:
    """What was built, which checks found something, and which release was published."""
    if CHOSEN.is_quiet:
        return
    core = {count.table: count.rows for count in report.tables if count.table.startswith("core.")}
    console.print(f"run {report.run_id}: {len(core)} core tables, {len(report.results)} figures")
    show_built(report.tables)
    passed = sum(check.status == "passed" for check in report.checks)
    console.print(f"{passed} of {len(report.checks)} checks passed; found by them:")
    table = _table("Check", "Severity", "violations", "status")
    for check in report.checks:
        if check.status != "passed" or check.violations:
            table.add_row(escape(check.title), check.severity, check.message, check.status)
    console.print(table)
    console.print(f"published release {report.release.number}: {report.release.path}", soft_wrap=True)


def show_comparison(comparisons: Sequence["Comparison"]) -> None:
    """Each figure, what the publication prints and what was computed."""
    table = _table("Figure", "printed", "computed", "", numbers={"printed", "computed"})
    for row in comparisons:
        style = STATE_STYLES[row.state]
        table.add_row(escape(row.figure), row.printed, row.computed, f"[{style}]{row.state}[/]")
    console.print(table)
    for row in comparisons:
        if row.reason:
            console.print(f"[yellow]{escape(row.figure)}[/]: {escape(row.reason)}")


def show_status(
    status: "Status", problems: Sequence[str], next_starts: Mapping["Step", dt.datetime], now: dt.datetime
) -> None:
    """Health, the last runs, the centers, the quarantine and what comes next."""
    console.print("[bold red]not healthy[/]" if problems else "[green]healthy[/]")
    for problem in problems:
        console.print(f"  {escape(problem)}")
    runs = _table("Run", "Kind", "Started (UTC)", "Status", "Message")
    for run in status.runs:
        runs.add_row(str(run.run_id), run.kind, _minute(run.started_at), run.status, escape(run.message))
    console.print(runs)
    last_complete = {sync.center_id: sync.finished_at for sync in status.complete}
    centers = _table("Center", "Last sync", "Last complete sync (UTC)", "Reason")
    for sync in status.latest:
        complete = last_complete.get(sync.center_id)
        centers.add_row(sync.center_id, sync.status, _minute(complete), escape(sync.reason))
    console.print(centers)
    _show_types(status, now)
    if status.quarantine:
        faults = _table("Center", "Resource type", "Rule", "Path", "quarantined", numbers={"quarantined"})
        for fault in status.quarantine:
            place = (fault.center_id, fault.resource_type, escape(fault.rule), escape(fault.path))
            faults.add_row(*place, f"{fault.resources:,}")
        console.print(faults)
    if status.release is not None:
        console.print(
            f"release {status.release.release}, published {_minute(status.release.published_at)} UTC"
        )
    for step, start in next_starts.items():
        console.print(f"next {step}: {_minute(start)} UTC")


def _show_types(status: "Status", now: dt.datetime) -> None:
    """How far each type of each center is, and when its ids were compared last."""
    if not status.types:
        return
    numbers = {"age (h)", "resources", "quarantined"}
    table = _table(
        "Center",
        "Resource type",
        "read up to (UTC)",
        *("age (h)", "resources", "quarantined"),
        "ids compared (UTC)",
        numbers=numbers,
    )
    for each in status.types:
        hours = "" if each.read_up_to is None else f"{(now - each.read_up_to).total_seconds() / 3600:,.0f}"
        table.add_row(
            each.center_id,
            each.resource_type,
            _minute(each.read_up_to),
            hours,
            *(f"{each.resources:,}", f"{each.quarantined:,}"),
            _minute(each.compared_at),
        )
    console.print(table)


def show_checkup(checkup: "Checkup") -> None:
    """One line for each thing looked at, with what to do where something is wrong."""
    table = _table("", "Center", "Looked at", "Seen", "Next step")
    for found in checkup.findings:
        texts = (found.center, found.subject, found.seen, found.next_step)
        table.add_row(CHECK_MARKS[found.state], *(escape(text) for text in texts))
    console.print(table)
    states = [found.state for found in checkup.findings]
    console.print(f"{states.count('failed')} failed, {states.count('warning')} to look at")


def show_audit(log: Sequence["Entry"]) -> None:
    """Entries of the audit log."""
    table = _table("Entry", "When (UTC)", "Who", "Action", "Subject", "Outcome", "Details")
    for entry in log:
        texts = (entry.actor, entry.action, entry.subject, entry.outcome, entry.details)
        table.add_row(str(entry.number), _minute(entry.noted_at), *(escape(text) for text in texts))
    console.print(table)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """The rows of a query as a table."""
    table = _table(*columns)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    console.print(table)


def show_releases(kept: Sequence["KeptRelease"]) -> None:
    """The releases on disk, the newest first; which of them readers see, and whether each is whole."""
    table = _table("Release", "Run", "Published (UTC)", "Tables", "Rows", "")
    for release in kept:
        counts = (str(release.run_id or ""), release.published_at, str(release.tables), f"{release.rows:,}")
        table.add_row(str(release.number), *counts, release.problem or ("current" * release.is_current))
    console.print(table)


def _minute(moment: dt.datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")


def _table(*columns: str, numbers: Collection[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
