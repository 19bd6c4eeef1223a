"""What `cryocohort check` reports of servers that nobody here wrote is what they say and do."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.doctor import Checkup, Surroundings, check
from service.doctor_search import SearchFacts
from service.finding import Finding
from tests.servers.conftest import Hapi
from tests.servers.fhir_http import FhirHttp
from tests.servers.gateway import Gateway, serving
from tests.servers.process import ServerProcess
from tests.servers.server_study import ServerStudy, make_study, now

pytestmark = pytest.mark.servers
VERSIONS = {"a": "4.0.1", "b": "5.0.0"}
TYPES = ["AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure"]
LONGEST_URL = 2000
ONE_PAGE = 1000


def examined(study: ServerStudy, center_id: str | None = None) -> Checkup:
    surroundings = Surroundings(now, lambda path: shutil.disk_usage(path).free)
    return check(study.folder / "config", center_id, surroundings)


def states(checkup: Checkup, center_id: str) -> Mapping[str, Finding]:
    return {found.subject: found for found in checkup.findings if found.center == center_id}


def counts(searches: tuple[SearchFacts, ...]) -> dict[tuple[str, str], int | None]:
    return {(search.resource_type, search.step): search.count for search in searches}


def total(server: FhirHttp, resource_type: str) -> int:
    found: int = server.get(f"{resource_type}?_summary=count", **{"Cache-Control": "no-cache"})["total"]
    return found


@pytest.mark.parametrize("center_id", ["a", "b"])
def test_hapi_is_reported_as_it_is(study: ServerStudy, hapi: Hapi, center_id: str) -> None:
    checkup = examined(study, center_id)
    facts, found = checkup.servers[center_id], states(checkup, center_id)
    assert checkup.exit_code == 0
    told = hapi.http(center_id).get("metadata")
    assert facts.capability is not None
    assert (facts.capability.fhir_version, facts.capability.software) == (
        VERSIONS[center_id],
        "HAPI FHIR Server",
    )
    assert facts.capability.software_version == told["software"]["version"]
    assert sorted(facts.capability.types) == TYPES
    for resource in told["rest"][0]["resource"]:
        if resource["type"] in TYPES:
            read = facts.capability.types[resource["type"]]
            assert read.parameters == tuple(sorted(each["name"] for each in resource["searchParam"]))
            assert read.interactions == tuple(sorted(each["code"] for each in resource["interaction"]))
    assert facts.capability.exports == ("system", "Patient", "Group")
    assert (facts.capability.security, facts.capability.has_oauth_uris, facts.smart) == ((), False, None)
    assert found["sign-in"].seen == "no credentials needed"
    assert found["paging"].seen == "next links given"
    assert {each.state for subject, each in found.items() if subject not in {"scopes", "code files"}} == {
        "ok"
    }
    assert [search for search in facts.searches if search.refused or search.unasked] == []
    assert [codes for codes in facts.codes if codes.mapped < codes.codings] == []
    # Every Condition of the demo carries one of the center's codes but for its noise.
    number = counts(facts.searches)["Condition", "patient"]
    assert number is not None
    assert 0 < number <= total(hapi.http(center_id), "Condition")
    assert not study.settings.warehouse_folder.exists()


def test_a_server_that_refuses_post_is_counted_by_get(tmp_path: Path, hapi: Hapi, study: ServerStudy) -> None:
    by_post = counts(examined(study, "a").servers["a"].searches)
    gateway = Gateway(hapi.a.port, takes_post=False)
    with serving(gateway) as url:
        checkup = examined(make_study(tmp_path / "get", {"a": url, "b": hapi.b.url}), "a")
    assert checkup.exit_code == 0
    assert [method for method, _ in gateway.seen].count("POST") == 1
    assert max(len(path) for _, path in gateway.seen) < LONGEST_URL
    assert any("_summary=count" in path for method, path in gateway.seen if method == "GET")
    # A resource with codes of both pieces is counted twice, and said to be.
    by_get = counts(checkup.servers["a"].searches)
    assert by_get.keys() == by_post.keys()
    assert all((by_get[key] or 0) >= (by_post[key] or 0) for key in by_post)
    assert by_get["Procedure", "cohort"] == by_post["Procedure", "cohort"]


def test_a_server_of_the_other_version_is_told(tmp_path: Path, hapi: Hapi) -> None:
    study = make_study(tmp_path, {"a": hapi.b.url, "b": hapi.a.url})
    checkup = examined(study)
    assert checkup.exit_code == 10
    for center_id in ("a", "b"):
        found = states(checkup, center_id)
        assert found["FHIR version"].state == "failed"
        assert found["searches"].state == "skipped"


def test_medplum_is_judged_by_its_searches(tmp_path: Path, medplum: ServerProcess, hapi: Hapi) -> None:
    study = make_study(tmp_path / "one", {"a": medplum.url, "b": hapi.b.url}, page_size=ONE_PAGE)
    checkup = examined(study, "a")
    facts, found = checkup.servers["a"], states(checkup, "a")
    assert checkup.exit_code == 0
    assert (facts.capability, facts.smart) == (None, None)
    assert {subject for subject, each in found.items() if each.state == "warning"} == {
        "code files",
        "statement",
        "paging",
    }
    server = FhirHttp(medplum.url)
    number = counts(facts.searches)["Observation", "patient"]
    assert number is not None
    assert 200 < number <= total(server, "Observation")
    assert [search for search in facts.searches if search.refused or search.unasked] == []
    small = make_study(tmp_path / "small", {"a": medplum.url, "b": hapi.b.url}, page_size=200)
    checkup = examined(small, "a")
    assert (checkup.exit_code, states(checkup, "a")["paging"].state) == (12, "failed")
    assert f"page_size to {number} or more" in states(checkup, "a")["paging"].next_step
