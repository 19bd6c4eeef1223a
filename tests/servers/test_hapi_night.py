"""A whole night on HAPI R4 and HAPI R5 comes to what it comes to on the demo servers, figure by figure."""

from pathlib import Path

import pytest

from mappings.errors import IncompleteError
from tests.servers.conftest import Expected, Hapi, assert_same
from tests.servers.gateway import Gateway, serving
from tests.servers.process import START_SECONDS
from tests.servers.server_study import ServerStudy, landed, make_study, stock

pytestmark = pytest.mark.servers
LONGEST_URL = 2000


def test_the_servers_start_in_time_and_take_the_cohort_by_transactions(hapi: Hapi) -> None:
    assert max(hapi.start_seconds.values()) < START_SECONDS
    assert hapi.created == {center: len(stock(center).valid) + 1 for center in ("a", "b")}
    assert max(hapi.a.resident_megabytes(), hapi.b.resident_megabytes()) < 2048


@pytest.mark.parametrize("page_size", [1, 7, 200])
def test_by_post_every_figure_and_every_core_row_is_the_same(
    tmp_path: Path, hapi: Hapi, expected: Expected, page_size: int
) -> None:
    study = make_study(tmp_path, hapi.urls, page_size=page_size)
    study.sync()
    assert_same(study, expected)
    assert len(expected.figures) > 200


@pytest.mark.parametrize("page_size", [7, 200])
def test_by_get_every_figure_and_every_core_row_is_the_same(
    tmp_path: Path, hapi: Hapi, expected: Expected, page_size: int
) -> None:
    """A gateway refuses POST: the queries are cut until their URLs are short enough."""
    a, b = (Gateway(server.port, takes_post=False) for server in (hapi.a, hapi.b))
    with serving(a) as a_url, serving(b) as b_url:
        study = make_study(tmp_path, {"a": a_url, "b": b_url}, page_size=page_size)
        study.sync()
    for gateway in (a, b):
        assert [method for method, _ in gateway.seen].count("POST") == 1
        assert max(len(path) for _, path in gateway.seen) < LONGEST_URL
    assert_same(study, expected)


def test_a_resource_without_its_status_is_stored_there_and_quarantined_here(study: ServerStudy) -> None:
    study.sync()
    found = study.work("SELECT center_id, resource_id, path FROM ops.quarantine WHERE is_open ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        (center, stock(center).without_status["id"], "Observation.status") for center in ("a", "b")
    ]


def test_a_second_sync_lands_nothing(study: ServerStudy, expected: Expected) -> None:
    study.sync()
    assert landed(study.sync()) == {"a": {}, "b": {}}
    assert_same(study, expected)


def test_a_forgotten_next_link_begins_the_walk_again_and_loses_nothing(
    tmp_path: Path, hapi: Hapi, expected: Expected
) -> None:
    """HAPI answers 410 to a search it no longer holds; here the third next link names such a search."""

    def forgotten(number: int, path: str) -> str:
        return path.replace("_getpages=", "_getpages=0") if number == 3 else path

    gateway = Gateway(hapi.a.port, reroute=forgotten)
    with serving(gateway) as a_url:
        study = make_study(tmp_path, {"a": a_url, "b": hapi.b.url}, page_size=7)
        study.sync()
    assert gateway.pages > 3
    assert_same(study, expected)


def test_a_server_lost_in_the_middle_of_a_walk_is_incomplete_and_then_converges(
    tmp_path: Path, hapi: Hapi, expected: Expected
) -> None:
    def stops(number: int, path: str) -> str:
        if number == 9:
            hapi.a.stop()
        return path

    gateway = Gateway(hapi.a.port, reroute=stops)
    with serving(gateway) as a_url:
        study = make_study(tmp_path, {"a": a_url, "b": hapi.b.url}, page_size=7)
        try:
            with pytest.raises(IncompleteError, match="center a"):
                study.sync()
        finally:
            hapi.a.start()
            hapi.a.wait()
        centers = study.work("SELECT center_id, status FROM ops.center_sync ORDER BY center_id")
        assert [row["status"] for row in centers] == ["incomplete", "complete"]
        assert landed(study.sync())["b"] == {}
    assert_same(study, expected)
