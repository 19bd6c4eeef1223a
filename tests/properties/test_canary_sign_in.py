"""Passwords, tokens, signed statements and private keys leave by no output, log, report, error, URL or file.

One study of five centers, each with its own way to sign in. A second night of servers that refuse everybody
and repeat, in the body of their refusal, whatever they were sent.
"""

import base64
import datetime as dt
import json
import re
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.configuration import load_settings
from service.demo.workplace import prepare
from service.new_workplace import write_key
from service.run import open_warehouse
from tests.ingest.loopback import Answer, FhirServer, Seen, serving
from tests.ingest.smart_servers import (
    CLIENT_ID,
    JSON,
    AuthorizationServer,
    Clock,
    GuardedServer,
    pem,
    private_key,
)
from tests.ingest.tls_servers import Authority, Handshakes, serving_tls
from tests.properties.made_resources import TYPES, concept, made
from tests.properties.planted import canary
from tests.properties.test_canary import BIRTH_DATE, T8, command, mart_text

KINDS = ("basic", "environment", "file", "smart", "tls")
SCOPES = [f"system/{name}.rs" for name in TYPES]
USER, PASSWORD, FILE_TOKEN, ENV_TOKEN = (
    canary(name) for name in ("user", "password", "token", "environment")
)
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ENVIRONMENT = {"CENTER_TOKEN": ENV_TOKEN}
AUTH: Mapping[str, str] = {
    "basic": f'kind = "basic"\nusername = "{USER}"\npassword_file = "secret"',
    "environment": 'kind = "bearer"\ntoken_env = "CENTER_TOKEN"',
    "file": 'kind = "bearer"\ntoken_file = "secret"',
    "smart": f'kind = "smart"\nclient_id = "{CLIENT_ID}"\nkey_file = "secret"\nkey_id = "kid-ES384"\n'
    f'algorithm = "ES384"\nscopes = {json.dumps(SCOPES)}',
    "tls": 'kind = "none"',
}


OF_THE_COHORT = {
    "Patient": {"birthDate": BIRTH_DATE},
    "Procedure": {"bodySite": [concept(T8)]},
    "Condition": {"bodySite": [concept(T8)]},
}


@dataclass
class Study:
    """The configured study, its servers by center, and who issued tokens to whom."""

    config: Path
    servers: dict[str, FhirServer]
    tokens: AuthorizationServer
    handshakes: Handshakes
    client_key: str
    said: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return load_settings(self.config).warehouse_folder

    def says(self, *arguments: str) -> int:
        """Run a command and remember what it said; returns its exit code."""
        code, text = command(self.config, *arguments, **ENVIRONMENT)
        self.said[f"{len(self.said)} {' '.join(arguments)}"] = text
        return code

    def secrets(self) -> set[str]:
        """Everything that must not be told, in the forms it was sent or stored in."""
        plain = {PASSWORD, FILE_TOKEN, ENV_TOKEN, BASIC, *self.tokens.tokens, *self.tokens.assertions}
        keys = pem(private_key("ES384")).decode() + self.client_key
        lines = {line for line in keys.splitlines() if len(line) > 20 and "-----" not in line}
        return plain | lines | {urllib.parse.quote(each, safe="") for each in plain | lines}


def filled(server: FhirServer) -> FhirServer:
    """The server with three cohort patients of the study's years."""
    server.clock = dt.datetime.now(dt.UTC)
    for number in (1, 2, 3):
        for resource_type in TYPES:
            key = f"p{number}" if resource_type == "Patient" else f"{resource_type}-{number}"
            resource = made(resource_type, key, f"p{number}", 5000 + number, "R4")
            server.put(resource | OF_THE_COHORT.get(resource_type, {}))
    return server


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    tokens = AuthorizationServer(Clock(dt.datetime.now(dt.UTC)))
    tokens.scope = " ".join(SCOPES)
    servers = {kind: filled(GuardedServer(tokens) if kind == "smart" else FhirServer()) for kind in KINDS}
    authority = Authority(tmp_path, "hospital")
    ours = authority.issue("cryocohort")
    with ExitStack() as stack:
        for server in [tokens, *(servers[kind] for kind in KINDS if kind != "tls")]:
            stack.enter_context(serving(server))
        theirs = authority.issue("server", ip="127.0.0.1")
        handshakes = stack.enter_context(serving_tls(servers["tls"], theirs, clients_of=authority))
        config = configured(tmp_path / "study", {kind: servers[kind].base_url for kind in KINDS})
        for file, name in ((authority.file, "ca"), (ours.cert, "cert"), (ours.key, "secret")):
            shutil.copy(file, config / "centers" / "tls" / name)  # with its mode
        yield Study(config, servers, tokens, handshakes, ours.key.read_text(encoding="ascii"))


def configured(folder: Path, urls: Mapping[str, str]) -> Path:
    """The shipped study with a center of each kind; secrets are in place, those of TLS are not."""
    config = prepare(folder, {"a": "http://127.0.0.1:9/fhir"})
    centers = config / "centers"
    shutil.rmtree(centers / "b")
    for kind, url in urls.items():
        shutil.copytree(centers / "a", centers / kind, ignore=shutil.ignore_patterns("*.key"))
        write_key(centers / kind / "pseudonym.key")
        file = centers / kind / "center.toml"
        head = re.sub(r'(?m)^base_url = "\S+"', f'base_url = "{url}"', file.read_text(encoding="utf-8"))
        told = f"{head.partition('[auth]')[0]}[auth]\n{AUTH[kind]}\n"
        if kind == "tls":
            told += '[tls]\nca_file = "ca"\nclient_cert_file = "cert"\nclient_key_file = "secret"\n'
        file.write_text(told, encoding="utf-8")
    for kind, secret in (
        ("basic", PASSWORD),
        ("file", FILE_TOKEN),
        ("smart", pem(private_key("ES384")).decode()),
    ):
        path = centers / kind / "secret"
        path.touch(mode=0o600)
        path.write_text(secret, encoding="ascii")
    shutil.rmtree(centers / "a")
    return config


def refuse_and_repeat(server: FhirServer, status: int, kind: str) -> None:
    """From now on the server refuses whatever is asked of it, and repeats it in its answer."""
    sound = server.answer

    def answer(seen: Seen) -> Answer:
        if seen.path.endswith("/smart-configuration"):  # asked by everybody, without a token
            return sound(seen)
        server.seen.append(seen)
        told = f"{dict(seen.headers)} {dict(seen.query)} {seen.raw_path}"
        issue = {"severity": "error", "code": "login", "diagnostics": told}
        body = {
            "resourceType": "OperationOutcome",
            "issue": [issue],
            "error": kind,
            "error_description": told,
        }
        return Answer(
            status, json.dumps(body).encode(), {**JSON, "WWW-Authenticate": f'Bearer error="{told}"'}
        )

    server.answer = answer  # type: ignore[method-assign]


def sent(server: FhirServer) -> set[str | None]:
    """The credentials that a server was sent."""
    return {seen.headers.get("Authorization") for seen in server.seen}


@pytest.mark.row(31)
def test_no_way_to_sign_in_tells_its_secrets(study: Study) -> None:
    study.says("check")
    assert study.says("sync") == 0, study.said
    assert study.says("refresh") == 0, study.said
    assert study.says("report") == 0, study.said
    assert sent(study.servers["basic"]) == {f"Basic {BASIC}"}
    assert sent(study.servers["file"]) == {f"Bearer {FILE_TOKEN}"}
    assert sent(study.servers["environment"]) == {f"Bearer {ENV_TOKEN}"}
    assert f"Bearer {next(iter(study.tokens.tokens))}" in sent(study.servers["smart"])
    assert set(study.handshakes.clients) == {"cryocohort"}
    assert (study.tokens.problems, len(study.tokens.assertions) > 1) == ([], True)

    for server in study.servers.values():
        refuse_and_repeat(server, 401, "login")
    assert study.says("sync") == 11
    refuse_and_repeat(study.tokens, 400, "invalid_client")
    asked = len(study.tokens.seen)
    assert study.says("check") != 0
    assert len(study.tokens.seen) > asked
    study.says("status", "--json")
    nothing_is_told(study)


def nothing_is_told(study: Study) -> None:
    """No secret is in what was said, asked for, reported, noted or stored."""
    asked = [seen.raw_path for server in [*study.servers.values(), study.tokens] for seen in server.seen]
    texts = study.said | {"urls": "\n".join(asked), "release": mart_text(study.data)}
    with open_warehouse(load_settings(study.config)) as warehouse:
        texts["runs"] = repr(warehouse.rows("FROM ops.run") + warehouse.rows("FROM ops.center_sync"))
    files = [path for folder in (study.data, report_folder(study)) for path in folder.rglob("*")]
    stored = {str(path): path.read_bytes() for path in files if path.is_file()}
    stored |= {where: text.encode() for where, text in texts.items()}
    assert "401" in texts["runs"]
    for secret in study.secrets():
        assert [where for where, content in stored.items() if secret.encode() in content] == []


def report_folder(study: Study) -> Path:
    return load_settings(study.config).report_file.parent
