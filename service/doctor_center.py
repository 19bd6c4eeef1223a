"""The part of a check that concerns one center: its secrets, codes and views, then its server."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace

from ingest.budget import RetryPolicy
from ingest.center import Center
from ingest.client import FhirClient
from ingest.folder_sync import count_files
from ingest.origin import origin_of
from ingest.source import ByFolder
from mappings.errors import ConfigError, IncompleteError, TerminologyError, ViewError
from mappings.terminology import load_aliases, load_codes
from mappings.terminology_check import check_center as check_codes
from service.centers import ingest_centers
from service.doctor_server import ServerFacts, check_server
from service.finding import Finding, failed, ok, skipped, warning
from service.settings import CenterSettings, Settings
from service.study import build_input
from warehouse.build import BuildInput
from warehouse.flat_plan import plan_flat

# Somebody waits for the answer: a server that needs five tries in a minute is told as failing.
PATIENCE = RetryPolicy(retries=1, backoff=0.5, max_wait=5.0, body_tries=2)

# No server is ever there (RFC 2606): the shipped example, not yet edited.
RESERVED = re.compile(r"(^|\.)example(\.(com|net|org))?$")


def check_center(
    settings: Settings, center: CenterSettings, clock: Callable[[], dt.datetime]
) -> tuple[list[Finding], ServerFacts | None]:
    """Look at one center; the facts are None when its server told nothing."""
    alone = replace(settings, centers=(center,))
    secrets, reached = _secrets(alone, center)
    codes, build = _codes(alone, center)
    findings = [secrets, codes, *_views(center, build)]
    example = _example(center)
    if example is not None:
        return [*findings, example, skipped(center.center_id, "server", "there is none to ask yet")], None
    if reached is None:
        return [*findings, skipped(center.center_id, "server", "not asked without its secrets")], None
    if isinstance(reached.source, ByFolder):
        return [*findings, _folder(reached.source, center.center_id)], None
    with FhirClient(reached, PATIENCE, clock) as client:
        found, facts = check_server(client, center.file.auth.kind, build, clock)
    return [*findings, *found], facts


def _folder(source: ByFolder, center_id: str) -> Finding:
    """Whether the files that the center hands over are there: a sync asks no server then."""
    try:
        files = count_files(source, center_id)
    except (ConfigError, IncompleteError) as error:
        return failed(center_id, "folder", error)
    return ok(center_id, "folder", f"{files:,} files of resources; no server is asked")


def _example(center: CenterSettings) -> Finding | None:
    """The finding on a base URL that only its operator knows and that nobody has filled in yet."""
    origin = origin_of(center.file.base_url)
    if origin is None or not RESERVED.search(origin.host):
        return None
    unset = ConfigError(
        f"{center.key_name('base_url')} is still that of the example.",
        "put the FHIR base of the center's server there; compare name, fhir_version and [auth] as well.",
    )
    return failed(center.center_id, "base_url", unset)


def _secrets(alone: Settings, center: CenterSettings) -> tuple[Finding, Center | None]:
    """Whether the key and the credentials are there, and readable by their owner only."""
    try:
        (reached,) = ingest_centers(alone)
    except ConfigError as error:
        return failed(center.center_id, "secrets", error), None
    try:
        center.pseudonym_key()
    except ConfigError as error:
        return failed(center.center_id, "secrets", error), reached
    seen = f"pseudonymization key and credentials ({center.file.auth.kind}) readable by their owner only"
    return ok(center.center_id, "secrets", seen), reached


def _codes(alone: Settings, center: CenterSettings) -> tuple[Finding, BuildInput | None]:
    """Whether the code files can be used, and what a build would be given of them."""
    problems = check_codes(center.folder / "codes", center.center_id, load_codes(), load_aliases())
    errors = sum(problem.severity == "error" for problem in problems)
    step = "run `cryocohort codes check`: it lists every problem with file, row and column."
    if errors:
        wrong = TerminologyError(f"The code files have {errors} errors.", step)
        return failed(center.center_id, "code files", wrong), None
    build = build_input(alone, run_id=0)
    if problems:
        return warning(center.center_id, "code files", f"no errors, warnings: {len(problems)}", step), build
    return ok(center.center_id, "code files", f"{len(build.code_map):,} codes, no problem"), build


def _views(center: CenterSettings, build: BuildInput | None) -> list[Finding]:
    if build is None:
        return []
    try:
        parts = plan_flat(build.centers, build.sources.views)
    except ViewError as error:
        return [failed(center.center_id, "views", error)]
    return [ok(center.center_id, "views", f"{len(parts)} views for FHIR {center.file.fhir_version} compile")]
