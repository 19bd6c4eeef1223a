"""What is asked for and kept of each resource type: resources/<type>.toml, one file a type.

The lists of kept elements, extensions and texts are allow-lists (minimum necessary): an element that is
not named in a file is never stored. `[r4]` and `[r5]` add what only that FHIR version has.
"""

import functools
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest.center import FhirVersion
from mappings.errors import ConfigError

Step = Literal["cohort", "patient"]

ElementPath = Annotated[str, Field(pattern=r"^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CodeSet(_Strict):
    """Codes to ask for: the concepts of one code set, or all of them when none is named."""

    code_set: str
    concepts: tuple[str, ...] = Field(default=(), strict=False)


class Search(_Strict):
    """One query of a type: for the cohort itself, or for the resources of known patients."""

    step: Step
    patient_parameter: str | None = None
    code_parameter: str | None = None
    codes: tuple[CodeSet, ...] = Field(default=(), strict=False)
    elements: tuple[str, ...] = Field(default=(), strict=False)  # sent as _elements


class Kept(_Strict):
    """Allow-lists: element paths, extension URLs, and CodeableConcepts whose `text` is kept.

    `required_codes` are the lists that FHIR binds an element to, binding strength required, by path.
    """

    elements: tuple[ElementPath, ...] = Field(default=(), strict=False)
    extensions: tuple[str, ...] = Field(default=(), strict=False)
    texts: tuple[ElementPath, ...] = Field(default=(), strict=False)
    required_codes: dict[ElementPath, list[str]] = Field(default_factory=dict)


class ResourceFile(Kept):
    """One resources/<type>.toml; `patient_element` holds the patient ("id" for Patient itself)."""

    resource_type: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")]
    patient_element: str
    member_concepts: tuple[str, ...] = Field(default=(), strict=False)
    search: tuple[Search, ...] = Field(strict=False)
    r4: Kept = Kept()
    r5: Kept = Kept()

    @model_validator(mode="after")
    def _one_search_a_step(self) -> Self:
        # Coverage is kept by type and patient: two searches of one step would share, and spoil, a watermark.
        steps = [search.step for search in self.search]
        if len(set(steps)) != len(steps):
            raise ValueError("a type has at most one search of each step")
        if any(search.step == "patient" and search.patient_parameter is None for search in self.search):
            raise ValueError("a search of the patient step needs patient_parameter")
        if any(bool(search.codes) != (search.code_parameter is not None) for search in self.search):
            raise ValueError("codes and code_parameter go together")
        return self


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type as one FHIR version has it: how to ask for it and what to keep."""

    name: str
    patient_element: str
    member_concepts: tuple[str, ...]
    searches: tuple[Search, ...] = field(
        hash=False
    )  # name and lists tell types apart, in a tenth of the time
    elements: frozenset[str]
    extensions: frozenset[str]
    texts: frozenset[str]
    required_codes: tuple[tuple[str, frozenset[str]], ...]


@functools.cache
def load_resource_types(fhir_version: FhirVersion) -> tuple[ResourceType, ...]:
    """Every shipped resource type, in the order of the file names; a broken file raises ConfigError."""
    folder = files("ingest") / "resources"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(
        _for_version(parse_resource_file((folder / name).read_text("utf-8"), name), fhir_version)
        for name in names
    )


def parse_resource_file(text: str, name: str) -> ResourceFile:
    """The model of one file; raises ConfigError naming the file and the keys that are wrong."""
    try:
        return ResourceFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(
            f"ingest/resources/{name}: {error}", "mend the keys named; the other files there show each key."
        ) from None


def _for_version(file: ResourceFile, fhir_version: FhirVersion) -> ResourceType:
    extra = file.r4 if fhir_version == "R4" else file.r5
    return ResourceType(
        name=file.resource_type,
        patient_element=file.patient_element,
        member_concepts=file.member_concepts,
        searches=file.search,
        elements=frozenset(file.elements + extra.elements),
        extensions=frozenset(file.extensions + extra.extensions),
        texts=frozenset(file.texts + extra.texts),
        required_codes=tuple(
            (path, frozenset(codes)) for path, codes in (file.required_codes | extra.required_codes).items()
        ),
    )
