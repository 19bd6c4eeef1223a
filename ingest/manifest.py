"""The manifest of a Bulk Data export: which files there are, and up to when they hold what was changed.

https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status. A folder handed over may hold the
same document as manifest.json.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.instant import instant
from ingest.origin import resolved

# The parameters of a kick-off that leave nothing out of the types asked for.
_OF_EVERYTHING = frozenset({"_outputFormat", "_type", "allowPartialManifests", "organizeOutputBy"})


class _Told(BaseModel):
    # Servers add members of their own; numbers come as Decimal from the strict decoder.
    model_config = ConfigDict(extra="ignore", frozen=True)


class _File(_Told):
    url: str
    type: str | None = None
    count: Annotated[int, Field(ge=0)] | None = None


class _Link(_Told):
    relation: str = ""
    url: str = ""


class _Document(_Told):
    transaction_time: object = Field(default=None, alias="transactionTime")
    request: object = None
    needs_token: bool = Field(alias="requiresAccessToken")
    output: tuple[_File, ...]
    deleted: tuple[_File, ...] | None = None
    error: tuple[_File, ...] | None = None
    link: tuple[_Link, ...] | None = None


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file: its absolute address, the type of its resources and how many there are, as far as told."""

    url: str
    resource_type: str | None
    count: int | None
    needs_token: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export came to; `transaction_time` is None when it is missing or no instant.

    `request` is the kick-off's URL, empty when it is not told; `next_url` leads to more of a manifest that
    the server gives in parts.
    """

    transaction_time: dt.datetime | None
    output: tuple[ExportFile, ...]
    deleted: tuple[ExportFile, ...]
    error: tuple[ExportFile, ...]
    next_url: str | None
    request: str = ""

    def is_of_all(self, types: Iterable[str]) -> bool:
        """Whether the kick-off asked for everything of these types, and not for changes or some patients.

        Its URL must say so: one without any parameter may be that of a POST, whose parameters are in its
        body, and says nothing.
        """
        url = urlsplit(self.request)
        asked = parse_qsl(url.query, keep_blank_values=True)
        named = {name for name, value in asked if name == "_type" for name in value.split(",")}
        is_whole = bool(asked) and {name for name, _ in asked} <= _OF_EVERYTHING
        return url.path.endswith("$export") and is_whole and (not named or named.issuperset(types))

    def and_then(self, further: "Manifest") -> "Manifest":
        """This part and the next one as one manifest; the earlier transaction time stands."""
        times = (self.transaction_time, further.transaction_time)
        return Manifest(
            transaction_time=None if None in times else min(each for each in times if each is not None),
            output=self.output + further.output,
            deleted=self.deleted + further.deleted,
            error=self.error + further.error,
            next_url=further.next_url,
            request=self.request,
        )


def parse_manifest(document: Mapping[str, Any], url: str) -> Manifest:
    """The manifest in the JSON object read from `url`; raises ValueError, quoting nothing of it."""
    try:
        told = _Document.model_validate(dict(document))
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise ValueError(f"wrong or missing: {', '.join(places)}") from None

    def files(listed: Sequence[_File] | None) -> tuple[ExportFile, ...]:
        return tuple(
            ExportFile(resolved(url, each.url), each.type, each.count, told.needs_token)
            for each in listed or ()
        )

    links = [resolved(url, link.url) for link in told.link or () if link.relation == "next"]
    return Manifest(
        transaction_time=instant(told.transaction_time),
        output=files(told.output),
        deleted=files(told.deleted),
        error=files(told.error),
        next_url=links[0] if links else None,
        request=told.request if isinstance(told.request, str) else "",
    )
