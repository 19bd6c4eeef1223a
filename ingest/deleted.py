"""The `deleted` files of an export: Bundles of DELETE requests, the only deletions a server tells by itself.

https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status. That no such file is there says
nothing: servers need not write them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.gate import has_id
from ingest.ndjson import DataFile, whole_objects


@dataclass(frozen=True, slots=True)
class Deleted:
    """Ids by resource type, sorted; `unreadable` counts files of which something was not understood."""

    ids: Mapping[str, Sequence[str]]
    unreadable: int


def deleted_in(files: Sequence[DataFile], types: Sequence[str]) -> Deleted:
    """What the files say was deleted of these types."""
    found: dict[str, set[str]] = {}
    unreadable = 0
    for file in files:
        try:
            for resource_type, resource_id in _addresses(whole_objects(file)):
                if resource_type in types:
                    found.setdefault(resource_type, set()).add(resource_id)
        except ValueError:
            unreadable += 1
    return Deleted({name: sorted(ids) for name, ids in sorted(found.items())}, unreadable)


def _addresses(bundles: Sequence[Mapping[str, Any]] | None) -> Iterator[tuple[str, str]]:
    if bundles is None:
        raise ValueError("the file is not whole")
    for bundle in bundles:
        entries = bundle.get("entry", [])
        if bundle["resourceType"] != "Bundle" or not isinstance(entries, list):
            raise ValueError("not a Bundle")
        for entry in entries:
            yield _address(entry)


def _address(entry: object) -> tuple[str, str]:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") != "DELETE":
        raise ValueError("not a DELETE request")
    resource_type, _, resource_id = str(request.get("url", "")).rpartition("/")
    if not has_id({"id": resource_id}):
        raise ValueError("no address of a resource")
    return resource_type.rpartition("/")[2], resource_id
