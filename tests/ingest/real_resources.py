"""Real resources for the gate: HL7's examples of both FHIR versions, mCODE's, and the demo's."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ingest.center import FhirVersion
from ingest.decode import decode_object
from service.demo import center_a, center_b
from service.demo.cohort import read_cohort
from tests.ingest.examples import Resource, chart
from tests.npm_packages import packed

PACKAGES: dict[str, tuple[FhirVersion, str, str]] = {
    "FHIR R4": ("R4", "hl7.fhir.r4.examples", "4.0.1"),
    "mCODE": ("R4", "hl7.fhir.us.mcode", "4.0.0"),
    "FHIR R5": ("R5", "hl7.fhir.r5.examples", "5.0.0"),
}


def hl7_examples(name: str, folder: Path) -> list[Resource]:
    """Every resource of a package of examples that has an id, of whatever type; Bundles whole."""
    _, package, number = PACKAGES[name]
    return list(_examples(packed(package, number, folder)))


def _examples(archive: Path) -> Iterator[Resource]:
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member) if member.name.endswith(".json") else None
            if content is None:
                continue
            found = decode_object(content.read())
            if "resourceType" in found and "id" in found:
                yield found


def demo_resources(version: FhirVersion) -> list[Resource]:
    """What the demo's center of this FHIR version holds, and the small examples of the other tests."""
    build = center_a.build if version == "R4" else center_b.build
    held = [decode_object(json.dumps(each).encode()) for each in build(read_cohort()).resources]
    return held + (chart("p1") if version == "R4" else [])
