"""The shipped views read real resources as the interpreter does: HL7's own examples, and generated ones.

The examples come from the npm packages of FHIR R4 and of mCODE.
"""

import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.viewdef import NamedView
from tests.conformance.made_up import Maker
from tests.conformance.oracle import VIEWS, both
from tests.npm_packages import packed

PACKAGES = {"hl7.fhir.r4.examples": "4.0.1", "hl7.fhir.us.mcode": "4.0.0"}
R4_VIEWS = [(view, version) for view, version in VIEWS if version == "R4"]
TYPES = {view.view.resource for view, _ in R4_VIEWS}
# Of each type the examples hold at least so many; fewer means that they were not read.
FEWEST = {
    "Patient": 20,
    "Condition": 20,
    "Procedure": 15,
    "Observation": 60,
    "AdverseEvent": 1,
    "BodyStructure": 4,
}
BATCH = 8

Resources = list[dict[str, Any]]


def resources_in(archive: Path) -> Iterator[dict[str, Any]]:
    """Every resource of a package that some view reads, those in Bundles too."""
    with tarfile.open(archive) as files:
        for member in files:
            if member.name.endswith(".json") and member.name.split("/")[-1].split("-")[0] in {
                *TYPES,
                "Bundle",
            }:
                content = files.extractfile(member)
                assert content is not None
                resource = json.load(content)
                entries = [entry.get("resource", {}) for entry in resource.get("entry", ())]
                yield from (one for one in (resource, *entries) if one.get("resourceType") in TYPES)


@pytest.fixture(scope="module")
def examples(pytestconfig: pytest.Config) -> Resources:
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("fhir-examples")
    archives = [packed(name, version, folder) for name, version in PACKAGES.items()]
    return [one for archive in archives for one in resources_in(archive) if "id" in one]


def test_the_examples_are_whole(examples: Resources) -> None:
    counts = {kind: sum(one["resourceType"] == kind for one in examples) for kind in TYPES}
    assert {kind: count for kind, count in counts.items() if count < FEWEST[kind]} == {}


@pytest.mark.parametrize("named", [view for view, _ in R4_VIEWS], ids=lambda view: view.path.name)
def test_both_read_the_examples_alike(named: NamedView, examples: Resources) -> None:
    interpreted, compiled = both(named.view, "R4", examples)
    assert interpreted == compiled


def test_the_views_find_something_in_the_examples(examples: Resources) -> None:
    """Else the test above would compare nothing with nothing; the one AdverseEvent suspects a medication."""
    silent = {view.table for view, _ in R4_VIEWS if not both(view.view, "R4", examples)[1]}
    assert silent == {"adverse_event_reference"}


@pytest.mark.parametrize(("named", "version"), VIEWS, ids=lambda value: getattr(value, "table", value))
@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(source=st.randoms(use_true_random=False))
def test_both_read_generated_resources_alike(named: NamedView, version: str, source: random.Random) -> None:
    maker = Maker(named, version, source)
    interpreted, compiled = both(named.view, version, [maker.resource(f"r{n}") for n in range(BATCH)])
    assert interpreted == compiled
