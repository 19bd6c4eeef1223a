"""Client assertions of SMART Backend Services: the only door to PyJWT and cryptography.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

import datetime as dt
import uuid

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ingest.auth import Algorithm, SmartAuth

# SMART allows five minutes at most, counted by the server's clock: ours may be one ahead of it.
ASSERTION_LIFE = dt.timedelta(minutes=4)
_LEAST_RSA_BITS = 2048


def key_problem(pem: bytes, algorithm: Algorithm) -> str | None:
    """What keeps a key file's content from signing with `algorithm`, unquoted; None when nothing does."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        return "is protected by a password"
    except (ValueError, UnsupportedAlgorithm):
        return "holds no private key in PEM"
    if algorithm == "RS384" and not (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS):
        return f"holds no RSA key of at least {_LEAST_RSA_BITS} bits, which RS384 needs"
    if algorithm == "ES384" and not (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1)
    ):
        return "holds no EC key on the curve P-384, which ES384 needs"
    return None


def signed_assertion(auth: SmartAuth, token_url: str, now: dt.datetime) -> str:
    """A new assertion that `auth`'s client asks `token_url` for a token; good once, for four minutes."""
    claims = {
        "iss": auth.client_id,
        "sub": auth.client_id,
        "aud": token_url,
        "jti": str(uuid.uuid4()),
        "exp": int((now + ASSERTION_LIFE).timestamp()),
        # Not required, but Keycloak takes no exp beyond a minute without it (HeliosSoftware/hfs#1437).
        "iat": int(now.timestamp()),
    }
    return jwt.encode(claims, auth.key, auth.algorithm, {"kid": auth.key_id})
