"""The tutorial is typed again, but for its nights: against the demo's servers, with the words it shows."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.configuration import shipped_configuration
from service.demo.server import demo_servers
from tests.end_to_end.conftest import now
from tests.end_to_end.test_cli import ENVIRONMENT

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```")
ADDRESSES = {"http://127.0.0.1:34415/fhir": "a", "http://127.0.0.1:45159/fhir": "b"}
# What takes a night each is tested elsewhere (test_cli.py, test_nights.py).
NIGHTS = ("The first night", "A dead center", "An upgrade")
# What is the same on every machine and every day: verdicts, failures and what to do about them.
SAID = re.compile(r"^(cryocohort: .*|next step: .*|\d+ failed, \d+ to look at)$")


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of the transcript, what it is shown to say, and its exit code."""

    command: str
    said: tuple[str, ...]
    exit_code: int


def transcript() -> Iterator[Typed]:
    sections = re.split(r"(?m)^## ", TUTORIAL.read_text(encoding="utf-8"))
    quick = "".join(section for section in sections if not section.startswith(NIGHTS))
    for block in BLOCK.findall(quick):
        for step in re.split(r"(?m)^\$ ", block)[1:]:
            command, *lines = step.splitlines()
            codes = [int(line[6:-1]) for line in lines if line.startswith("[exit ")]
            said = [line.rstrip() for line in lines if SAID.match(line)]
            yield Typed(command, tuple(said), codes[0] if codes else 0)


def test_each_step_of_the_tutorial_does_what_it_shows(tmp_path: Path) -> None:
    shutil.copytree(shipped_configuration(), tmp_path / "demo" / "config")
    command = tmp_path / "bin" / "cryocohort"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m service "$@"\n', encoding="utf-8")
    command.chmod(0o700)
    environment = {**ENVIRONMENT, "PATH": f"{command.parent}:{ENVIRONMENT['PATH']}"}
    folder, steps = tmp_path, list(transcript())
    assert len(steps) > 12
    with demo_servers(now) as servers:
        for step in steps:
            line = step.command
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
            assert set(step.said) <= {each.rstrip() for each in told}, (line, told)
