"""A million broken resources: what the gate passes without the models, the models pass."""

import itertools

import pytest

from ingest.center import FhirVersion
from ingest.gate import examine
from ingest.structure import is_surely_valid
from tests.ingest.broken import Breaker
from tests.ingest.real_resources import demo_resources
from tests.ingest.test_structure import HOLDERS
from tests.properties.budget import SEED

CASES = 500_000


@pytest.mark.soak
@pytest.mark.parametrize("version", ["R4", "R5"])
def test_what_is_sure_of_half_a_million_broken_resources_the_judge_accepts(version: FhirVersion) -> None:
    sure = 0
    breaker = Breaker([*demo_resources(version), *HOLDERS.values()], SEED)
    for resource in itertools.islice(breaker.broken(), CASES):
        if is_surely_valid(resource, version):
            sure += 1
            assert examine(resource, version) == []
    assert sure > CASES / 5
