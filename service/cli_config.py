"""The option that names the configuration's folder, and its reading: the same for every command."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.settings import Settings

Config = Annotated[
    Path, typer.Option("--config", "-c", envvar="CRYOCOHORT_CONFIG", help="Folder of cryocohort.toml.")
]
CONFIG = Path("config")


def read_settings(folder: Path, *, log_json: bool = False) -> "Settings":
    """The configuration in `folder`; from here on the command logs."""
    from service.configuration import load_settings
    from service.log import configure_logging

    configure_logging(as_json=log_json)
    return load_settings(folder)
