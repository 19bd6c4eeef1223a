"""Commands bring what they need and no more: imports are listed, a time would depend on the machine."""

import json
import os
import re
import subprocess
import sys

SHOW_HELP = """
import json, sys
before = set(sys.modules)
from service.cli import app
try:
    app(["--help"])
except SystemExit as end:
    assert end.code == 0
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# The command line, what draws its help, and what they need themselves (rich takes attrs where it is there).
THIRD_PARTY = {"annotated_doc", "attr", "attrs", "click", "markdown_it", "mdurl", "pygments", "rich"}
THIRD_PARTY |= {"shellingham", "typer", "typing_extensions"}
OURS = {"service", "service.garbage", "service.stop_signals", "service.verbosity"}
OURS |= {"mappings", "mappings.errors"}


def imported() -> list[str]:
    ended = subprocess.run([sys.executable, "-c", SHOW_HELP], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return modules


def test_help_imports_no_heavy_library() -> None:
    names = {module.split(".")[0] for module in imported()}
    ours = {"service", "mappings", "warehouse", "outcomes", "ingest"}
    private = {name for name in names if name.startswith("_")}
    foreign = names - set(sys.stdlib_module_names) - ours - private
    assert "typer" in foreign
    assert foreign <= THIRD_PARTY


def test_help_imports_nothing_of_ours_but_the_commands_and_the_errors() -> None:
    packages = ("service", "mappings", "warehouse", "outcomes", "ingest")
    ours = {module for module in imported() if module.split(".")[0] in packages}
    assert {module for module in ours - OURS if not module.startswith("service.cli")} == set()
    assert "service.cli_output" not in ours


def test_a_refresh_brings_nothing_that_reads_centers_or_draws() -> None:
    loaded = "import json, sys, service.refresh; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    modules = json.loads(ended.stdout)
    assert {"duckdb", "outcomes.refresh", "scipy"} <= set(modules)
    heavy = {"requests", "matplotlib", "jinja2", "cryptography", "pyspark", "sqlglot"}
    assert heavy & set(modules) == set()
    ours = {".".join(module.split(".")[:2]) for module in modules}
    assert {"ingest.client", "ingest.gate", "outcomes.report", "outcomes.plots"} & ours == set()


def run(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    ).stdout


def test_no_color_leaves_no_color() -> None:
    colored = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    assert colored.search(run("--help", FORCE_COLOR="1", TERM="xterm"))
    assert not colored.search(run("--help", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1"))


def test_the_shell_completes_commands_and_options() -> None:
    def completed(words: str, position: int) -> set[str]:
        told = {"_CRYOCOHORT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        return set(run(**told).split())

    assert completed("cryocohort s", 1) >= {"sync", "status", "sql", "serve"}
    assert completed("cryocohort codes u", 2) == {"unmapped"}
    assert "--reconcile" in completed("cryocohort sync --r", 2)
