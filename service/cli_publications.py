"""`cryocohort publications`: what publications print, and whether it can be."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

publications = typer.Typer(
    help="Check what publications print, and compare it with our figures.", no_args_is_help=True
)

CONTRADICTED = 1


@publications.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="One publication (TOML).")] = None,
    config: Config = CONFIG,
) -> None:
    """Can the printed figures hold together? Exit 1 if some cannot.

    Looks for whole-number scores that have the printed n, mean, SD, range and zeros, and does each percentage
    again. Without FILE: every publication of the configuration. It reads no patient data.

    Example: cryocohort publications check config/publications/cazzato-2022.toml
    """
    from outcomes.plausibility import contradictions
    from outcomes.publication import load_publication, load_publications
    from service.cli_output import console

    found = [load_publication(file)] if file else load_publications(config / "publications")
    is_contradicted = False
    for publication in found:
        problems = contradictions(publication)
        is_contradicted |= bool(problems)
        console.print(publication.citation, markup=False, soft_wrap=True)
        for problem in problems:
            console.print(
                f"  {problem.figure}: {problem.printed}. {problem.reason}", markup=False, soft_wrap=True
            )
        console.print(
            f"  {len(publication.figure)} figures and {len(publication.summary)} summaries looked at, "
            f"{len(problems)} cannot hold together with the others",
            soft_wrap=True,
        )
    if is_contradicted:
        raise typer.Exit(CONTRADICTED)


@publications.command()
def compare(config: Config = CONFIG) -> None:
    """Set the figures of the published release beside those that each publication prints.

    Example: cryocohort publications compare --config config
    """
    from outcomes.comparison import compare as compared
    from outcomes.publication import load_publications
    from outcomes.report.facts import read_results
    from service.cli_output import console, show_comparison
    from warehouse.mart import open_mart

    settings = read_settings(config)
    with open_mart(settings.warehouse_folder) as mart:
        results = read_results(mart)
    for publication in load_publications(settings.publication_folder):
        console.print(publication.citation, markup=False, soft_wrap=True)
        show_comparison(compared(results, publication))
