"""Views and codes are tried on a sample in memory, as a build would run them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mappings.errors import ViewError
from mappings.terminology import MappedCode
from warehouse.build import BuildCenter
from warehouse.sample import SampleTried, try_sample
from warehouse.unit import Landed

VIEWS = Path(__file__).parents[2] / "mappings" / "views"
CENTER = BuildCenter("a", "http://127.0.0.1/fhir", "R4")
LOINC, OTHER = "http://loinc.org", "urn:center-a:other"
CODES = [MappedCode("a", LOINC, "72514-3", "pain_score", "nprs", "")]


def landed(resource_type: str, resource_id: str, **elements: Any) -> Landed:
    body = json.dumps({"resourceType": resource_type, "id": resource_id, **elements})
    return Landed(resource_type, resource_id, "1", None, resource_id, body)


def score(resource_id: str, *codings: tuple[str, str]) -> Landed:
    coding = [{"system": system, "code": code} for system, code in codings]
    return landed(
        "Observation",
        resource_id,
        status="final",
        code={"coding": coding},
        subject={"reference": "Patient/1"},
        valueInteger=5,
    )


def tried(*sample: Landed, center: BuildCenter = CENTER) -> SampleTried:
    return try_sample(center, sample, CODES, {})


def test_each_view_tells_its_rows() -> None:
    found = {view.table: view for view in tried(score("o1", (LOINC, "72514-3")), score("o2")).views}
    assert (found["observation"].resources, found["observation"].rows) == (2, 2)
    assert (found["observation_coding"].rows, found["patient"].rows) == (1, 0)
    assert {view.rejected for view in found.values()} == {0}


def test_codes_are_counted_by_element_with_the_systems_of_the_unmapped() -> None:
    found = tried(score("o1", (LOINC, "72514-3"), (OTHER, "X1")), score("o2", (OTHER, "X2"), (LOINC, "9-9")))
    (codes,) = found.codes
    assert (codes.resource_type, codes.element, codes.codings, codes.mapped) == ("Observation", "code", 4, 1)
    assert codes.unmapped_systems == (LOINC, OTHER)


def own_view(folder: Path, gender: str) -> BuildCenter:
    """A center that reads the gender of a patient from another path."""
    shipped = json.loads((VIEWS / "patient.json").read_text(encoding="utf-8"))
    shipped["select"][0]["column"][1]["path"] = gender
    (folder / "patient.json").write_text(json.dumps(shipped), encoding="utf-8")
    return replace(CENTER, views_folder=folder)


def test_a_resource_that_a_view_cannot_be_evaluated_on_is_counted_and_hides_no_other(tmp_path: Path) -> None:
    names = [{"family": "SECRET-one"}, {"family": "SECRET-two"}]
    sample = landed("Patient", "p1", name=names[:1]), landed("Patient", "p2", name=names)
    (patient,) = (
        view
        for view in tried(*sample, center=own_view(tmp_path, "name.family")).views
        if view.table == "patient"
    )
    assert (patient.resources, patient.rows, patient.rejected) == (2, 1, 1)
    assert "more than one value" in patient.reason
    assert "SECRET" not in patient.reason


def test_an_empty_sample_is_tried_as_well() -> None:
    found = tried()
    assert sum(view.rows for view in found.views) == 0
    assert found.codes == ()


def test_a_view_of_the_centers_own_that_cannot_be_compiled_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text('{"resourceType": "ViewDefinition"}', encoding="utf-8")
    with pytest.raises(ViewError, match=r"patient\.json"):
        tried(center=replace(CENTER, views_folder=tmp_path))


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried(score("o1", (LOINC, "72514-3")))
    assert list(tmp_path.iterdir()) == []
