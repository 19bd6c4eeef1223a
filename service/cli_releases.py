"""`cryocohort releases`: which are kept, whether they are whole, and going back to an older one."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

releases = typer.Typer(
    help="The releases that analysts read: list them, verify their files, go back to an older one.",
    no_args_is_help=True,
)


@releases.command("list")
def list_command(config: Config = CONFIG) -> None:
    """The releases that are kept, the newest first, and which of them readers see."""
    from service.cli_output import show_releases
    from service.release_list import list_releases

    show_releases(list_releases(read_settings(config).warehouse_folder))


@releases.command()
def verify(
    number: Annotated[int | None, typer.Argument(help="Release; the current one when not named.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="An export, or a copied release, instead of a kept one.")
    ] = None,
    config: Config = CONFIG,
) -> None:
    """Is every file the one that the manifest names? Exit 14 tells those that are not.

    Example: cryocohort releases verify --folder export
    """
    from service.cli_output import console
    from warehouse.manifest import verify_manifest
    from warehouse.releases import current_release, release_folder

    if folder is None:
        data = read_settings(config).warehouse_folder
        folder = current_release(data) if number is None else release_folder(data, number)
    manifest = verify_manifest(folder)
    console.print(f"{folder}: all {len(manifest['sha256'])} files are those of the manifest", soft_wrap=True)


@releases.command()
def rollback(
    number: Annotated[int, typer.Argument(help="Release that readers shall see again.")],
    config: Config = CONFIG,
) -> None:
    """Let readers see an older release again, once its files are verified; the audit log notes it.

    The next refresh publishes a newer one: mend the cause first, or stop the service.

    Example: cryocohort releases rollback 41
    """
    import datetime as dt

    from service.cli_output import console
    from service.run import open_warehouse
    from warehouse.publish import roll_back

    with open_warehouse(read_settings(config)) as warehouse:
        roll_back(warehouse, number, dt.datetime.now(dt.UTC))
    console.print(f"readers see release {number} from now on")
