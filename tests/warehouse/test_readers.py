"""Readers while releases are published: each sees an old or the new release, whole, and never an error."""

import os
import subprocess
import sys

import pytest
from build_examples import release_of
from test_publish import built  # noqa: F401 -- a fixture

from warehouse.connection import Warehouse
from warehouse.mart import open_mart
from warehouse.publish import publish

PUBLISHED = 200 if os.environ.get("CI") == "true" else 25
POLLER = """
import sys, time
from pathlib import Path
from warehouse.mart import open_mart
print("reading", flush=True)
folder, reads, seen = Path(sys.argv[1]), 0, set()
while not (folder / "stop").exists():
    with open_mart(folder) as mart:
        runs = mart.rows("SELECT max(run_id) AS run FROM ops.run")[0]["run"]
        patients = mart.rows("SELECT count(*) AS n FROM core.patient")[0]["n"]
        sessions = mart.rows("SELECT count(*) AS n FROM core.session JOIN core.patient USING (patient_key)")
        assert (runs, patients, sessions[0]["n"]) == (1, 4, 4), (runs, patients, sessions)
        seen.add(mart.rows("SELECT current_database() AS name")[0]["name"])
    reads += 1
    time.sleep(0.02)
print(reads, *seen, flush=True)
"""


@pytest.mark.row(73)
def test_readers_who_poll_while_releases_are_published_see_each_whole(built: Warehouse) -> None:  # noqa: F811
    publish(built, release_of(1))
    with open_mart(built.folder) as all_night:
        command = [sys.executable, "-c", POLLER, str(built.folder)]
        pollers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"
        ]
        for poller in pollers:
            assert poller.stdout is not None
            assert poller.stdout.readline() == "reading\n"
        for _ in range(PUBLISHED):
            publish(built, release_of(1))
        (built.folder / "stop").touch()
        for poller in pollers:
            told, failed = poller.communicate(timeout=60)
            assert poller.returncode == 0, failed
            reads, *names = told.split()
            assert int(reads) > 10
            assert names == ["mart"]
        assert all_night.rows("SELECT count(*) AS n FROM core.patient") == [{"n": 4}]
    releases = [int(path.name) for path in (built.folder / "marts" / "releases").iterdir()]
    assert max(releases) == PUBLISHED + 1
    assert len(releases) == 3
