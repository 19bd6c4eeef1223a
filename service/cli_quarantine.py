"""`cryocohort quarantine`: what was refused, why, and one refused resource looked at."""
# ruff: noqa: PLC0415 -- a command imports what it needs, so that --help is fast

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli_config import CONFIG, Config, read_settings
from service.cli_night import night
from service.stop_signals import stop_on_signals
from service.verbosity import CHOSEN

if TYPE_CHECKING:
    from warehouse.faults import Refused

quarantine = typer.Typer(
    help="What was refused, why and since when; no ids and no content unless asked for.",
    no_args_is_help=True,
)

Center = Annotated[str | None, typer.Option(help="Only this center.")]
Type = Annotated[str | None, typer.Option("--type", help="Only this resource type.")]
Rule = Annotated[str | None, typer.Option(help="Only what breaks this rule, as `list` shows it.")]


@quarantine.command("list")
def list_(
    config: Config = CONFIG,
    center: Center = None,
    resource_type: Type = None,
    rule: Rule = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Open faults in groups: how many resources of each center and type break which rule at which element.

    Example: cryocohort quarantine list --center a
    """
    from service.cli_output import show_rows
    from service.quarantine import as_json as json_text
    from service.quarantine import read_groups
    from warehouse.faults import Which

    groups = read_groups(read_settings(config), Which(center, resource_type, rule))
    if as_json:
        typer.echo(json_text(groups))
        return
    columns = ("center", "resource type", "rule", "element", "resources", "since", "last", "reason")
    rows = [
        (
            *(group.center_id, group.resource_type, group.rule, group.path, group.resources),
            *(group.first_seen_at.date(), group.last_seen_at.date(), group.message),
        )
        for group in groups
    ]
    show_rows(columns, rows)


@quarantine.command()
def show(
    handle: Annotated[
        str | None,
        typer.Argument(help="A resource, or its first digits; without it all are listed."),
    ] = None,
    config: Config = CONFIG,
    center: Center = None,
    with_id: Annotated[bool, typer.Option("--id", help="Also the FHIR id, to tell the center.")] = False,
    with_body: Annotated[
        bool, typer.Option("--body", help="Also what is stored of it: health data of a patient.")
    ] = False,
) -> None:
    """Each refused resource by a handle that tells no id; with a handle, everything wrong with that one.

    Example: cryocohort quarantine show 3f9a --id
    """
    from service.quarantine import read_refused

    refused = read_refused(read_settings(config), center, handle)
    if handle is None:
        _show_all(refused, with_id=with_id)
        return
    for resource in refused:
        _show_one(resource, with_id=with_id, with_body=with_body)


@quarantine.command()
def retry(
    config: Config = CONFIG,
    center: Center = None,
    resource_type: Type = None,
    rule: Rule = None,
) -> None:
    """Ask the centers again for what was refused, judge it by today's gate and land what passes.

    Exit 13 when something stays in quarantine.

    Example: cryocohort quarantine retry --center a --rule model:extra_forbidden
    """
    from service.cli_output import show_built, show_retried, shown_progress
    from service.retry import retry_refused
    from warehouse.faults import Which

    settings, stop = read_settings(config), stop_on_signals()
    with shown_progress() as progress:
        report = retry_refused(night(settings, progress, stop), Which(center, resource_type, rule))
    if not CHOSEN.is_quiet:
        show_retried(report)
        show_built(report.mapped)
    failure = report.view_error or report.remainder
    if failure is not None:
        raise failure


def _show_all(refused: "Sequence[Refused]", *, with_id: bool) -> None:
    from service.cli_output import show_rows

    columns = ["handle", "center", "resource type", "faults", "since", *["id"] * with_id]
    rows = [
        [
            *(each.handle, each.center_id, each.resource_type, len(each.faults)),
            min(fault.first_seen_at for fault in each.faults).date(),
            *[each.resource_id] * with_id,
        ]
        for each in refused
    ]
    show_rows(columns, rows)


def _show_one(resource: "Refused", *, with_id: bool, with_body: bool) -> None:
    from service.cli_output import console, show_rows

    told = f"{resource.handle}: {resource.resource_type} of center {resource.center_id}"
    told += f", id {resource.resource_id or '(none)'}" * with_id
    console.print(told, markup=False, soft_wrap=True)
    rows = [
        (fault.rule, fault.path, fault.first_seen_at.date(), fault.last_seen_at.date(), fault.message)
        for fault in resource.faults
    ]
    show_rows(("rule", "element", "since", "last", "reason"), rows)
    if with_body:
        missing = "(a view refused it; it is stored in the raw segments like any other)"
        typer.echo(resource.body or missing)
