"""TLS of a center's connections: whom they trust, what they show, and what a failed connection means.

Verification cannot be switched off. The text of a library's error may hold a URL, and a URL may hold patient
ids, so a failure is told by its class and by what the certificate's check found.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# OpenSSL's X509_V_ERR_* (https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/)
_NOT_YET_VALID = 9
_EXPIRED = 10
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a center: authorities trusted instead of the public ones, our certificate and its key."""

    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None

    @property
    def verify(self) -> str | Literal[True]:
        """What servers' certificates are verified against, as requests takes it."""
        return str(self.ca_file) if self.ca_file else True

    @property
    def cert(self) -> tuple[str, str] | None:
        """Our certificate and its key, as requests takes them; None without mutual TLS."""
        if self.client_cert_file is None or self.client_key_file is None:
            return None
        return str(self.client_cert_file), str(self.client_key_file)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a connection failed, fit to show, and what to do about it."""

    text: str
    next_step: str


def authority_problem(ca_file: Path) -> str | None:
    """What keeps a file from being a bundle of authorities; None when nothing does."""
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        return "holds no certificate in PEM"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def certificate_problem(cert_file: Path, key_file: Path) -> str | None:
    """What keeps a certificate and its key from being shown to a server; None when nothing does."""
    try:
        # An encrypted key would make OpenSSL ask the terminal for its password.
        ssl.create_default_context().load_cert_chain(cert_file, key_file, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "belongs to another key"
        return "cannot be used: certificate and key must be PEM, the key without a password"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def cause_of(error: BaseException) -> Cause:
    """What a failed connection means, by the first error of TLS among those that led to it."""
    kind = type(error).__name__
    for inner in _chain(error):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _certificate_cause(inner.verify_code, kind)
        if isinstance(inner, ssl.SSLError) and "ALERT" in (inner.reason or ""):
            return _alert_cause(inner.reason, kind)
    if kind == "SSLError":  # a server may hang up on who shows no certificate, without a word
        return Cause(kind, "check the address, and whether the server wants a client certificate ([tls]).")
    return Cause(kind, "check that the server is up and its address is right.")


def _certificate_cause(code: int, kind: str) -> Cause:
    if code == _EXPIRED:
        return Cause(f"{kind}: its certificate has expired", "ask its server team to renew the certificate.")
    if code == _NOT_YET_VALID:
        return Cause(f"{kind}: its certificate is not valid yet", "check the clock of this machine.")
    if code in _UNKNOWN_AUTHORITY:
        return Cause(
            f"{kind}: its certificate is of an authority that is not trusted",
            "name the center's authority in tls.ca_file.",
        )
    if code in _OTHER_NAME:
        return Cause(
            f"{kind}: its certificate is for another name", "use the name that the certificate is for."
        )
    return Cause(f"{kind}: its certificate is not valid, OpenSSL code {code}", "ask its server team.")


def _alert_cause(reason: str, kind: str) -> Cause:
    """What the server's last word before it hung up means."""
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason:
        return Cause(
            f"{kind}: it wants a client certificate, or another one ({reason.lower()})",
            "check tls.client_cert_file and tls.client_key_file.",
        )
    return Cause(f"{kind}: {reason.lower()}", "ask its server team which versions of TLS it takes.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it: requests and urllib3 pass them on as arguments or as `reason`."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting.extend(each for each in inner if isinstance(each, BaseException))
