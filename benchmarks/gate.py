"""What does the gate cost? Resources judged by the models alone, and with the checker before them.

    python -m benchmarks.gate [--resources N] [--rounds R]

The same resources, decoded before the clock starts, in one run on one core:

- pain scores: N Observations (20,000 unless told) of a thousand bytes, as benchmarks/page_server.py has them;
- a mixed cohort: about N Patients, Procedures, Conditions and Observations (benchmarks/mixed.py);
- the demo: all of its resources, R4 and R5.

For each: how many are surely valid, and resources a CPU second, the best of R rounds, of

- models: fhir.resources alone (`model_validate`), each resource;
- judged, before: the models and the gate's own rules (`examine`);
- judged: the gate as it is (`judge`), which asks them only of what is not surely valid;
- gate, before and now: all that happens between decoding and landing (`accept`): asked for or not, minimised,
  hashed, judged; before without the checker, but with today's minimising.

Demanded of the whole gate: 25,000 a core of each. The exit code is 1 when that does not hold; a resource of
these that the gate refuses ends the run, for then something else was measured.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from fhir import resources as r5
from fhir.resources import R4B

import ingest.accept
from benchmarks import mixed
from benchmarks.page_server import observation
from ingest.accept import accept
from ingest.center import FhirVersion
from ingest.decode import decode_object
from ingest.gate import examine, judge
from ingest.plan import COHORT, Ask, Task
from ingest.query import PatientFilter, Query, patient_of
from ingest.resource_types import ResourceType, load_resource_types
from ingest.structure import is_surely_valid
from service.demo import center_a, center_b
from service.demo.cohort import read_cohort

LEAST = 25_000
BASE = "https://fhir.example.org"
MODELS = {"R4": R4B.get_fhir_model_class, "R5": r5.get_fhir_model_class}

Resource = dict[str, Any]
Work = Sequence[tuple[FhirVersion, Sequence[Resource]]]


@dataclass(frozen=True)
class Speed:
    """Resources a CPU second of one way over all of the work."""

    way: str
    resources: float


def decoded(made: Sequence[Resource]) -> list[Resource]:
    return [decode_object(json.dumps(each).encode()) for each in made]


def pain_scores(count: int) -> Work:
    return [("R4", decoded([observation(1, number) for number in range(count)]))]


def mixed_cohort(count: int) -> Work:
    patients = range(max(1, count // mixed.PER_PATIENT))
    made = [each for name in mixed.OF_A_PATIENT for each in mixed.resources(name, patients)]
    return [("R4", decoded(made))]


def demo() -> Work:
    patients = read_cohort()
    return [
        ("R4", decoded(center_a.build(patients).resources)),
        ("R5", decoded(center_b.build(patients).resources)),
    ]


def tasks(version: FhirVersion, resources: Sequence[Resource]) -> list[tuple[Task, list[Resource]]]:
    """The resources by type, each with the query for all of their patients."""
    types = {each.name: each for each in load_resource_types(version)}
    return [
        (task(types[name], held), held)
        for name in sorted({each["resourceType"] for each in resources})
        if (held := [each for each in resources if each["resourceType"] == name])
    ]


def task(kind: ResourceType, resources: Sequence[Resource]) -> Task:
    search = kind.searches[-1]
    ask = Ask(kind, search, None, frozenset(), "")
    found = {patient_of(each, kind.patient_element, BASE) for each in resources}
    patients = PatientFilter(
        search.patient_parameter or "", kind.patient_element, tuple(sorted(each for each in found if each))
    )
    return Task(ask, Query(kind.name, None, patients, ()), (COHORT,))


def by_models(work: Work) -> None:
    for version, resources in work:
        for each in resources:
            MODELS[version](each["resourceType"]).model_validate(dict(each))


def by(judged: Callable[[Resource, FhirVersion], Sequence[object]]) -> Callable[[Work], None]:
    def run(work: Work) -> None:
        for version, resources in work:
            if any(judged(each, version) for each in resources):
                raise SystemExit("a resource was refused: nothing was measured")

    return run


def through_the_gate(work: Sequence[tuple[FhirVersion, Task, Sequence[Resource]]]) -> None:
    for version, asked, resources in work:
        if len(accept(resources, asked, BASE, version, {}).landed) != len(resources):
            raise SystemExit("a resource was refused: nothing was measured")


def speed(way: str, run: Callable[[Any], None], work: Any, count: int, rounds: int) -> Speed:
    taken = []
    for _ in range(rounds + 1):  # the first also imports models and makes the checker
        start = time.process_time()
        run(work)
        taken.append(time.process_time() - start)
    return Speed(way, count / min(taken))


def measured(work: Work, rounds: int) -> list[Speed]:
    count = sum(len(resources) for _, resources in work)
    asked = [(version, *each) for version, resources in work for each in tasks(version, resources)]
    with patch.object(ingest.accept, "judge", examine):
        before = speed("gate, before", through_the_gate, asked, count, rounds)
    return [
        speed("models", by_models, work, count, rounds),
        speed("judged, before", by(examine), work, count, rounds),
        speed("judged", by(judge), work, count, rounds),
        before,
        speed("gate", through_the_gate, asked, count, rounds),
    ]


def main() -> int:
    """Measure every way on every kind of resources and say whether the demand holds."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--resources", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    works = {
        "pain scores": pain_scores(chosen.resources),
        "mixed cohort": mixed_cohort(chosen.resources),
        "demo": demo(),
    }
    print(f"Python {platform.python_version()}, one core, best of {chosen.rounds}")
    print(f"{'resources':<14} {'number':>7} {'sure':>7} {'way':<16} {'a CPU second':>12} {'times':>6}")
    holds = True
    for name, work in works.items():
        held = [(version, each) for version, resources in work for each in resources]
        sure = sum(is_surely_valid(each, version) for version, each in held) / len(held)
        found = measured(work, chosen.rounds)
        for each in found:
            times = each.resources / found[0].resources
            what = f"{name:<14} {len(held):>7,} {sure:>7.2%} {each.way:<16}"
            print(f"{what} {each.resources:>12,.0f} {times:>6.1f}")
        holds &= found[-1].resources >= LEAST
    print(
        f"{'holds' if holds else 'FAILS'}: at least {LEAST:,} resources a CPU second through the whole gate"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
