"""axe-core, installed once by `npm ci` into a cache of this user: its checksum is in package-lock.json."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = ("package.json", "package-lock.json")
INSTALL_SECONDS = 300


def axe_source() -> str:
    """The script to inject into a page."""
    folder = _cache()
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in SOURCES:
            shutil.copyfile(HERE / name, folder / name)
        command = ("npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")
        subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS)
    return script.read_text(encoding="utf-8")


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()
    return base / "cryocohort" / f"browser-{key[:16]}"
