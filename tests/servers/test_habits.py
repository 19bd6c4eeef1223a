"""Habits of real servers, replayed on loopback so that every run of the tests meets them."""

from dataclasses import replace
from pathlib import Path

import pytest

from ingest.client import FhirClient
from ingest.query import CodeFilter, Query
from ingest.search import walk
from mappings.errors import IncompleteError
from tests.ingest import bulk_server
from tests.ingest.bulk_place import Place, landed
from tests.ingest.examples import LOINC, QUICK, Resource, center, chart, observation
from tests.ingest.loopback import Answer, Fault, FhirServer, serving
from warehouse.connection import Warehouse

QUERY = Query("Observation", CodeFilter("code", ((LOINC, "72514-3"),)), None, (("_count", "2"),))


def without_next_link(total: int) -> Fault:
    """@medplum/fhir-router 5.2: the count of all matches, the first of them, and no way to the others."""

    def change(bundle: Resource) -> None:
        bundle.update(link=[], total=total)

    def edited(answer: Answer) -> Answer:
        return answer.edited(change)

    return Fault(lambda _: True, edited)


@pytest.mark.parametrize("total", [3, 200])
def test_more_matches_than_the_only_page_holds_are_incomplete(total: int) -> None:
    with serving(FhirServer(observation(f"o{number}", "p1") for number in range(3))) as server:
        fault = server.add(without_next_link(total))
        with FhirClient(center(server.base_url), QUICK) as client:
            pages = walk(client, QUERY)
            assert len(next(pages).resources) == 2
            with pytest.raises(IncompleteError, match=f"found {total} matches .* sent 2 without a next link"):
                next(pages)
        assert fault.fired == 1


@pytest.mark.parametrize("total", [0, 2])
def test_a_total_that_the_page_holds_ends_the_walk(total: int) -> None:
    with serving(FhirServer(observation(f"o{number}", "p1") for number in range(3))) as server:
        server.add(without_next_link(total))
        with FhirClient(center(server.base_url), QUICK) as client:
            assert [len(page.resources) for page in walk(client, QUERY)] == [2]


class HapiBulkServer(bulk_server.BulkServer):
    """HAPI FHIR JPA 8.8.0: `_since` is ignored at the level of patients, the manifest tells neither counts
    nor deletions, a token is said to be needed that nobody asks for, DELETE of a finished export is 404.
    """

    def _kick_off(self, asked: bulk_server.Asked) -> bulk_server.Answer:
        fewer = {name: values for name, values in asked.query.items() if name != "_since"}
        return super()._kick_off(replace(asked, query=fewer))

    def _about_job(self, asked: bulk_server.Asked, job_id: str) -> bulk_server.Answer:
        if asked.kind == "delete":
            return bulk_server.outcome(404, "not-found")
        answer = super()._about_job(asked, job_id)
        return answer.edited(_as_hapi_tells) if asked.kind == "status" and answer.status == 200 else answer


def _as_hapi_tells(manifest: Resource) -> None:
    manifest["requiresAccessToken"] = True
    del manifest["deleted"]
    for file in manifest["output"]:
        del file["count"]


def test_by_such_exports_everything_lands_once_and_corrections_land_alone(tmp_path: Path) -> None:
    server = HapiBulkServer([*chart("p1"), *chart("p2")])
    with bulk_server.serving(server), Warehouse.open(tmp_path / "warehouse") as warehouse:
        place = Place(server, warehouse)
        assert place.sync().status == "complete"
        everything = len(chart("p1")) + len(chart("p2"))
        assert len(place.heads()) == everything
        place.night()
        server.put(observation("pain-p1", "p1", 1))
        report = place.sync()
        assert server.of("kick-off")[-1].values("_since")  # asked, and ignored
        assert (report.status, landed(report)) == ("complete", {"Observation": 1})
        assert sum(counts.received for counts in report.counts.values()) >= everything
        assert len(server.of("delete")) == 1
        assert place.noted() == []
