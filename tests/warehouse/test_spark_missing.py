"""Without the extra or Java, Spark is refused before anything starts; what a kill left does not stay."""

import importlib.util
from pathlib import Path

import pytest

from mappings.errors import ConfigError
from service.configuration import load_settings, shipped_configuration
from service.engine import engine_for
from service.study import build_input
from warehouse.connection import Warehouse
from warehouse.engines.session import require_spark


@pytest.mark.parametrize("package", ["pyspark", "sqlglot"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "warehouse.engines.session.find_spec", lambda name: None if name == package else object()
    )
    with pytest.raises(ConfigError) as told:
        require_spark()
    assert "pip install 'cryocohort[spark]'" in told.value.next_step


def test_missing_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("warehouse.engines.session.find_spec", lambda _: importlib.util)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError) as told:
        require_spark()
    assert "Java 17" in told.value.next_step


def test_java_home_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("warehouse.engines.session.find_spec", lambda _: importlib.util)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    require_spark()


def test_what_a_killed_refresh_on_spark_left_is_removed_by_the_next_refresh_of_any_kind(
    tmp_path: Path,
) -> None:
    left = tmp_path / "data" / "spark" / "made-1" / "part.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"rows of patients")
    settings = load_settings(shipped_configuration())
    with Warehouse.open(tmp_path / "data") as warehouse, warehouse.transaction() as transaction:
        assert left.exists()
        with engine_for(transaction, warehouse.folder, None, build_input(settings, 1)) as engine:
            assert engine is None
            assert not (warehouse.folder / "spark").exists()
