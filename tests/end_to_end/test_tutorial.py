"""All of the tutorial is typed again: against the demo's servers, with the lines and exit codes it shows."""

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.configuration import shipped_configuration
from service.demo.server import demo_servers
from tests.end_to_end.conftest import now
from tests.end_to_end.test_cli import ENVIRONMENT

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
# A warehouse of the demo as a version wrote it that knew 14 migrations, with the keys of its centers.
OLDER = ROOT / "tests" / "fixtures" / "older-warehouse" / "migration-14.tar.xz"
TOKEN = "invented-token-of-center-a"
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```")
ADDRESSES = {"http://127.0.0.1:34415/fhir": "a", "http://127.0.0.1:45159/fhir": "b"}
LEFT_OUT = "[...]"


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the transcript, its section, what it is shown to say, and its exit code."""

    section: str
    command: str
    said: tuple[str, ...]
    exit_code: int


def transcript() -> Iterator[Typed]:
    for section in re.split(r"(?m)^## ", TUTORIAL.read_text(encoding="utf-8")):
        for block in BLOCK.findall(section):
            for step in re.split(r"(?m)^\$ ", block)[1:]:
                command, *lines = step.splitlines()
                codes = [int(line[6:-1]) for line in lines if line.startswith("[exit ")]
                said = [line for line in lines if not line.startswith("[exit ")]
                yield Typed(section.splitlines()[0], command, tuple(said), codes[0] if codes else 0)


def same_each_time(line: str) -> str:
    """A line up to what it leaves out, without the widths of its table, and how long and how large it was."""
    text = " ".join(line.partition(LEFT_OUT)[0].split())
    text = re.sub(r"\d+ \d+\.\d$", "# #", text)  # kilobytes and seconds of a night
    return re.sub(r"\b\d+ MB", "# MB", text)


def require_shown(step: Typed, told: list[str]) -> None:
    printed = [same_each_time(line) for line in told]
    for line in filter(None, map(same_each_time, step.said)):
        is_whole = not any(LEFT_OUT in each for each in step.said if same_each_time(each) == line)
        assert any(each == line if is_whole else each.startswith(line) for each in printed), (line, told)


def as_an_older_version_left_it(study: Path) -> None:
    shutil.rmtree(study / "data")
    with tarfile.open(OLDER) as packed:
        packed.extractall(study, filter="data")
    for center_id in ("a", "b"):
        (study / "keys" / f"{center_id}.key").replace(
            study / "config" / "centers" / center_id / "pseudonym.key"
        )


def test_each_step_of_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    shutil.copytree(shipped_configuration(), tmp_path / "demo" / "config")
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    command = tmp_path / "bin" / "cryocohort"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m service "$@"\n', encoding="utf-8")
    command.chmod(0o700)
    environment = {**ENVIRONMENT, "PATH": f"{command.parent}:{ENVIRONMENT['PATH']}"}
    folder, steps = tmp_path, list(transcript())
    assert len(steps) > 40
    section = ""
    with demo_servers(now, TOKEN) as servers:
        for step in steps:
            if step.section == "An upgrade" != section:
                as_an_older_version_left_it(folder)
            section, line = step.section, step.command
            for address, center_id in ADDRESSES.items():
                line = line.replace(address, servers.urls[center_id])
            if line.startswith("cd "):
                folder /= line[3:]
                continue
            ended = subprocess.run(
                ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            told = (ended.stdout + ended.stderr).splitlines()
            assert ended.returncode == step.exit_code, (line, told)
            require_shown(step, told)
