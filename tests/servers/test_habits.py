"""Habits of real servers, replayed on loopback so that every run of the tests meets them."""

import pytest

from ingest.client import FhirClient
from ingest.query import CodeFilter, Query
from ingest.search import walk
from mappings.errors import IncompleteError
from tests.ingest.examples import LOINC, QUICK, Resource, center, observation
from tests.ingest.loopback import Answer, Fault, FhirServer, serving

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
