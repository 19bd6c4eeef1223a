"""The demo's folder: the shipped configuration, pointed at the two loopback servers, with fresh keys."""

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from service.configuration import shipped_configuration


def prepare(folder: Path, base_urls: Mapping[str, str]) -> Path:
    """Make `folder`/config for the centers in `base_urls` (center id to FHIR base); returns that folder."""
    config = folder / "config"
    shutil.copytree(shipped_configuration(), config, dirs_exist_ok=True)
    _set(config / "cryocohort.toml", "synthetic", "true")
    for center_id, base_url in base_urls.items():
        center = config / "centers" / center_id
        _set(center / "center.toml", "base_url", f'"{base_url}"')
        _write_key(center / "pseudonym.key")
    return config


def _set(path: Path, key: str, value: str) -> None:
    text, changes = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", path.read_text(encoding="utf-8"))
    if changes != 1:
        raise AssertionError(f"{path.name} sets {key} {changes} times")
    path.write_text(text, encoding="utf-8")


def _write_key(path: Path) -> None:
    # Kept when the demo runs again in this folder: another key would give everybody another pseudonym.
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
