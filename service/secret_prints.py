"""Fingerprints of the secret files of centers, by which the audit log tells that one was changed.

Keyed by the center's pseudonymization key: without that key nobody can try passwords against a fingerprint.
Another pseudonymization key therefore changes all of its center's fingerprints.
"""

import hashlib
import hmac
from collections.abc import Iterator

from mappings.errors import ConfigError
from service.settings import BasicAuth, BearerAuth, CenterSettings, Settings, SmartAuth
from warehouse.pseudonym import key_fingerprint

_PSEUDONYM_KEY = "pseudonym_key_file"


def secret_prints(settings: Settings) -> dict[str, dict[str, str]]:
    """By center and configuration key, the fingerprint of each secret file that can be read."""
    return {center.center_id: _of_center(center) for center in settings.centers}


def _of_center(center: CenterSettings) -> dict[str, str]:
    try:
        key = center.pseudonym_key()
    except ConfigError:
        return {}  # a sync needs no key; a refresh ends with this error
    return {_PSEUDONYM_KEY: key_fingerprint(key)} | _files(center, key)


def _files(center: CenterSettings, key: bytes) -> dict[str, str]:
    found = {}
    for name, file in _named(center):
        try:
            content = (center.folder / file).read_bytes()
        except OSError:
            continue  # whoever needs the secret says that it cannot be read
        message = b"\0".join((b"cryocohort secret file", name.encode(), content))
        found[name] = hmac.new(key, message, hashlib.sha256).hexdigest()[:12]
    return found


def _named(center: CenterSettings) -> Iterator[tuple[str, str]]:
    """The configuration keys that name a secret file of this center, with the file."""
    match center.file.auth:
        case BasicAuth(password_file=file):
            yield "auth.password_file", file
        case BearerAuth(token_file=str(file)):
            yield "auth.token_file", file
        case SmartAuth(key_file=file):
            yield "auth.key_file", file
    if center.file.tls.client_key_file:
        yield "tls.client_key_file", center.file.tls.client_key_file
