"""What came back from a server, apart from how it was fetched."""

import datetime as dt
import email.utils
from dataclasses import dataclass

from ingest.decode import JsonObject, decode_object


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: `resource` is None for a failure without readable JSON.

    `url` is what a relative link in it is resolved against, `server_time` the Date header (UTC).
    """

    status: int
    url: str
    resource: JsonObject | None
    server_time: dt.datetime | None

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


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
