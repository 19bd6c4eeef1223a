"""The part of a check that asks a center's server: reachable, its clock, what it says it can do, and does."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingest.auth import SmartAuth
from ingest.capability import Capability, SmartConfiguration, capability_of, read_smart_configuration
from ingest.center import Center
from ingest.certificate import certificate_expiry
from ingest.client import FhirClient
from ingest.plan import Ask, asks
from ingest.probe import Probe, clock_skew, probe_center
from ingest.reply import Reply
from mappings.errors import ServerError, SignInError
from service.doctor_search import SearchFacts, check_searches, facts_of
from service.doctor_statement import check_statement, is_other_version
from service.finding import Finding, failed, ok, skipped, warning
from warehouse.build import BuildInput
from warehouse.sample import CodesTried

TIGHT_SKEW = dt.timedelta(minutes=1)  # signed tokens live for five minutes at most
EXPIRES_SOON = dt.timedelta(days=21)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server told: its statement (of the types asked for), its searches, the codes of the sample."""

    capability: Capability | None
    smart: SmartConfiguration | None
    searches: tuple[SearchFacts, ...] = ()
    codes: tuple[CodesTried, ...] = ()


def check_server(
    client: FhirClient, auth_kind: str, build: BuildInput | None, clock: Callable[[], dt.datetime]
) -> tuple[list[Finding], ServerFacts | None]:
    """Ask the server everything a sync would need of it; facts are None when it cannot be reached."""
    center, sent_at = client.center, clock()
    try:
        reply = client.fetch("metadata", "its CapabilityStatement")
        capability = capability_of(client, reply)
    except (ServerError, SignInError) as error:
        subject = "sign-in" if isinstance(error, SignInError) else "connection"
        rest = skipped(center.center_id, "server", "nothing else of it can be looked at")
        return [failed(center.center_id, subject, error), rest], None
    findings = [_connection(center, clock()), _clock(client, reply, sent_at, clock())]
    facts = ServerFacts(capability, read_smart_configuration(client))
    if build is None:
        return [
            *findings,
            skipped(center.center_id, "searches", "not asked without usable code files"),
        ], facts
    asked = [*asks(center, build.code_map, "cohort"), *asks(center, build.code_map, "patient")]
    findings += check_statement(client, capability, asked)
    facts = replace(facts, capability=_of_types(capability, asked))
    if is_other_version(center, capability):
        return [*findings, skipped(center.center_id, "searches", "not asked of another FHIR version")], facts
    probes = probe_center(client, build.code_map)
    found, tried = check_searches(client, build, probes)
    findings += [*_sign_in(client, auth_kind, facts, probes), *found]
    return findings, replace(facts, searches=facts_of(probes), codes=tried.codes if tried else ())


def _connection(center: Center, now: dt.datetime) -> Finding:
    """How the server was reached: over https the client has verified its certificate by then."""
    if center.origin.scheme != "https":
        return ok(center.center_id, "connection", "plain http on this machine")
    expires = certificate_expiry(center.origin, center.connect_timeout, center.tls.ca_file)
    if expires is None:
        return ok(center.center_id, "connection", "https, certificate verified")
    seen = f"https, certificate verified; it expires on {expires:%Y-%m-%d}"
    if expires - now < EXPIRES_SOON:
        step = "tell the center's server team: on that day every sync ends."
        return warning(center.center_id, "connection", seen, step)
    return ok(center.center_id, "connection", seen)


def _clock(client: FhirClient, reply: Reply, sent_at: dt.datetime, received_at: dt.datetime) -> Finding:
    center = client.center
    if reply.server_time is None:
        return warning(
            center.center_id,
            "clock",
            "the server tells no time (no Date header): each night reads everything again",
            "ask its server team, or whoever runs the proxy in front of it, to send the Date header.",
        )
    skew = clock_skew(reply.server_time, sent_at, received_at)
    side = "ahead" if skew > dt.timedelta() else "behind"
    told = f"{abs(skew.total_seconds()):,.0f} s {side}"
    step = "set both clocks by NTP; `timedatectl` shows whether this machine's is."
    if abs(skew) > center.overlap:
        return failed(
            center.center_id,
            "clock",
            client.failure(f"has a clock that is {told} of ours, more than the overlap asked again.", step),
        )
    if abs(skew) > TIGHT_SKEW:
        return warning(center.center_id, "clock", told, step)
    return ok(center.center_id, "clock", told)


def _sign_in(
    client: FhirClient, auth_kind: str, facts: ServerFacts, probes: Sequence[Probe]
) -> list[Finding]:
    """Whether our credentials are taken, what the server says of signing in, and what a token grants."""
    center_id = client.center.center_id
    asked = [probe for probe in probes if probe.was_asked]
    refusals = [probe.error for probe in asked if isinstance(probe.error, SignInError)]
    if refusals and len(refusals) == len(asked):
        return [failed(center_id, "sign-in", refusals[0])]
    if all(probe.error is not None for probe in asked):
        return [skipped(center_id, "sign-in", "no search was answered")]
    taken = "no credentials needed" if auth_kind == "none" else f"{auth_kind} credentials accepted"
    return [
        ok(center_id, "sign-in", "; ".join([taken, *_told_of_sign_in(facts)])),
        _scopes(client, auth_kind),
    ]


def _scopes(client: FhirClient, auth_kind: str) -> Finding:
    """What a token we ask for grants."""
    center_id, auth = client.center.center_id, client.center.auth
    if not isinstance(auth, SmartAuth):
        return skipped(center_id, "scopes", f"no token is asked for: auth.kind is {auth_kind}")
    if client.remarks:
        step = "ask the center to grant them, or take them out of auth.scopes."
        return warning(center_id, "scopes", " ".join(client.remarks), step)
    return ok(center_id, "scopes", f"granted as asked: {' '.join(auth.scopes)}")


def _told_of_sign_in(facts: ServerFacts) -> list[str]:
    told = []
    if facts.capability is not None and facts.capability.security:
        told.append(f"its statement names {', '.join(facts.capability.security)}")
    if facts.smart is not None and facts.smart.has_token_endpoint:
        told.append("it has a SMART token endpoint")
    return told


def _of_types(capability: Capability | None, asked: Sequence[Ask]) -> Capability | None:
    names = {ask.resource_type.name for ask in asked}
    if capability is None:
        return None
    return replace(capability, types={name: told for name, told in capability.types.items() if name in names})
