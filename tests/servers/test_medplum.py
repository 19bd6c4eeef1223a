"""A server unlike HAPI: no next links, no ETags, UUID versions, no _elements, no CapabilityStatement."""

from pathlib import Path

import pytest

from mappings.errors import IncompleteError
from service.demo.server import demo_servers
from tests.servers.conftest import Expected, assert_same
from tests.servers.fhir_http import FhirHttp
from tests.servers.process import ServerProcess
from tests.servers.server_study import departed, landed, make_study, now

pytestmark = pytest.mark.servers
ONE_PAGE = 1000


def test_with_pages_that_hold_everything_each_figure_and_core_row_is_the_same(
    tmp_path: Path, medplum: ServerProcess, expected: Expected
) -> None:
    with demo_servers(now) as demo:
        study = make_study(tmp_path, {"a": medplum.url, "b": demo.b_url}, page_size=ONE_PAGE)
        study.sync()
        assert landed(study.sync()) == {"a": {}, "b": {}}
    assert_same(study, expected)


@pytest.mark.parametrize("page_size", [1, 7, 200])
def test_what_does_not_fit_on_a_page_without_next_link_is_incomplete_and_then_converges(
    tmp_path: Path, medplum: ServerProcess, expected: Expected, page_size: int
) -> None:
    with demo_servers(now) as demo:
        urls = {"a": medplum.url, "b": demo.b_url}
        study = make_study(tmp_path / "study", urls, page_size=page_size)
        with pytest.raises(IncompleteError, match=r"without a next link"):
            study.sync()
        for file in study.folder.glob("config/centers/a/center.toml"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(f"page_size = {page_size}", f"page_size = {ONE_PAGE}"), "utf-8")
        study.sync()
    assert_same(study, expected)


def test_a_corrected_resource_lands_alone_though_its_version_is_a_uuid(
    tmp_path: Path, medplum: ServerProcess
) -> None:
    server = FhirHttp(medplum.url)
    with demo_servers(now) as demo:
        study = make_study(tmp_path, {"a": medplum.url, "b": demo.b_url}, page_size=ONE_PAGE)
        study.sync()
        condition = server.get("Condition/2001")
        server.put(condition | {"recordedDate": "2001-02-03"})
        try:
            assert landed(study.sync()) == {"a": {"Condition": 1}, "b": {}}
        finally:
            server.put(condition)
        assert landed(study.sync()) == {"a": {"Condition": 1}, "b": {}}


def test_a_deleted_resource_that_reads_404_leaves_the_warehouse_alone(
    tmp_path: Path, medplum: ServerProcess
) -> None:
    server = FhirHttp(medplum.url)
    with demo_servers(now) as demo:
        study = make_study(tmp_path, {"a": medplum.url, "b": demo.b_url}, page_size=ONE_PAGE)
        study.sync()
        condition = server.get("Condition/2001")
        server.delete([condition])
        try:
            report = study.reconcile()
        finally:
            server.put(condition)
        assert departed(report) == {"a": {"Condition": 1}, "b": {}}
        assert landed(report) == {"a": {}, "b": {}}
        assert landed(study.reconcile()) == {"a": {"Condition": 1}, "b": {}}
