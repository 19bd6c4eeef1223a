"""`cryocohort metrics`: what is computed, how it developed, and why it moved."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from outcomes.changes import MetricChange, Moved, RowChange
    from outcomes.results import MetricResult
    from warehouse.pseudonym import KeyOfCenter

metrics = typer.Typer(
    help="List metrics, follow one over the runs, say why figures moved.", no_args_is_help=True
)


@metrics.command("list")
def list_() -> None:
    """List every metric: its name, version, what it is, and the statistic it is."""
    from outcomes.metric import load_metrics
    from service.cli_output import show_rows

    rows = [(m.metric, m.version, m.title, m.statistic, m.unit) for m in load_metrics()]
    show_rows(("metric", "version", "title", "statistic", "unit"), rows)


@metrics.command()
def history(
    metric: Annotated[str, typer.Argument(help="Name of a metric.")],
    group: Annotated[str, typer.Option(help="`all`, or `center=<center>`.")] = "all",
    config: Config = CONFIG,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of a table.")] = False,
) -> None:
    """Show the figures of a metric run by run, from the published release.

    Example: cryocohort metrics history pain_free_last --group center=a
    """
    import csv
    import sys

    from mappings.errors import QueryError
    from service.cli_output import show_rows
    from warehouse.mart import open_mart

    with open_mart(read_settings(config).warehouse_folder) as mart:
        rows = mart.rows(
            "SELECT result.run_id, run.started_at, result.version, result.statistic, result.value, "
            "result.ci_low, result.ci_high, result.n, result.numerator, result.denominator, result.note "
            "FROM outcomes.metric_result AS result LEFT JOIN ops.run AS run ON result.run_id = run.run_id "
            'WHERE result.metric = ? AND result."group" = ? ORDER BY result.statistic, result.run_id',
            [metric, group],
        )
    if not rows:
        raise QueryError(
            f"No run computed {metric} for {group}.", "`cryocohort metrics list` shows every metric."
        )
    if not as_csv:
        show_rows(tuple(rows[0]), [tuple(row.values()) for row in rows])
        return
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(rows[0])
    lines.writerows(row.values() for row in rows)


@metrics.command()
def diff(
    earlier: Annotated[int, typer.Argument(help="Number of a refresh.")],
    later: Annotated[int, typer.Argument(help="Number of a later refresh.")],
    config: Config = CONFIG,
) -> None:
    """Show which figures moved between two runs, which resources moved them, and why.

    Read from the private warehouse; resources are named by type and the release's pseudonym.

    Example: cryocohort metrics diff 2 4
    """
    from service.cli_output import console
    from service.metrics import diff as changes_between
    from service.metrics import pseudonyms_of

    settings = read_settings(config)
    changes = changes_between(settings, earlier, later)
    names = pseudonyms_of(settings, changes)
    for change in changes:
        _show_change(change, names)
    moved = sum(len(change.figures) for change in changes)
    told = f"{moved} figures of {len(changes)} metrics moved from run {earlier} to run {later}"
    console.print("; ".join((told, *_totals(changes))), markup=False, soft_wrap=True)


def _show_change(change: "MetricChange", names: "Mapping[KeyOfCenter, str]") -> None:
    from service.cli_output import console

    console.print(change.metric, style="bold", markup=False)
    for cause in change.causes:
        console.print(f"  because of {cause}", markup=False, soft_wrap=True)
    for row in change.rows:
        console.print(f"  {_row(row, names)}", markup=False, soft_wrap=True)
    for figure in change.figures:
        console.print(f"    {_figure(figure)}", markup=False, soft_wrap=True)


def _totals(changes: "Sequence[MetricChange]") -> "Iterator[str]":
    """Each cause once: what else the metrics were computed with, and how many resources."""
    yield from dict.fromkeys(cause for change in changes for cause in change.causes)
    resources: dict[str, set[tuple[str, str, str]]] = {}
    for row in (row for change in changes for row in change.rows):
        resources.setdefault(row.cause, set()).add((row.center_id, row.resource_type, row.resource_key))
    for cause, found in resources.items():
        yield f"{cause}: {len(found)} {'resource' if len(found) == 1 else 'resources'}"


def _figure(figure: "Moved") -> str:
    return f"{figure.group}, {figure.statistic}: {_value(figure.before)} became {_value(figure.after)}"


def _value(result: "MetricResult | None") -> str:
    """A figure with its interval, which may be all that moved, and the numbers it is made of."""
    from outcomes.rounding import NOT_ASSESSABLE, show, show_interval, show_p

    if result is None:
        return "nothing"
    if result.statistic.startswith("p_"):
        value = show_p(result.value)
    else:
        value = NOT_ASSESSABLE if result.value is None else show(result.value, 3)
    interval = "" if result.ci_low is None else f" [{show_interval(result.ci_low, result.ci_high, 3)}]"
    counts = "" if result.numerator is None else f" ({result.numerator}/{result.denominator})"
    return f"{value}{interval}{counts or f' (n {result.n})'}"


def _row(row: "RowChange", names: "Mapping[KeyOfCenter, str]") -> str:
    from warehouse.pseudonym import KeyOfCenter

    key = KeyOfCenter(row.center_id, row.resource_type.lower(), row.resource_key)
    resource = f"{row.resource_type} {names.get(key, 'without a key')}"
    columns = f" ({', '.join(row.columns)})" if row.columns else ""
    return f"{row.cause}: {resource} of center {row.center_id}, {row.table} row {row.change}{columns}"
