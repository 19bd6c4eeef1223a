"""FHIR search over resources in memory: the few parameters of the demo servers, matched as the standard says.

Reference: https://hl7.org/fhir/R4/search.html, token, reference and date parameters. Alternatives are
joined by commas, `\\` escapes a separator, a repeated parameter narrows the result.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.demo.fhir import Resource
from service.demo.refused import Refused

Pairs = Sequence[tuple[str, str]]
Test = Callable[[Resource], bool]

MAX_COUNT = 1000
DEFAULT_COUNT = 50
COMMON = {"_id": "token", "_lastUpdated": "date"}
RESULT = frozenset({"_count", "_elements", "_format", "_summary"})
_CLINICAL = {
    "code": "token",
    "subject": "reference",
    "patient": "reference",
    "status": "token",
    "date": "date",
}
PARAMETERS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "R4": {
        "Patient": {},
        "Condition": {"code": "token", "subject": "reference", "patient": "reference"},
        "Procedure": _CLINICAL,
        "Observation": _CLINICAL,
        "AdverseEvent": {"event": "token", "subject": "reference", "date": "date"},
        "BodyStructure": {"patient": "reference"},
    },
    "R5": {
        "Patient": {},
        "Condition": {"code": "token", "subject": "reference", "patient": "reference"},
        "Procedure": _CLINICAL,
        "Observation": _CLINICAL,
        "AdverseEvent": _CLINICAL,
        "BodyStructure": {"patient": "reference"},
    },
}
DATE_ELEMENTS = ("effective", "performed", "occurrence")  # choice elements, each as DateTime or Period
_MANDATORY = {"resourceType", "id", "status", "code", "subject", "patient", "actuality", "clinicalStatus"} | {
    "includedStructure"
}
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_MOMENT = re.compile(
    r"(?P<day>\d{4}(-\d\d(-\d\d)?)?)(T(?P<clock>\d\d:\d\d(:\d\d(\.\d{1,9})?)?)(?P<zone>Z|[+-]\d\d:\d\d)?)?"
)
_PREFIXED = re.compile(r"(?P<prefix>eq|ge|gt|le|lt)?(?P<moment>\d.*)")


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search: the tests a resource must pass, the page size, what to show of it.

    honored: the parameters that were applied, for the self link.
    """

    resource_type: str
    tests: tuple[Test, ...]
    count: int
    elements: frozenset[str]
    honored: Pairs

    def matches(self, resource: Resource) -> bool:
        """Whether a resource is part of the result."""
        return all(test(resource) for test in self.tests)

    def shown(self, resource: Resource) -> Resource:
        """The resource as the result shows it: whole, or cut down to `_elements` and tagged so."""
        if not self.elements:
            return resource
        kept = {name: value for name, value in resource.items() if self._keeps(name)}
        meta = resource["meta"]
        return kept | {"meta": meta | {"tag": [*meta.get("tag", []), _SUBSETTED]}}

    def _keeps(self, name: str) -> bool:
        bases = (name[: match.start()] for match in re.finditer("[A-Z]", name))
        return name in _MANDATORY or name in self.elements or any(base in self.elements for base in bases)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server reads a search: its version, its own address, and whether it refuses what it lacks."""

    fhir_version: str
    base_url: str
    is_strict: bool

    def parse(self, resource_type: str, pairs: Pairs) -> Search:
        """The search that `pairs` of names and values ask for; raises Refused."""
        kinds = parameters(self.fhir_version, resource_type)
        unknown = sorted({name for name, _ in pairs if name not in kinds and name not in RESULT})
        if unknown and self.is_strict:
            raise Refused(400, "not-supported", f"Unsupported search parameters: {', '.join(unknown)}.")
        honored = [(name, value) for name, value in pairs if name not in unknown]
        return Search(
            resource_type,
            tests=tuple(self._test(resource_type, name, value) for name, value in honored if name in kinds),
            count=_page_size(honored),
            elements=frozenset(
                each for name, value in honored if name == "_elements" for each in split(value, ",")
            ),
            honored=tuple(honored),
        )

    def _test(self, resource_type: str, name: str, value: str) -> Test:
        kind = parameters(self.fhir_version, resource_type)[name]
        if kind == "date":
            return _date_test(name, value)
        alternatives = split(value, ",")
        if kind == "reference":
            element = "patient" if resource_type == "BodyStructure" else "subject"
            asked = {self._reference(unescape(each)) for each in alternatives}
            return lambda resource: _part(resource, element).get("reference") in asked
        if name in {"_id", "status"}:
            codes = {unescape(each) for each in alternatives}
            return lambda resource: resource.get(name.lstrip("_")) in codes
        return _token_test(name, alternatives)

    def _reference(self, value: str) -> str:
        local = value.removeprefix(f"{self.base_url}/")
        return local if "/" in local else f"Patient/{local}"


def parameters(fhir_version: str, resource_type: str) -> dict[str, str]:
    """The search parameters of a type that choose resources, each with its FHIR search type."""
    return {**COMMON, **PARAMETERS[fhir_version][resource_type]}


def split(text: str, separator: str) -> list[str]:
    r"""The parts of a parameter value between unescaped separators, their escapes kept."""
    return re.findall(rf"(?:\\.|[^\\{re.escape(separator)}])+", text)


def unescape(text: str) -> str:
    r"""A part of a parameter value with `\\`, `\,`, `\|` and `\$` resolved."""
    return re.sub(r"\\(.)", r"\1", text)


def _part(resource: Resource, element: str) -> Resource:
    """An element that should be an object, or nothing: invalid resources are stored and searched too."""
    part = resource.get(element)
    return part if isinstance(part, dict) else {}


def _page_size(honored: Pairs) -> int:
    """Resources on a page: none where only their number was asked for."""
    summaries = {value for name, value in honored if name == "_summary"}
    if summaries - {"count", "false"}:
        raise Refused(400, "not-supported", "_summary is neither count nor false.")
    return 0 if "count" in summaries else _count([value for name, value in honored if name == "_count"])


def _count(values: Sequence[str]) -> int:
    if not values:
        return DEFAULT_COUNT
    if not re.fullmatch(r"\d{1,9}", values[-1]):
        raise Refused(400, "value", "_count is not a whole number.")
    return min(int(values[-1]), MAX_COUNT)


def _token_test(name: str, alternatives: Iterable[str]) -> Test:
    """system|code, |code (no system), code (any system) and system| (any code), over all codings."""
    asked = [_token(each) for each in alternatives]

    def test(resource: Resource) -> bool:
        codings = _part(resource, name).get("coding", [])
        found = [(each.get("system", ""), each.get("code", "")) for each in codings]
        return any(
            system in {None, own_system} and code in {None, own_code}
            for system, code in asked
            for own_system, own_code in found
        )

    return test


def _token(text: str) -> tuple[str | None, str | None]:
    """System and code asked for; None is any."""
    bar = re.search(r"(?<!\\)(?:\\\\)*\|", text)
    if bar is None:
        return None, unescape(text)
    system, code = unescape(text[: bar.end() - 1]), unescape(text[bar.end() :])
    return system, code or None


def _date_test(name: str, value: str) -> Test:
    alternatives = [_limit(name, each) for each in split(value, ",")]

    def test(resource: Resource) -> bool:
        own = _updated(resource) if name == "_lastUpdated" else _happened(resource)
        return own is not None and any(_compare(prefix, own, asked) for prefix, asked in alternatives)

    return test


Span = tuple[datetime, datetime]  # from, inclusive, to, exclusive


def _limit(name: str, text: str) -> tuple[str, Span]:
    match = _PREFIXED.fullmatch(text)
    moment = _span(match["moment"]) if match else None
    if match is None or moment is None:
        raise Refused(400, "value", f"{name} is not a date with eq, ge, gt, le or lt.")
    return match["prefix"] or "eq", moment


def _compare(prefix: str, own: Span, asked: Span) -> bool:
    """Spans compared at their ends; ge and le hold as soon as the spans touch, as large servers do it."""
    match prefix:
        case "gt":
            return own[1] > asked[1]
        case "ge":
            return own[1] > asked[0]
        case "lt":
            return own[0] < asked[0]
        case "le":
            return own[0] < asked[1]
        case _:
            return asked[0] <= own[0] and own[1] <= asked[1]


def _updated(resource: Resource) -> Span | None:
    return _span(resource["meta"]["lastUpdated"])


def _happened(resource: Resource) -> Span | None:
    """When a resource's event took place, None if it does not say."""
    for element in DATE_ELEMENTS:
        if f"{element}DateTime" in resource:
            return _span(resource[f"{element}DateTime"])
        if f"{element}Period" in resource:
            return _period(resource[f"{element}Period"])
    return _span(resource["date"]) if "date" in resource else None


def _period(period: Mapping[str, str]) -> Span | None:
    start, end = _span(period.get("start", "0001-01-01")), _span(period.get("end", "9998-12-31"))
    return (start[0], end[1]) if start is not None and end is not None else None


def _span(text: str) -> Span | None:
    """The span a FHIR dateTime covers by its precision; without an offset it is taken as UTC."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    try:
        return _spanned(match["day"], match["clock"], match["zone"])
    except ValueError:  # the shape of a date, but no day of the calendar
        return None


def _spanned(day: str, clock: str | None, zone: str | None) -> Span:
    if clock is not None:
        start = datetime.fromisoformat(f"{day}T{clock}{zone or '+00:00'}")
        return start, start + _precision(clock)
    year, month, date_ = (*map(int, day.split("-")), 0, 0)[:3]
    start = datetime(year, month or 1, date_ or 1, tzinfo=UTC)
    if date_:
        return start, start + timedelta(days=1)
    following = (year + 1, 1) if not month or month == 12 else (year, month + 1)
    return start, datetime(*following, 1, tzinfo=UTC)


def _precision(clock: str) -> timedelta:
    if "." in clock:
        return timedelta(milliseconds=1)
    return timedelta(seconds=1) if clock.count(":") == 2 else timedelta(minutes=1)
