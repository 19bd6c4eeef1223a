"""Whatever address a server puts into its answers, nobody but the center's own server is ever asked."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.auth import BasicAuth, BearerAuth
from ingest.budget import RetryPolicy
from ingest.center import Center
from ingest.client import FhirClient
from ingest.query import Query
from ingest.search import walk
from mappings.errors import ServerError
from tests.properties.budget import EXAMPLES
from tests.properties.made_resources import Resource, made
from tests.properties.model_server import Fault, ModelServer, Sent, serving
from tests.properties.model_store import Habits, ModelStore, World

QUICK = RetryPolicy(retries=1, backoff=0.0, max_wait=1.0)
QUERY = Query("Observation", None, None, (("_count", "50"),))
CREDENTIALS = (BearerAuth("CANARY-token"), BasicAuth("CANARY-user", "CANARY-password"))

# How an address of the sink may be written: {sink} and {own} are host:port, {port} the sink's port alone.
SHAPES = (
    "http://{sink}/fhir/Observation?_offset=1",
    "HTTP://{sink}/fhir/Observation",
    "//{sink}/fhir/Observation",
    "http:\\\\{sink}\\fhir",
    "http://{own}@{sink}/fhir",
    "http://user:word@{sink}/fhir",
    "http://{sink}#@{own}/fhir",
    "http://{sink}\\@{own}/fhir",
    "http://{own}\\@{sink}/fhir",
    "http://{sink}?@{own}/fhir",
    " http://{sink}/fhir",
    "\thttp://{sink}/fhir",
    "ht\ntp://{sink}/fhir",
    "http://localhost:{port}/fhir",
    "http://[::ffff:127.0.0.1]:{port}/fhir",
    "http://127.1:{port}/fhir",
    "http://2130706433:{port}/fhir",
    "http:///{sink}/fhir",
    "http:{sink}/fhir",
    "https://{sink}/fhir",
    "//{own}@{sink}/fhir",
    "////{sink}/fhir",
    "/\\{sink}/fhir",
    "\\\\{sink}/fhir",
    "ftp://{sink}/fhir",
)
shapes = st.one_of(
    st.sampled_from(SHAPES),
    st.builds("{}{}".format, st.text("/\\:@#?. \t\nhtps", max_size=6), st.sampled_from(SHAPES)),
)
places = st.sampled_from(["next", "Location", "self", "fullUrl", "reference", "base"])


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ModelServer, ModelServer]]:
    with ExitStack() as stack:
        own, sink = (
            stack.enter_context(serving(ModelServer(ModelStore(World(), Habits(), "R4")))) for _ in range(2)
        )
        for number in range(3):
            own.store.put(made("Observation", f"o{number}", "p1", number, "R4"))
        yield own, sink


@pytest.mark.row(9)
@pytest.mark.row(51)
@pytest.mark.row(66)
@settings(
    max_examples=5 * EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=shapes,
    place=places,
    status=st.sampled_from([301, 302, 303, 307, 308]),
    auth=st.sampled_from(CREDENTIALS),
)
def test_no_address_of_a_server_leads_to_another(
    servers: tuple[ModelServer, ModelServer],
    shape: str,
    place: str,
    status: int,
    auth: BearerAuth | BasicAuth,
) -> None:
    own, sink = servers
    address = shape.replace("{sink}", _host(sink)).replace("{own}", _host(own))
    address = address.replace("{port}", _host(sink).rpartition(":")[2])
    fault = Fault("custom", lambda *_: True, 10**6, change=lambda sent: _with(sent, place, address, status))
    own.arm([fault])
    sink.arm()
    center = Center("a", "A", own.base_url, "R4", auth=auth, read_timeout=2.0, connect_timeout=2.0)
    with FhirClient(center, QUICK) as client:
        message = _failure(client)
    assert "CANARY" not in message
    assert fault.fired > 0
    assert sink.requests == [], f"{place} {address!r} reached the sink"


def test_the_sink_hears_whoever_asks_it(servers: tuple[ModelServer, ModelServer]) -> None:
    _, sink = servers
    sink.arm()
    with FhirClient(Center("a", "A", sink.base_url, "R4", auth=CREDENTIALS[0]), QUICK) as client:
        assert _failure(client) == ""
    assert sink.requests[0].headers["authorization"] == "Bearer CANARY-token"


def _failure(client: FhirClient) -> str:
    """Walk to the end; the message of the failure, if it is one."""
    try:
        for _ in walk(client, QUERY):
            pass
    except ServerError as error:
        return str(error)
    return ""


def _host(server: ModelServer) -> str:
    return server.base_url.removeprefix("http://").removesuffix("/fhir")


def _with(sent: Sent, place: str, address: str, status: int) -> Sent:
    """The answer with the address at some place of it."""
    if place == "Location":
        # A header holds no line break: the address is cut there.
        return Sent(status, b"", headers={"Location": address.replace("\n", "").replace("\t", "")})
    bundle: Resource = json.loads(sent.body or b"{}")
    if place in {"next", "self"}:
        bundle["link"] = [{"relation": place, "url": address}]
    elif place == "base":
        bundle["link"] = [{"relation": "next", "url": "Observation?_offset=1"}]
        return Sent(sent.status, json.dumps(bundle).encode(), headers={"Content-Location": address})
    for entry in bundle.get("entry", []):
        if place == "fullUrl":
            entry["fullUrl"] = address
        if place == "reference":
            entry["resource"]["subject"] = {"reference": address}
    return Sent(sent.status, json.dumps(bundle).encode())
