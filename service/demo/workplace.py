"""The demo's folder: the shipped configuration, pointed at the two loopback servers, with fresh keys."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from service.configuration import shipped_configuration
from service.new_workplace import write_key

TOKEN_FILE = "token.txt"  # noqa: S105 -- a name


def prepare(folder: Path, base_urls: Mapping[str, str]) -> Path:
    """Make `folder`/config for the centers in `base_urls` (center id to FHIR base); returns that folder."""
    config = folder / "config"
    shutil.copytree(shipped_configuration(), config, dirs_exist_ok=True)
    _set(config / "cryocohort.toml", "synthetic", "true")
    for center_id, base_url in base_urls.items():
        center = config / "centers" / center_id
        _set(center / "center.toml", "base_url", f'"{base_url}"')
        # Kept when the demo runs again in this folder.
        write_key(center / "pseudonym.key")
    return config


def sign_in(config: Path, center_id: str, token: str) -> None:
    """Let the center be asked with a bearer token, from a file that only its owner can read."""
    center = config / "centers" / center_id
    (center / TOKEN_FILE).touch(mode=0o600)
    (center / TOKEN_FILE).write_text(f"{token}\n", encoding="utf-8")
    _set(center / "center.toml", "kind", f'"bearer"\ntoken_file = "{TOKEN_FILE}"')


def _set(path: Path, key: str, value: str) -> None:
    text, changes = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", path.read_text(encoding="utf-8"))
    if changes != 1:
        raise AssertionError(f"{path.name} sets {key} {changes} times")
    path.write_text(text, encoding="utf-8")
