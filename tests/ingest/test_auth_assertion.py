"""Client assertions: short-lived, for one token endpoint, never twice the same, by a key that fits."""

import datetime as dt

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from ingest.assertion import ASSERTION_LIFE, key_problem, signed_assertion
from ingest.auth import Algorithm
from tests.ingest.smart_servers import CLIENT_ID, pem, private_key, smart

TOKEN_URL = "https://auth.example.org/token?tenant=1"
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
UNVERIFIED = {"verify_exp": False, "verify_iat": False}


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_an_assertion_says_what_smart_wants_and_is_signed_by_the_key(algorithm: Algorithm) -> None:
    assertion = signed_assertion(smart(algorithm), TOKEN_URL, NOW)
    public = private_key(algorithm).public_key()
    claims = jwt.decode(assertion, public, algorithms=[algorithm], audience=TOKEN_URL, options=UNVERIFIED)
    assert jwt.get_unverified_header(assertion) == {
        "alg": algorithm,
        "kid": f"kid-{algorithm}",
        "typ": "JWT",
    }
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, TOKEN_URL)
    assert (claims["iat"], claims["exp"]) == (NOW.timestamp(), (NOW + ASSERTION_LIFE).timestamp())


def test_an_assertion_lives_at_most_five_minutes_also_by_a_clock_a_minute_behind_ours() -> None:
    assert ASSERTION_LIFE + dt.timedelta(minutes=1) <= dt.timedelta(minutes=5)


def test_no_two_assertions_have_the_same_jti() -> None:
    public = private_key("RS384").public_key()
    made = [signed_assertion(smart(), TOKEN_URL, NOW) for _ in range(20)]
    told = [jwt.decode(each, public, ["RS384"], UNVERIFIED, audience=TOKEN_URL)["jti"] for each in made]
    assert len(set(told)) == 20


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_key_of_the_right_kind_has_no_problem(algorithm: Algorithm) -> None:
    assert key_problem(pem(private_key(algorithm)), algorithm) is None


@pytest.mark.parametrize(
    ("content", "algorithm", "said"),
    [
        (pem(private_key("ES384")), "RS384", "no RSA key of at least 2048 bits"),
        (pem(private_key("RS384")), "ES384", "no EC key on the curve P-384"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "ES384", "no EC key on the curve P-384"),
        (pem(rsa.generate_private_key(65537, 1024)), "RS384", "no RSA key of at least 2048 bits"),  # noqa: S505
        (pem(ed25519.Ed25519PrivateKey.generate()), "ES384", "no EC key on the curve P-384"),
        (b"-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n", "RS384", "no private key"),
        (b"SECRET", "RS384", "no private key"),
        (b"", "ES384", "no private key"),
        (
            private_key("RS384").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "RS384",
            "no private key",
        ),
        (
            private_key("RS384").private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
            ),
            "RS384",
            "protected by a password",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_told_without_being_shown(
    content: bytes, algorithm: Algorithm, said: str
) -> None:
    problem = key_problem(content, algorithm)
    assert problem is not None
    assert said in problem
    assert "SECRET" not in problem
