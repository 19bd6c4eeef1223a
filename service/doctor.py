"""The story of `cryocohort check`: is everything there that a night needs? It looks, and changes nothing.

First what all centers share (configuration, disk, warehouse, release), then each center: what it is
configured with, then its server. A server that cannot be reached is one failed line and hides nothing of
the other center.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mappings.errors import ConfigError
from service.configuration import load_settings
from service.doctor_center import check_center
from service.doctor_place import check_place
from service.doctor_server import ServerFacts
from service.finding import Finding, failed, ok, skipped


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a check is told of the world: the clock (aware UTC) and the free bytes where a path lies."""

    clock: Callable[[], dt.datetime]
    free_bytes: Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a check found, and what each server that was reached told of itself."""

    checked_at: dt.datetime
    findings: tuple[Finding, ...]
    servers: Mapping[str, ServerFacts]

    @property
    def exit_code(self) -> int:
        """The exit code of the first failed finding, by its cause; 0 when none failed."""
        return next((each.exit_code for each in self.findings if each.state == "failed"), 0)


def check(folder: Path, center_id: str | None, surroundings: Surroundings) -> Checkup:
    """Look at everything, or only at one center; raises ConfigError for a center that is not configured."""
    now = surroundings.clock()
    try:
        settings = load_settings(folder)
    except ConfigError as error:
        rest = skipped("", "everything else", "nothing can be looked at before the configuration can be read")
        return Checkup(now, (failed("", "configuration", error), rest), {})
    centers = settings.centers if center_id is None else (settings.center(center_id),)
    findings = [ok("", "configuration", f"{len(settings.centers)} centers in {folder}")]
    findings += check_place(settings, now, surroundings.free_bytes)
    servers: dict[str, ServerFacts] = {}
    for center in centers:
        found, facts = check_center(settings, center, surroundings.clock)
        findings += found
        if facts is not None:
            servers[center.center_id] = facts
    return Checkup(now, tuple(findings), servers)


def as_json(checkup: Checkup) -> str:
    """The check as one JSON object for monitoring."""
    whole = {
        "ok": checkup.exit_code == 0,
        "exit_code": checkup.exit_code,
        "checked_at": checkup.checked_at,
        "findings": [asdict(finding) for finding in checkup.findings],
        "servers": {center_id: asdict(facts) for center_id, facts in checkup.servers.items()},
    }
    return TypeAdapter(dict[str, object]).dump_json(whole, indent=2).decode()
