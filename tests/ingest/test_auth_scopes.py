"""Scopes of SMART versions 1 and 2: what was asked for and not granted, and what may be searched."""

import pytest

from ingest.scopes import may_search, missing_scopes


@pytest.mark.parametrize(
    ("asked", "granted", "missing"),
    [
        ("system/Patient.rs", "system/Patient.rs", ""),
        ("system/Patient.rs", "system/*.cruds", ""),
        ("system/Patient.rs", "system/Patient.read", ""),
        ("system/Patient.read", "system/*.rs", ""),
        ("system/Patient.rs", "system/Patient.r system/Patient.s", ""),
        ("system/Patient.rs", "system/Patient.r", "system/Patient.rs"),
        ("system/Patient.rs", "system/Patient.write", "system/Patient.rs"),
        ("system/*.rs", "system/Patient.rs", "system/*.rs"),
        ("system/Patient.rs system/Observation.rs", "system/Patient.rs", "system/Observation.rs"),
        ("system/Observation.rs", "system/Observation.rs?category=laboratory", "system/Observation.rs"),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs", ""),
        ("system/Patient.rs", "user/Patient.rs patient/Patient.rs", "system/Patient.rs"),
        ("https://fhir.example/.default", "https://fhir.example/.default", ""),
        ("https://fhir.example/.default", "system/*.rs", "https://fhir.example/.default"),
    ],
)
def test_the_scopes_not_granted_are_told(asked: str, granted: str, missing: str) -> None:
    assert missing_scopes(asked.split(), granted.split()) == tuple(missing.split())


@pytest.mark.parametrize(
    ("asked", "granted", "may"),
    [
        ("system/*.rs", "system/Observation.rs", True),
        ("system/*.rs", "system/Observation.s", True),
        ("system/*.rs", "system/*.read", True),
        ("system/*.rs", "system/Observation.r", False),
        ("system/*.rs", "system/Patient.rs", False),
        ("system/*.rs", "", False),
        ("system/*.rs", "user/Observation.rs", False),
        ("system/*.rs", "system/Observation.rs?category=laboratory", False),
        (
            "system/Observation.rs?category=laboratory",
            "system/Observation.rs?category=laboratory",
            True,  # the operator asked for no more
        ),
        ("https://fhir.example/.default", "https://fhir.example/.default", True),  # nothing can be told
    ],
)
def test_a_type_may_be_searched_when_all_of_it_was_granted(asked: str, granted: str, may: bool) -> None:
    assert may_search("Observation", asked.split(), granted.split()) is may
