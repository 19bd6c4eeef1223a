"""The files of an export: downloaded to this machine, decoded under caps, believed when they came whole.

The credential goes along only where the manifest says that it is needed, and to the center's own origin
only. Cerner sends its files from another host by 307 (cerner/fhir.cerner.com#899).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from ingest.bulk_http import BUSY, Answer, BulkHttp, accepting
from ingest.manifest import ExportFile
from ingest.origin import resolved
from ingest.reply import Stream, StreamRequest
from ingest.stream import BrokenStreamError, Caps, EncodingError, OversizeError, decoded
from mappings.errors import UnreachableError, WarehouseError

REDIRECTS = 3
CAPS = Caps(wire=16 * 1024**3, decoded=64 * 1024**3)
_MOVED = frozenset({301, 302, 303, 307, 308})


def download(http: BulkHttp, file: ExportFile, path: Path) -> bool:
    """Write the decoded content of a file to `path`; whether its end was told (see Stream.is_framed).

    Raises ExpiredExportError when it is gone, UnreachableError when it fails or breaks off at every try.
    """
    tries = http.client.policy.body_tries
    for number in range(1, tries + 1):
        try:
            return _once(http, file, path)
        except (BrokenStreamError, UnreachableError):
            http.wait(http.seconds(None, number) if number < tries else 0.0)
    raise UnreachableError(
        http.client.said(f"failed to send a file of its export, or cut it short, {tries} times."),
        "run again: the same export is taken up while the server holds it.",
    )


def _once(http: BulkHttp, file: ExportFile, path: Path) -> bool:
    with _followed(http, file) as stream:
        if stream.status in BUSY:
            raise UnreachableError(
                http.client.said(f"answered {stream.status} to a request for a file of its export."),
                "run again: the same export is taken up while the server holds it.",
            )
        if stream.status != HTTPStatus.OK:
            told = Answer(stream.status, stream.url, stream.headers, None, stream.server_time)
            raise http.refused(told, "a request for a file of its export")
        if "html" in stream.headers.get("content-type", "").lower():
            raise http.client.failure(
                "sent a web page instead of a file of its export.",
                "a sign-in page may stand in front of the files; ask the center's server team.",
            )
        _write(http, stream, path)
        return stream.is_framed or stream.encoding not in {"", "identity"}


@contextmanager
def _followed(http: BulkHttp, file: ExportFile) -> Iterator[Stream]:
    """The answer to a request for a file; its redirects are followed, to known origins only."""
    url = file.url
    for _ in range(REDIRECTS + 1):
        request = StreamRequest("GET", url, accepting("application/fhir+ndjson"), is_signed=file.needs_token)
        with http.client.stream(request) as stream:
            location = stream.headers.get("location")
            if stream.status not in _MOVED or location is None:
                yield stream
                return
            url = resolved(url, location)
    raise http.client.failure(
        f"redirected a file of its export more than {REDIRECTS} times.", "ask the center's server team."
    )


def _write(http: BulkHttp, stream: Stream, path: Path) -> None:
    try:
        with path.open("wb") as target:
            for piece in decoded(stream.chunks, stream.encoding, CAPS):
                http.go_on()
                target.write(piece)
    except (OversizeError, EncodingError) as error:
        raise http.client.failure(
            f"sent a file of its export that cannot be taken: {error}.", "ask the center's server team."
        ) from None
    except OSError as error:
        raise WarehouseError(
            f"A file of an export could not be written: {error.strerror or type(error).__name__}.",
            "Check the free space of the warehouse folder, then run again.",
        ) from None
