"""Compiler and interpreter agree on views that hypothesis makes up, and on resources made for them."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.viewdef import NamedView, parse_view
from tests.conformance.made_up import Maker
from tests.conformance.oracle import both
from tests.conformance.views_made_up import ViewMaker, written

RESOURCES = 6


def without_idle(interpreted: Counter[str], compiled: Counter[str]) -> Counter[str]:
    """The interpreted rows but for resources that fail in a column of no row.

    Beside an iteration over nothing the compiler evaluates no columns, the interpreter all of them.
    """
    told = " ".join(compiled)
    idle = [
        text
        for text in interpreted
        if text.startswith("[") and not re.search(rf"\b{json.loads(text)[1]}\b", told)
    ]
    return Counter({text: count for text, count in interpreted.items() if text not in idle})


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_both_read_generated_views_alike(version: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("views")
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def agree(seed: int) -> None:
        source = random.Random(seed)  # noqa: S311 -- test data
        data = ViewMaker(version, source).view()
        path = written(data, folder)
        view = parse_view(data)
        maker = Maker(NamedView("made_up", version, view, Path(path)), version, source)
        resources = [maker.resource(f"r{number}") for number in range(RESOURCES)]
        interpreted, compiled = both(view, version, resources)
        assert without_idle(interpreted, compiled) == compiled, data
        seen["rows" if any(row.startswith("{") for row in compiled) else "none"] += 1
        seen["rejected"] += any(row.startswith("[") for row in compiled)
        seen.update(part for part in ("forEach", "forEachOrNull", "unionAll", "where") if part in str(data))

    agree()
    # What was made up has everything in it: else they would agree on too little.
    for part in ("rows", "rejected", "forEach", "forEachOrNull", "unionAll", "where"):
        assert seen[part], seen
