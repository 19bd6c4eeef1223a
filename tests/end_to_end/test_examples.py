"""The examples for analysts, run on the release and the figures of a whole night."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Night1

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_the_notebook_runs_on_a_release(first_night: Night1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOCOHORT_RELEASE", str(first_night.refreshed.release.path))
    notebook = json.loads((EXAMPLES / "figures.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102 -- our own notebook
            assert cell["outputs"] == []
    assert ("women", 35, 74, 47.3, 36.3, 58.5) in names["shares"]
    assert ("nprs_last", "all", 2.4, 64) in names["means"]
    assert [row[3] for row in names["history"]] == [34 / 64]
    names["mart"].close()


def test_the_quarto_document_runs_in_r(first_night: Night1, tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("needs R (Debian: r-base-core)")
    figures = first_night.study.settings.report_file.with_suffix(".csv")
    document = (EXAMPLES / "figures.qmd").read_text(encoding="utf-8")
    chunks = re.findall(r"(?ms)^```\{r\}\n(.*?)^```", document)
    assert len(chunks) == 3
    script = tmp_path / "figures.R"
    script.write_text(f'params <- list(figures = "{figures}")\n' + "\n".join(chunks), encoding="utf-8")
    ran = subprocess.run([rscript, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "34/64 (53.1%)" in ran.stdout
    assert (tmp_path / "Rplots.pdf").stat().st_size > 1000
