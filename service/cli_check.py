"""`cryocohort check`: everything a night needs, looked at one by one."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from typing import Annotated

import typer

from service.cli_config import CONFIG, Config


def check(
    config: Config = CONFIG,
    center: Annotated[str | None, typer.Option(help="Only this center.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Will the next night work? Configuration, disk, warehouse and each center's server; it changes nothing.

    Counts resources by the center's codes and reads a few of them. Exits with the code of the first ✗.

    Example: cryocohort check --center a
    """
    import datetime as dt
    import shutil

    from service import doctor
    from service.cli_output import show_checkup
    from service.log import configure_logging

    configure_logging(as_json=False)
    surroundings = doctor.Surroundings(
        clock=lambda: dt.datetime.now(dt.UTC), free_bytes=lambda path: shutil.disk_usage(path).free
    )
    checkup = doctor.check(config, center, surroundings)
    if as_json:
        typer.echo(doctor.as_json(checkup))
    else:
        show_checkup(checkup)
    if checkup.exit_code:
        raise typer.Exit(checkup.exit_code)
