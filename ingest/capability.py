"""What a server says it can do (its CapabilityStatement), and what of it falls short of what we ask.

Statements are often silent where the server is not: common parameters (`_id`, `_lastUpdated`) and POST are
rarely told. What is told is shown, so names are cut to what a terminal may print.
References: https://hl7.org/fhir/R4/capabilitystatement.html, https://hl7.org/fhir/smart-app-launch/conformance.html.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ingest.center import Center, FhirVersion
from ingest.client import FhirClient
from ingest.plan import Ask
from ingest.reply import Reply
from mappings.errors import ServerError

VERSIONS: Mapping[FhirVersion, tuple[str, ...]] = {"R4": ("4.0.", "4.3."), "R5": ("5.0.",)}
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
COMMON_PARAMETERS = frozenset({"_id", "_lastUpdated"})
_LONGEST = 80

ExportLevel = Literal["system", "Patient", "Group"]
_EXPORTS: Mapping[str, ExportLevel] = {
    "export": "system", "patient-export": "Patient", "group-export": "Group"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What the server says of one resource type: interactions and search parameters, sorted."""

    interactions: tuple[str, ...]
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """A CapabilityStatement as far as we read it; what it does not tell is empty.

    `exports` are the levels at which it offers Bulk Data `$export`, `security` the codes of its security
    services, `has_oauth_uris` whether it carries SMART's extension.
    """

    fhir_version: str
    software: str
    software_version: str
    formats: tuple[str, ...]
    types: Mapping[str, TypeCapability]
    exports: tuple[ExportLevel, ...]
    security: tuple[str, ...]
    has_oauth_uris: bool


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """`.well-known/smart-configuration`: whether it names a token endpoint, and what that endpoint takes."""

    has_token_endpoint: bool
    capabilities: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something we ask that the statement does not offer.

    `is_sure` is False for parameters of all types, which statements leave out though the server knows them.
    """

    resource_type: str
    lacks: str
    is_sure: bool


def capability_of(client: FhirClient, reply: Reply) -> Capability | None:
    """What the reply to `metadata` tells; None when the server offers no CapabilityStatement.

    Raises SignInError for a refusal, ServerError for a redirect or a failing server.
    """
    refused = reply.status in {401, 403} or reply.status >= 500 or 300 <= reply.status < 400
    if refused:
        client.successful(reply, "its CapabilityStatement")
    statement = reply.resource or {}
    # @medplum/fhir-router takes `metadata` for a type and answers 200 with an empty searchset.
    if not reply.is_success or statement.get("resourceType") != "CapabilityStatement":
        return None
    rest = _server(statement)
    software, security = _object(statement.get("software")), _object(rest.get("security"))
    return Capability(
        fhir_version=printable(statement.get("fhirVersion")),
        software=printable(software.get("name")),
        software_version=printable(software.get("version")),
        formats=tuple(_texts(statement.get("format"))),
        types={printable(each.get("type")): _type(rest, each) for each in _objects(rest.get("resource"))},
        exports=tuple(_exports(rest)),
        security=tuple(_services(security)),
        has_oauth_uris=any(each.get("url") == OAUTH_URIS for each in _objects(security.get("extension"))),
    )


def read_smart_configuration(client: FhirClient) -> SmartConfiguration | None:
    """What `.well-known/smart-configuration` tells; None when there is none that can be read."""
    try:
        reply = client.fetch(".well-known/smart-configuration", "its SMART configuration")
    except ServerError:
        return None  # a web page answers any address in front of some servers
    found = reply.resource if reply.is_success else None
    if found is None or found.get("resourceType") is not None:
        return None
    return SmartConfiguration(
        has_token_endpoint=isinstance(found.get("token_endpoint"), str),
        capabilities=tuple(_texts(found.get("capabilities"))),
        scopes=tuple(_texts(found.get("scopes_supported"))),
    )


def is_of_version(capability: Capability, center: Center) -> bool:
    """Whether the server speaks the FHIR version the center is configured as."""
    return f"{capability.fhir_version}.".startswith(VERSIONS[center.fhir_version])


def gaps(capability: Capability, asks: Sequence[Ask]) -> list[Gap]:
    """What our searches need and the statement does not offer, each once."""
    return list(dict.fromkeys(gap for ask in asks for gap in _gaps(capability, ask)))


def needed(ask: Ask) -> list[str]:
    """The search parameters that choose resources in a search: codes, patients, what changed."""
    return [
        name for name in (ask.search.code_parameter, ask.search.patient_parameter, "_lastUpdated") if name
    ]


def printable(value: object) -> str:
    """A short text of a server as a terminal may show it; empty for anything but text."""
    text = value if isinstance(value, str) else ""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)[:_LONGEST]


def _gaps(capability: Capability, ask: Ask) -> Iterator[Gap]:
    name = ask.resource_type.name
    told = capability.types.get(name)
    if told is None:
        yield Gap(name, "the type", is_sure=True)
        return
    if "search-type" not in told.interactions:
        yield Gap(name, "search-type", is_sure=True)
        return
    for parameter in needed(ask):
        if parameter not in told.parameters:
            yield Gap(name, f"the search parameter {parameter}", is_sure=parameter not in COMMON_PARAMETERS)


def _server(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    listed = _objects(statement.get("rest"))
    return next((rest for rest in listed if rest.get("mode") == "server"), {})


def _type(rest: Mapping[str, Any], resource: Mapping[str, Any]) -> TypeCapability:
    # Parameters of `rest` hold for every type.
    told = [*_objects(resource.get("searchParam")), *_objects(rest.get("searchParam"))]
    return TypeCapability(
        interactions=_sorted(each.get("code") for each in _objects(resource.get("interaction"))),
        parameters=_sorted(each.get("name") for each in told),
    )


def _exports(rest: Mapping[str, Any]) -> Iterator[ExportLevel]:
    """Where `$export` is offered: listed under `rest` by definition or name, or beside its type."""
    under_rest = {_EXPORTS.get(_definition(each)) or _EXPORTS.get(_name(each)) for each in _operations(rest)}
    beside_type = {each.get("type"): each for each in _objects(rest.get("resource"))}
    for name, level in _EXPORTS.items():
        beside = {_name(each) for each in _operations(beside_type.get(level, {}))}
        if level in under_rest or not beside.isdisjoint({"export", name}):
            yield level


def _operations(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(holder.get("operation"))


def _name(operation: Mapping[str, Any]) -> str:
    return str(operation.get("name", "")).removeprefix("$")


def _definition(operation: Mapping[str, Any]) -> str:
    """The last part of the definition's URL, without its version."""
    return str(operation.get("definition", "")).rpartition("/")[2].partition("|")[0]


def _services(security: Mapping[str, Any]) -> Iterator[str]:
    for service in _objects(security.get("service")):
        codes = [printable(coding.get("code")) for coding in _objects(service.get("coding"))]
        yield from (code for code in codes or [printable(service.get("text"))] if code)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(values: object) -> list[str]:
    return [printable(each) for each in values if isinstance(each, str)] if isinstance(values, list) else []


def _sorted(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(sorted({printable(each) for each in values if isinstance(each, str)}))
