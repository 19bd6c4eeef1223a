"""A page of a searchset Bundle: the resources of one type, and what the server said besides.

Entries are sorted by the type of their resource, for servers set search.mode wrongly or not at all. A page
that another process has decoded comes without its resources: a walk needs their ids and dates only, and
whoever needs more decodes the bytes again, mostly in yet another process.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from ingest.decode import JsonObject, decode_object, decode_roughly, has_long_number
from ingest.outcome import OutcomeIssue, issues_of

# The id of a resource and its meta.lastUpdated, as told; None for what is missing or no text.
Head = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Page:
    """One page: resources of the type asked for, what the server reported, entries of other kinds.

    `lost` counts entries without a resource: something was found and not sent. `server_time` is the Date
    header of this page's answer.
    """

    resources: Sequence[JsonObject]
    issues: tuple[OutcomeIssue, ...]
    ignored: int
    lost: int
    server_time: dt.datetime | None

    @property
    def heads(self) -> Sequence[Head]:
        """The heads of its resources, in their order."""
        if isinstance(self.resources, Undecoded):
            return self.resources.heads
        return [_head(resource) for resource in self.resources]

    @property
    def ids(self) -> set[str]:
        """The ids of its resources."""
        return {resource_id for resource_id, _ in self.heads if resource_id is not None}


class Undecoded(Sequence[JsonObject]):
    """The resources of a page as the page's bytes, which is also how they travel to another process."""

    def __init__(self, body: bytes, resource_type: str, heads: Sequence[Head]) -> None:
        self._body = body
        self._resource_type = resource_type
        self.heads = heads

    def __len__(self) -> int:
        return len(self.heads)

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(self._decoded())

    @overload
    def __getitem__(self, index: int) -> JsonObject: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[JsonObject]: ...

    def __getitem__(self, index: int | slice) -> JsonObject | Sequence[JsonObject]:
        return self._decoded()[index]

    def roughly(self) -> Sequence[JsonObject] | None:
        """The resources with floats for fractions (`decode_roughly`); None where that is not to be had."""
        rough = _roughly(self._body)
        return None if rough is None else page_of(rough, self._resource_type).resources

    def _decoded(self) -> Sequence[JsonObject]:
        return page_of(decode_object(self._body), self._resource_type).resources


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search was answered: the JSON object, and its page where that was taken out of it."""

    resource: JsonObject
    page: Page | None = None


def read_here(body: bytes, resource_type: str) -> Answer:
    """The whole answer in `body`; raises ValueError as `decode_object` does."""
    del resource_type
    return Answer(decode_object(body))


def read_apart(body: bytes, resource_type: str) -> tuple[Answer, Sequence[Head]]:
    """The answer in `body` without the resources, whose heads come beside it: little to send on.

    What is no well-formed searchset comes whole, for others to say what is wrong with it. Raises ValueError
    as `decode_object` does.
    """
    whole = _roughly(body) or decode_object(body)
    if not is_searchset(whole) or not is_well_formed(whole):
        return Answer(whole), ()
    page = page_of(whole, resource_type)
    around = {name: value for name, value in whole.items() if name != "entry"}
    return Answer(around, Page((), page.issues, page.ignored, page.lost, None)), page.heads


def rejoined(body: bytes, resource_type: str, answer: Answer, heads: Sequence[Head]) -> Answer:
    """What `read_apart` made of `body`, with the resources as `Undecoded` ones."""
    if answer.page is None:
        return answer
    return replace(answer, page=replace(answer.page, resources=Undecoded(body, resource_type, heads)))


def is_searchset(resource: Mapping[str, Any]) -> bool:
    """Whether a resource says that it is a searchset Bundle."""
    return resource.get("resourceType") == "Bundle" and resource.get("type") == "searchset"


def is_well_formed(bundle: Mapping[str, Any]) -> bool:
    """Whether entries and links can be read; a next link that leads nowhere must not end the walk."""
    entries, links = bundle.get("entry", []), bundle.get("link", [])
    if not _is_list_of_objects(entries) or not _is_list_of_objects(links):
        return False
    urls = [link.get("url") for link in links if link.get("relation") == "next"]
    return all(isinstance(url, str) and url.strip() for url in urls)


def page_of(bundle: Mapping[str, Any], resource_type: str) -> Page:
    """The entries of a well-formed Bundle, sorted by the type of their resource; without the page's time."""
    entries = [entry.get("resource") for entry in bundle.get("entry", [])]
    objects = [resource for resource in entries if isinstance(resource, dict)]
    wanted = [resource for resource in objects if resource.get("resourceType") == resource_type]
    outcomes = [resource for resource in objects if resource.get("resourceType") == "OperationOutcome"]
    return Page(
        resources=tuple(wanted),
        issues=tuple(issue for outcome in outcomes for issue in issues_of(outcome)),
        ignored=len(objects) - len(wanted) - len(outcomes),
        lost=len(entries) - len(objects),
        server_time=None,
    )


def _roughly(body: bytes) -> JsonObject | None:
    """What `decode_object` gives, but with floats for fractions; None where only that can tell."""
    return None if has_long_number(body) else decode_roughly(body)


def _head(resource: JsonObject) -> Head:
    meta = resource.get("meta")
    return _text(resource.get("id")), _text(meta.get("lastUpdated")) if isinstance(meta, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
