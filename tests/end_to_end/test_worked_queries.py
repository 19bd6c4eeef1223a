"""The documented queries give on the demo what the page says, here and in an older DuckDB client."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Night1
from tests.end_to_end.worked_queries import WorkedQuery, worked_queries
from warehouse.mart import open_mart

QUERIES = worked_queries()
LOCK = Path(__file__).parents[2] / "requirements" / "duckdb-1.5.lock"
CLIENT = """
import json, sys
import duckdb
mart = duckdb.connect(sys.argv[1], read_only=True, config={"enable_external_access": False})
answers = []
for query in json.load(sys.stdin):
    cursor = mart.execute(query)
    rows = [["" if value is None else str(value) for value in row] for row in cursor.fetchall()]
    answers.append([[column[0] for column in cursor.description], *rows])
json.dump({"version": duckdb.__version__, "answers": answers}, sys.stdout)
"""
EVERY_COMMENT = (
    "SELECT (SELECT count(*) FROM duckdb_tables() WHERE coalesce(comment, '') = ''), "
    "(SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND coalesce(comment, '') = ''), "
    "(SELECT count(*) > 200 FROM duckdb_columns() WHERE NOT internal)"
)


def test_there_are_ten_of_them_and_they_tell_the_figures_of_the_paper() -> None:
    assert len(QUERIES) == 10
    found = {query.title: query.result for query in QUERIES}
    patients = found["Who is in the cohort, by center"]
    assert sum(int(row[1]) for row in patients[1:]) == 74
    assert sum(int(row[4]) for row in patients[1:]) == 105
    assert [row[2] for row in found["Pain at the four times"][1:]] == ["6.8", "4.1", "2.5", "2.4"]
    assert sum(int(row[3]) for row in found["Complications by class and scale"][1:]) == 9
    assert found["Local control where the intent was curative"][1] == ["28", "23", "82.1", "16.5"]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
def test_a_worked_query_gives_what_the_page_says(first_night: Night1, query: WorkedQuery) -> None:
    with open_mart(first_night.study.settings.warehouse_folder) as mart:
        columns, rows = mart.query(query.sql)
    assert [
        columns,
        *[["" if value is None else str(value) for value in row] for row in rows],
    ] == query.result


def test_a_client_of_duckdb_1_5_opens_the_release_and_answers_alike(first_night: Night1) -> None:
    python = _older_client()
    current = first_night.study.settings.warehouse_folder / "marts" / "current" / "mart.duckdb"
    asked = [*(query.sql for query in QUERIES), EVERY_COMMENT]
    ran = subprocess.run(
        [str(python), "-c", CLIENT, str(current)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["version"].startswith("1.5.")
    assert told["answers"][:-1] == [query.result for query in QUERIES]
    assert told["answers"][-1][1] == ["0", "0", "True"], "a table or column without a comment"


def _older_client() -> Path:
    """The Python of an environment with the locked DuckDB 1.5, made once for each lock."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cryocohort"
    folder = cache / f"duckdb-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        ran = subprocess.run(install, capture_output=True, text=True, check=False)
        if ran.returncode:
            # A laptop without a network skips this; where everything must have run it is a failure.
            reason = f"DuckDB 1.5 cannot be installed: {ran.stderr[-300:]}"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        ready.touch()
    return python
