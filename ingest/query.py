"""One search query: what is sent to a server, and what of the answer was asked for.

Alternatives of one parameter are joined by commas (https://hl7.org/fhir/R4/search.html#combining), so a
query is the union of its halves: that is how it is cut when a URL would be too long.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from ingest.instant import instant

_REFERENCE = re.compile(
    r"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})"
    r"(?:/_history/[A-Za-z0-9.-]{1,64})?"
)

_IDS = "id,meta"


def escape(text: str) -> str:
    r"""A value for a search parameter with FHIR's separators `\ $ , |` escaped."""
    return re.sub(r"([\\$,|])", r"\\\1", text)


def local_id(reference: object, resource_type: str, base_url: str) -> str | None:
    """The id in a reference to a `resource_type` of the server at `base_url`; None for any other."""
    return _local_id(reference, resource_type, base_url) if isinstance(reference, str) else None


@lru_cache(maxsize=4096)  # a patient's resources follow each other
def _local_id(reference: str, resource_type: str, base_url: str) -> str | None:
    match = _REFERENCE.fullmatch(reference)
    if match is None or match["type"] != resource_type:
        return None
    is_ours = match["base"] is None or match["base"].rstrip("/") == base_url.rstrip("/")
    return match["id"] if is_ours else None


@dataclass(frozen=True, slots=True)
class CodeFilter:
    """Codings asked for by one token parameter; `parameter` is also the element searched."""

    parameter: str
    codings: tuple[tuple[str, str], ...]  # (system, code)
    _codes: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every resource of a first night is judged by a center's whole code list.
        object.__setattr__(self, "_codes", frozenset(code.casefold() for _, code in self.codings))

    def matches(self, value: object) -> bool:
        """Whether what should be a CodeableConcept, or a list of them, has a code that was asked for.

        Whatever its system and letter case, and whatever the value is: an invalid resource has codes too.
        """
        if isinstance(value, dict):
            return self.matches(value.get("coding")) or self.matches(value.get("code"))
        if isinstance(value, list):
            return any(map(self.matches, value))
        return isinstance(value, str | int | Decimal) and str(value).casefold() in self._codes


@dataclass(frozen=True, slots=True)
class PatientFilter:
    """Patients asked for: the search parameter, the element that holds the patient, the patients' ids."""

    parameter: str
    element: str
    patient_ids: tuple[str, ...]
    _held: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # An export is judged resource by resource against the whole cohort.
        object.__setattr__(self, "_held", frozenset(self.patient_ids))

    def holds(self, patient_id: str) -> bool:
        """Whether this patient was asked for."""
        return patient_id in self._held


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one resource type; `options` are the parameters that do not choose among alternatives."""

    resource_type: str
    codes: CodeFilter | None
    patients: PatientFilter | None
    options: tuple[tuple[str, str], ...]

    def form(self) -> list[tuple[str, str]]:
        """The parameters as name and value, in the order they are sent."""
        return [*self._filters(), *self.options]

    def encoded(self) -> str:
        """The parameters as application/x-www-form-urlencoded text."""
        return urlencode(self.form())

    def halves(self) -> tuple["Query", "Query"] | None:
        """Two queries whose union is this one, by its longest list; None when no list is left to cut."""
        n_codes = len(self.codes.codings) if self.codes else 0
        n_patients = len(self.patients.patient_ids) if self.patients else 0
        if max(n_codes, n_patients) < 2:
            return None
        if self.codes is not None and n_codes >= n_patients:
            return self._with_codes(slice(0, n_codes // 2)), self._with_codes(slice(n_codes // 2, None))
        return self._with_patients(slice(0, n_patients // 2)), self._with_patients(
            slice(n_patients // 2, None)
        )

    @property
    def count(self) -> int | None:
        """The page size asked for."""
        told = self._option("_count")
        return int(told) if told is not None and told.isdecimal() else None

    @property
    def since(self) -> str | None:
        """The value of `_lastUpdated`, prefix and all."""
        return self._option("_lastUpdated")

    @property
    def low(self) -> dt.datetime | None:
        """The instant from which changes are asked for; None when everything is."""
        return instant((self.since or "")[2:])

    def with_count(self, count: int) -> "Query":
        """The query with another page size."""
        return self._with_option("_count", str(count))

    def after_only(self) -> "Query":
        """The query with `gt` one second earlier instead of `ge`, for servers that know no other prefix."""
        if self.low is None or not (self.since or "").startswith("ge"):
            return self
        earlier = (self.low - dt.timedelta(seconds=1)).replace(tzinfo=None)
        return self._with_option("_lastUpdated", f"gt{earlier.isoformat(timespec='milliseconds')}Z")

    @property
    def is_of_ids(self) -> bool:
        """Whether nothing but ids is asked for, and when they were written."""
        return self._option("_elements") == _IDS

    def ids_only(self) -> "Query":
        """The query for ids and meta of the same resources, in larger pages: they are small."""
        ids = self._with_option("_elements", _IDS)
        return ids if self.count is None else ids.with_count(max(self.count, min(5 * self.count, 1000)))

    def admits(self, resource: Mapping[str, Any], base_url: str) -> bool:
        """Whether a returned resource, valid or not, was asked for: servers may ignore a filter.

        Codes are compared without system and letter case, so that a server that matches generously is
        believed; patients are compared exactly. A resource that names no patient of this server is admitted
        here: it `lacks_patient`.
        """
        return self._admits_patient(resource, base_url) and self.admits_code(resource)

    def lacks_patient(self, resource: Mapping[str, Any], base_url: str) -> bool:
        """Whether patients were asked for and the resource names none of this server."""
        return self.patients is not None and patient_of(resource, self.patients.element, base_url) is None

    def admits_code(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource has one of the codes asked for, whoever's it is."""
        codes = self.codes
        return codes is None or codes.matches(resource.get(codes.parameter))

    def _filters(self) -> Iterator[tuple[str, str]]:
        if self.codes is not None:
            tokens = (f"{escape(system)}|{escape(code)}" for system, code in self.codes.codings)
            yield self.codes.parameter, ",".join(tokens)
        if self.patients is not None:
            prefix = "" if self.patients.parameter == "_id" else "Patient/"
            yield self.patients.parameter, ",".join(prefix + each for each in self.patients.patient_ids)

    def _option(self, name: str) -> str | None:
        return next((value for told, value in self.options if told == name), None)

    def _with_option(self, name: str, value: str) -> "Query":
        others = tuple(option for option in self.options if option[0] != name)
        return replace(self, options=(*others, (name, value)))

    def _with_codes(self, part: slice) -> "Query":
        if self.codes is None:
            return self
        return replace(self, codes=replace(self.codes, codings=self.codes.codings[part]))

    def _with_patients(self, part: slice) -> "Query":
        if self.patients is None:
            return self
        return replace(self, patients=replace(self.patients, patient_ids=self.patients.patient_ids[part]))

    def _admits_patient(self, resource: Mapping[str, Any], base_url: str) -> bool:
        if self.patients is None:
            return True
        found = patient_of(resource, self.patients.element, base_url)
        return found is None or self.patients.holds(found)


def patient_of(resource: Mapping[str, Any], element: str, base_url: str) -> str | None:
    """The id of the patient a resource belongs to: its own id, or that of the reference in `element`."""
    if element == "id":
        own = resource.get("id")
        return own if isinstance(own, str) else None
    reference = resource.get(element)
    return local_id(reference.get("reference"), "Patient", base_url) if isinstance(reference, dict) else None


def codings(concept: object) -> list[tuple[str, str]]:
    """(system, code) of each coding of a CodeableConcept; a missing system is empty text."""
    listed = concept.get("coding") if isinstance(concept, dict) else None
    return [
        (str(coding.get("system") or ""), coding["code"])
        for coding in (listed if isinstance(listed, list) else [])
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    ]
