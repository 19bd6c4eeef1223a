"""What a server says it can do is read as it is meant, and what falls short of our searches is named."""

import json
from typing import Any

import pytest

from ingest.capability import (
    OAUTH_URIS,
    Capability,
    Gap,
    SmartConfiguration,
    capability_of,
    gaps,
    is_of_version,
    printable,
    read_smart_configuration,
)
from ingest.plan import asks
from mappings.errors import ServerError, SignInError
from tests.ingest.examples import CODE_MAP, center, client
from tests.ingest.loopback import Answer, Fault, FhirServer, outcome, serving
from tests.ingest.statements import statement

BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
ANY = "http://127.0.0.1:1/fhir"


def read(told: object, status: int = 200, media_type: str = "application/fhir+json") -> Capability | None:
    """What `metadata` comes to when a real server answers it with `told`."""
    answer = Answer(status, json.dumps(told).encode(), {"Content-Type": media_type})
    server = FhirServer()
    fault = server.add(Fault(lambda seen: seen.path == "/fhir/metadata", lambda _: answer))
    with serving(server), client(server.base_url) as opened:
        found = capability_of(opened, opened.fetch("metadata", "its CapabilityStatement"))
    assert fault.fired == 1
    return found


def told(**changes: Any) -> Capability:
    found = read(statement(**changes))
    assert found is not None
    return found


def all_gaps(capability: Capability) -> list[Gap]:
    a = center(ANY)
    return gaps(capability, [*asks(a, CODE_MAP, "cohort"), *asks(a, CODE_MAP, "patient")])


def test_version_software_formats_types_and_parameters_are_read() -> None:
    found = told()
    assert (found.fhir_version, found.software, found.software_version) == ("4.0.1", "Example", "1.2")
    assert found.formats == ("application/fhir+json",)
    assert found.types["Condition"].interactions == ("read", "search-type")
    assert found.types["Condition"].parameters == ("_id", "_lastUpdated", "code", "patient", "subject")
    assert (found.exports, found.security, found.has_oauth_uris) == ((), (), False)


def test_a_complete_statement_has_no_gap() -> None:
    assert all_gaps(told()) == []


def test_a_missing_type_is_a_gap() -> None:
    assert all_gaps(told(without=("AdverseEvent",))) == [Gap("AdverseEvent", "the type", is_sure=True)]


def test_a_type_that_cannot_be_searched_is_a_gap() -> None:
    found = all_gaps(told(interactions={"Observation": ["read"]}))
    assert found == [Gap("Observation", "search-type", is_sure=True)]


def test_a_missing_code_or_patient_parameter_is_a_gap_each_told_once() -> None:
    found = all_gaps(told(parameters={"Procedure": ["_lastUpdated"]}))
    assert found == [
        Gap("Procedure", "the search parameter code", is_sure=True),
        Gap("Procedure", "the search parameter subject", is_sure=True),
    ]


def test_parameters_of_every_type_may_be_left_out_of_a_statement() -> None:
    found = all_gaps(told(parameters={"Patient": []}))
    assert found == [
        Gap("Patient", "the search parameter _id", is_sure=False),
        Gap("Patient", "the search parameter _lastUpdated", is_sure=False),
    ]


def test_parameters_told_for_all_types_count_for_each() -> None:
    common = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
    assert all_gaps(told(parameters={"Patient": []}, rest={"searchParam": common})) == []


@pytest.mark.parametrize(
    ("fhir_version", "configured", "is_right"),
    [
        ("4.0.1", "R4", True),
        ("4.0", "R4", True),
        ("4.3.0", "R4", True),
        ("5.0.0", "R5", True),
        ("4.0.1", "R5", False),
        ("5.0.0", "R4", False),
        ("3.0.2", "R4", False),
        ("40.1", "R4", False),
        ("", "R4", False),
    ],
)
def test_the_version_is_compared_by_its_leading_parts(
    fhir_version: str, configured: str, is_right: bool
) -> None:
    found = told(fhirVersion=fhir_version)
    assert is_of_version(found, center(ANY, fhir_version=configured)) is is_right


# Where servers put $export: HAPI 8.8 beside each type, the Patient's definition under a name of its own.
HAPI_PATIENT = {"name": "export", "definition": "http://x/fhir/OperationDefinition/GroupPatient-its-export"}


@pytest.mark.parametrize(
    ("rest", "operations", "expected"),
    [
        ([{"name": "export", "definition": f"{BULK}/export"}], {}, ("system",)),
        ([{"name": "$export"}], {}, ("system",)),
        ([{"name": "export", "definition": f"{BULK}/export|2.0.0"}], {}, ("system",)),
        ([{"name": "export", "definition": f"{BULK}/group-export"}], {}, ("Group",)),
        ([{"name": "patient-export"}, {"name": "group-export"}], {}, ("Patient", "Group")),
        ([], {"Patient": [HAPI_PATIENT]}, ("Patient",)),
        ([], {"Group": [{"name": "export", "definition": f"{BULK}/group-export"}]}, ("Group",)),
        ([], {"Group": [{"name": "group-export"}]}, ("Group",)),
        ([{"name": "export-poll-status"}], {"Patient": [{"name": "everything"}]}, ()),
    ],
)
def test_bulk_export_is_found_where_servers_put_it(
    rest: list[Any], operations: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert told(rest={"operation": rest}, operations=operations).exports == expected


def test_security_services_and_the_smart_extension_are_read() -> None:
    security = {
        "service": [{"coding": [{"code": "SMART-on-FHIR"}]}, {"text": "Basic"}],
        "extension": [{"url": OAUTH_URIS, "extension": []}],
    }
    found = told(rest={"security": security})
    assert (found.security, found.has_oauth_uris) == (("SMART-on-FHIR", "Basic"), True)


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_server_may_have_no_statement(status: int) -> None:
    assert read(outcome(status, "not-found").bundle, status) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_statement_that_is_refused_is_a_refused_sign_in(status: int) -> None:
    with pytest.raises(SignInError, match=f"answered {status}"):
        read({}, status)


def test_an_answer_that_is_no_statement_is_none() -> None:
    """@medplum/fhir-router takes `metadata` for a type and answers an empty searchset."""
    assert read({"resourceType": "Bundle", "type": "searchset", "total": 0}) is None


@pytest.mark.parametrize("status", [500, 302])
def test_a_failing_or_redirecting_server_is_an_error(status: int) -> None:
    answer = Answer(status, b"{}")
    server = FhirServer()
    server.add(Fault(lambda _: True, lambda _: answer, times=9))
    with serving(server), client(server.base_url) as opened, pytest.raises(ServerError, match=str(status)):
        capability_of(opened, opened.fetch("metadata", "its CapabilityStatement"))


def test_a_web_page_instead_of_a_statement_is_an_error() -> None:
    with pytest.raises(ServerError, match="not JSON"):
        read({}, media_type="text/html")


@pytest.mark.parametrize(
    "broken",
    [
        {"rest": "all"},
        {"rest": [{"mode": "server", "resource": {"type": "Patient"}}]},
        {"rest": [{"mode": "client"}]},
        {"format": "json", "software": [], "fhirVersion": 4},
        {"rest": [{"mode": "server", "resource": [{"type": 1, "searchParam": ["x"], "interaction": None}]}]},
        {"rest": [{"mode": "server", "security": {"service": [{"coding": "x"}], "extension": "y"}}]},
    ],
)
def test_a_malformed_statement_tells_less_and_breaks_nothing(broken: dict[str, Any]) -> None:
    found = read({"resourceType": "CapabilityStatement", **broken})
    assert found is not None
    assert {gap.lacks for gap in all_gaps(found)} == {"the type"}


def test_what_a_server_calls_itself_cannot_command_a_terminal() -> None:
    found = told(software={"name": "\x1b[2Jevil\n", "version": "9" * 500})
    assert found.software == "\N{REPLACEMENT CHARACTER}[2Jevil\N{REPLACEMENT CHARACTER}"
    assert len(found.software_version) == 80
    assert printable(None) == ""


def smart(answer: Answer) -> SmartConfiguration | None:
    server = FhirServer()
    fault = server.add(Fault(lambda seen: "smart-configuration" in seen.path, lambda _: answer))
    with serving(server), client(server.base_url) as opened:
        found = read_smart_configuration(opened)
    assert fault.fired == 1
    assert server.seen[0].path == "/fhir/.well-known/smart-configuration"
    return found


def test_the_smart_configuration_is_read() -> None:
    told = {
        "token_endpoint": "https://auth.example.org/token",
        "capabilities": ["client-confidential-asymmetric"],
        "scopes_supported": ["system/*.rs"],
    }
    found = smart(Answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"}))
    assert found == SmartConfiguration(
        has_token_endpoint=True, capabilities=("client-confidential-asymmetric",), scopes=("system/*.rs",)
    )


@pytest.mark.parametrize(
    "answer",
    [
        outcome(404, "not-found"),
        outcome(200, "not-found"),
        Answer(200, b"<html>", {"Content-Type": "text/html"}),
    ],
    ids=["404", "OperationOutcome", "web page"],
)
def test_without_a_smart_configuration_there_is_none(answer: Answer) -> None:
    assert smart(answer) is None
