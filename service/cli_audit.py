"""`cryocohort audit`: what was done to the warehouse, and whether the log of it is whole."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from warehouse.audit import Entry


audit = typer.Typer(
    help="The audit log: runs, configurations, deletions, releases, exports, backups, restores.",
    no_args_is_help=True,
)


@audit.command()
def show(
    config: Config = CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many entries, counted from the newest.")] = 50,
) -> None:
    """What was done to the warehouse, by whom and with what outcome, oldest first.

    Example: cryocohort audit show --last 200
    """
    from service.cli_output import show_audit

    show_audit(_log_of(config)[-last:])


@audit.command()
def verify(config: Config = CONFIG) -> None:
    """Is the log as it was written? Exit 14 names the first entry that was changed, removed or put in.

    Keep the head that it prints somewhere else: entries cut off the end can be noticed by it alone.
    """
    from mappings.errors import WarehouseError
    from service.cli_output import console
    from warehouse.audit import verify as verify_log

    found = verify_log(_log_of(config))
    if found.broken_at is not None:
        raise WarehouseError(
            f"The audit log is broken at entry {found.broken_at} of {found.entries}: it was changed, removed "
            "or put in after it was written.",
            "compare it with the log of the last backup (`cryocohort restore --check`), and ask who had "
            "access to the warehouse folder.",
        )
    console.print(f"{found.entries:,} entries, unbroken; head {found.head}", soft_wrap=True)


def _log_of(config: Path) -> "list[Entry]":
    from service.run import open_warehouse
    from warehouse.audit import read_log

    with open_warehouse(read_settings(config)) as warehouse:
        return read_log(warehouse.rows)
