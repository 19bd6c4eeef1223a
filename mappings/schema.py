"""What FHIR says a resource or data type holds: its elements, their types, which repeat, which are choices.

The facts are read from the fhir.resources model classes, so there is no schema file to ship or to keep in
step with the gate, which validates with the same classes. R4 means their R4B models: for every type we map,
R4 4.0.1 and R4B 4.3.0 have the same elements. Each type is imported when first asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from fhir import resources as r5
from fhir.resources import R4B

from mappings.errors import ViewError

FHIR_VERSIONS = ("R4", "R5")
# The complex type of `_birthDate`, which carries a primitive's id and extensions; also its model's name.
PRIMITIVE_COMPANION = "FHIRPrimitiveExtension"
_MODEL_NAME = {PRIMITIVE_COMPANION: "Element"}
_PACKAGES = {"R4": R4B, "R5": r5}


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON property: `name` as in JSON (`valueQuantity`), its FHIR type, whether it is an array."""

    name: str
    type: str
    is_list: bool

    @property
    def is_primitive(self) -> bool:
        """True for values (string, date …), false for objects; FHIR writes primitive types in lower case."""
        return self.type[0].islower()

    @property
    def companion(self) -> "Element":
        """The property beside a primitive that holds its extensions: `_birthDate` of `birthDate`."""
        return Element(f"_{self.name}", PRIMITIVE_COMPANION, self.is_list)


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """A resource or data type: plain elements by name, choice elements (`value[x]`) by name, then by type.

    `required` names the elements and choices that may not be missing; `companions` the properties beside its
    primitives (`_birthDate`): a resource's id has none, nor has an extension's url.
    """

    name: str
    is_resource: bool
    elements: Mapping[str, Element]
    choices: Mapping[str, Mapping[str, Element]]
    required: frozenset[str]
    companions: frozenset[str]

    @property
    def element_names(self) -> list[str]:
        """Every name a path may use on this type, sorted."""
        return sorted([*self.elements, *self.choices])


@cache
def type_info(fhir_version: str, name: str) -> TypeInfo:
    """Describe a resource type, data type or backbone element (`ObservationComponent`) of R4 or R5.

    Raises `ViewError` for a version other than R4 and R5 and for a type that version does not have.
    """
    model = _model(fhir_version, name)
    elements: dict[str, Element] = {}
    choices: dict[str, dict[str, Element]] = {}
    for field in model.model_fields.values():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or not extra.get("element_property"):
            continue
        element = _element(str(field.alias), field.annotation)
        group = extra.get("one_of_many")
        if group is None:
            elements[element.name] = element
        else:
            choices.setdefault(str(group), {})[element.type] = element
    return TypeInfo(
        name,
        "implicitRules" in elements,
        MappingProxyType(elements),
        MappingProxyType({key: MappingProxyType(options) for key, options in choices.items()}),
        frozenset(_required(model)),
        frozenset(field.alias for field in model.model_fields.values() if str(field.alias).startswith("_")),
    )


def _required(model: Any) -> Iterator[str]:
    """What a model demands, in its three ways: a field, a primitive or its extension, one of many."""
    for field in model.model_fields.values():
        extra = field.json_schema_extra
        if field.is_required() or (isinstance(extra, dict) and extra.get("element_required")):
            yield str(field.alias)
        if isinstance(extra, dict) and extra.get("one_of_many_required"):
            yield str(extra["one_of_many"])


def is_resource_type(fhir_version: str, name: str) -> bool:
    """Whether `name` is a resource type of that version."""
    try:
        return type_info(fhir_version, name).is_resource
    except ViewError:
        return False


def _model(fhir_version: str, name: str) -> Any:
    package = _PACKAGES.get(fhir_version)
    if package is None:
        raise ViewError(
            f"FHIR version {fhir_version!r} is not supported.", f"Use one of {', '.join(FHIR_VERSIONS)}."
        )
    try:
        return package.get_fhir_model_class(_MODEL_NAME.get(name, name))
    except ValueError:
        raise ViewError(
            f"FHIR {fhir_version} has no type {name!r}.",
            "Check the spelling; FHIR types are written like 'Observation' or 'CodeableConcept'.",
        ) from None


def _element(name: str, annotation: Any) -> Element:
    inner = _without_none(annotation)
    is_list = get_origin(inner) is list
    if is_list:
        inner = _without_none(get_args(inner)[0])
    return Element(name, _type_name(inner), is_list)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        # Annotated[str, Code()]: the last marker names the primitive; uuid alone uses pydantic's own marker.
        marker = type(annotation.__metadata__[-1]).__name__
        return "uuid" if marker == "UuidVersion" else marker[0].lower() + marker[1:]
    if annotation is bool:
        return "boolean"
    return str(annotation.__name__).removesuffix("Type")
