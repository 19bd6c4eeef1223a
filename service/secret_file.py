"""Secrets live in files that only their owner can read."""

import stat
from pathlib import Path

from mappings.errors import ConfigError


def read_secret(path: Path, told_by: str) -> bytes:
    """The bytes of a secret file that only its owner can read."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{told_by}: the secret file {path} cannot be read ({error.strerror}).",
            "create it, owned by the user who runs cryocohort, with mode 0600.",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"{told_by}: {path} can be read by others (mode {stat.S_IMODE(mode):04o}).",
            f"run `chmod 600 {path}`, and replace the secret if others may have read it.",
        )
    return content
