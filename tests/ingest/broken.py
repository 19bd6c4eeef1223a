"""Real resources broken at random: one or a few changes each, at any depth, most of them small.

A change may leave a resource valid; that is what makes it a question. Only what is changed is copied.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from tests.ingest.examples import Resource

_DESCENT = 0.8  # how likely the change is made further down
_KEPT = 60  # values of each property name

_TEXTS = (
    "", " ", "\t", "\n", "x", "\xa0", " x", "x ", "a  b", "a b", "a\tb", "a\nb", "\x00", "a\x1fb", "\x7f",
    "\x85", "é", "漢字", "\u200b", "\u2028", "\ud800", "\U0001f600", "x" * 64, "x" * 65, "x" * 256, "a_b",
    "a/b", "{}", "[]", "null", '{"reference": "Patient/1"}', "true", "1", "-1", "1.0", "1e3", "NaN",
    "a|b", "http://x y", "urn:x", "#a", "urn:oid:1.2.3", "urn:oid:3.1", "urn:oid:1.02",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:c757873d-ec9a-1326-a141-556f43239520",
    "c757873d-ec9a-4326-a141-556f43239520", "YQ==", "YWI=", "YWJj", "YQ=", "YQ", "Y Q==", "Y-_=", "====",
    "string", "Patient", "final",
)  # fmt: skip
_TIMES = (
    "2025", "2025-06", "2025-6", "2025-13", "2025-00", "2025-02-28", "2025-02-29", "2024-02-29",
    "1900-02-29", "2000-02-29", "2025-04-31", "2025-12-31", "2025-12-32", "0000-01-01", "0001-01-01",
    "0999-12-31", "9999-12-31", "20250101", "2025-W01-1", "2025-01-01T", "2025-01-01T10:00",
    "2025-01-01T10:00:00", "2025-01-01T10:00:00Z", "2025-01-01T10:00:00z", "2025-01-01t10:00:00Z",
    "2025-01-01 10:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T23:59:60Z", "2016-12-31T23:59:60Z",
    "2025-01-01T10:00:00.1Z", "2025-01-01T10:00:00.123456789Z", "2025-01-01T10:00:00.1234567890Z",
    "2025-01-01T10:00:00.Z", "2025-01-01T10:00:00+02:00", "2025-01-01T10:00:00+14:00",
    "2025-01-01T10:00:00+14:30", "2025-01-01T10:00:00-13:59", "2025-01-01T10:00:00+24:00",
    "2025-01-01T10:00:00+0200", "2025-01-01T10:00:00-00:00", "0001-01-01T00:00:00+02:00",
    "2025-02-30T10:00:00Z", "٢٠٢٥-01-01", "2025-01-01\n", "10:00:00", "10:00", "24:00:00", "23:59:60",
    "10:00:00.5", "10:00:00Z", "10:00:00.1234567890", "2019-02-29T00:00:00Z", "2100-02-29",
)  # fmt: skip
_DECIMALS = (
    "0.0", "-0", "-0.0", "7.10", "1.0", "1E2", "1E+2", "1e-7", "1E400", "1E-400", "-1E308", "0E-400", "1.5",
    "0." + "1" * 18, "0." + "1" * 19, "0." + "1" * 40, "9" * 18, "9" * 19 + ".5", "1" * 39 + ".5", "1E17",
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 7, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, 10**29, 10**30,
    10**37, 10**39, -(10**39), *map(Decimal, _DECIMALS),
)  # fmt: skip
_ODD: tuple[Any, ...] = (None, True, False, [], {}, [None], [[]], [{}], {"id": "x"}, 1.5, float("inf"))
LEAVES = (_TEXTS, _TIMES, _NUMBERS, _ODD)

_EXTENSIONS: tuple[Any, ...] = (
    {"url": "urn:x", "valueString": "x"},
    {"url": "urn:x", "valueBoolean": True},
    {"url": "urn:x", "valueUuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
    {"url": "urn:x", "valueOid": "urn:oid:1.2.3"},
    {"url": "urn:x", "valueTime": "10:00:00"},
    {"url": "urn:x", "valueBase64Binary": "YWJj"},
    {"url": "urn:x", "valueUnsignedInt": 0},
    {"url": "urn:x", "valuePositiveInt": 1},
    {"url": "urn:x", "valueId": "a.b-C"},
    {"url": "urn:x", "valueUrl": "http://example.org"},
    {"url": "urn:x", "valueMarkdown": "*x*"},
    {"url": "urn:x", "valueInteger64": "12"},
    {"url": "urn:x", "valuePeriod": {"start": "2025"}},
    {"url": "urn:x"},
    {"valueString": "x"},
    {"url": "urn:x", "valueString": "x", "valueBoolean": True},
    {"url": "urn:x", "extension": [{"url": "y", "valueCode": "z"}]},
    {"url": "urn:x", "valueString": "x", "extension": [{"url": "y", "valueCode": "z"}]},
    {"url": "urn:x", "_valueString": {"extension": [{"url": "urn:y", "valueCode": "z"}]}},
    {"_url": {"id": "x"}, "valueString": "x"},
    None,
)
_COMPANIONS: tuple[Any, ...] = (
    {"extension": [{"url": "urn:x", "valueString": "x"}]},
    {"id": "x"},
    {"id": "x", "extension": [{"url": "urn:x", "valueCode": "x"}]},
    {"id": 7},
    {"extension": []},
    {"value": "x"},
    {},
    None,
    [{"id": "x"}],
    [None, {"id": "x"}],
    [None],
)


class Breaker:
    """Makes broken resources of some whole ones, always the same ones for the same seed."""

    def __init__(self, resources: Sequence[Resource], seed: int) -> None:
        self._resources = resources
        self._random = Random(seed)  # noqa: S311 - no secret
        self._values: dict[str, list[Any]] = {}
        for resource in resources:
            self._gather(resource)
        self._names = sorted(self._values)

    def broken(self) -> Iterator[Resource]:
        """Endlessly one of the resources, changed."""
        while True:
            resource = self._pick(self._resources)
            for _ in range(self._pick((1, 1, 1, 2, 3))):
                resource = self._changed(resource, "")
            yield resource

    def _gather(self, value: Any) -> None:
        for child in value if isinstance(value, list) else value.values():
            if isinstance(child, dict | list):
                self._gather(child)
        for name, child in value.items() if isinstance(value, dict) else ():
            known = self._values.setdefault(name, [])
            if len(known) < _KEPT:
                known.append(child)

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[int(self._random.random() * len(options))]

    def _changed(self, value: Any, name: str) -> Any:
        if isinstance(value, dict | list) and value:
            if name != "" and self._random.random() > _DESCENT:
                changes = (self._other_object, self._other_object, self._other, self._like, self._edited)
                return self._pick(changes)(value, name)
            return self._below(value, name)
        return self._pick((self._other, self._like, self._edited))(value, name)

    def _below(self, value: Any, name: str) -> Any:
        if self._random.random() > _DESCENT:
            return self._other_object(value, name)
        found = value.copy()
        if isinstance(value, list):
            at = int(self._random.random() * len(value))
            found[at] = self._changed(value[at], name)
        else:
            key = self._pick(list(value))
            found[key] = self._changed(value[key], key)
        return found

    def _other(self, value: Any, name: str) -> Any:
        del value, name
        return self._pick(self._pick(LEAVES))

    def _like(self, value: Any, name: str) -> Any:
        """A value that a property of this name, or of any, has elsewhere."""
        del value
        name = name if name in self._values and self._random.random() < 0.7 else self._pick(self._names)
        return self._pick(self._values[name])

    def _edited(self, value: Any, name: str) -> Any:
        """A text with a character more, less or another, the number before, anything in a list or as text."""
        del name
        if type(value) is int and self._random.random() < 0.5:
            return value - 1
        if not isinstance(value, str) or not value:
            return self._pick(([value], str(value), [value, value], {"value": value}))
        at = int(self._random.random() * len(value))
        put = self._pick(("", " ", "\t", "0", "9", "-", "Z", "/", "é", "\x00", "  ", "\n"))
        return value[:at] + put + value[at + self._pick((0, 1)) :]

    def _other_object(self, value: Any, name: str) -> Any:
        del name
        changes: Sequence[Callable[[Any], Any]] = (
            (self._without, self._twice, self._padded, self._alone)
            if isinstance(value, list)
            else (self._without, self._renamed, self._with_more, self._with_more, self._with_sibling,
                  self._with_extension, self._with_contained)
        )  # fmt: skip
        return self._pick(changes)(value)

    def _without(self, value: Any) -> Any:
        found = value.copy()
        if found:
            del found[self._pick(list(found) if isinstance(found, dict) else range(len(found)))]
        return found

    def _twice(self, value: list[Any]) -> Any:
        return [*value, *value[:1]]

    def _padded(self, value: list[Any]) -> Any:
        return [*value, self._pick((None, {}, [], "x", self._like(None, "")))]

    def _alone(self, value: list[Any]) -> Any:
        return value[0] if value else {}

    def _renamed(self, value: Resource) -> Resource:
        old = self._pick(list(value))
        new = self._pick(
            (old + "x", old[:1].upper() + old[1:], f"_{old}", f"{old}__ext", self._pick(self._names))
        )
        return {new if key == old else key: child for key, child in value.items()}

    def _with_more(self, value: Resource) -> Resource:
        """With a property that some object has: a second choice of a group, one of another type."""
        name = self._pick((*self._names, "resourceType", "resource_type", "fhir_comments"))
        kin = [each for each in self._names if value and each[:4] == self._pick(list(value))[:4]]
        name = self._pick(kin) if kin and self._random.random() < 0.6 else name
        return value | {name: self._like(None, name)}

    def _with_sibling(self, value: Resource) -> Resource:
        name = self._pick(list(value) or ["x"])
        found = value | {f"_{name}": self._pick(_COMPANIONS)}
        if self._random.random() < 0.3:
            found.pop(name, None)
        return found

    def _with_extension(self, value: Resource) -> Resource:
        name = self._pick(("extension", "extension", "modifierExtension"))
        return value | {name: [self._pick(_EXTENSIONS)]}

    def _with_contained(self, value: Resource) -> Resource:
        inner = self._pick(self._resources)
        odd = self._pick(("Unicorn", "Period", "", 7, None))
        others = ({**inner, "resourceType": odd}, {"id": "c"}, {"resourceType": "Patient"}, None)
        inner = self._pick((inner, inner, *others))
        return value | {"contained": [inner]}
