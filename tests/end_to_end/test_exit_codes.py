"""Each cause of an exit code, provoked: a real process, its code, a message that ends in what to do, no PHI.

A small study of one center on a server whose every text, id and name is a canary; the token is a secret.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from docs.making.failures import OTHERS, error_classes
from mappings import errors
from service.demo.workplace import prepare
from tests.end_to_end.test_cli import ENVIRONMENT
from tests.ingest.examples import chart
from tests.ingest.loopback import Answer, Fault, FhirServer, outcome, serving
from warehouse.lock import FolderLock

ROOT = Path(__file__).parents[2]
CANARY, TOKEN = "canary-p1", "SECRET-token"
PACKAGES = ("mappings", "warehouse", "ingest", "outcomes", "service", "config")


@dataclass
class Place:
    """The study, and how a command is typed there; `source` is the folder that its code comes from."""

    folder: Path
    server: FhirServer
    source: Path = ROOT
    synced: Path | None = None

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(self.source)}
        command = [sys.executable, "-P", "-m", "service", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.config / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def fails(self, change: Callable[[Answer], Answer]) -> None:
        self.server.add(Fault(lambda seen: seen.resource_type == "Procedure", change, times=10**6))

    def after_a_sync(self) -> None:
        assert self.synced is not None
        shutil.copytree(self.synced, self.folder / "data", symlinks=True)

    def other_source(self, file: str, old: str, new: str) -> None:
        """A copy of the product whose file was altered after it was installed."""
        self.source = self.folder / "installed"
        for package in PACKAGES:
            shutil.copytree(
                ROOT / package, self.source / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        path = self.source / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def server() -> Iterator[FhirServer]:
    with serving(FhirServer()) as running:
        yield running


def new_study(folder: Path, server: FhirServer) -> Place:
    """A study before its first night."""
    for resource in chart(CANARY):
        server.put(resource)
    server.faults.clear()
    prepare(folder, {"a": server.base_url})
    found = Place(folder, server)
    shutil.rmtree(found.config / "centers" / "b")
    token = found.config / "centers" / "a" / "token.txt"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    found.edit("centers/a/center.toml", 'kind = "none"', 'kind = "bearer"\ntoken_file = "token.txt"')
    return found


@pytest.fixture(scope="module")
def synced(server: FhirServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse after a sync, made once: all is well, which is exit 0 and, to --quiet, no word."""
    study = new_study(tmp_path_factory.mktemp("first"), server)
    ended = study.run("--quiet", "sync")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    return study.folder / "data"


@pytest.fixture
def place(tmp_path: Path, server: FhirServer, synced: Path) -> Place:
    return replace(new_study(tmp_path, server), synced=synced)


Arguments = tuple[str, ...]
Cause = Callable[[Place], Arguments]


def configuration(place: Place) -> Arguments:
    place.edit("cryocohort.toml", "[study]", "[study]\nunheard_of = 1")
    return ("sync",)


def view(place: Place) -> Arguments:
    views = place.config / "centers" / "a" / "views"
    views.mkdir()
    (views / "patient.json").write_text("{}", encoding="utf-8")
    return ("sync",)


def terminology(place: Place) -> Arguments:
    (place.config / "centers" / "a" / "codes" / "procedures.csv").write_text("no,such\n", encoding="utf-8")
    return ("sync",)


def sql_file(place: Place) -> Arguments:
    place.other_source("outcomes/metrics/age.sql", "SELECT", "SELECTED")
    return ("metrics", "list")


def usage(_: Place) -> Arguments:
    return ("sync", "--no-such-option")


def defect(place: Place) -> Arguments:
    place.other_source("service/status.py", "def read_status(folder: Path) -> Status:", "def read_status():")
    return ("status",)


def sign_in(place: Place) -> Arguments:
    place.fails(lambda _: outcome(401, "login"))
    return ("sync",)


def forbidden(place: Place) -> Arguments:
    place.fails(lambda _: outcome(403, "forbidden"))
    return ("sync",)


def no_fhir(place: Place) -> Arguments:
    place.fails(lambda answer: replace(answer, body=b'{"resourceType": "Patient", "id": "canary-p1"}'))
    return ("sync",)


def incomplete(place: Place) -> Arguments:
    lost = {"resource": outcome(200, "incomplete").bundle, "search": {"mode": "outcome"}}
    lost["resource"]["issue"][0]["severity"] = "error"
    place.fails(lambda answer: answer.edited(lambda bundle: bundle["entry"].append(lost)))
    return ("sync",)


def invalid_share(place: Place) -> Arguments:
    (score,) = [each for each in chart(CANARY) if each["resourceType"] == "Observation"]
    place.server.put({**score, "status": ["canary"]})
    return ("sync",)


def unusable(place: Place) -> Arguments:
    place.after_a_sync()
    (place.folder / "data" / "work.duckdb").write_bytes(b"no database: canary-p1")
    return ("sync",)


def statement(place: Place) -> Arguments:
    place.after_a_sync()
    place.other_source("outcomes/metrics/age.sql", "age_at_index_years AS value", "no_such_column AS value")
    return ("refresh",)


def nothing_published(_: Place) -> Arguments:
    return ("report",)


def fatal_check(_: Place) -> Arguments:
    return ("refresh",)  # of nothing: no patient is in the cohort


CAUSES: dict[type[errors.CryocohortError], Cause] = {
    errors.ConfigError: configuration,
    errors.ViewError: view,
    errors.TerminologyError: terminology,
    errors.SqlFileError: sql_file,
    errors.SignInError: sign_in,
    errors.ForbiddenError: forbidden,
    errors.ServerError: no_fhir,
    errors.IncompleteError: incomplete,
    errors.InvalidShareError: invalid_share,
    errors.WarehouseError: unusable,
    errors.StatementError: statement,
    errors.NothingPublishedError: nothing_published,
    errors.FatalCheckError: fatal_check,
}
ELSEWHERE = {
    errors.StillRefusedError,  # test_quarantine_retry.py: of a night before
    errors.QueryError,  # test_cli.py: a query on a whole release
    errors.WarehouseBusyError,  # below: another process holds the lock
    errors.UnreachableError,  # test_cli.py: 15 seconds of retries
    errors.StoppedError,  # test_stop_waiting.py: a signal comes
    errors.ExpiredExportError,  # ends no command: the export is asked for anew
}


def test_every_cause_is_provoked_here_or_in_a_test_of_its_own() -> None:
    assert set(error_classes()) == CAUSES.keys() | ELSEWHERE
    assert set(OTHERS) == {0, 1, 2}


def require_told(ended: subprocess.CompletedProcess[str], code: int) -> None:
    """The message, then what to do, at the end of standard error; nothing of a patient, no secret."""
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    lines = ended.stderr.rstrip("\n").splitlines()
    assert lines[-2].startswith("cryocohort: "), lines
    assert lines[-1].startswith("next step: "), lines
    assert len(lines[-1]) > len("next step: ") + 10
    require_private(ended)


def require_private(ended: subprocess.CompletedProcess[str]) -> None:
    told = (ended.stdout + ended.stderr).lower()
    assert "canary" not in told, told
    assert TOKEN.lower() not in told, told
    assert "1960-02-03" not in told, told


@pytest.mark.parametrize("kind", CAUSES, ids=lambda kind: kind.__name__)
def test_a_cause_has_its_code_and_says_what_to_do(place: Place, kind: type[errors.CryocohortError]) -> None:
    require_told(place.run(*CAUSES[kind](place)), kind.exit_code)


def test_another_run_is_exit_16(place: Place) -> None:
    (place.folder / "data").mkdir(mode=0o700)
    lock = FolderLock.acquire(place.folder / "data")
    require_told(place.run("sync"), errors.WarehouseBusyError.exit_code)
    lock.release()


def test_too_little_memory_is_exit_14_and_blames_no_statement(place: Place) -> None:
    place.after_a_sync()
    place.edit("cryocohort.toml", 'memory_limit = "2GB"', 'memory_limit = "8MB"')
    ended = place.run("refresh")
    require_told(ended, errors.WarehouseError.exit_code)
    assert "warehouse.memory_limit" in ended.stderr.splitlines()[-1]


def test_wrong_usage_is_exit_2_and_shows_the_usage(place: Place) -> None:
    ended = place.run(*usage(place))
    assert (ended.returncode, "Usage: cryocohort sync" in ended.stderr) == (2, True)


def test_a_defect_is_exit_1_with_its_traceback(place: Place) -> None:
    ended = place.run(*defect(place))
    assert ended.returncode == 1
    assert ended.stderr.rstrip().splitlines()[-1].startswith("TypeError: read_status()")
    require_private(ended)
