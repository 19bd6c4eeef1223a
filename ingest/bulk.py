"""The Bulk Data protocol: kick-off, status, manifest, DELETE.

https://hl7.org/fhir/uv/bulkdata/export.html. One server makes an export in a second, another in hours, so
the caller notes the status URL before it waits.

Habits of servers met here: HAPI gives the result of an equal export of the last hours again unless told
`Cache-Control: no-cache`, and has called the end of the job its transactionTime (hapifhir/hapi-fhir#6841).
"""

import datetime as dt
from dataclasses import dataclass
from http import HTTPStatus

from ingest.bulk_http import BUSY, HEADERS, Answer, BulkHttp, accepting
from ingest.bulk_request import ExportRequest
from ingest.manifest import Manifest, parse_manifest
from ingest.origin import resolved
from ingest.reply import StreamRequest
from mappings.errors import ExpiredExportError, IncompleteError, ServerError, UnreachableError

MANIFEST_PARTS = 1_000
_REFUSED_PARAMETER = frozenset({400, 404, 405, 415, 422, 501})
_NOT_BEGUN = frozenset({429, 503})
_UNDER_WAY = frozenset({202, 429})


@dataclass(frozen=True, slots=True)
class Accepted:
    """An export the server has accepted: where to ask for it, what was asked, and its time at that moment."""

    status_url: str
    request: ExportRequest
    server_time: dt.datetime | None


def kick_off(http: BulkHttp, request: ExportRequest) -> Accepted:
    """Ask for an export; optional parameters that the server refuses are left out.

    Raises SignInError or ServerError. A kick-off whose answer was lost is not repeated: the server may be at
    work already.
    """
    answer, asked = _asked(http, request), request
    for fewer in request.with_fewer_parameters():
        if answer.status not in _REFUSED_PARAMETER:
            break
        answer, asked = _asked(http, fewer), fewer
    if answer.status != HTTPStatus.ACCEPTED:
        raise _not_accepted(http, answer)
    location = answer.headers.get("content-location")
    if not location:
        raise http.client.failure(
            "accepted an export without saying where it will be (Content-Location).",
            "a proxy may drop that header; ask the center's server team.",
        )
    return Accepted(resolved(answer.url, location), asked, answer.server_time)


@dataclass(frozen=True, slots=True)
class Patience:
    """Until when an export is waited for, and how many seconds may lie between two questions for it."""

    deadline: dt.datetime
    longest_poll: float


def await_manifest(http: BulkHttp, status_url: str, patience: Patience) -> Manifest:
    """Wait until the export is ready and give its whole manifest.

    Raises ExpiredExportError when the server no longer knows it, IncompleteError when it is not ready in time
    or the sync is to stop, ServerError when it failed.
    """
    manifest, seen = _parsed(http, _finished(http, status_url, patience)), {status_url}
    while manifest.next_url is not None:
        if manifest.next_url in seen or len(seen) > MANIFEST_PARTS:
            raise http.client.failure(
                "gave a manifest whose parts never end.", "ask the center's server team."
            )
        seen.add(manifest.next_url)
        manifest = manifest.and_then(_parsed(http, _finished(http, manifest.next_url, patience)))
    return manifest


def delete(http: BulkHttp, status_url: str) -> None:
    """Tell the server that its export is no longer needed; raises ServerError or SignInError."""
    http.answer(StreamRequest("DELETE", status_url, accepting("application/fhir+json")))


def _asked(http: BulkHttp, request: ExportRequest) -> Answer:
    """One kick-off; repeated only while the server says that it has not begun."""
    kick = request.http(http.client.center, HEADERS)
    for tries in range(1, http.client.policy.retries + 1):
        answer = http.answer(kick)
        if answer.status not in _NOT_BEGUN:
            return answer
        http.wait(min(http.seconds(answer, tries), http.client.policy.max_wait))
    return http.answer(kick)


def _not_accepted(http: BulkHttp, answer: Answer) -> Exception:
    error = http.refused(answer, "a request for an export")
    if isinstance(error, ExpiredExportError) or answer.status in _REFUSED_PARAMETER:
        return ServerError(
            error.message,
            "check that the server offers $export at this level; see bulk.group in center.toml.",
        )
    return error


def _finished(http: BulkHttp, url: str, patience: Patience) -> Answer:
    """The first answer that is 200; 429 is as good as 202, and a few failures in a row are borne."""
    polls, failures = 0, 0
    while True:
        answer = _polled(http, url)
        if answer is not None and answer.status == HTTPStatus.OK:
            return answer
        is_under_way = answer is not None and answer.status in _UNDER_WAY
        failures = 0 if is_under_way else failures + 1
        if answer is not None and not is_under_way and not _may_pass(answer):
            raise _failed(http, answer)
        if failures > http.client.policy.retries:
            raise UnreachableError(
                http.client.said(f"failed {failures} times in a row when asked for its export."),
                "run again: the same export is taken up while the server holds it.",
            )
        polls += 1
        left = _left(http, patience.deadline)
        http.wait(min(http.seconds(answer, polls), patience.longest_poll, left))


def _failed(http: BulkHttp, answer: Answer) -> Exception:
    error = http.refused(answer, "a question for its export")
    if isinstance(error, UnreachableError):
        return ServerError(error.message, "the export failed there; the next sync asks for another.")
    return error


def _polled(http: BulkHttp, url: str) -> Answer | None:
    try:
        return http.answer(StreamRequest("GET", url, accepting("application/json")))
    except UnreachableError:
        return None  # counted as a failure: the server works on meanwhile


def _left(http: BulkHttp, deadline: dt.datetime) -> float:
    left = (deadline - http.now()).total_seconds()
    if left <= 0:
        raise IncompleteError(
            http.client.said("did not finish its export in time."),
            "raise bulk.wait_minutes in center.toml, or ask the center's server team.",
        )
    return left


def _may_pass(answer: Answer) -> bool:
    """Whether a failure may be gone soon; a 500 that does not say so means that the export itself failed."""
    return answer.status in BUSY - {500} or "transient" in answer.codes


def _parsed(http: BulkHttp, answer: Answer) -> Manifest:
    try:
        return parse_manifest(answer.resource or {}, answer.url)
    except ValueError as error:
        raise http.client.failure(
            f"ended its export with something other than a manifest ({error}).",
            "ask the center's server team; nothing of this export was used.",
        ) from None
