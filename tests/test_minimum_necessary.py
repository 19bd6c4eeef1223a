"""Minimum necessary: what is kept of a resource is what some view reads of it, neither more nor less."""

import re
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


def texts_of_views(version: FhirVersion, resource_type: str) -> str:
    views = [v for v in load_views(VIEWS) if v.fhir_version in (None, version)]
    return "".join(v.path.read_text(encoding="utf-8") for v in views if v.view.resource == resource_type)


@pytest.mark.parametrize(("version", "kind"), CASES, ids=[f"{v}-{k.name}" for v, k in CASES])
def test_what_is_kept_is_what_is_read(version: FhirVersion, kind: ResourceType) -> None:
    kept = {element.split(".")[0] for element in kind.elements}
    elsewhere = OF_EVERY_RESOURCE | {"extension"}  # extensions are kept by URL, wherever they stand
    assert kept - elsewhere == read_by_views(version, kind.name) - elsewhere


@pytest.mark.parametrize(("version", "kind"), CASES, ids=[f"{v}-{k.name}" for v, k in CASES])
def test_the_extensions_kept_are_those_that_views_read(version: FhirVersion, kind: ResourceType) -> None:
    views = [v.view for v in load_views(VIEWS) if v.fhir_version in (None, version)]
    named = {
        constant.typed_value[1]
        for view in views
        if view.resource == kind.name
        for constant in view.constant
        if "StructureDefinition" in str(constant.typed_value[1])
    }
    named |= set(
        re.findall(r"'(https?://[^']*StructureDefinition/[^']*)'", texts_of_views(version, kind.name))
    )
    assert set(kind.extensions) == named
