"""Real servers for the tests marked `servers`: started once, loaded with the demo cohort, stopped by pid.

They take minutes, so they run only when asked for (`make test-servers`). A machine without the tools skips
them and says why; with CI=true that is a failure.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.demo.server import demo_servers
from tests.servers.builds import hapi_command, medplum_command, missing
from tests.servers.fhir_http import FhirHttp, in_order
from tests.servers.process import ServerProcess, free_port
from tests.servers.server_study import Figures, ServerStudy, Tables, make_study, now, stock


def need(server: str, *tools: str) -> None:
    """Skip on a laptop without the tools; fail where everything must have run."""
    lacking = missing(*tools)
    reason = f"{server} needs {', '.join(tools)}; not found: {', '.join(lacking)}"
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if lacking:
        pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Hapi:
    """Center a on HAPI R4 (its database outlives a restart), center b on HAPI R5, both loaded."""

    a: ServerProcess
    b: ServerProcess
    start_seconds: Mapping[str, float]
    created: Mapping[str, int]

    @property
    def urls(self) -> dict[str, str]:
        return {"a": self.a.url, "b": self.b.url}

    def http(self, center_id: str) -> FhirHttp:
        return FhirHttp(self.urls[center_id])


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    need("HAPI", "java", "mvn")
    folder = tmp_path_factory.mktemp("hapi")
    a_port, b_port = free_port(), free_port()
    a = ServerProcess(hapi_command("R4", a_port, f"file:{folder / 'a'}"), a_port, folder / "a.log")
    b = ServerProcess(hapi_command("R5", b_port, "mem:b"), b_port, folder / "b.log")
    try:
        # One after the other: each needs two cores to start, and each has its own time to do so.
        seconds = {center_id: _started(server) for center_id, server in (("a", a), ("b", b))}
        created = {center_id: _load(server.url, center_id) for center_id, server in (("a", a), ("b", b))}
        yield Hapi(a, b, seconds, created)
    finally:
        a.stop()
        b.stop()


def _started(server: ServerProcess) -> float:
    server.start()
    return server.wait()


def _load(base_url: str, center_id: str) -> int:
    """Load a center, with the resource without a status: HAPI stores it, the gate refuses it."""
    center = stock(center_id)
    return FhirHttp(base_url).load([*center.valid, center.without_status])


@pytest.fixture(scope="session")
def medplum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Center a on the Medplum router, loaded; it takes no transaction that creates ids of ours."""
    need("Medplum", "node", "npm")
    port = free_port()
    server = ServerProcess(medplum_command(port), port, tmp_path_factory.mktemp("medplum") / "log")
    try:
        _started(server)
        for resource in in_order(stock("a").valid):
            FhirHttp(server.url).put(resource)
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a night on the demo servers comes to."""

    figures: Figures
    core: Tables


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    with demo_servers(now) as servers:
        study = make_study(tmp_path_factory.mktemp("demo"), servers.urls)
        study.sync()
        return Expected(study.figures(), study.core())


@pytest.fixture
def study(tmp_path: Path, hapi: Hapi) -> ServerStudy:
    """A study of its own on the HAPI servers, nothing synced yet."""
    return make_study(tmp_path, hapi.urls)


def assert_same(study: ServerStudy, expected: Expected) -> None:
    """Refresh the study: every figure and every core row must be as on the demo servers."""
    figures = study.figures()
    assert figures.keys() == expected.figures.keys()
    assert {key: found for key, found in figures.items() if found != expected.figures[key]} == {}
    core = study.core()
    assert [name for name in expected.core if core.get(name) != expected.core[name]] == []
