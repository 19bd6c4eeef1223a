"""An authorization server that checks assertions as SMART says, and a FHIR server that wants its tokens."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingest.auth import Algorithm, SmartAuth
from ingest.client import FhirClient
from ingest.query import PatientFilter, Query
from mappings.errors import ServerError, SignInError
from tests.ingest.examples import QUICK, center, observation, patient
from tests.ingest.loopback import START, Answer, FhirServer, Seen, outcome, serving

CLIENT_ID = "cryocohort-SECRET-free"
SCOPES = ("system/Patient.rs", "system/Observation.rs")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
QUERY = Query("Observation", None, PatientFilter("subject", "subject", ("p1",)), ())
JSON = {"Content-Type": "application/json"}


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def private_key(name: str) -> PrivateKeyTypes:
    """A key by name, made once: 'RS384', 'ES384' or any other name for one more of the first kind."""
    if name == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, 2048)


def smart(algorithm: Algorithm = "RS384", **changes: Any) -> SmartAuth:
    told = {
        "client_id": CLIENT_ID,
        "key": pem(private_key(algorithm)),
        "key_id": f"kid-{algorithm}",
        "algorithm": algorithm,
        "scopes": SCOPES,
    }
    return SmartAuth(**{**told, **changes})


@dataclass
class Clock:
    """Our clock, moved by hand."""

    now: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


class AuthorizationServer(FhirServer):
    """Issues tokens for right assertions; `change` edits each answer, `problems` says why one was refused."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.time = clock
        self.keys = {f"kid-{name}": (name, private_key(name).public_key()) for name in ("RS384", "ES384")}
        self.lifetime: object = 300
        self.scope: str | None = " ".join(SCOPES)
        self.change: Callable[[Answer], Answer] = lambda answer: answer
        self.tokens: dict[str, dt.datetime] = {}
        self.assertions: list[str] = []
        self.problems: list[str] = []
        self._used: set[str] = set()

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/token"

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        self.clock = self.time.now
        problem = self._problem(seen)
        if problem is not None:
            self.problems.append(problem)
            return self.change(Answer(400, json.dumps({"error": "invalid_client"}).encode(), JSON))
        return self.change(self._issue())

    def _issue(self) -> Answer:
        token = f"SECRET-token-{len(self.tokens)}"
        life = self.lifetime if isinstance(self.lifetime, int) else 60
        self.tokens[token] = self.time.now + dt.timedelta(seconds=min(life, 86400))
        content = {"access_token": token, "token_type": "bearer", "expires_in": self.lifetime}
        if self.scope is not None:
            content["scope"] = self.scope
        return Answer(200, json.dumps(content).encode(), JSON)

    def _problem(self, seen: Seen) -> str | None:
        form = {name: values[0] for name, values in seen.query.items()}
        told = (seen.method, seen.path, form.get("grant_type"), form.get("client_assertion_type"))
        if told != ("POST", "/fhir/token", "client_credentials", ASSERTION_TYPE):
            return "not a token request"
        if "Authorization" in seen.headers:
            return "carries an Authorization header"
        self.assertions.append(form["client_assertion"])
        return self._assertion_problem(form["client_assertion"])

    def _assertion_problem(self, assertion: str) -> str | None:
        header = jwt.get_unverified_header(assertion)
        if header.get("kid") not in self.keys or header.get("typ") != "JWT":
            return "unknown kid or typ"
        algorithm, public = self.keys[header["kid"]]
        try:
            claims = jwt.decode(
                assertion,
                public,
                algorithms=[algorithm],
                audience=self.token_url,
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "require": ["iss", "sub", "aud", "exp", "jti"],
                },
            )
        except jwt.InvalidTokenError as error:
            return type(error).__name__
        left = claims["exp"] - self.time.now.timestamp()
        if claims["iss"] != CLIENT_ID or claims["sub"] != CLIENT_ID or claims["aud"] != self.token_url:
            return "iss, sub or aud"
        if not 0 < left <= 300:
            return "exp"
        if claims["jti"] in self._used:
            return "jti used before"
        self._used.add(claims["jti"])
        return None


class GuardedServer(FhirServer):
    """A FHIR server that answers only who shows a good token of its authorization server."""

    def __init__(self, tokens: AuthorizationServer) -> None:
        super().__init__()
        self.tokens = tokens
        self.told: dict[str, object] = {}
        self.revoked: set[str] = set()
        self.refuses_all = False
        self.refused = 0

    def answer(self, seen: Seen) -> Answer:
        if seen.path == "/fhir/.well-known/smart-configuration":
            self.seen.append(seen)
            told = {
                "token_endpoint": self.tokens.token_url,
                "capabilities": ["client-confidential-asymmetric"],
            }
            return self._changed(seen, Answer(200, json.dumps(told | self.told).encode(), JSON))
        token = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        until = self.tokens.tokens.get(token)
        if self.refuses_all or until is None or token in self.revoked or self.tokens.time.now >= until:
            self.seen.append(seen)
            self.refused += 1
            return outcome(401, "login")
        return super().answer(seen)

    def _changed(self, seen: Seen, answer: Answer) -> Answer:
        for fault in self.faults:
            if fault.when(seen):
                fault.fired += 1
                answer = fault.change(answer)
        return answer


@dataclass
class Servers:
    """Both servers, which hold patient p1 with Observation o1, and our clock."""

    clock: Clock
    tokens: AuthorizationServer
    fhir: GuardedServer


@contextmanager
def smart_servers() -> Iterator[Servers]:
    clock = Clock()
    tokens = AuthorizationServer(clock)
    fhir = GuardedServer(tokens)
    fhir.put(patient("p1"))
    fhir.put(observation("o1", "p1"))
    with serving(tokens), serving(fhir):
        yield Servers(clock, tokens, fhir)


def client(servers: Servers, auth: SmartAuth | None = None) -> FhirClient:
    return FhirClient(center(servers.fhir.base_url, auth=auth or smart()), QUICK, servers.clock)


def found(opened: FhirClient, query: Query = QUERY) -> list[str]:
    reply = opened.search(query)
    assert reply is not None
    return [entry["resource"]["id"] for entry in opened.successful(reply, query.resource_type)["entry"]]


def refused(servers: Servers, auth: SmartAuth | None = None) -> Exception:
    with client(servers, auth) as opened, pytest.raises((SignInError, ServerError)) as caught:
        found(opened)
    assert "Next step:" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    return caught.value


def answers(servers: Servers, *codes: int, body: bytes = b"{}", **headers: str) -> list[int]:
    """Make the token endpoint answer with these codes first; returns those still to come."""
    waiting = list(codes)

    def change(answer: Answer) -> Answer:
        return Answer(waiting.pop(0), body, JSON | headers) if waiting else answer

    servers.tokens.change = change
    return waiting
