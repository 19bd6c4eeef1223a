"""`cryocohort export`: the published release in a folder of files, for other programs."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli_config import CONFIG, Config, read_settings

TEAM_WARNING = (
    "For the study team only: one row a patient, pseudonymized and not anonymous. Do not pass it on."
)


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
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
) -> None:
    """Write the published release into a folder: a file a table, data dictionary and manifest.

    CSV is safe to open in a spreadsheet. The audit log notes every export.

    Example: cryocohort export tables --format csv
    """
    import datetime as dt

    from service.cli_output import console, error_console
    from service.exporting import export_for_sharing, export_for_the_team

    if safe_harbor and audience == "shared":
        raise typer.BadParameter("what is shared has no rows of patients: leave --safe-harbor out.")
    settings, now = read_settings(config), dt.datetime.now(dt.UTC)
    if audience == "shared":
        made = export_for_sharing(settings, folder, form, now)
    else:
        made = export_for_the_team(settings, folder, form, now, safe_harbor=safe_harbor)
        error_console.print(f"[yellow]{TEAM_WARNING}[/]", soft_wrap=True)
    rows = sum(made.tables.values())
    console.print(f"{made.folder}: {len(made.tables)} tables, {rows:,} rows", soft_wrap=True)
