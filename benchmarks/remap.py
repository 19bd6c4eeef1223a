"""What does a changed code list cost? Landing N Observations and mapping them again, side by side in one run.

    python -m benchmarks.remap [--observations N] [--seed SEED]

A center with N Observations (pain scores) of N/10 cohort patients, each with a Condition and a Procedure:

- landing: every Observation decoded, judged, minimised and landed as a sync does it, without the network;
- landing, database only: of that, the part after the gate (segments, current versions, quarantine, counts);
- mapping: the flat tables filled for the first time, then everything built for the first time;
- nothing new: the same refresh again;
- changed code list: one local code is given a meaning, everything that depends on it is built again;
- changed view: the view of Observations differs, its flat table is filled again and what reads it built;
- a night: 100 Observations have changed; the flat tables are brought up to date, then the rest.

Prints wall and CPU seconds, and each as a share of landing: ratios, because machines differ. What must be
built and what must be kept is checked before a time is believed.
"""

import argparse
import dataclasses
import datetime as dt
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.mapping import observations
from ingest.decode import decode_object
from ingest.gate import judge
from ingest.minimise import minimise
from ingest.resource_types import ResourceType, load_resource_types
from mappings.terminology import MappedCode, load_aliases
from service.configuration import load_settings
from service.study import study_codes, study_rules
from warehouse.build import BuildCenter, BuildInput, BuiltTable, build, build_flat
from warehouse.connection import Warehouse
from warehouse.land import Landed, Unit, land
from warehouse.runs import start_run

ROOT = Path(__file__).parents[1]
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
UNIT = 5_000
CHANGED = 100
SNOMED = "http://snomed.info/sct"
LOCAL_SCORE = MappedCode("a", "urn:x", "P", "pain_score", "nprs", "")
TYPES: Mapping[str, ResourceType] = {kind.name: kind for kind in load_resource_types("R4")}

Resource = dict[str, Any]


@dataclass
class Spent:
    """Wall and CPU seconds of one kind of work."""

    wall: float = 0.0
    cpu: float = 0.0

    def on(self, work: Callable[[], Any]) -> Any:
        """Do the work and add what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.cpu + other.cpu)


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def charts(patients: int) -> dict[str, Iterator[Resource]]:
    """A Patient, a metastasis and its cryoablation for each of the Observations' patients."""

    def subject(number: int) -> Resource:
        return {"subject": {"reference": f"Patient/p{number}"}}

    site = [coded(SNOMED, "77435000")]
    numbers = range(patients)
    return {
        "Patient": (
            {"resourceType": "Patient", "id": f"p{n}", "gender": "female", "birthDate": "1950-01-01"}
            for n in numbers
        ),
        "Condition": (
            {"resourceType": "Condition", "id": f"c{n}", "code": coded(SNOMED, "94602001"), "bodySite": site}
            | subject(n)
            for n in numbers
        ),
        "Procedure": (
            {
                "resourceType": "Procedure",
                "id": f"x{n}",
                "status": "completed",
                "code": coded(SNOMED, "26782000"),
                "performedDateTime": f"20{10 + n % 10}-03-10",
                "bodySite": site,
                "reasonReference": [{"reference": f"Condition/c{n}"}],
            }
            | subject(n)
            for n in numbers
        ),
    }


def minimised(resource: Resource) -> Landed:
    """A resource as it is stored."""
    kind, made = resource["resourceType"], minimise(resource, TYPES[resource["resourceType"]])
    return Landed(kind, resource["id"], "1", NOW, made.content_hash, made.body)


def accepted(bodies: Sequence[bytes]) -> list[Landed]:
    """Received bytes, decoded, judged and minimised; all of them are valid."""
    resources = [decode_object(body) for body in bodies]
    if any(judge(resource, "R4") for resource in resources):
        raise SystemExit("a generated resource is not valid: nothing was measured")
    return [minimised(resource) for resource in resources]


class Measured:
    """The warehouse of one run and what each kind of work in it took."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.folder = folder
        settings = load_settings(ROOT / "config")
        self.input = BuildInput(
            run_id=start_run(warehouse, kind="sync", now=NOW, version="benchmark", config_fingerprint=""),
            centers=[BuildCenter("a", "https://fhir.example.org", "R4")],
            code_map=[code for code in study_codes(settings) if code.center_id == "a"],
            aliases=load_aliases(),
            rules=study_rules(settings.file),
        )
        self.spent: dict[str, Spent] = {}

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        return self.spent.setdefault(name, Spent()).on(work)


class Benchmark(Measured):
    """Landing and mapping again."""

    def land(self, resources: Iterator[Resource], name: str) -> None:
        """Land resources of one type as a sync does, in units; making them up is not counted."""
        whole, database = name, f"{name}, database only"
        while bodies := [json.dumps(resource).encode() for resource in islice(resources, UNIT)]:
            landed = self.timed(whole, lambda bodies=bodies: accepted(bodies))
            self.timed(database, lambda landed=landed: self.land_unit(landed))
        self.spent[whole] += self.spent[database]
        self.tell(whole, database)

    def land_charts(self, resources: Iterator[Resource]) -> None:
        """Land resources of one type without the gate, and without counting it."""
        while landed := [minimised(resource) for resource in islice(resources, UNIT)]:
            self.land_unit(landed)

    def land_unit(self, landed: Sequence[Landed]) -> None:
        land(self.warehouse, Unit(self.input.run_id, "a", landed[0].resource_type, len(landed), landed, NOW))

    def tell(self, *names: str) -> None:
        """Print what these kinds of work took, and their share of landing."""
        landing = self.spent["landing"]
        for name in names:
            spent = self.spent[name]
            shares = f"{spent.wall / landing.wall:7.3f} {spent.cpu / landing.cpu:7.3f} x landing"
            print(f"{name:>34}  {spent.wall:8.2f} s  {spent.cpu:8.2f} CPU s  {shares}", flush=True)

    def flat(self, name: str) -> dict[str, BuiltTable]:
        return self._built(name, build_flat)

    def build(self, name: str) -> dict[str, BuiltTable]:
        return self._built(name, build)

    def _built(self, name: str, work: Callable[..., list[BuiltTable]]) -> dict[str, BuiltTable]:
        def run() -> list[BuiltTable]:
            with self.warehouse.transaction() as transaction:
                return work(transaction, self.input, folder=self.warehouse.folder)

        tables = self.timed(name, run)
        self.tell(name)
        return {built.table: built for built in tables if built.reasons}

    def change_view(self) -> None:
        """The center gets a view of its own: that of Observations, but for one path."""
        views = self.folder / "views"
        views.mkdir()
        shipped = (ROOT / "mappings" / "views" / "observation.r4.json").read_text(encoding="utf-8")
        path = '"path": "status"'
        own = shipped.replace(path, path.replace("status", "status.where($this != 'unknown')"))
        assert own != shipped
        (views / "observation.r4.json").write_text(own, encoding="utf-8")
        (center,) = self.input.centers
        self.input = dataclasses.replace(
            self.input, centers=[dataclasses.replace(center, views_folder=views)]
        )


def run(benchmark: Benchmark, count: int, seed: int) -> None:
    """Every kind of work once, in the order of the page."""
    for resources in charts(1 + count // 10).values():
        benchmark.land_charts(resources)
    benchmark.land(observations(count, seed), "landing")
    assert benchmark.flat("mapping: flat tables")["flat.observation"].rows == count
    scores = benchmark.build("mapping: the rest")["core.pain_score"].rows
    assert benchmark.build("nothing new") == {}

    benchmark.input = dataclasses.replace(benchmark.input, code_map=[*benchmark.input.code_map, LOCAL_SCORE])
    built = benchmark.build("changed code list")
    assert "core.pain_score" in built
    assert {table for table in built if table.startswith("flat.observation")} == set()
    assert "flat.dated" not in built
    assert built["core.pain_score"].rows >= scores

    benchmark.change_view()
    assert benchmark.build("changed view")["flat.observation"].reasons == ("view changed (a)",)

    changed = (resource | {"status": "corrected"} for resource in observations(count, seed))
    benchmark.land(islice(changed, CHANGED), "landing of a night")
    night = benchmark.flat("a night: flat tables")
    assert night["flat.observation"].reasons == (f"{CHANGED} new or changed (a)",)
    benchmark.build("a night: the rest")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--observations", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    print(f"{chosen.observations:,} Observations of {1 + chosen.observations // 10:,} patients, two threads")
    folder = Path(tempfile.mkdtemp(prefix="cryocohort-remap-"))
    try:
        with Warehouse.open(folder / "data", threads=2, memory_limit="4GB") as warehouse:
            benchmark = Benchmark(warehouse, folder)
            run(benchmark, chosen.observations, chosen.seed)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
