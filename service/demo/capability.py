"""What a demo server says it can do: its CapabilityStatement."""

from datetime import datetime
from importlib.metadata import version

from service.demo.fhir import Resource
from service.demo.search import PARAMETERS, parameters
from service.demo.store import instant

EXPORT = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"
FHIR_VERSIONS = {"R4": "4.0.1", "R5": "5.0.0"}


def capability_statement(fhir_version: str, base_url: str, now: datetime) -> Resource:
    """The CapabilityStatement of a server of that FHIR version ('R4' or 'R5') at that address."""
    resources = [
        {
            "type": each,
            "interaction": [{"code": code} for code in ("read", "update", "delete", "search-type")],
            "versioning": "versioned",
            "updateCreate": True,
            "searchParam": [
                {"name": name, "type": kind} for name, kind in parameters(fhir_version, each).items()
            ],
        }
        | ({"operation": [{"name": "export", "definition": EXPORT}]} if each == "Patient" else {})
        for each in PARAMETERS[fhir_version]
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(now),
        "kind": "instance",
        "software": {"name": "cryocohort demo server", "version": version("cryocohort")},
        "implementation": {"description": "Demo server with invented patients", "url": base_url},
        "fhirVersion": FHIR_VERSIONS[fhir_version],
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": resources}],
    }
