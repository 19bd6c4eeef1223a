"""What the pages tell to type is typed: every command line of a block, in a workplace after a first night."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.making.command_line import Told, told_commands, understood
from tests.end_to_end.conftest import Night1
from tests.end_to_end.test_cli import ENVIRONMENT, cryocohort

ROOT = Path(__file__).parents[2]
# `serve` does not end and `demo` is another workplace (both have tests of their own: test_cli.py); Spark is
# an extra, and a refresh on it is typed in tests/spark.
NOT_HERE = {"serve", "demo", "--install-completion"}
# A publication that contradicts itself is exit 1, as its page says; a release's number is the page's own;
# what the demo's servers hold of invalid resources is as invalid when it is asked for again.
ENDINGS = {"publications check": 1, "releases rollback": 14, "quarantine retry": 13}


def typed() -> Iterator[Told]:
    """Each line that can be typed in any workplace, once: what names a place of its own cannot."""
    pages = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
    seen: set[tuple[str, ...]] = set()
    for told in [told for page in pages for told in told_commands(page) if told.is_line]:
        is_elsewhere = any(argument.startswith(("/", "~", "http", "drill/")) for argument in told.arguments)
        is_elsewhere |= "spark" in told.arguments or understood(told)[0] in NOT_HERE
        if told.arguments in seen or is_elsewhere:
            continue
        seen.add(told.arguments)
        yield told


@pytest.fixture(scope="module")
def workplace(first_night: Night1, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the first night's folder, which commands may change; its servers still answer."""
    folder = tmp_path_factory.mktemp("typed")
    shutil.copytree(first_night.study.folder, folder, dirs_exist_ok=True, symlinks=True)
    # The map that `codes import` is told to take over: the approved rows of center a, as FHIR.
    told = cryocohort("codes", "export", "--fhir", "maps", cwd=folder).stdout.splitlines()
    (map_of_a,) = [path for path in told if "ConceptMap" in path and "-a" in path]
    shutil.copyfile(folder / map_of_a, folder / "map.json")
    return folder


@pytest.mark.parametrize("told", list(typed()), ids=str)
def test_the_documented_command_line_runs(workplace: Path, told: Told) -> None:
    command = [sys.executable, "-m", "service", *told.arguments]
    # Bytes: one of the lines writes Parquet.
    ended = subprocess.run(
        command, capture_output=True, check=False, timeout=300, cwd=workplace, env=ENVIRONMENT
    )
    expected = ENDINGS.get(" ".join(told.arguments[:2]), 0)
    assert ended.returncode == expected, (ended.stdout + ended.stderr).decode(errors="replace")
