"""Minimum necessary: what is kept of a resource is what some view reads of it, neither more nor less."""

from pathlib import Path

import pytest

from ingest.center import FhirVersion
from ingest.resource_types import ResourceType, load_resource_types
from mappings.compiler import compile_view
from mappings.viewdef import load_views

VIEWS = Path(__file__).parents[1] / "mappings" / "views"
OF_EVERY_RESOURCE = {"resourceType", "id", "meta"}
VERSIONS: tuple[FhirVersion, ...] = ("R4", "R5")
CASES = [(version, kind) for version in VERSIONS for kind in load_resource_types(version)]


def read_by_views(version: FhirVersion, resource_type: str) -> set[str]:
    views = [v.view for v in load_views(VIEWS) if v.fhir_version in (None, version)]
    compiled = [compile_view(view, fhir_version=version) for view in views if view.resource == resource_type]
    return {element for view in compiled for element in view.elements}


@pytest.mark.parametrize(("version", "kind"), CASES, ids=[f"{v}-{k.name}" for v, k in CASES])
def test_what_is_kept_is_what_is_read(version: FhirVersion, kind: ResourceType) -> None:
    kept = {element.split(".")[0] for element in kind.elements}
    kept |= {"extension"} if kind.extensions else set()
    assert kept - OF_EVERY_RESOURCE == read_by_views(version, kind.name) - OF_EVERY_RESOURCE


@pytest.mark.parametrize(("version", "kind"), CASES, ids=[f"{v}-{k.name}" for v, k in CASES])
def test_each_extension_kept_is_named_by_a_view(version: FhirVersion, kind: ResourceType) -> None:
    views = [v for v in load_views(VIEWS) if v.fhir_version in (None, version)]
    texts = [view.path.read_text(encoding="utf-8") for view in views]
    assert [url for url in kind.extensions if not any(url in text for text in texts)] == []
