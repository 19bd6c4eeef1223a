"""What is stored of a resource: the study's minimum, by allow-lists, as canonical JSON text.

Kept are the elements, extension URLs and body-site texts named in resources/<type>.toml and, inside
them, only the parts of FHIR's data types that carry codes, numbers, dates and references. Names,
addresses, identifiers, narratives, notes, photos, contained resources and everything unknown are dropped
because nothing names them, not because something forbids them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import simplejson

from ingest.decode import JsonObject
from ingest.gate import Issue, has_id
from ingest.resource_types import ResourceType

# CodeableConcept, Coding, Quantity, Period, Reference, CodeableReference and their primitive parts.
_PARTS = frozenset(
    {"coding", "system", "version", "code", "userSelected", "value", "comparator", "unit", "start", "end",
     "reference", "type", "concept"}
)  # fmt: skip
_CODINGS = frozenset({"coding", "valueCoding"})  # where `display` names a code; elsewhere it names a person
_EXTENSION_VALUES = frozenset(
    {"valueBoolean", "valueCode", "valueCodeableConcept", "valueCoding", "valueDate", "valueDateTime",
     "valueDecimal", "valueInteger", "valueQuantity", "valueReference"}
)  # fmt: skip
_META = ("versionId", "lastUpdated")
# A hundred times the largest that a study's minimum has a use for; the database reads a text like this whole.
MAX_KEPT_BYTES = 1024 * 1024
# What stays of a Reference that has an identifier alone: that there was one, so that it can be counted.
_LOGICAL: JsonObject = {"identifier": {}}


@dataclass(frozen=True, slots=True)
class Minimised:
    """A resource's stored text, the SHA-256 of that text without meta, and what forbids using it.

    Of one that `is_too_large` the text is its type and id alone; the hash is still that of all of it.
    """

    body: str
    content_hash: str
    issues: tuple[Issue, ...]
    is_too_large: bool = False


def minimise(resource: Mapping[str, Any], kept: ResourceType) -> Minimised:
    """The minimum of `resource`; any JSON object is accepted, valid or not.

    `issues` names modifier elements that may change the meaning of what is kept and that we do not know
    (https://hl7.org/fhir/R4/extensibility.html#modifierExtension): such a resource must not be used.
    """
    reducer = _Reducer(kept)
    content = reducer.resource(resource)
    content_hash = hashlib.sha256(canonical(content).encode("ascii")).hexdigest()
    meta = _meta(resource.get("meta"))
    body = canonical({**content, "meta": meta} if meta else content)
    if len(body) > MAX_KEPT_BYTES:
        return _too_large(resource, kept, content_hash)
    return Minimised(body, content_hash, tuple(reducer.issues))


def _too_large(resource: Mapping[str, Any], kept: ResourceType, content_hash: str) -> Minimised:
    told = {"resourceType": kept.name} | ({"id": resource["id"]} if has_id(resource) else {})
    issue = Issue("size", kept.name, f"more than {MAX_KEPT_BYTES} bytes of it would have to be kept")
    return Minimised(canonical(told), content_hash, (issue,), is_too_large=True)


def canonical(value: object) -> str:
    """JSON text with sorted keys, no blanks and ASCII only; a Decimal keeps its digits."""
    return simplejson.dumps(value, use_decimal=True, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _meta(meta: object) -> JsonObject:
    if not isinstance(meta, dict):
        return {}
    return {key: meta[key] for key in _META if isinstance(meta.get(key), str)}


class _Reducer:
    """Walks one resource along the allow-lists and gathers the unknown modifiers it meets."""

    def __init__(self, kept: ResourceType) -> None:
        self._kept = kept
        self._parents = {path[:dot] for path in kept.elements for dot, mark in enumerate(path) if mark == "."}
        self.issues: list[Issue] = []

    def resource(self, resource: Mapping[str, Any]) -> JsonObject:
        """The kept content, without meta."""
        if resource.get("implicitRules"):
            self._forbid("implicitRules", "the resource follows implicit rules we do not know")
        content: JsonObject = {
            key: resource[key] for key in ("resourceType", "id") if isinstance(resource.get(key), str)
        }
        return content | self._object(resource, "", "")

    def _object(self, value: Mapping[str, Any], path: str, key: str) -> JsonObject:
        if value.get("modifierExtension"):
            self._forbid(
                f"{path}.modifierExtension".lstrip("."), "an unknown extension may change the meaning"
            )
        found: JsonObject = {}
        for name, child in value.items():
            reduced = self._child(name, child, path, key)
            if reduced is not None:
                found[name] = reduced
        return found

    def _child(self, name: str, child: object, path: str, key: str) -> object:
        """What is kept of element `name` of the object at `path`, held by `key`; None for nothing."""
        if name == "extension":
            return self._extensions(child)
        below = f"{path}.{name}".lstrip(".")
        is_inside = path != "" and path not in self._parents
        if is_inside and (name in _PARTS or self._is_kept_text(name, path, key)):
            return self._value(child, path, name)
        if not is_inside and (below in self._kept.elements or below in self._parents):
            return self._value(child, below, name)
        return None

    def _is_kept_text(self, name: str, path: str, key: str) -> bool:
        is_site = path in self._kept.texts and key == path.rpartition(".")[2]
        return (name == "text" and is_site) or (name == "display" and key in _CODINGS)

    def _value(self, value: object, path: str, key: str) -> object:
        if isinstance(value, dict):
            return self._object(value, path, key) or (dict(_LOGICAL) if value.get("identifier") else None)
        if isinstance(value, list):
            return [
                each for each in (self._value(item, path, key) for item in value) if each is not None
            ] or None
        return value

    def _extensions(self, value: object) -> object:
        listed = value if isinstance(value, list) else []
        found = [self._extension(item) for item in listed if isinstance(item, dict) and self._is_known(item)]
        return found or None

    def _is_known(self, extension: Mapping[str, Any]) -> bool:
        return extension.get("url") in self._kept.extensions

    def _extension(self, extension: Mapping[str, Any]) -> JsonObject:
        values = {
            name: self._value(child, "extension", name)
            for name, child in extension.items()
            if name in _EXTENSION_VALUES
        }
        return {"url": extension["url"]} | {
            name: child for name, child in values.items() if child is not None
        }

    def _forbid(self, path: str, message: str) -> None:
        self.issues.append(Issue("modifier", f"{self._kept.name}.{path}", message))
