"""What is stored of a resource: the study's minimum, by allow-lists, as canonical JSON text.

Kept are the elements, extension URLs and body-site texts named in resources/<type>.toml and, inside
them, only the parts of FHIR's data types that carry codes, numbers, dates and references. Names,
addresses, identifiers, narratives, notes, photos, contained resources and everything unknown are dropped
because nothing names them, not because something forbids them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

import orjson
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
_UNKNOWN = object()
_MOST_REMEMBERED = 1_000  # at each place
_LONGEST_REMEMBERED = 2_000  # bytes
# A hundred times the largest that a study's minimum has a use for; the database reads a text like this whole.
MAX_KEPT_BYTES = 1024 * 1024
_ENCODER = simplejson.JSONEncoder(
    use_decimal=True, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=None
)
# What stays of a Reference that has an identifier alone: that there was one, so that it can be counted.
_LOGICAL: JsonObject = {"identifier": {}}


@dataclass(frozen=True, slots=True)
class Minimised:
    """A resource's stored text, the SHA-256 of that text without meta, and what forbids using it.

    Of one that `is_too_large` the text is its type and id alone; the hash is still that of all of it. What
    `has_floats` was decoded roughly: text and hash may differ from those of its true digits.
    """

    body: str
    content_hash: str
    issues: tuple[Issue, ...]
    is_too_large: bool = False
    has_floats: bool = False


def minimise(resource: Mapping[str, Any], kept: ResourceType) -> Minimised:
    """The minimum of `resource`; any JSON object is accepted, valid or not.

    `issues` names modifier elements that may change the meaning of what is kept and that we do not know
    (https://hl7.org/fhir/R4/extensibility.html#modifierExtension): such a resource must not be used.
    """
    reducer = _Reducer(kept)
    content = reducer.resource(resource)
    text = canonical(content)
    content_hash = hashlib.sha256(text.encode("ascii")).hexdigest()
    meta = _meta(resource.get("meta"))
    body = canonical({**content, "meta": meta}) if meta else text
    if len(body) > MAX_KEPT_BYTES:
        return _too_large(resource, kept, content_hash)
    return Minimised(body, content_hash, tuple(reducer.issues), has_floats=reducer.has_floats)


def _too_large(resource: Mapping[str, Any], kept: ResourceType, content_hash: str) -> Minimised:
    told = {"resourceType": kept.name} | ({"id": resource["id"]} if has_id(resource) else {})
    issue = Issue("size", kept.name, f"more than {MAX_KEPT_BYTES} bytes of it would have to be kept")
    return Minimised(canonical(told), content_hash, (issue,), is_too_large=True)


def canonical(value: object) -> str:
    """JSON text with sorted keys, no blanks and ASCII only; a Decimal keeps its digits.

    For values as `decode_object` gives them. orjson writes almost all of them in a tenth of the time; what it
    would write otherwise (characters beyond ASCII) or cannot (integers of more than 64 bits) is simplejson's.
    """
    try:
        text = orjson.dumps(value, default=_digits, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _ENCODER.encode(value)
    return text.decode("ascii") if text.isascii() and b"\x7f" not in text else _ENCODER.encode(value)


def _digits(number: object) -> orjson.Fragment:
    if isinstance(number, Decimal):
        return orjson.Fragment(str(number))
    raise TypeError


def _meta(meta: object) -> JsonObject:
    if not isinstance(meta, dict):
        return {}
    return {key: meta[key] for key in _META if isinstance(meta.get(key), str)}


class _Place:
    """A place in a resource: an object whose path from the root is `path` and whose own name is `name`.

    Inside an element that is kept, `path` stays the element's.
    """

    def __init__(self, kept: ResourceType, path: str, name: str) -> None:
        self._kept = kept
        self._name = name
        self.path = path
        self.reduced: dict[bytes, object] = {}

    @cached_property
    def below(self) -> Mapping[str, "_Place"]:
        """What is kept of the object, by name; extensions have a rule of their own."""
        parents = _parents(self._kept)
        if self.path != "" and self.path not in parents:
            return {part: _Place(self._kept, self.path, part) for part in self._parts()}
        dot = f"{self.path}." if self.path else ""
        known = [path for path in (*self._kept.elements, *parents) if path.startswith(dot)]
        names = {path.removeprefix(dot) for path in known}
        return {name: _Place(self._kept, dot + name, name) for name in names if "." not in name}

    def _parts(self) -> Iterator[str]:
        yield from _PARTS
        if self.path in self._kept.texts and self._name == self.path.rpartition(".")[2]:
            yield "text"
        if self._name in _CODINGS:
            yield "display"


def _parents(kept: ResourceType) -> frozenset[str]:
    return frozenset(path[:dot] for path in kept.elements for dot, mark in enumerate(path) if mark == ".")


@cache
def _root(kept: ResourceType) -> _Place:
    return _Place(kept, "", "")


@cache
def _values(kept: ResourceType) -> Mapping[str, _Place]:
    """What is kept of an extension, by name."""
    return {name: _Place(kept, "extension", name) for name in _EXTENSION_VALUES}


class _Reducer:
    """Walks one resource along the allow-lists and gathers the unknown modifiers it meets."""

    def __init__(self, kept: ResourceType) -> None:
        self._kept = kept
        self.issues: list[Issue] = []
        self.has_floats = False

    def resource(self, resource: Mapping[str, Any]) -> JsonObject:
        """The kept content, without meta."""
        if resource.get("implicitRules"):
            self._forbid("implicitRules", "the resource follows implicit rules we do not know")
        content: JsonObject = {
            key: resource[key] for key in ("resourceType", "id") if isinstance(resource.get(key), str)
        }
        return content | self._object(resource, _root(self._kept))

    def _object(self, value: Mapping[str, Any], place: _Place) -> JsonObject:
        if value.get("modifierExtension"):
            self._forbid(
                f"{place.path}.modifierExtension".lstrip("."), "an unknown extension may change the meaning"
            )
        found: JsonObject = {}
        below = place.below
        for name, child in value.items():
            part, kind, kept = below.get(name), type(child), child
            if part is None:
                if name != "extension":
                    continue
                kept = self._extensions(child)
            elif kind is dict or kind is list:
                kept = self._value(child, part)
            elif kind is float:
                self.has_floats = True
            if kept is not None:
                found[name] = kept
        return found

    def _value(self, value: object, place: _Place) -> object:
        if isinstance(value, dict):
            return self._remembered(value, place) if "coding" in value else self._reduced(value, place)
        if isinstance(value, list):
            return [each for each in [self._value(item, place) for item in value] if each is not None] or None
        self.has_floats = self.has_floats or type(value) is float
        return value

    def _reduced(self, value: Mapping[str, Any], place: _Place) -> object:
        return self._object(value, place) or (dict(_LOGICAL) if value.get("identifier") else None)

    def _remembered(self, value: Mapping[str, Any], place: _Place) -> object:
        """A CodeableConcept: a server sends the same few again and again, each of which is reduced once."""
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:
            return self._reduced(value, place)
        known = place.reduced.get(text, _UNKNOWN)  # at once: another thread may forget them
        if known is not _UNKNOWN:
            return known
        faults = len(self.issues)
        found = self._reduced(value, place)
        if len(text) <= _LONGEST_REMEMBERED and faults == len(self.issues) and not self.has_floats:
            if len(place.reduced) >= _MOST_REMEMBERED:
                place.reduced.clear()
            place.reduced[text] = found
        return found

    def _extensions(self, value: object) -> object:
        listed = value if isinstance(value, list) else []
        found = [self._extension(item) for item in listed if isinstance(item, dict) and self._is_known(item)]
        return found or None

    def _is_known(self, extension: Mapping[str, Any]) -> bool:
        url = extension.get("url")
        return isinstance(url, str) and url in self._kept.extensions

    def _extension(self, extension: Mapping[str, Any]) -> JsonObject:
        places = _values(self._kept)
        values = {
            name: self._value(child, places[name]) for name, child in extension.items() if name in places
        }
        return {"url": extension["url"]} | {
            name: child for name, child in values.items() if child is not None
        }

    def _forbid(self, path: str, message: str) -> None:
        self.issues.append(Issue("modifier", f"{self._kept.name}.{path}", message))
