"""`init`: a folder to configure a study in, made of the shipped example, with a fresh key for each center."""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from mappings.errors import ConfigError
from mappings.terminology_rows import write_rows
from service.configuration import require_center_id, shipped_configuration

KEY_BYTES = 32
CODE_FILE = "local.csv"


def make_workplace(folder: Path, center_ids: Sequence[str]) -> Path:
    """Make `folder`/config for these centers, private to its owner; returns it.

    Raises ConfigError when the folder holds anything already, or for an id that cannot be a center's.
    """
    _require_ids(center_ids)
    config = folder / "config"
    try:
        _require_empty(folder)
        config.mkdir(mode=0o700, parents=True)
        _make_study(config)
        for center_id in center_ids:
            _make_center(config / "centers" / center_id)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made or written to ({error.strerror}).",
            "name a folder where the user who runs cryocohort may write.",
        ) from None
    return config


def write_key(path: Path) -> None:
    """A new pseudonymization key, mode 0600; one that is there is kept.

    Another key would give everybody another pseudonym.
    """
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(KEY_BYTES))


def _require_ids(center_ids: Sequence[str]) -> None:
    for center_id in center_ids:
        require_center_id(center_id, f"--center {center_id}")
    twice = sorted({each for each in center_ids if center_ids.count(each) > 1})
    if twice:
        raise ConfigError(f"--center {twice[0]} is told twice.", "name each center once.")


def _require_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", "name a new folder, or an empty one.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty; nothing that is there is overwritten.",
            "name a new folder, or an empty one.",
        )


def _make_study(config: Path) -> None:
    shipped = shipped_configuration() / "cryocohort.toml"
    (config / "cryocohort.toml").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")


def _make_center(center: Path) -> None:
    """Settings after the shipped center a, a key, and an empty table for the codes of the center's own."""
    center.mkdir(mode=0o700, parents=True)
    center.parent.chmod(0o700)
    shipped = shipped_configuration() / "centers" / "a" / "center.toml"
    text = shipped.read_text(encoding="utf-8")
    text = text.replace("Center A", f"Center {center.name.upper()}")
    text = re.sub(r"center-a(?=\.example\.org)", f"center-{center.name}", text)
    (center / "center.toml").write_text(text, encoding="utf-8")
    write_key(center / "pseudonym.key")
    (center / "codes").mkdir(mode=0o700)
    (center / "codes" / CODE_FILE).write_text(write_rows([], with_header=True), encoding="utf-8")
