"""What came back from a server, apart from how it was fetched."""

import datetime as dt
import email.utils
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingest.decode import JsonObject, decode_object
from ingest.page import Page


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: `resource` is None for a failure without readable JSON.

    A Bundle may come without its entries, which are in `page` then.
    `url` is what a relative link in it is resolved against, `server_time` the Date header (UTC),
    `retry_after` the seconds the server asked to wait; `is_oversize` says that the body passed its caps.
    """

    status: int
    url: str
    resource: JsonObject | None
    server_time: dt.datetime | None
    retry_after: float | None = None
    is_oversize: bool = False
    page: Page | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A request outside searches; `is_signed` asks for the credential, which its own origin alone gets.

    One that `is_heard_out` is answered even when the run is to stop: the server has begun something by it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    is_signed: bool = True
    is_heard_out: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still to be read: `chunks` are its bytes as they come, not decoded.

    `headers` are by lower-case name. Reading `chunks` raises BrokenStreamError when the body breaks off.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    chunks: Iterator[bytes]

    @property
    def server_time(self) -> dt.datetime | None:
        """The Date header (UTC)."""
        return http_date(self.headers.get("date"))

    @property
    def is_framed(self) -> bool:
        """Whether the end of the body is told, so that a body cut short is noticed."""
        coding = self.headers.get("transfer-encoding", "").lower()
        return "content-length" in self.headers or "chunked" in coding

    @property
    def encoding(self) -> str:
        """The content encoding, an empty text for none."""
        return self.headers.get("content-encoding", "")


def readable(body: bytes) -> JsonObject | None:
    """The JSON object in the body of a failure, if it is one."""
    try:
        return decode_object(body)
    except ValueError:
        return None  # an HTML error page: the status tells enough


def http_date(text: str | None) -> dt.datetime | None:
    """The UTC instant of a Date header; None when there is none or it cannot be read."""
    if text is None:
        return None
    try:
        found = email.utils.parsedate_to_datetime(text)
        # HTTP dates are UTC; Python leaves out the zone where it is written -0000.
        return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None


def retry_after(text: str | None, date: str | None) -> float | None:
    """Seconds to wait, from a Retry-After of seconds or of an HTTP date; None when it cannot be read.

    A date is compared with the answer's own `date` where it has one: clocks differ.
    """
    told = (text or "").strip()
    if re.fullmatch(r"[0-9]+", told):
        return float(told)
    until = http_date(told) if told else None
    if until is None:
        return None
    now = http_date(date) or dt.datetime.now(dt.UTC)
    return max(0.0, (until - now).total_seconds())
