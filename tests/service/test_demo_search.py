"""Search on the demo servers: parameters match as FHIR says; what is unknown is refused when asked to be."""

from collections.abc import Iterator

import pytest
from demo_http import FORM, LOADED, STOCK, STRICT, FakeClock, found, get, ids, observation, post, put

from service.demo.server import DemoServer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[DemoServer]:
    with DemoServer("R4", clock) as running:
        running.load(STOCK, LOADED)
        yield running


@pytest.fixture
def r5_server(clock: FakeClock) -> Iterator[DemoServer]:
    with DemoServer("R5", clock) as running:
        running.load(STOCK, LOADED)
        yield running


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("http://loinc.org|72514-3", {"pain", "two"}),
        ("72514-3", {"pain", "two", "bare"}),
        ("|72514-3", {"bare"}),
        ("urn:x|", {"two", "local"}),
        ("https://loinc.org|72514-3", set()),
        (r"urn:x|A\,1", {"two"}),
        ("urn:x|A,1", set()),
        (r"urn:x|p\|q", {"local"}),
        (r"urn:x|p\|q,http://loinc.org|72514-3", {"pain", "two", "local"}),
        (r"urn:x|none,|72514-3", {"bare"}),
    ],
)
def test_codes_match_by_system_and_code_over_all_codings(
    server: DemoServer, code: str, expected: set[str]
) -> None:
    assert found(server, "Observation", code=code) == expected


@pytest.mark.parametrize("name", ["subject", "patient"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Patient/1", {"pain", "local"}),
        ("2", {"two"}),
        ("Patient/2,Patient/3", {"two", "bare"}),
        ("{base}/Patient/3", {"bare"}),
        ("http://elsewhere.example.org/Patient/3", set()),
        ("Group/1", set()),
    ],
)
def test_patients_match_by_id_reference_and_address(
    server: DemoServer, name: str, value: str, expected: set[str]
) -> None:
    assert found(server, "Observation", **{name: value.format(base=server.url)}) == expected


def test_repeated_parameters_narrow_the_result(server: DemoServer) -> None:
    pairs = [("code", "72514-3"), ("code", "urn:x|"), ("status", "amended,final"), ("_id", "two,pain")]
    assert ids(get(f"{server.url}/Observation", pairs, **STRICT).json()) == ["two"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-03-10", {"pain"}),
        ("2020", {"pain", "local"}),
        ("2020-03-11", {"local"}),
        ("ge2020-03-10", {"pain", "local", "bare"}),
        ("gt2020-03-10", {"local", "bare"}),
        ("lt2020-03-10", set()),
        ("le2020-03-10", {"pain"}),
        ("lt2020-03-11T04:30:00Z", {"pain"}),
        ("ge2020-03-11T04:30:00Z", {"local", "bare"}),
        ("gt2020-03-10,le2020-03-10", {"pain", "local", "bare"}),
    ],
)
def test_dates_compare_as_spans_in_utc(server: DemoServer, value: str, expected: set[str]) -> None:
    assert found(server, "Observation", date=value) == expected


def test_periods_and_partial_dates_are_searched_by_date(server: DemoServer) -> None:
    assert found(server, "Procedure", date="ge2020-03-12") == {"p"}
    assert found(server, "Procedure", date="ge2020-03-13") == set()
    assert found(server, "AdverseEvent", date="ge2020-03-31") == {"ae"}


@pytest.mark.parametrize(
    ("prefix", "at_stamp"), [("ge", True), ("le", True), ("eq", True), ("gt", False), ("lt", False)]
)
def test_last_updated_is_compared_to_the_millisecond(
    server: DemoServer, clock: FakeClock, prefix: str, *, at_stamp: bool
) -> None:
    put(server, observation("new", ("urn:y", "n")))
    stamp = "2026-11-23T02:00:00.123Z"
    assert ("new" in found(server, "Observation", _lastUpdated=f"{prefix}{stamp}")) is at_stamp
    assert "new" not in found(server, "Observation", _lastUpdated="lt2026-11-23T02:00:00.123Z")


def test_last_updated_narrows_from_both_sides(server: DemoServer, clock: FakeClock) -> None:
    put(server, observation("new", ("urn:y", "n")))
    pairs = [("_lastUpdated", "ge2026-11-01"), ("_lastUpdated", "lt2026-11-23T00:00:00+00:00")]
    listed = ids(get(f"{server.url}/Observation", pairs, **STRICT).json())
    assert set(listed) == {"pain", "two", "local", "bare"}


@pytest.mark.parametrize(
    "pair", [("_count", "many"), ("_lastUpdated", "yesterday"), ("date", "sa2020"), ("date", "2020-02-31")]
)
def test_values_that_cannot_be_read_are_refused(server: DemoServer, pair: tuple[str, str]) -> None:
    answer = get(f"{server.url}/Observation", [pair])
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert pair[1] not in answer.text


def test_unknown_parameters_are_refused_only_when_asked_to_be_strict(server: DemoServer) -> None:
    url = f"{server.url}/Observation"
    strict, lenient = get(url, {"combo": "x"}, **STRICT), get(url, {"combo": "x", "_id": "two"})
    assert (strict.status_code, lenient.status_code) == (400, 200)
    assert strict.json()["issue"][0]["code"] == "not-supported"
    assert ids(lenient.json()) == ["two"]
    assert lenient.json()["link"][0]["url"] == f"{url}?_id=two"


def test_versions_differ_in_how_adverse_events_name_the_patient(
    server: DemoServer, r5_server: DemoServer
) -> None:
    r4_answer = get(f"{server.url}/AdverseEvent", {"patient": "1"}, **STRICT)
    assert r4_answer.status_code == 400
    assert found(server, "AdverseEvent", subject="Patient/1") == {"ae"}
    assert found(r5_server, "AdverseEvent", patient="1", subject="1") == {"ae"}


def test_body_structures_are_searched_by_patient_only(server: DemoServer) -> None:
    assert found(server, "BodyStructure", patient="Patient/1") == {"bs"}
    assert get(f"{server.url}/BodyStructure", {"subject": "1"}, **STRICT).status_code == 400


def test_elements_cut_resources_down_and_tag_them(server: DemoServer) -> None:
    page = get(f"{server.url}/Patient", {"_id": "1", "_elements": "gender,deceased"}, **STRICT).json()
    (patient,) = [each["resource"] for each in page["entry"]]
    assert set(patient) == {"resourceType", "id", "meta", "gender", "deceasedBoolean"}
    assert patient["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "tag" not in get(f"{server.url}/Patient/1").json()["meta"]


def test_get_and_post_find_the_same(server: DemoServer) -> None:
    form = {"code": "http://loinc.org|72514-3", "_count": "50"}
    posted = post(f"{server.url}/Observation/_search", form, **STRICT).json()
    assert posted == get(f"{server.url}/Observation", form, **STRICT).json()
    split = post(f"{server.url}/Observation/_search?_id=two", {"code": "72514-3"}).json()
    assert ids(split) == ["two"]


def test_a_form_in_another_shape_is_refused(server: DemoServer) -> None:
    answer = post(
        f"{server.url}/Observation/_search", '{"code": "x"}', **{"Content-Type": "application/json"}
    )
    assert answer.status_code == 415
    broken = post(f"{server.url}/Observation/_search", b"\xff", **{"Content-Type": FORM})
    assert broken.status_code == 400


def test_the_number_alone_can_be_asked_for(server: DemoServer) -> None:
    query = {"code": "72514-3", "_summary": "count", "_count": "1"}
    bundle = get(f"{server.url}/Observation", query, **STRICT).json()
    assert (bundle["total"], bundle.get("entry"), [link["relation"] for link in bundle["link"]]) == (
        3,
        None,
        ["self"],
    )
    whole = get(f"{server.url}/Observation", {"_summary": "false"}, **STRICT).json()
    assert len(whole["entry"]) == whole["total"] == 4
    assert get(f"{server.url}/Observation", {"_summary": "text"}, **STRICT).status_code == 400
