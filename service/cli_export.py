"""`cryocohort export`: the published release in a folder of files, for other programs."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli_config import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from warehouse.export import Export

TEAM_WARNING = (
    "For the study team only: one row a patient, pseudonymized and not anonymous. Do not pass it on."
)
RAW_WARNING = (
    "It holds raw resources: identifiable health data (PHI), with the ids and dates that the centers sent. "
    "Only who may read the warehouse may read this folder, and every machine that mounts or syncs it."
)
MEBIBYTE = 1024 * 1024


def export(  # noqa: PLR0913, PLR0917 -- a command has as many parameters as options
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to make; it must not exist.", show_default=False)
    ] = None,
    config: Config = CONFIG,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="Files to write.")] = "parquet",
    audience: Annotated[
        Literal["team", "shared"],
        typer.Option(help="team: rows of patients. shared: figures, flow, curves; small counts hidden."),
    ] = "team",
    safe_harbor: Annotated[
        bool,
        typer.Option(
            "--safe-harbor", help="Random ids, years and intervals in days, ages of 90 and more as one."
        ),
    ] = False,
    lake: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep DIR, for a cluster, in step with the release instead."),
    ] = None,
    with_raw: Annotated[
        bool, typer.Option("--with-raw", help="Into the lake also every raw resource: PHI.")
    ] = False,
) -> None:
    """Write the published release into a folder: a file a table, data dictionary and manifest.

    CSV is safe to open in a spreadsheet. The audit log notes every export. A lake is filled again and again:
    what it has already is not copied, and its manifest names what counts.

    Example: cryocohort export tables --format csv
    """
    if safe_harbor and audience == "shared":
        raise typer.BadParameter("what is shared has no rows of patients: leave --safe-harbor out.")
    if lake is not None:
        if folder is not None or safe_harbor or (audience, form) != ("team", "parquet"):
            raise typer.BadParameter("a lake is the whole release as Parquet: leave the other options out.")
        _to_lake(config, lake, with_raw=with_raw)
    elif folder is None:
        raise typer.BadParameter("name the folder to make, or a lake's with --lake.")
    elif with_raw:
        raise typer.BadParameter("raw resources go into a lake only: name its folder with --lake.")
    elif audience == "shared":
        _shared(config, folder, form)
    else:
        _for_the_team(config, folder, form, safe_harbor=safe_harbor)


def _shared(config: Path, folder: Path, form: Literal["parquet", "csv"]) -> None:
    import datetime as dt

    from service.exporting import export_for_sharing

    _told(export_for_sharing(read_settings(config), folder, form, dt.datetime.now(dt.UTC)))


def _for_the_team(config: Path, folder: Path, form: Literal["parquet", "csv"], *, safe_harbor: bool) -> None:
    import datetime as dt

    from service.cli_output import error_console
    from service.exporting import export_for_the_team

    now = dt.datetime.now(dt.UTC)
    made = export_for_the_team(read_settings(config), folder, form, now, safe_harbor=safe_harbor)
    error_console.print(f"[yellow]{TEAM_WARNING}[/]", soft_wrap=True)
    _told(made)


def _told(made: "Export") -> None:
    from service.cli_output import console

    rows = sum(made.tables.values())
    console.print(f"{made.folder}: {len(made.tables)} tables, {rows:,} rows", soft_wrap=True)


def _to_lake(config: Path, lake: Path, *, with_raw: bool) -> None:
    import datetime as dt

    from service.cli_output import console, error_console
    from service.exporting import export_to_lake

    filled = export_to_lake(read_settings(config), lake, dt.datetime.now(dt.UTC), with_raw=with_raw)
    error_console.print(f"[yellow]{RAW_WARNING if with_raw else TEAM_WARNING}[/]", soft_wrap=True)
    for path in filled.altered:
        error_console.print(f"[yellow]{path} was not what had been copied: replaced.[/]", soft_wrap=True)
    console.print(
        f"{lake}: {filled.files:,} files, {filled.copied:,} of them copied now "
        f"({filled.copied_bytes / MEBIBYTE:,.1f} MiB), {filled.removed:,} removed",
        soft_wrap=True,
    )
    if not with_raw:
        console.print("Raw resources were left out: --with-raw copies them.", soft_wrap=True)
