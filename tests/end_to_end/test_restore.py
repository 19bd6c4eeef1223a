"""The restore drill: the warehouse of a night is backed up, restored elsewhere, and goes on there."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.end_to_end.conftest import Night1, Study


@pytest.fixture
def elsewhere(first_night: Night1, tmp_path: Path) -> Study:
    """The same configuration on another machine, without a warehouse."""
    shutil.copytree(first_night.study.config, tmp_path / "config")
    return Study(tmp_path, first_night.study.servers)


def cryocohort(study: Study, *arguments: str) -> str:
    ended = CliRunner().invoke(app, [*arguments, "--config", str(study.config)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return " ".join(ended.output.split())


def test_the_night_after_a_restore_goes_on_where_the_backup_ended(
    first_night: Night1, elsewhere: Study, tmp_path: Path
) -> None:
    place = str(tmp_path / "backups")
    made = cryocohort(first_night.study, "backup", place)
    assert "The pseudonymization keys and the configuration are not in it" in made
    names = {path.name for path in Path(place).rglob("*")}
    assert "pseudonym.key" not in names
    assert "is whole" in cryocohort(elsewhere, "restore", place, "--check")
    assert not (tmp_path / "data").exists()
    assert "was restored to" in cryocohort(elsewhere, "restore", place)

    assert elsewhere.mart("FROM core.patient ORDER BY ALL") == first_night.study.mart(
        "FROM core.patient ORDER BY ALL"
    )
    core = first_night.study.core()
    synced = elsewhere.sync()
    assert sum(counts.landed for center in synced.centers for counts in center.counts.values()) == 0
    assert elsewhere.refresh().release.number == first_night.refreshed.release.number + 1
    assert elsewhere.core() == core
    assert "unbroken" in cryocohort(elsewhere, "audit", "verify")
