"""A sync killed at a random moment: one good sync by a fresh process later all is as on the servers.

The seed is CRYOCOHORT_SEED; moments are spread over the measured length of an undisturbed night. A kill
counts only when it hit: the process was running and the ledger shows a run that never ended.
"""

import datetime as dt
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties.budget import SEED
from tests.properties.configured_night import Place, place
from tests.properties.night_process import start_night, start_night_with_workers
from warehouse.lock import is_locked


@pytest.fixture
def here(quick_folder: Path) -> Iterator[Place]:
    with place(quick_folder) as found:
        for center_id in found.servers:
            for patient_id in ("p1", "p2", "p3"):
                found.chart(center_id, patient_id)
        yield found


def something_happens(here: Place, chance: random.Random) -> None:
    """A correction, a deletion and sometimes a new patient at one center."""
    center_id = chance.choice(sorted(here.servers))
    store = here.servers[center_id].store
    scores = sorted(key for key in store.current if key[0] == "Observation")
    store.delete(chance.choice(scores))
    for key in chance.sample(scores, 2):
        here.put(center_id, "Observation", key[1], "p1")
    here.put(center_id, "Condition", f"cond-p{chance.randrange(1, 4)}", "p2")
    if chance.random() < 0.3:
        here.chart(center_id, f"p{chance.randrange(4, 10)}")
    here.world.wait(dt.timedelta(days=1))


def good_night(here: Place) -> float:
    """A night that nobody disturbs, by a process of its own; returns how long it took, in seconds."""
    began = time.monotonic()
    process = start_night(here.config, here.world.now)
    process.join(60)
    assert process.exitcode == 0
    return time.monotonic() - began


def assert_mended(here: Place, told: str) -> float:
    """A fresh process needs no repair, ends the crashed run as failed, brings all up to date; its length."""
    assert not is_locked(here.data), f"{told}: the folder is still locked"
    length = good_night(here)
    outcome = here.outcome()
    assert outcome.differences == [], told
    assert outcome.status == "complete", told
    assert "running" not in outcome.runs, told
    return length


def kill_until_hit(here: Place, kills: int) -> int:
    """Kill that many nights; returns how many more ended before the kill came."""
    chance, missed, hit = random.Random(SEED), 0, 0  # noqa: S311 -- no secret
    good_night(here)
    length = good_night(here)  # the first one waited for the fork server
    while hit < kills:
        something_happens(here, chance)
        moment = chance.uniform(0.0, length)
        process = start_night(here.config, here.world.now)
        process.join(moment)
        process.kill()
        process.join(60)
        told = f"seed {SEED}, kill {hit + 1} after {moment:.3f} s"
        if process.exitcode != -signal.SIGKILL:
            assert process.exitcode == 0, f"{told}: a night failed by itself"
            missed += 1
            assert missed < 10 + kills, "nights end before they are killed"
            continue
        hit += 1
        length = assert_mended(here, told)
    return missed


@pytest.mark.row(58)
@pytest.mark.row(68)
@pytest.mark.parametrize("kills", [22, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_killed_night_is_mended_by_the_next(here: Place, kills: int) -> None:
    kill_until_hit(here, kills)
    runs = here.outcome().runs
    failed = runs.count("failed")
    assert failed > kills / 10  # the others came before or after the night


@pytest.mark.row(68)
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.soak)])
def test_the_workers_of_a_killed_night_end_with_it(here: Place, kills: int) -> None:
    chance, with_workers = random.Random(SEED), 0  # noqa: S311 -- no secret
    for _ in range(kills):
        something_happens(here, chance)
        process = start_night_with_workers(here.config, here.world.now)
        workers = _wait_for_workers(process.pid)
        with_workers += bool(workers)
        time.sleep(chance.uniform(0.0, 0.5))
        process.kill()
        process.wait(60)
        _wait_until_gone(workers)
        assert_mended(here, f"seed {SEED}, killed with workers")
    assert with_workers > 0


def _wait_for_workers(pid: int) -> set[int]:
    """The processes below `pid`, as soon as there are some; none when it ends without."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        found = _descendants(pid)
        if len(found) > 2:  # the resource tracker, the fork server and a worker
            return found
        if _is_zombie(pid):
            return set()
        time.sleep(0.02)
    return set()


def _descendants(pid: int) -> set[int]:
    children = {
        int(child) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in _text(tasks).split()
    }
    return children | {each for child in children for each in _descendants(child)}


def _is_zombie(pid: int) -> bool:
    return ") Z " in _text(Path(f"/proc/{pid}/stat"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""  # it has just ended


def _wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 30
    left = pids
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {pid for pid in left if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)}
    assert not left, f"{len(left)} worker processes outlive the night that was killed"
