"""The examples of config/deploy: each is read by what will read it, and says what the product says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from service.cli import app
from service.settings import Schedule
from service.wall_clock import WallClockTrigger
from tests.needs import needed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "config" / "deploy"
UNITS = ("cryocohort.service", "cryocohort-night.service", "cryocohort-night.timer")
INSTRUCTIONS = {"FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def knows(command: str) -> bool:
    """Whether the product has a command line like this, told without running it."""
    name, *arguments = shlex.split(command)
    return name == "cryocohort" and CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines()]  # type: ignore[misc]


def test_every_example_is_looked_at() -> None:
    assert {path.name for path in DEPLOY.iterdir()} == {
        *UNITS,
        "cryocohort.crontab",
        "Containerfile",
        "compose.yaml",
    }


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_unit(name: str, tmp_path: Path) -> None:
    analyze = needed("systemd-analyze", "apt-get install systemd")
    program = tmp_path / "bin" / "cryocohort"
    program.parent.mkdir()
    program.symlink_to(Path(sys.executable).with_name("cryocohort"))
    for unit in UNITS:
        text = (DEPLOY / unit).read_text(encoding="utf-8")
        (tmp_path / unit).write_text(text.replace("/opt/cryocohort/bin", str(program.parent)), "utf-8")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_would_tell_of_a_broken_unit(tmp_path: Path) -> None:
    analyze = needed("systemd-analyze", "apt-get install systemd")
    text = (DEPLOY / "cryocohort-night.timer").read_text(encoding="utf-8")
    broken = tmp_path / "broken.timer"
    broken.write_text(text.replace("OnCalendar=*-*-*", "OnCalendar=nightly"), encoding="utf-8")
    verified = subprocess.run([analyze, "verify", str(broken)], capture_output=True, text=True, check=False)
    assert "Failed to parse calendar specification" in verified.stderr


@pytest.mark.parametrize("name", ["cryocohort.service", "cryocohort-night.service"])
def test_a_unit_runs_commands_of_the_product(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    commands = re.findall(r"/opt/cryocohort/bin/(cryocohort [a-z]+)", text)
    assert commands
    assert all(knows(command) for command in commands)


def test_the_crontab_has_the_product_s_own_times_and_commands() -> None:
    crons = []
    for line in (DEPLOY / "cryocohort.crontab").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#") or re.fullmatch(r"[A-Z_]+=\S+", line):
            continue
        fields = line.split(maxsplit=5)
        crons.append(" ".join(fields[:5]))
        WallClockTrigger(crons[-1], "UTC")
        assert all(knows(command) for command in fields[5].split(" && "))
    schedule = (ROOT / "config" / "cryocohort.toml").read_text(encoding="utf-8")
    assert all(f'"{cron}"' in schedule for cron in crons)
    assert len(crons) == 2
    assert set(Schedule.model_fields) >= {"sync", "refresh"}


def test_the_container_runs_as_a_user_of_its_own_from_pinned_requirements() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert [text for name, text in found if name == "USER"] == ["10001"]
    for name, text in found:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", text], check=True)
            assert "pip install" not in text or "--require-hashes" in text
            for source in re.findall(r"/source/(\S+)", text):
                assert (ROOT / source).exists()


def test_the_container_s_commands_are_the_product_s() -> None:
    told = dict(instructions())
    assert told["ENTRYPOINT"] == '["cryocohort"]'
    assert knows("cryocohort " + " ".join(yaml.safe_load(told["CMD"])))
    check = yaml.safe_load(told["HEALTHCHECK"].split(" CMD ")[1])
    assert knows(shlex.join(check))


def test_compose_lets_the_container_write_to_its_data_alone() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["cryocohort"]
    assert service["read_only"] is True
    assert service["user"] == "10001"
    assert service["cap_drop"] == ["ALL"]
    assert [volume for volume in service["volumes"] if not volume.endswith(":ro")] == ["data:/data"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
