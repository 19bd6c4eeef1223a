"""The demo's resources are FHIR: HAPI's `$validate` finds no error in the valid and one in each invalid."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.conftest import Hapi
from tests.servers.fhir_http import address
from tests.servers.server_study import stock

pytestmark = pytest.mark.servers
CENTERS = ("a", "b")


@pytest.mark.parametrize("center", CENTERS)
def test_no_valid_resource_of_the_demo_has_an_error(hapi: Hapi, center: str) -> None:
    server, resources = hapi.http(center), stock(center).valid
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(server.errors, resources))
    assert len(resources) > 350
    assert {address(each): errors for each, errors in zip(resources, found, strict=True) if errors} == {}


@pytest.mark.parametrize("center", CENTERS)
def test_each_invalid_resource_of_the_demo_has_the_error_it_was_made_for(hapi: Hapi, center: str) -> None:
    server, center_stock = hapi.http(center), stock(center)
    (without_status,) = server.errors(center_stock.without_status)
    (unknown_element,) = server.errors(center_stock.with_unknown_element)
    assert "Observation.status: minimum required = 1" in without_status
    assert "painScale" in unknown_element
