"""`cryocohort sql`: one query on the published release, as a table or a file."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from service.cli_config import CONFIG, Config, read_settings

Format = Literal["table", "csv", "json", "parquet"]


def sql(
    query: Annotated[str, typer.Argument(help="One query on core.*, outcomes.* or ops.* of the release.")],
    config: Config = CONFIG,
    form: Annotated[Format, typer.Option("--format", help="How the rows are written.")] = "table",
) -> None:
    """Query the published release: read-only, pseudonymized, also while a sync runs.

    CSV is safe to open in a spreadsheet: texts that begin like a formula are defused.

    Example: cryocohort sql "SELECT sex, count(*) FROM core.patient GROUP BY ALL" --format csv
    """
    from warehouse.mart import open_mart

    if form == "parquet" and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is no text: send it into a file (> rows.parquet).")
    with open_mart(read_settings(config).warehouse_folder) as mart:
        if form == "parquet":
            mart.write_parquet(query, sys.stdout.buffer)
        else:
            _write_rows(*mart.query(query), form)


def _write_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: Format) -> None:
    from service.cli_output import show_rows
    from warehouse.csv_cells import write_csv

    if form == "csv":
        write_csv(sys.stdout, columns, rows)
    elif form == "json":
        typer.echo(_json(columns, rows))
    else:
        show_rows(columns, rows)


def _json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An array of one object a row; decimals keep their digits, dates and times are ISO texts."""
    import simplejson

    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    return simplejson.dumps(objects, indent=2, ignore_nan=True, default=str, ensure_ascii=False)
