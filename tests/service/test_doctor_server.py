"""A check of a center's server: each fault fires on a real one, over HTTP."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import requests.adapters

from tests.ingest.examples import chart, concept, condition, observation
from tests.ingest.https import certificate, https_serving
from tests.ingest.loopback import START, Answer, FhirServer, outcome, serving
from tests.ingest.statements import statement
from tests.service.clinic import (
    SCT,
    Clinic,
    failed_line,
    failures,
    is_metadata,
    own_view,
    samples,
    searches,
    with_entry,
    with_total,
    without_status,
)


def test_a_center_that_cannot_be_reached_is_one_failure_and_hides_nothing_of_the_other(
    clinic: Clinic,
) -> None:
    clinic.set("base_url", f'"{clinic.server.base_url}"', "centers/b/center.toml")
    clinic.set("base_url", '"http://127.0.0.1:9/fhir"')
    clinic.tells(statement(fhirVersion="5.0.0"))
    (clinic.config / "centers" / "b" / "pseudonym.key").write_bytes(b"k" * 32)
    (clinic.config / "centers" / "b" / "pseudonym.key").chmod(0o600)
    checkup = clinic.check(None)
    assert failures(checkup)[0] == ("connection", 12)
    assert len([each for each in checkup.findings if each.center == "a" and each.state == "failed"]) == 1
    assert checkup.exit_code == 12
    assert list(checkup.servers) == ["b"]
    assert "Procedure (cohort)" in [each.subject for each in checkup.findings if each.center == "b"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b"{}"),
        Answer(302, b"", {"Location": "/elsewhere"}),
        Answer(200, b"<html>", {"Content-Type": "text/html"}),
    ],
    ids=["500", "302", "web page"],
)
def test_a_base_that_answers_no_fhir_is_a_failed_connection(clinic: Clinic, answer: Answer) -> None:
    clinic.answers(answer)
    assert failures(clinic.check()) == [("connection", 12)]


def test_a_certificate_that_nobody_vouches_for_is_a_failed_connection(clinic: Clinic, tmp_path: Path) -> None:
    with https_serving(certificate(tmp_path, days=30)) as port:
        clinic.set("base_url", f'"https://localhost:{port}/fhir"')
        checkup = clinic.check()
    assert failures(checkup) == [("connection", 12)]
    assert "SSLError" in failed_line(checkup).seen


@pytest.mark.parametrize(("days", "state"), [(20, "warning"), (60, "ok")])
def test_a_certificate_that_expires_soon_is_told(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, state: str
) -> None:
    files = certificate(tmp_path, days=days)
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(files.cert))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.cert))
    clinic.now = dt.datetime.now(dt.UTC)
    with https_serving(files, {"/fhir/metadata": statement()}) as port:
        clinic.set("base_url", f'"https://localhost:{port}/fhir"')
        found = clinic.found("connection")
    assert found.state == state
    assert f"expires on {clinic.now + dt.timedelta(days=days):%Y-%m-%d}" in found.seen


@pytest.mark.parametrize(
    ("seconds", "state", "exit_code"),
    [(0, "ok", 0), (90, "warning", 0), (-90, "warning", 0), (25 * 3600, "failed", 12)],
)
def test_the_clocks_are_compared(clinic: Clinic, seconds: int, state: str, exit_code: int) -> None:
    clinic.server.clock = START + dt.timedelta(seconds=seconds)
    found = clinic.found("clock")
    assert (found.state, found.exit_code) == (state, exit_code)


def test_a_server_that_tells_no_time_is_told(clinic: Clinic) -> None:
    clinic.server.without_date = True
    assert clinic.found("clock").state == "warning"


def test_a_refused_statement_is_a_refused_sign_in(clinic: Clinic) -> None:
    clinic.tells(outcome(401, "login").bundle, 401)
    assert failures(clinic.check()) == [("sign-in", 11)]


def test_refused_searches_are_one_refused_sign_in(clinic: Clinic) -> None:
    clinic.always(lambda seen: not is_metadata(seen), lambda _: outcome(401, "login"))
    assert failures(clinic.check()) == [("sign-in", 11)]


def test_one_refused_type_is_a_failure_of_that_search_alone(clinic: Clinic) -> None:
    clinic.always(searches("AdverseEvent"), lambda _: outcome(403, "forbidden"))
    assert failures(clinic.check()) == [("AdverseEvent (patient)", 11)]


def test_sign_in_tells_what_was_accepted_and_what_the_server_says(clinic: Clinic) -> None:
    security = {"service": [{"coding": [{"code": "SMART-on-FHIR"}]}]}
    clinic.tells(statement(rest={"security": security}))
    told = json.dumps({"token_endpoint": "https://x.example.org/token"}).encode()
    clinic.always(lambda seen: "smart-configuration" in seen.path, lambda _: Answer(200, told))
    token = clinic.a / "token"
    token.touch(mode=0o600)
    token.write_text("SECRET-token")
    clinic.set("kind", '"bearer"\ntoken_file = "token"')
    seen = clinic.found("sign-in").seen
    assert (
        seen
        == "bearer credentials accepted; its statement names SMART-on-FHIR; it has a SMART token endpoint"
    )
    assert clinic.found("scopes").state == "skipped"


def test_another_fhir_version_is_a_failure_and_its_searches_are_not_asked(clinic: Clinic) -> None:
    clinic.tells(statement(fhirVersion="5.0.0"))
    assert failures(clinic.check()) == [("FHIR version", 10)]
    assert not clinic.server.asked("Procedure/_search")
    assert {seen.path for seen in clinic.server.seen} == {
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
    }


def test_a_server_without_json_is_a_failure(clinic: Clinic) -> None:
    clinic.tells(statement(format=["application/fhir+xml"]))
    assert failures(clinic.check()) == [("format", 12)]


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"without": ("BodyStructure",)}, "BodyStructure: the type"),
        ({"interactions": {"Condition": ["read"]}}, "Condition: search-type"),
        ({"parameters": {"Observation": ["subject", "_lastUpdated"]}}, "the search parameter code"),
    ],
)
def test_what_the_statement_does_not_offer_is_a_failure(
    clinic: Clinic, changes: dict[str, Any], lacks: str
) -> None:
    clinic.tells(statement(**changes))
    checkup = clinic.check()
    assert failures(checkup) == [("types", 12)]
    assert lacks in failed_line(checkup).seen


def test_common_parameters_left_out_are_told_only(clinic: Clinic) -> None:
    clinic.tells(statement(parameters={"Patient": []}))
    assert clinic.found("types").state == "warning"


def test_a_server_without_statement_is_judged_by_its_searches(clinic: Clinic) -> None:
    clinic.tells(outcome(404, "not-found").bundle, 404)
    checkup = clinic.check()
    assert checkup.exit_code == 0
    assert clinic.found("statement").state == "warning"
    assert checkup.servers["a"].capability is None


def test_bulk_export_is_told(clinic: Clinic) -> None:
    assert clinic.found("bulk export").state == "skipped"
    clinic.server.faults.clear()
    clinic.tells(statement(rest={"operation": [{"name": "export"}]}))
    assert clinic.found("bulk export").seen.startswith("$export offered (system)")


def test_counts_and_samples_are_told(clinic: Clinic) -> None:
    clinic.always(lambda seen: "_summary" in seen.query, with_total(41))
    found = {each.subject: each for each in clinic.check().findings}
    assert found["Procedure (cohort)"].seen == "41 by 16 codes; sample of 2: all valid"
    assert found["BodyStructure (patient)"].seen == "41 for 2 patients; sample of 2: all valid"
    assert found["sample"].state == "ok"


def test_a_search_that_the_server_refuses_is_a_failure(clinic: Clinic) -> None:
    clinic.always(searches("AdverseEvent"), lambda _: outcome(404, "not-supported"))
    assert failures(clinic.check()) == [("AdverseEvent (patient)", 12)]


def test_a_filter_that_the_server_ignores_is_a_failure(clinic: Clinic) -> None:
    clinic.always(samples("Observation"), with_entry(observation("x", "another")))
    assert failures(clinic.check()) == [("Observation (patient)", 12)]


def test_a_loss_that_the_server_reports_is_a_failure(clinic: Clinic) -> None:
    lost = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "throttled"}]}
    clinic.always(samples("Condition"), with_entry(lost))
    checkup = clinic.check()
    assert failures(checkup) == [("Condition (patient)", 12)]
    assert "throttled" in failed_line(checkup).seen


def test_some_invalid_resources_are_told_by_rule_and_path(clinic: Clinic) -> None:
    clinic.server.put(without_status("SECRET-id"))
    found = clinic.found("Observation (patient)")
    assert found.state == "warning"
    assert "sample of 3: 1 invalid: Observation.status (model:" in found.seen


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        ({"versionId": "1"}, "some have no date of change"),
        ({"lastUpdated": "2020-01-01T00:00:00Z"}, "all have the same date of change"),
    ],
)
def test_dates_of_change_that_tell_nothing_are_told(clinic: Clinic, meta: dict[str, str], told: str) -> None:
    for number in range(21):
        clinic.server.clock += dt.timedelta(seconds=1)
        clinic.server.put(observation(f"more-{number}", "1"))
    assert clinic.found("Observation (patient)").state == "ok"

    def fill_in(bundle: dict[str, Any]) -> None:
        for entry in bundle["entry"]:
            entry["resource"]["meta"] = meta

    clinic.always(samples("Observation"), lambda answer: answer.edited(fill_in))
    found = clinic.found("Observation (patient)")
    assert found.state == "warning"
    assert told in found.seen


def test_a_sample_of_invalid_resources_alone_is_a_failure(clinic: Clinic) -> None:
    for patient_id in ("1", "2"):
        clinic.server.put(without_status(f"pain-{patient_id}"))
    assert failures(clinic.check()) == [("Observation (patient)", 13)]


def test_a_center_without_cohort_is_told_and_its_patients_are_not_asked_for(tmp_path: Path) -> None:
    server = FhirServer()
    with serving(server):
        clinic = Clinic(tmp_path, server)
        clinic.always(lambda seen: "_summary" in seen.query, with_total(0))
        checkup = clinic.check()
    found = {each.subject: each.state for each in checkup.findings}
    assert failures(checkup) == []
    assert (found["Procedure (cohort)"], found["Patient (patient)"]) == ("warning", "skipped")
    assert (found["sample"], found["paging"]) == ("skipped", "skipped")


def test_pages_without_next_links_must_hold_everything(clinic: Clinic) -> None:
    clinic.always(searches("Condition"), with_total(150))
    assert clinic.found("paging").state == "warning"
    clinic.set("page_size", "149")
    checkup = clinic.check()
    assert failures(checkup) == [("paging", 12)]
    assert "page_size to 150 or more" in failed_line(checkup).next_step


def test_next_links_are_seen(clinic: Clinic) -> None:
    for number in range(30):
        clinic.server.put(observation(f"o{number}", "1"))
    assert clinic.found("paging").seen == "next links given"


def test_a_view_that_refuses_some_of_the_sample_is_told_and_all_of_it_is_a_failure(clinic: Clinic) -> None:
    """A center's own view that takes one value where some resources have two."""
    own_view(
        clinic, "condition", lambda view: view["select"][0]["column"][1].update(path="bodySite.coding.code")
    )
    two_sites = {"bodySite": [concept(SCT, "11994002"), concept(SCT, "SECRET-code")]}
    clinic.server.put(condition("met-1", "1") | two_sites)
    found = clinic.found("sample")
    assert found.state == "warning"
    assert "condition refused 1: more than one value" in found.seen
    assert "SECRET" not in found.seen
    clinic.server.put(condition("met-2", "2") | two_sites)
    found = clinic.found("sample")
    assert (found.state, found.exit_code) == ("failed", 10)
    assert "Nothing of the sample comes through condition (more than one value" in found.seen


def test_a_view_that_leaves_a_whole_type_out_is_a_failure(clinic: Clinic) -> None:
    own_view(clinic, "patient", lambda view: view.update(where=[{"path": "gender = 'male'"}]))
    checkup = clinic.check()
    assert failures(checkup) == [("sample", 10)]
    assert "comes through patient, patient_link." in failed_line(checkup).seen


def test_codes_that_mean_nothing_are_told_by_element_and_system(clinic: Clinic) -> None:
    for patient_id in ("1", "2"):
        told = next(each for each in chart(patient_id) if each["resourceType"] == "BodyStructure")
        clinic.server.put(told | {"location": concept("urn:center-a:sites", "SECRET-code")})
    found = clinic.found("codes in use")
    assert found.state == "warning"
    assert "BodyStructure.location 2 of 2 (urn:center-a:sites)" in found.seen
    assert "SECRET" not in found.seen
