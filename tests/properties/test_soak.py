"""Four hundred nights on servers that grow: memory stays flat, files grow with the data, nothing is lost."""

import datetime as dt
import random
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.properties.budget import SEED
from tests.properties.made_resources import MOVABLE, Resource, made
from tests.properties.model_server import Fault
from tests.properties.model_store import Habits
from tests.properties.model_study import CenterSide, ModelStudy, model_study

NIGHTS = 400
WARM = 100  # nights until caches are full
BLOCK = 50  # nights between two looks
PATIENTS = 40
MEGABYTE = 1024 * 1024


@pytest.mark.soak
def test_four_hundred_nights_of_growing_servers() -> None:
    chance = random.Random(SEED)  # noqa: S311 -- no secret
    habits = {
        "a": Habits(lag=dt.timedelta(minutes=5), order="newest", vanishes=True),
        "b": Habits(skew=dt.timedelta(minutes=-40), order="oldest"),
    }
    memory: list[int] = []
    sizes: list[int] = []
    with model_study(habits, overlap=dt.timedelta(hours=24)) as study:
        for night in range(NIGHTS):
            for side in study.sides.values():
                _grow(side, night, chance)
                study.sync(side, faults=_bad_luck(night, chance))
            study.world.wait(dt.timedelta(days=1))
            memory.append(_resident_kilobytes())
            if night % BLOCK == BLOCK - 1:
                study.converge()
                _require_fresh_watermarks(study)
                sizes.append(_bytes_of(study.warehouse.folder))
    warm, end = sum(memory[WARM : WARM + 20]) / 20, sum(memory[-20:]) / 20
    # Shown by `pytest -rP`.
    sys.stdout.write(f"seed {SEED}: {warm:.0f} kB resident, then {end:.0f} kB; bytes of files: {sizes}\n")
    assert end < 1.3 * warm, f"seed {SEED}: {warm:.0f} kB after {WARM} nights, {end:.0f} kB at the end"
    grown = [after - before for before, after in pairwise(sizes)]
    usual = sorted(grown[:-1])[len(grown[:-1]) // 2]
    assert grown[-1] < 2 * usual + MEGABYTE, f"seed {SEED}: the files grow faster and faster: {sizes}"


def _grow(side: CenterSide, night: int, chance: random.Random) -> None:
    """One more resource of a few types, a correction and a deletion; a new patient every ten nights."""
    store, patient_id = side.store, f"p{chance.randrange(1 + min(night // 10, PATIENTS - 1))}"
    if night % 10 == 0 and night // 10 < PATIENTS:
        patient_id = f"p{night // 10}"
        store.put(_made(side, "Patient", patient_id, patient_id, night))
        store.put(_made(side, "Procedure", f"cryo-{patient_id}", patient_id, night))
    for resource_type in MOVABLE:
        store.put(_made(side, resource_type, f"n{night}", patient_id, night))
    scores = sorted(key for key in store.current if key[0] == "Observation")
    store.put(_made(side, *chance.choice(scores), patient_id, 1000 + night))
    store.delete(chance.choice(scores))


def _made(side: CenterSide, resource_type: str, resource_id: str, patient_id: str, number: int) -> Resource:
    return made(resource_type, resource_id, patient_id, number, side.store.fhir_version)


def _bad_luck(night: int, chance: random.Random) -> list[Fault]:
    """Every seventh night fails somewhere."""
    if night % 7:
        return []
    first = chance.randrange(1, 40)
    kind = chance.choice(("500", "cut", "loss", "401", "reset"))
    return [Fault(kind, lambda _, number: number >= first, chance.choice((1, 99)))]


def _require_fresh_watermarks(study: ModelStudy) -> None:
    """After a good night no patient's watermark is older than the night."""
    for side in study.sides.values():
        oldest = min(side.watermarks.values())
        assert study.world.now - oldest < dt.timedelta(days=1, hours=1), f"seed {SEED}: a watermark stalls"


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _resident_kilobytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])
