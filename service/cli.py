"""The command line: every failure ends in one message, its next step and the exit code of its cause."""

import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from mappings.errors import CryocohortError
from service.cli_audit import audit
from service.cli_backup import backup, restore
from service.cli_check import check
from service.cli_codes import codes
from service.cli_config import CONFIG, Config, read_settings
from service.cli_export import export
from service.cli_init import init
from service.cli_metrics import metrics
from service.cli_night import night, now
from service.cli_publications import publications
from service.cli_quarantine import quarantine
from service.cli_releases import releases
from service.cli_sql import sql
from service.garbage import collect_rarely
from service.stop_signals import stop_on_signals
from service.verbosity import CHOSEN

DIFFERENT_FIGURES = 1

app = typer.Typer(
    help="FHIR servers of several centers -> a DuckDB warehouse -> the outcomes of a cohort, every night.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(init)
app.command()(check)
app.command()(backup)
app.command()(restore)
app.add_typer(codes, name="codes")
app.add_typer(quarantine, name="quarantine")
app.add_typer(metrics, name="metrics")
app.add_typer(publications, name="publications")
app.add_typer(audit, name="audit")
app.add_typer(releases, name="releases")


def main() -> None:
    """Run the command line; an error of the tree becomes one message and its exit code."""
    collect_rarely()
    try:
        app(prog_name="cryocohort")
    except CryocohortError as error:
        from service.cli_output import show_error

        show_error(error)
        sys.exit(error.exit_code)


@app.command()
def sync(
    config: Config = CONFIG,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Look for deletions now at every center, due or not.")
    ] = False,
    accept_deletions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CENTER",
            help="Look for deletions now at CENTER and let go however many there are; may be repeated.",
        ),
    ] = None,
) -> None:
    """Pull what is new from every center, land it in the private warehouse and map it.

    Every ingest.reconcile_days what the servers have no more leaves it, too.

    Example: cryocohort sync --config /etc/cryocohort
    """
    from service.centers import ReconcileDemand
    from service.cli_output import show_sync, shown_progress
    from service.notify import told
    from service.sync import sync_night

    settings, stop = read_settings(config), stop_on_signals()
    demand = ReconcileDemand(reconcile, frozenset(accept_deletions or ()))
    with told(settings, "sync", now, stop.is_set):
        with shown_progress() as progress:
            report = sync_night(night(settings, progress, stop), demand)
        show_sync(report)
        if report.view_error:
            raise report.view_error


@app.command()
def refresh(
    config: Config = CONFIG,
    accept_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CENTER",
            help="Publish although CENTER has another pseudonymization key than before; may be repeated.",
        ),
    ] = None,
    engine: Annotated[
        Literal["duckdb", "spark"], typer.Option(help="What makes core tables, cohorts and metrics.")
    ] = "duckdb",
    master: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Spark's master. Default: this machine, warehouse.threads cores."),
    ] = None,
) -> None:
    """Build the tables, run the checks, compute the metrics and publish a release.

    Example: cryocohort refresh --engine spark --master spark://head:7077
    """
    from service.cli_output import show_refresh, shown_progress
    from service.engine import spark_place
    from service.notify import told
    from service.refresh import refresh_night

    if master is not None and engine != "spark":
        raise typer.BadParameter("--master is for --engine spark")
    settings, stop = read_settings(config), threading.Event()
    accepted = frozenset(accept_key or ())
    with told(settings, "refresh", now, stop.is_set):
        spark = spark_place(settings, master) if engine == "spark" else None
        with shown_progress() as progress:
            report = refresh_night(night(settings, progress, stop), accepted, spark)
        show_refresh(report)


@app.command()
def report(
    config: Config = CONFIG,
    audience: Annotated[
        Literal["team", "shared"] | None,
        typer.Option(help="Who reads it; shared hides small counts. Default: report.audience."),
    ] = None,
) -> None:
    """Write the HTML report of the published release, and every figure beside it: CSV, JSON and Parquet.

    Example: cryocohort report --audience shared
    """
    from outcomes.figures import FORMS
    from service.cli_output import console, shown_progress
    from service.notify import told
    from service.report import report_night

    settings, stop = read_settings(config), threading.Event()
    with told(settings, "report", now, stop.is_set), shown_progress() as progress:
        path = report_night(night(settings, progress, stop), audience)
    if not CHOSEN.is_quiet:
        for written in (path, *(path.with_suffix(form) for form in FORMS)):
            console.print(str(written), markup=False, soft_wrap=True)


@app.command()
def serve(config: Config = CONFIG) -> None:
    """Sync, refresh and report on the configured crons until SIGTERM or SIGINT.

    Shows its status on the page configured as serve.listen.
    """
    from service.cli_output import LoggedProgress
    from service.serve import serve_nights
    from service.systemd import service_manager

    settings, stop = read_settings(config, log_json=not sys.stderr.isatty()), stop_on_signals()
    serve_nights(night(settings, LoggedProgress(), stop), stop, service_manager())


@app.command()
def status(
    config: Config = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Is it healthy? Last runs, centers, quarantine, release, next starts; exit 12 if not."""
    from service.cli_output import show_status
    from service.status import as_json as json_text
    from service.status import latest_starts, next_starts, problems, read_status
    from warehouse.lock import is_locked

    settings, at = read_settings(config), now()
    status = read_status(settings.warehouse_folder)
    found = problems(status, latest_starts(settings, at), is_locked=is_locked(settings.warehouse_folder))
    starts = next_starts(settings, at)
    if as_json:
        typer.echo(json_text(status, found, starts))
    else:
        show_status(status, found, starts, at)
    if found:
        raise typer.Exit(12)


app.command()(sql)
app.command()(export)


@app.command()
def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Keep configuration, warehouse and report in this folder.")
    ] = None,
    serve_on: Annotated[
        bool, typer.Option("--serve", help="Leave the two servers running until Ctrl-C.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Center a's server demands the bearer token in FILE (mode 0600)."),
    ] = None,
) -> None:
    """Two FHIR servers on this machine, a whole night against them, every figure beside the paper's.

    Exit 1 when a figure differs from the paper for any but the two known reasons.
    """
    from service.cli_demo import run_demo

    _log(as_json=False)
    if not run_demo(keep, token_file, serve_on=serve_on):
        raise typer.Exit(DIFFERENT_FIGURES)


def _show_version(wanted: bool) -> None:
    if wanted:
        from service.study import product_version

        typer.echo(f"cryocohort {product_version()}")
        raise typer.Exit


@app.callback()
def options(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but failures; the exit code tells the cause.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also log what was built and what checks found.")
    ] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines, also on a terminal.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """FHIR servers of several centers -> a DuckDB warehouse -> the outcomes of a cohort, every night."""
    del version  # its callback has shown it and left
    if quiet and verbose:
        raise typer.BadParameter("choose --quiet or --verbose, not both")
    CHOSEN.is_quiet, CHOSEN.is_verbose, CHOSEN.is_json = quiet, verbose, log_json


def _log(*, as_json: bool) -> None:
    from service.log import configure_logging

    configure_logging(as_json=as_json)
