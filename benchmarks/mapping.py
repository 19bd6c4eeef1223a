"""How fast are the views? The same generated Observations by every way there is, side by side in one run.

    python benchmarks/mapping.py [N] [SEED] [--rounds K] [--runners PYTHON]

N Observations (100,000 unless told) are written to one NDJSON file, then mapped to ten columns, each way in a
process of its own (`mapping_ways.py`) and on one thread:

- hand-written DuckDB SQL, in two forms: the faster one is the floor;
- the same columns as a ViewDefinition through our compiler;
- a plain loop over orjson that loads its rows by Arrow;
- sqlonfhir, pysof and fhir-pyrate where they are installed, on the first 10,000 lines: they are slow, and
  hold what they read in memory. They are no requirement of this project: install them into an environment
  of their own and name its interpreter with --runners.

Prints resources per second, CPU seconds and the peak memory of each process, best of the rounds, and what is
demanded of ours: half the floor's speed, under 2 GiB, ten times the fastest third-party runner. The exit code
is 1 when one of these does not hold; a run in which two ways give different rows measures nothing.
"""

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

WAYS = Path(__file__).with_name("mapping_ways.py")
FLOORS = ("by_paths", "by_columns")
RUNNERS = ("sqlonfhir", "pysof", "fhir_pyrate")
FEW = 10_000
NOT_INSTALLED = 3
HEAD = (
    f"{'way':<12} {'version':<18} {'resources':>9} {'wall s':>7} {'CPU s':>7} {'per CPU s':>10} "
    f"{'peak MiB':>8} {'x floor':>7}"
)
LEAST_OF_FLOOR, MOST_MIB, LEAST_OF_RUNNERS = 0.5, 2048, 10
VIEW = {
    "resourceType": "ViewDefinition",
    "name": "observation_of_ten_columns",
    "status": "active",
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "observation_key", "path": "getResourceKey()", "type": "string"},
                {"name": "patient_key", "path": "subject.getReferenceKey(Patient)", "type": "string"},
                {"name": "status", "path": "status", "type": "code"},
                {"name": "code", "path": "code.coding.first().code", "type": "code"},
                {"name": "effective_text", "path": "effective.ofType(dateTime)", "type": "dateTime"},
                {"name": "issued_text", "path": "issued", "type": "instant"},
                {"name": "value_quantity", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "value_unit", "path": "value.ofType(Quantity).unit", "type": "string"},
                {"name": "value_unit_code", "path": "value.ofType(Quantity).code", "type": "code"},
                {"name": "value_integer", "path": "value.ofType(integer)", "type": "integer"},
            ]
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way needed, best of its rounds; `digest` is empty for rows that did not end in DuckDB."""

    way: str
    version: str
    resources: int
    rows: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    digest: str = ""

    @property
    def speed(self) -> float:
        """Resources per CPU second: what a machine shared with others can compare."""
        return self.resources / self.cpu_seconds


def observations(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Pain scores and laboratory values in four shapes, about 1,000 bytes each as servers send them."""
    rng = random.Random(seed)  # noqa: S311 -- a reproducible benchmark, no secret
    for number in range(count):
        day = f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        patient = f"p{rng.randrange(1 + count // 20)}"
        yield {
            "resourceType": "Observation",
            "id": f"o{number}",
            "meta": {
                "versionId": "1",
                "lastUpdated": "2026-11-01T02:00:00.000Z",
                "profile": ["http://hl7.org/fhir/StructureDefinition/Observation"],
            },
            "identifier": [{"system": "https://example.org/observation", "value": f"{seed}-{number:09}"}],
            "status": rng.choice(["final", "final", "final", "amended"]),
            "category": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                             "code": "survey", "display": "Survey"}]}
            ],
            "subject": {"reference": f"Patient/{patient}", "display": f"Patient {patient}"},
            "encounter": {"reference": f"Encounter/e{number}"},
            "effectiveDateTime": f"{day}T08:{rng.randrange(60):02}:00+02:00",
            "issued": f"{day}T09:00:00.000Z",
            "performer": [{"reference": "Practitioner/n1", "display": "Nurse on duty"}],
            **_value(rng),
        }  # fmt: skip


def _value(rng: random.Random) -> dict[str, Any]:
    pain = {"system": "http://loinc.org", "code": "72514-3", "display": "Pain severity 0-10"}
    local = {"system": "https://example.org/codes", "code": "PAIN", "display": "Pain on movement"}
    score = rng.randrange(11)
    shape = rng.randrange(4)
    if shape == 0:
        return {"code": {"coding": [pain, local]}, "valueInteger": score}
    if shape == 1:
        unit = {"unit": "score", "system": "http://unitsofmeasure.org", "code": "{score}"}
        return {"code": {"coding": [pain]}, "valueQuantity": {"value": score, **unit}}
    if shape == 2:
        answer = {"system": "http://loinc.org", "code": "LA6113-0", "display": "2"}
        return {"code": {"coding": [local, pain]}, "valueCodeableConcept": {"coding": [answer]}}
    sodium = {"system": "http://loinc.org", "code": "2951-2", "display": "Sodium in serum or plasma"}
    unit = {"unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
    return {
        "code": {"coding": [sodium]},
        "valueQuantity": {"value": round(rng.uniform(120, 155), 1), **unit},
        "referenceRange": [{"low": {"value": 135, **unit}, "high": {"value": 145, **unit}}],
    }


def write(folder: Path, count: int, seed: int) -> tuple[Path, Path, Path]:
    """The NDJSON, its first lines for the slow ways, and the view."""
    whole, few, view = folder / "whole.ndjson", folder / "few.ndjson", folder / "view.json"
    with whole.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(each)}\n" for each in observations(count, seed))
    with whole.open("rb") as lines:
        few.write_bytes(b"".join(islice(lines, FEW)))
    view.write_text(json.dumps(VIEW), encoding="utf-8")
    return whole, few, view


def measure(way: str, python: str, files: tuple[Path, Path], rounds: int) -> Measured | str:
    """The best of the rounds, or why what the way needs cannot be imported."""
    found = []
    for _ in range(rounds):
        command = [python, str(WAYS), way, *map(str, files)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        if child.returncode == NOT_INSTALLED:
            return child.stderr.strip()
        if child.returncode:
            raise SystemExit(f"{way} failed:\n{child.stderr[-2000:]}")
        found.append(Measured(way, **json.loads(child.stdout.splitlines()[-1])))
    return min(found, key=lambda one: one.cpu_seconds)


def require_same_rows(measured: list[Measured]) -> None:
    """End the run unless every way gave one row a resource, and those in DuckDB the same rows."""
    if any(one.rows != one.resources for one in measured) or len({m.digest for m in measured} - {""}) > 1:
        raise SystemExit("the ways do not give the same rows: nothing was measured")


def report(measured: list[Measured], missing: dict[str, str]) -> bool:
    """Print the table and the demands; whether all that could be judged hold."""
    by_way = {one.way: one for one in measured}
    floor = max((by_way[way] for way in FLOORS), key=lambda one: one.speed)
    print(HEAD)
    for one in measured:
        print(
            f"{one.way:<12} {one.version:<18} {one.resources:>9,} {one.wall_seconds:>7.2f} "
            f"{one.cpu_seconds:>7.2f} {one.speed:>10,.0f} {one.peak_mib:>8,.0f} "
            f"{one.speed / floor.speed:>7.3f}"
        )
    for way, reason in missing.items():
        print(f"{way:<12} not installed ({reason})")
    ours, runners = by_way["compiled"], [by_way[way] for way in RUNNERS if way in by_way]
    demands = [
        (f"at least {LEAST_OF_FLOOR} of the floor ({floor.way})", ours.speed / floor.speed, LEAST_OF_FLOOR),
        (f"peak memory under {MOST_MIB} MiB", MOST_MIB / ours.peak_mib, 1.0),
    ]
    if runners:
        fastest = max(runners, key=lambda one: one.speed)
        ratio = ours.speed / fastest.speed
        demands.append((f"at least {LEAST_OF_RUNNERS} x {fastest.way}", ratio, float(LEAST_OF_RUNNERS)))
    for says, found, least in demands:
        print(f"{'holds' if found >= least else 'FAILS'}: {says} (found {found:.2f}, least {least:g})")
    return all(found >= least for _, found, least in demands)


def main() -> int:
    """Measure every way on the same file and say whether the demands hold."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("count", metavar="N", type=int, nargs="?", default=100_000)
    arguments.add_argument("seed", metavar="SEED", type=int, nargs="?", default=1)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--runners", metavar="PYTHON", default=sys.executable)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, few, view = write(Path(folder), chosen.count, chosen.seed)
        size = whole.stat().st_size / chosen.count
        print(f"{chosen.count:,} Observations of {size:,.0f} bytes, seed {chosen.seed}, "
              f"best of {chosen.rounds}, Python {platform.python_version()}")  # fmt: skip
        ways = [(way, sys.executable, whole) for way in (*FLOORS, "compiled", "orjson_loop")]
        ways += [(way, chosen.runners, few) for way in RUNNERS]
        found = {way: measure(way, python, (file, view), chosen.rounds) for way, python, file in ways}
    measured = [one for one in found.values() if isinstance(one, Measured)]
    require_same_rows(measured)
    missing = {way: reason for way, reason in found.items() if isinstance(reason, str)}
    return 0 if report(measured, missing) else 1


if __name__ == "__main__":
    raise SystemExit(main())
