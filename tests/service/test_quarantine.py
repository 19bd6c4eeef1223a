"""`quarantine`: groups with their reasons; a resource by its handle; ids and bodies only when asked for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mappings.errors import ConfigError, WarehouseError
from service.cli import app
from service.configuration import load_settings
from service.demo.workplace import prepare
from service.quarantine import read_groups
from tests.warehouse.landing_examples import NOON
from warehouse.connection import Warehouse
from warehouse.faults import Which
from warehouse.land import Quarantined, Unit, land
from warehouse.runs import start_run

REFUSED = [
    ("SECRET-1", "1" * 64, "number", "Observation.component[0].valueQuantity.value"),
    ("SECRET-1", "1" * 64, "model:missing", "Observation.status"),
    ("SECRET-2", "2" * 64, "number", "Observation.component[7].valueQuantity.value"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A study with two refused Observations of center a."""
    config = prepare(tmp_path, {"a": "http://127.0.0.1:9/fhir", "b": "http://127.0.0.1:9/fhir"})
    with Warehouse.open(tmp_path / "data") as warehouse:
        run_id = start_run(warehouse, kind="sync", now=NOON, version="0.1.0", config_fingerprint="")
        faults = [
            Quarantined(
                "Observation", resource_id, content_hash, rule, path, f"why {rule}", '{"id":"SECRET"}'
            )
            for resource_id, content_hash, rule, path in REFUSED
        ]
        land(warehouse, Unit(run_id, "a", "Observation", 2, [], NOON, quarantined=faults))
    return config


def shown(config: Path, *arguments: str) -> str:
    ended = CliRunner().invoke(app, ["quarantine", *arguments, "--config", str(config)])
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_faults_are_grouped_by_rule_and_element_whatever_the_index(config: Path) -> None:
    groups = read_groups(load_settings(config), Which())
    assert [(group.rule, group.path, group.resources) for group in groups] == [
        ("number", "Observation.component.valueQuantity.value", 2),
        ("model:missing", "Observation.status", 1),
    ]
    for other in (Which("b"), Which(resource_type="Condition"), Which(rule="size")):
        assert read_groups(load_settings(config), other) == []
    with pytest.raises(ConfigError, match="No center is called c"):
        read_groups(load_settings(config), Which("c"))


def test_the_list_as_json_has_the_groups(config: Path) -> None:
    (first, _) = json.loads(shown(config, "list", "--json"))
    assert (first["center_id"], first["resources"], first["message"]) == ("a", 2, "why number")


def test_a_handle_names_a_resource_and_everything_wrong_with_it(config: Path) -> None:
    assert "111111111111" in shown(config, "show")
    told = shown(config, "show", "11")
    assert "component[0]" in told
    assert "Observation.status" in told
    assert "component[7]" not in told


def test_ids_and_bodies_are_shown_only_when_asked_for(config: Path) -> None:
    for arguments in (["list"], ["list", "--json"], ["show"], ["show", "1"]):
        assert "SECRET" not in shown(config, *arguments)
    assert "id SECRET-1" in shown(config, "show", "1", "--id")
    assert '{"id":"SECRET"}' in shown(config, "show", "1", "--body")
    assert "SECRET-2" in shown(config, "show", "--id")


def test_an_unknown_handle_and_a_missing_warehouse_are_told(config: Path, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["quarantine", "show", "ff", "--config", str(config)])
    assert isinstance(ended.exception, ConfigError)
    (tmp_path / "data").rename(tmp_path / "gone")
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        read_groups(load_settings(config), Which())
