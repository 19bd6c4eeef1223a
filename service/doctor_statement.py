"""The part of a check that reads a server's CapabilityStatement against what a sync asks."""

from collections.abc import Iterable, Sequence

from ingest.capability import VERSIONS, Capability, Gap, gaps, is_of_version, needed
from ingest.center import Center
from ingest.client import FhirClient
from ingest.plan import Ask
from mappings.errors import ConfigError
from service.finding import Finding, failed, ok, skipped, warning


def check_statement(client: FhirClient, capability: Capability | None, asked: Sequence[Ask]) -> list[Finding]:
    """Version, format, types with their search parameters, and bulk export, as the server tells them."""
    center = client.center
    if capability is None:
        return [
            warning(
                center.center_id,
                "statement",
                "the server offers no CapabilityStatement; it is judged by its searches alone",
                "nothing, while the searches below work.",
            )
        ]
    return [
        _version(center, capability),
        _format(client, capability),
        _types(client, capability, asked),
        _bulk(center, capability),
    ]


def is_other_version(center: Center, capability: Capability | None) -> bool:
    """Whether the server says that it speaks another FHIR version than configured."""
    return capability is not None and not is_of_version(capability, center)


def _version(center: Center, capability: Capability) -> Finding:
    told = capability.fhir_version or "no version"
    if is_other_version(center, capability):
        return failed(
            center.center_id,
            "FHIR version",
            ConfigError(
                f"The server of center {center.center_id} speaks FHIR {told}, center.toml says "
                f"{center.fhir_version} ({', '.join(f'{each}x' for each in VERSIONS[center.fhir_version])}).",
                "correct fhir_version, or let base_url lead to the server's other version.",
            ),
        )
    software = f"{capability.software} {capability.software_version}".strip()
    return ok(center.center_id, "FHIR version", f"{told}" + (f"; {software}" if software else ""))


def _format(client: FhirClient, capability: Capability) -> Finding:
    center_id = client.center.center_id
    if capability.formats and not any("json" in each.lower() for each in capability.formats):
        wrong = client.failure(
            f"offers no JSON, only {', '.join(capability.formats)}.", "ask its server team for JSON."
        )
        return failed(center_id, "format", wrong)
    return ok(center_id, "format", "JSON" if capability.formats else "not told")


def _types(client: FhirClient, capability: Capability, asked: Sequence[Ask]) -> Finding:
    """The types, their search interaction and the parameters that our searches use."""
    center_id, found = client.center.center_id, gaps(capability, asked)
    sure = [gap for gap in found if gap.is_sure]
    if sure:
        wrong = client.failure(
            f"does not offer {_told(sure)}.", "ask its server team to turn it on: a sync needs all of it."
        )
        return failed(center_id, "types", wrong)
    names = {ask.resource_type.name for ask in asked}
    parameters = sorted({parameter for ask in asked for parameter in needed(ask)})
    seen = f"{len(names)} types, searched by {', '.join(parameters)}"
    if found:
        step = "nothing, while the searches below work: servers often leave these out."
        return warning(center_id, "types", f"{seen}; not told: {_told(found)}", step)
    return ok(center_id, "types", seen)


def _told(found: Iterable[Gap]) -> str:
    return ", ".join(f"{gap.resource_type}: {gap.lacks}" for gap in found)


def _bulk(center: Center, capability: Capability) -> Finding:
    """Bulk export, told for information: centers are read by search."""
    if not capability.exports:
        return skipped(center.center_id, "bulk export", "not offered; this center is read by search")
    levels = ", ".join(capability.exports)
    return ok(center.center_id, "bulk export", f"$export offered ({levels}); this center is read by search")
