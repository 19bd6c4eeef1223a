"""`cryocohort backup` and `cryocohort restore`: a copy of the warehouse, and the way back."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

MEBIBYTE = 1024 * 1024


def backup(
    destination: Annotated[Path, typer.Argument(help="Folder of the backups, best on another disk.")],
    config: Config = CONFIG,
) -> None:
    """Copy the warehouse: ledger, raw segments and releases, at rest and each file with its hash.

    A second backup into the same folder copies what is new. The pseudonymization keys are left out.

    Example: cryocohort backup /mnt/backup/cryocohort
    """
    import datetime as dt

    from service.cli_output import console
    from service.run import open_warehouse
    from service.study import product_version
    from warehouse.backup import back_up

    with open_warehouse(read_settings(config)) as warehouse:
        made = back_up(warehouse, destination, version=product_version(), now=dt.datetime.now(dt.UTC))
    console.print(
        f"backup {made.state}: {made.files:,} files, {made.copied:,} of them copied now "
        f"({made.copied_bytes / MEBIBYTE:,.1f} MiB)",
        soft_wrap=True,
    )
    console.print(
        "The pseudonymization keys and the configuration are not in it: keep them apart from it, in a safe.",
        soft_wrap=True,
    )


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `cryocohort backup` wrote.")],
    config: Config = CONFIG,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify every file and open the database; change nothing.")
    ] = False,
) -> None:
    """Make the newest backup the warehouse of this configuration, whose folder must be empty or missing.

    Example: cryocohort restore /mnt/backup/cryocohort --check
    """
    import datetime as dt

    from service.cli_output import console
    from warehouse.restore import check_backup, restore

    if check:
        found = check_backup(source)
        told = f"is whole: {len(found.manifest.files):,} files, {found.size / MEBIBYTE:,.1f} MiB"
        manifest = found.manifest
    else:
        folder = read_settings(config).warehouse_folder
        manifest = restore(source, folder, now=dt.datetime.now(dt.UTC))
        told = f"was restored to {folder}"
    console.print(f"backup {manifest.state} of {manifest.made_at} {told}", soft_wrap=True)
