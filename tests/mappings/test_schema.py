import subprocess
import sys
from typing import Any

import pytest
from fhir.resources import fhirtypes as r5_types
from fhir.resources.R4B import fhirtypes as r4b_types

from mappings.errors import ViewError
from mappings.schema import Element, is_resource_type, type_info


@pytest.mark.parametrize(
    ("version", "type_name", "element"),
    [
        ("R4", "Patient", Element("birthDate", "date", is_list=False)),
        ("R4", "Patient", Element("name", "HumanName", is_list=True)),
        ("R4", "HumanName", Element("given", "string", is_list=True)),
        ("R4", "Observation", Element("component", "ObservationComponent", is_list=True)),
        ("R4", "Observation", Element("issued", "instant", is_list=False)),
        ("R4", "Observation", Element("contained", "Resource", is_list=True)),
        ("R4", "Device", Element("udiCarrier", "DeviceUdiCarrier", is_list=True)),
        ("R4", "DeviceUdiCarrier", Element("carrierAIDC", "base64Binary", is_list=False)),
        ("R4", "Quantity", Element("value", "decimal", is_list=False)),
        ("R4", "ClaimResponseItem", Element("itemSequence", "positiveInt", is_list=False)),
        ("R4", "ImagingStudy", Element("numberOfSeries", "unsignedInt", is_list=False)),
        ("R4", "Narrative", Element("div", "xhtml", is_list=False)),
        ("R4", "Encounter", Element("class", "Coding", is_list=False)),
        ("R5", "Encounter", Element("class", "CodeableConcept", is_list=True)),
        ("R4", "AdverseEvent", Element("outcome", "CodeableConcept", is_list=False)),
        ("R5", "AdverseEvent", Element("outcome", "CodeableConcept", is_list=True)),
        ("R4", "FHIRPrimitiveExtension", Element("extension", "Extension", is_list=True)),
    ],
)
def test_elements_have_their_type_and_cardinality(version: str, type_name: str, element: Element) -> None:
    assert type_info(version, type_name).elements[element.name] == element


@pytest.mark.parametrize(("version", "fhirtypes"), [("R4", r4b_types), ("R5", r5_types)])
def test_of_every_type_all_is_known_that_its_model_asks(version: str, fhirtypes: Any) -> None:
    """What the models' own methods say, and every property they take, is what their fields say."""
    told = [getattr(fhirtypes, name) for name in dir(fhirtypes) if name.endswith("Type")]
    models = {each.__name__.removesuffix("Type"): each for each in told if hasattr(each, "get_model_klass")}
    assert len(models) > 600
    for name in models.keys() - {"FHIRPrimitiveExtension"}:
        model, info = models[name].get_model_klass(), type_info(version, name)
        fields = model.model_fields.values()
        choices = {group: {one.name for one in options.values()} for group, options in info.choices.items()}
        assert choices == {group: set(names) for group, names in model.get_one_of_many_fields(None).items()}
        primitives = {element for element, _ in model.get_required_fields(None)}
        assert info.required - info.choices.keys() == primitives | {
            field.alias for field in fields if field.is_required()
        }
        properties = {*info.elements, *info.companions, *(one for names in choices.values() for one in names)}
        assert properties == {field.alias for field in fields} - {"fhir_comments"}


def test_choices_are_grouped_by_name_and_type() -> None:
    choices = type_info("R4", "Observation").choices
    assert set(choices) == {"effective", "value"}
    assert choices["effective"]["Period"] == Element("effectivePeriod", "Period", is_list=False)
    assert choices["value"]["boolean"] == Element("valueBoolean", "boolean", is_list=False)


def test_a_capital_suffix_alone_makes_no_choice() -> None:
    procedure = type_info("R4", "Procedure")
    assert {"complication", "complicationDetail"} <= set(procedure.elements)
    assert set(procedure.choices) == {"performed"}


def test_versions_differ_where_fhir_differs() -> None:
    assert set(type_info("R5", "Procedure").choices) == {"occurrence", "reported"}


def test_every_type_of_an_extension_value_is_read() -> None:
    options = type_info("R4", "Extension").choices["value"]
    assert {"uuid", "url", "code", "base64Binary", "CodeableConcept", "unsignedInt"} <= set(options)
    assert all(option.type == name for name, option in options.items())


def test_no_element_is_an_extension_companion_or_a_comment() -> None:
    assert not [name for name in type_info("R4", "Patient").element_names if "_" in name]


def test_the_companion_of_a_primitive_holds_its_extensions() -> None:
    companion = type_info("R4", "Patient").elements["birthDate"].companion
    assert companion == Element("_birthDate", "FHIRPrimitiveExtension", is_list=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Patient", True),
        ("BodyStructure", True),
        ("HumanName", False),
        ("ObservationComponent", False),
        ("X", False),
    ],
)
def test_only_resources_are_resource_types(name: str, expected: bool) -> None:
    assert is_resource_type("R4", name) is expected


@pytest.mark.parametrize(("version", "name"), [("R3", "Patient"), ("R4", "Patiant"), ("R4", "")])
def test_an_unknown_version_or_type_is_an_error(version: str, name: str) -> None:
    with pytest.raises(ViewError):
        type_info(version, name)


def test_types_are_imported_when_first_asked_for() -> None:
    script = (
        "import sys; from mappings.schema import type_info; type_info('R4', 'Patient');"
        "sys.exit('fhir.resources.R4B.claim' in sys.modules or 'fhir.resources.patient' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
