"""`cryocohort init`: a new folder to configure a study in, and what its operator has to fill in."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    center: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A center's id; may be repeated.", show_default="a and b"),
    ] = None,
) -> None:
    """Make a folder to configure: every key with its comment, a folder and a fresh key for each center.

    Says what to fill in, file by file. Nothing that is there is overwritten.

    Example: cryocohort init study --center north --center south
    """
    from service.cli_output import console
    from service.new_workplace import CODE_FILE, make_workplace

    center_ids = center or ["a", "b"]
    config = make_workplace(folder, center_ids)
    told = [f"{config}: {len(center_ids)} centers, each with a new pseudonym.key (mode 0600)", "", "Fill in:"]
    told.append(f"  {config / 'cryocohort.toml'}: [study] name, title, start, end, data_lock")
    for center_id in center_ids:
        place = config / "centers" / center_id
        told.append(f"  {place / 'center.toml'}: name, base_url, fhir_version; [auth] if it signs us in")
        told.append(f"  {place / 'codes' / CODE_FILE}: what the center's own codes mean, once you know them")
    told += ["", "Keep a copy of each pseudonym.key in a safe place: another key gives other pseudonyms.", ""]
    told += [f"Then, in {folder}:"]
    told += [f"  cryocohort {command}" for command in ("check", "sync", "refresh", "report")]
    told += ["and for every night: cryocohort serve"]
    for line in told:
        console.print(line, markup=False, soft_wrap=True)
