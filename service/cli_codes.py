"""`cryocohort codes`: what a data manager does with a center's codes."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings

if TYPE_CHECKING:
    from mappings.terminology_check import CodeProblem
    from warehouse.terms import UnmappedCode

codes = typer.Typer(
    help="Check, complete, export and import what each center's codes mean.", no_args_is_help=True
)


@codes.command()
def check(config: Config = CONFIG) -> None:
    """List every problem of every center's code files; exit 10 if one is an error.

    A warning (a draft, another spelling of a code system) stops nothing.
    """
    from mappings.errors import TerminologyError
    from service.cli_output import console
    from service.codes import check_codes

    settings = read_settings(config)
    problems = check_codes(settings)
    _show_problems(problems)
    errors = sum(problem.severity == "error" for problem in problems)
    console.print(
        f"{len(settings.centers)} centers: {errors} errors, {len(problems) - errors} warnings", soft_wrap=True
    )
    if errors:
        raise typer.Exit(TerminologyError.exit_code)


@codes.command()
def unmapped(
    config: Config = CONFIG,
    center: Annotated[str | None, typer.Option(help="Only this center.")] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A center's code file to fill in, on standard output.")
    ] = False,
) -> None:
    """List the codes in use that mean nothing yet, the most used first.

    From the private warehouse as the last refresh left it; body sites that a center spells out are shown as
    sent. Example: cryocohort codes unmapped --center a --csv > new.csv
    """
    from service.codes import read_unmapped, skeleton

    found = read_unmapped(read_settings(config), center)
    if not as_csv:
        _show_unmapped(found)
        return
    if len({code.center_id for code in found}) > 1:
        raise typer.BadParameter("a code file belongs to one center: name it", param_hint="--center")
    typer.echo(skeleton(found), nl=False)
    nameless = len({code.code for code in found if not code.system})
    if nameless:
        typer.echo(f"left out: {nameless} codes that are sent without a code system", err=True)


@codes.command()
def export(
    folder: Annotated[Path, typer.Option("--fhir", metavar="DIR", help="Folder to write into.")],
    config: Config = CONFIG,
) -> None:
    """Write FHIR R4: a ConceptMap of each center's approved rows, a ValueSet of each canonical code set."""
    from service.cli_output import console
    from service.codes import export_fhir

    for path in export_fhir(read_settings(config), folder):
        console.print(str(path), markup=False, soft_wrap=True)


@codes.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A FHIR R4 ConceptMap as JSON.")],
    center: Annotated[str, typer.Option(help="The center whose codes it maps.")],
    config: Config = CONFIG,
) -> None:
    """Add a ConceptMap's mappings to a center's codes/imported.csv, as drafts to review.

    Mappings that are there already stay as they are, whether approved or not.
    """
    from service.cli_output import console
    from service.codes import import_concept_map

    imported = import_concept_map(read_settings(config), center, file)
    console.print(
        f"{imported.file}: {imported.added} drafts added, {imported.known} mappings were there already",
        markup=False,
        soft_wrap=True,
    )


def _show_problems(problems: "list[CodeProblem]") -> None:
    from rich.markup import escape

    from service.cli_output import console

    for problem in problems:
        style = "bold red" if problem.severity == "error" else "yellow"
        console.print(
            f"[{style}]center {problem.center_id}, {problem.severity}:[/] {escape(problem.message)} "
            f"[bold]next step:[/] {escape(problem.next_step)}",
            soft_wrap=True,
        )


def _show_unmapped(found: "list[UnmappedCode]") -> None:
    from service.cli_output import show_rows

    columns = ("center", "element", "system", "code", "display", "resources", "patients", "first", "last")
    rows = [
        (
            code.center_id,
            f"{code.resource_type} {code.element}",
            code.system or "(none)",
            _printable(code.code),
            _printable(code.display),
            code.resources,
            code.patients,
            code.first_seen_at.date() if code.first_seen_at else None,
            code.last_seen_at.date() if code.last_seen_at else None,
        )
        for code in found
    ]
    show_rows(columns, rows)


def _printable(text: str) -> str:
    """What a server sent, without characters that command a terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
