"""A page decoded in another process is the page decoded here, whatever the server sent."""

import json
import pickle
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gate_pool import GatePool
from ingest.page import Page, page_of, read_apart, read_here, rejoined

FEW = settings(max_examples=300, deadline=None)
WRONG = st.sampled_from([None, 1, "x", [], {}, [1]])
META = (
    st.builds(lambda told: {"lastUpdated": told}, st.sampled_from(["2026-03-01T12:00:00Z", "x", 7])) | WRONG
)
RESOURCES = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Observation", "Patient", "OperationOutcome"]) | WRONG},
    optional={"id": st.sampled_from(["a", "b"]) | WRONG, "meta": META, "issue": WRONG},
)
ENTRIES = st.fixed_dictionaries({}, optional={"resource": RESOURCES | WRONG, "search": WRONG})
LINKS = st.fixed_dictionaries({"relation": st.sampled_from(["next", "self"])}, optional={"url": WRONG})
BUNDLES = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle") | WRONG, "type": st.just("searchset") | WRONG},
    optional={
        "entry": st.lists(ENTRIES | WRONG, max_size=5) | st.lists(ENTRIES, max_size=5) | WRONG,
        "link": st.lists(LINKS, max_size=2) | WRONG,
        "total": st.integers() | WRONG,
    },
)


def elsewhere(body: bytes) -> Any:
    sent = pickle.dumps(read_apart(body, "Observation"))
    return rejoined(body, "Observation", *pickle.loads(sent))  # noqa: S301 - our own


@FEW
@given(BUNDLES)
def test_what_comes_apart_is_what_there_was(bundle: dict[str, Any]) -> None:
    body = json.dumps(bundle).encode()
    found = elsewhere(body)
    if found.page is None:
        assert found == read_here(body, "Observation")
        return
    expected = page_of(bundle, "Observation")
    assert list(found.page.resources) == list(expected.resources)
    assert list(found.page.heads) == list(expected.heads)
    assert (found.page.issues, found.page.ignored, found.page.lost) == (
        expected.issues,
        expected.ignored,
        expected.lost,
    )
    assert found.resource == {name: value for name, value in bundle.items() if name != "entry"}


def test_resources_travel_as_bytes_and_are_a_sequence() -> None:
    keys = ["a", "b", "c"]
    entries = [{"resource": {"resourceType": "Observation", "id": key}} for key in keys]
    body = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()
    resources = pickle.loads(pickle.dumps(elsewhere(body).page.resources))  # noqa: S301 - our own
    assert (len(resources), resources[-1]["id"], len(resources[:2])) == (3, "c", 2)
    assert [each["id"] for each in resources] == keys


def test_the_heads_of_a_page_are_its_ids_and_dates_as_far_as_they_are_text() -> None:
    resources = ({"id": "a", "meta": {"lastUpdated": "2026"}}, {"id": 1, "meta": []}, {"id": "a"})
    page = Page(resources, (), 0, 0, None)
    assert list(page.heads) == [("a", "2026"), (None, None), ("a", None)]
    assert page.ids == {"a"}


def test_workers_decode_as_soon_as_they_have_started_and_refuse_what_is_refused_here() -> None:
    body = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{}]}).encode()
    with GatePool(1, read_in_place=len(body)) as gate:
        answers = [gate.read(body, "Observation") for _ in range(2)]  # the second one starts them
        deadline = time.monotonic() + 60
        while answers[-1].page is None and time.monotonic() < deadline:
            time.sleep(0.01)
            answers.append(gate.read(body, "Observation"))
        with pytest.raises(ValueError, match="twice"):
            gate.read(b'{"a": 1, "a": 1}', "Observation")
    assert all(each.page is None and each.resource["entry"] == [{}] for each in answers[:2])
    assert answers[-1].page is not None
    assert (answers[-1].page.lost, "entry" in answers[-1].resource) == (1, False)
