"""Worker processes of the gate: the same judgment, and none that outlives its parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

from ingest.gate_pool import GatePool, Question
from ingest.plan import Task, asks, patient_tasks
from tests.ingest.bulk_server import lines
from tests.ingest.examples import CODE_MAP, Resource, center, observation

PLACE = center("https://fhir.example.org")


def task() -> Task:
    (ask,) = [each for each in asks(PLACE, CODE_MAP, "patient") if each.resource_type.name == "Observation"]
    (found,) = patient_tasks(PLACE, ask, ["p1"], {})
    return found


def resources() -> list[Resource]:
    bad = {name: value for name, value in observation("bad", "p1").items() if name != "status"}
    return [observation("good", "p1"), bad, observation("stranger", "p7")]


def test_workers_judge_as_this_process_does() -> None:
    place = (PLACE.base_url, PLACE.fhir_version, {})
    with GatePool(1, in_place=0) as many, GatePool(1, in_place=99) as few:
        there, here = (gate.submit(resources(), task(), *place).result() for gate in (many, few))
    assert there == here
    assert [each.resource_id for each in here.landed] == ["good"]
    assert {each.resource_id for each in here.quarantined} == {"bad"}
    assert here.unasked == 1


def test_workers_judge_lines_as_this_process_does() -> None:
    question = Question(task(), PLACE.base_url, PLACE.fhir_version)
    body = lines(resources()) + b"{\n"
    with GatePool(1, in_place=0) as many, GatePool(1, in_place=99) as few:
        there, here = (gate.submit_lines(body, question, {}).result() for gate in (many, few))
    assert there == here
    assert [each.resource_id for each in here.accepted.landed] == ["good"]
    assert {each.resource_id for each in here.accepted.quarantined} == {"bad"}
    assert (here.lines, here.unreadable, here.received, here.accepted.unasked) == (4, 1, 2, 0)


def test_workers_start_at_once_where_a_flood_is_told() -> None:
    before = len(multiprocessing.active_children())
    with GatePool(1, in_place=99, read_in_place=1_000) as gate:
        gate.expect(1_000)
        assert len(multiprocessing.active_children()) == before
        gate.expect(1_001)
        assert len(multiprocessing.active_children()) == before + 1


def test_what_is_known_by_its_hash_is_not_judged_again() -> None:
    with GatePool(1) as gate:
        place = (PLACE.base_url, PLACE.fhir_version)
        (bad,) = {
            each.content_hash for each in gate.submit(resources(), task(), *place, {}).result().quarantined
        }
        again = gate.submit(resources(), task(), *place, {"bad": bad}).result()
    assert [each.resource_id for each in again.landed] == ["good", "bad"]


PARENT = """
import sys, time
from tests.ingest.test_gate_pool import GatePool, PLACE, resources, task
if __name__ == "__main__":
    gate = GatePool(2, in_place=0)
    gate.submit(resources(), task(), PLACE.base_url, PLACE.fhir_version, {}).result()
    print("judged", flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    place = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=place)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"judged\n"
    parent.send_signal(signal.SIGKILL)
    # The workers hold the same pipe: its end comes when the last of them is gone.
    parent.communicate(timeout=20)
    assert parent.returncode == -signal.SIGKILL
