"""Without the extra or without Java, Spark is refused before anything starts, with what to install."""

import importlib.util
from pathlib import Path

import pytest

from mappings.errors import ConfigError
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
