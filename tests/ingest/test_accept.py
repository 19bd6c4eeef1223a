"""What becomes of received resources."""

import datetime as dt

import pytest

from ingest.accept import accept, instant
from ingest.plan import asks, patient_tasks
from tests.ingest.examples import CODE_MAP, center, observation


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T01:00:00+02:00", dt.datetime(2026, 11, 22, 23, 0, tzinfo=dt.UTC)),
        ("2026-11-23T01:00:00.123Z", dt.datetime(2026, 11, 23, 1, 0, 0, 123000, tzinfo=dt.UTC)),
        ("2026-11-23T01:00:00", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("2016-12-31T23:59:60Z", None),
        (20261123, None),
    ],
)
def test_an_instant_is_utc_or_nothing(value: object, expected: dt.datetime | None) -> None:
    found = instant(value)
    assert found == expected
    assert found is None or found.tzinfo is dt.UTC


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "https://public.example.org/r4/Patient/p1"},
        {"reference": "urn:uuid:9b1d0000-0000-4000-8000-000000000000"},
        {"identifier": {"system": "urn:x", "value": "1"}},
    ],
)
def test_a_subject_that_is_no_patient_of_the_server_is_quarantined(subject: dict[str, object]) -> None:
    place = center("https://fhir.example.org")
    (ask,) = [a for a in asks(place, CODE_MAP, "patient") if a.resource_type.name == "Observation"]
    (task,) = patient_tasks(place, ask, ["p1"], {})
    good = observation("o1", "p1")
    accepted = accept(
        [good, {**good, "id": "o2", "subject": subject}], task, place.base_url, place.fhir_version, {}
    )
    assert [each.resource_id for each in accepted.landed] == ["o1"]
    assert [(q.resource_id, q.rule, q.path) for q in accepted.quarantined] == [
        ("o2", "subject", "Observation.subject")
    ]
    assert accepted.unasked == 0
