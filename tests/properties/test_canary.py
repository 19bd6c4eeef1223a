"""Texts planted in every element, in ids, tokens and keys leave by no output, log, error, report or URL."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.properties.configured_night import Place, place
from tests.properties.made_resources import TYPES, Resource, concept, made
from tests.properties.model_server import Fault, ModelServer, Sent, serving
from tests.properties.model_store import Habits, ModelStore, World
from tests.properties.planted import canaries_in, canary, planted
from warehouse.mart import open_mart

PROJECT = Path(__file__).parents[2]
BIRTH_DATE = "1951-07-13"
SNOMED = "http://snomed.info/sct"
T8 = (SNOMED, "77435000")


def chart(center_id: str, version: str, number: int) -> list[Resource]:
    """A cohort patient of the study's years whose every text is a canary, the ids too."""
    patient_id = f"CANARY-{center_id}-{number}"
    site = concept(T8) | {"text": canary("site")}
    found = []
    for resource_type in TYPES:
        resource_id = patient_id if resource_type == "Patient" else f"CANARY-{resource_type}-{number}"
        resource = made(resource_type, resource_id, patient_id, 5000 + number, version)
        if resource_type in {"Procedure", "Condition"}:
            resource["bodySite"] = [site]
        if resource_type == "Patient":
            resource["birthDate"] = BIRTH_DATE
        found.append(planted(resource, version))
    return found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as found:
        for center_id, server in found.servers.items():
            version = server.store.fhir_version
            for number in (1, 2, 3):
                for resource in chart(center_id, version, number):
                    server.store.put(resource)
            broken = chart(center_id, version, 4)[3] | {"id": f"CANARY-broken-{center_id}"}
            broken["subject"] = {"reference": f"Patient/CANARY-{center_id}-1"}
            server.store.put(broken | {"status": {"not": canary("status")}}, is_valid=False)
            _sign_in_with_secrets(found, center_id)
        yield found


def _sign_in_with_secrets(here: Place, center_id: str) -> None:
    folder = here.config / "centers" / center_id
    secrets = {"token.txt": canary("token"), "pseudonym.key": canary("key") + "-" * 32}
    for name, secret in secrets.items():
        path = folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(secret, encoding="ascii")
    center = folder / "center.toml"
    text = center.read_text(encoding="utf-8")
    head, _, _ = text.partition("[auth]")
    center.write_text(f'{head}[auth]\nkind = "bearer"\ntoken_file = "token.txt"\n', encoding="utf-8")
    # Half of what is asked is invalid on purpose.
    config = here.config / "cryocohort.toml"
    told = config.read_text(encoding="utf-8").replace(
        "max_invalid_percent = 5.0", "max_invalid_percent = 50.0"
    )
    config.write_text(told, encoding="utf-8")


def command(config: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code of `cryocohort ...` and everything it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "service", *arguments, "--config", str(config)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )
    return ran.returncode, ran.stdout + ran.stderr


def mart_text(data: Path) -> str:
    """Every table, column name, comment and row of the release."""
    with open_mart(data) as mart:
        tables = mart.rows("SELECT schema_name AS s, table_name AS t FROM duckdb_tables()")
        rows = [mart.rows(f'FROM "{each["s"]}"."{each["t"]}"') for each in tables]
    return repr((tables, rows))


def file_text(path: Path) -> str:
    """What a reader of the file sees, a compressed one too."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return repr((table.schema, table.to_pylist()))
    return path.read_text(encoding="utf-8")


def asked_urls(here: Place) -> list[str]:
    return [each.target for server in here.servers.values() for each in server.requests]


@pytest.mark.row(26)
def test_a_whole_night_tells_nothing_that_was_planted(here: Place) -> None:
    said = {}
    for arguments in (["sync"], ["refresh"], ["report"], ["status", "--json"], ["status"], ["sync"]):
        code, said[" ".join(arguments)] = command(here.config, *arguments)
        # Not healthy is a fair thing to say of nights of long ago.
        assert code == 0 or arguments[0] == "status", said[" ".join(arguments)]
    said["sql"] = command(here.config, "sql", "FROM core.patient")[1]
    report = here.settings.report_file
    said |= {path.name: file_text(path) for path in report.parent.iterdir()}
    said |= {path.name: path.read_text(encoding="utf-8") for path in here.data.glob("*.json")}
    said["release"] = mart_text(here.data)
    for number, arguments in enumerate((["--format", "csv"], ["--format", "csv", "--safe-harbor"])):
        folder = here.data.parent / f"export-{number}"
        code, said[" ".join(arguments)] = command(here.config, "export", str(folder), *arguments)
        assert code == 0
        said |= {f"{number} {path.name}": path.read_text(encoding="utf-8") for path in folder.iterdir()}
    said["urls"] = "\n".join(asked_urls(here))

    assert len(here.servers["a"].requests) > 10
    assert all("Bearer CANARY" in each.headers["authorization"] for each in here.servers["a"].requests)
    quarantined = here.rows("SELECT body FROM ops.quarantine WHERE is_open")
    assert any("CANARY" in row["body"] for row in quarantined), "nothing was quarantined"
    assert here.rows("SELECT 1 FROM core.patient"), "the planted patients are no cohort"
    for where, text in said.items():
        assert canaries_in(text) == [], where
        assert BIRTH_DATE not in text, where


@pytest.mark.row(31)
@pytest.mark.row(51)
def test_a_night_of_failures_tells_nothing_and_follows_no_link_away(here: Place) -> None:
    with serving(ModelServer(ModelStore(World(), Habits(), "R4"))) as sink:
        away = f"{sink.base_url}/{canary('path')}?{canary('query')}"
        faults = {center_id: _failures(away) for center_id in here.servers}
        for center_id, server in here.servers.items():
            server.arm(faults[center_id])
        code, said = command(here.config, "sync")
        status = command(here.config, "status", "--json")[1]
        fired = [fault.fired for each in faults.values() for fault in each]
        assert code == 12, said
        assert min(fired) > 0
        assert sink.requests == []
    ledger = here.rows("SELECT message FROM ops.run") + here.rows("SELECT reason FROM ops.center_sync")
    for text in (said, status, json.dumps(ledger), "\n".join(asked_urls(here))):
        assert canaries_in(text) == []


def _failures(away: str) -> list[Fault]:
    """A failure of its own for each type, each with a canary in it."""
    issue = {"severity": "error", "code": "processing", "diagnostics": canary("diagnostics")}
    told = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    page = f"<html>{canary('page')}</html>".encode()
    answers = {
        "Observation": lambda _: Sent(200, page, "text/html"),
        "Condition": lambda sent: _with_next(sent, away),
        "AdverseEvent": lambda _: Sent(302, b"", headers={"Location": away}),
        "BodyStructure": lambda _: Sent(200, f'{{"resourceType": "{canary("json")}'.encode()),
        "Patient": lambda _: Sent(400, told),
    }
    return [
        Fault("custom", lambda request, _, name=name: request.resource_type == name, 10**6, change=change)
        for name, change in answers.items()
    ]


def _with_next(sent: Sent, url: str) -> Sent:
    bundle = json.loads(sent.body or b"{}")
    bundle["link"] = [{"relation": "next", "url": url}]
    return dataclasses.replace(sent, body=json.dumps(bundle).encode())
