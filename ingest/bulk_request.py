"""What an export is asked for, and how that is put into a request.

https://hl7.org/fhir/uv/bulkdata/export.html#query-parameters. Patients are named in a POST body only: ids
have no place in a URL.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ingest.center import Center
from ingest.minimise import canonical
from ingest.plan import Ask
from ingest.query import escape
from ingest.reply import StreamRequest
from ingest.source import ByExport

NDJSON = "application/fhir+ndjson"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An export of some types; `since` None is everything, no `patients` is everybody."""

    operation: str
    types: tuple[str, ...]
    since: dt.datetime | None = None
    type_filters: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    def fingerprint(self, base_url: str) -> str:
        """SHA-256 of what is asked of which server, apart from `since`."""
        told = [base_url, self.operation, self.types, self.type_filters, self.patients]
        return hashlib.sha256(canonical(told).encode("ascii")).hexdigest()

    def with_fewer_parameters(self) -> Iterator["ExportRequest"]:
        """The same export without what servers may lack: filters, then patients, then since."""
        fewer = self
        for lacking in (replace(fewer, type_filters=()), replace(fewer, type_filters=(), patients=())):
            if lacking != fewer:
                fewer = lacking
                yield fewer
        if self.since is not None:
            yield replace(fewer, since=None)

    def http(self, center: Center, headers: Mapping[str, str]) -> StreamRequest:
        """The kick-off: GET, or POST where a URL would be too long or would name patients."""
        told = {**headers, "Accept": "application/fhir+json", "Prefer": "respond-async"}
        url = center.url(self.operation)
        if not self.patients and not self.type_filters:
            return StreamRequest("GET", f"{url}?{urlencode(list(self._plain()))}", told, is_heard_out=True)
        body = canonical(self._parameters()).encode("ascii")
        return StreamRequest(
            "POST", url, {**told, "Content-Type": "application/fhir+json"}, body, is_heard_out=True
        )

    def _plain(self) -> Iterator[tuple[str, str]]:
        yield "_outputFormat", NDJSON
        yield "_type", ",".join(self.types)
        if self.since is not None:
            yield "_since", _instant(self.since)

    def _parameters(self) -> dict[str, object]:
        listed: list[dict[str, object]] = [
            {"name": "_outputFormat", "valueString": NDJSON},
            {"name": "_type", "valueString": ",".join(self.types)},
        ]
        if self.since is not None:
            listed.append({"name": "_since", "valueInstant": _instant(self.since)})
        listed += [{"name": "_typeFilter", "valueString": each} for each in self.type_filters]
        listed += [
            {"name": "patient", "valueReference": {"reference": f"Patient/{each}"}} for each in self.patients
        ]
        return {"resourceType": "Parameters", "parameter": listed}


def everything(source: ByExport, asks: Sequence[Ask]) -> ExportRequest:
    """The export of all that the study asks for."""
    return ExportRequest(
        operation=source.operation,
        types=tuple(sorted({ask.resource_type.name for ask in asks})),
        type_filters=tuple(_type_filters(asks)) if source.sends_type_filter else (),
    )


def _type_filters(asks: Sequence[Ask]) -> Iterator[str]:
    """One filter a type: by all the codes that any search of it asks for; none when one asks for all."""
    for name in sorted({ask.resource_type.name for ask in asks}):
        codes = [ask.codes for ask in asks if ask.resource_type.name == name]
        known = [each for each in codes if each is not None]
        if len(known) == len(codes):
            codings = sorted({coding for each in known for coding in each.codings})
            tokens = ",".join(f"{escape(system)}|{escape(code)}" for system, code in codings)
            yield f"{name}?{urlencode([(known[0].parameter, tokens)])}"


def _instant(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
