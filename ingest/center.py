"""A center as ingest sees it: where its FHIR server is and how to ask it."""

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Literal

from ingest.auth import Auth, NoAuth
from ingest.origin import Origin, origin_of
from mappings.errors import ConfigError

FhirVersion = Literal["R4", "R5"]

_CENTER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Center:
    """One FHIR server to read; raises ConfigError for an address that must not be used.

    `overlap` is how much already read time is asked again (index lag and clock skew of servers);
    timeouts are in seconds. `concurrency` bounds the requests under way at once; `rewrite_links` reads next
    links that name another address of the same server below `base_url`; `max_requests` and `max_duration`
    bound one run.
    """

    center_id: str
    name: str
    base_url: str
    fhir_version: FhirVersion
    page_size: int = 200
    patient_batch: int = 50
    overlap: dt.timedelta = dt.timedelta(hours=24)
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    concurrency: int = 4
    rewrite_links: bool = False
    max_requests: int = 50_000
    max_duration: dt.timedelta = dt.timedelta(hours=3)
    auth: Auth = field(default_factory=NoAuth)

    def __post_init__(self) -> None:
        if not _CENTER_ID.fullmatch(self.center_id):
            raise ConfigError(
                f"{self.center_id!r} is not a center id.",
                "use lower-case letters, digits, '-' and '_', at most 32.",
            )
        origin = origin_of(self.base_url)
        if origin is None or "?" in self.base_url or "#" in self.base_url:
            raise ConfigError(
                f"The base_url of center {self.center_id} is not an http(s) address.",
                "write it as https://host/path, without user, query or fragment.",
            )
        if origin.scheme != "https" and not origin.is_loopback:
            raise ConfigError(
                f"The base_url of center {self.center_id} is not https.",
                "use https; plain http is accepted for this machine only.",
            )

    @property
    def origin(self) -> Origin:
        """The only origin requests and credentials of this center may go to."""
        origin = origin_of(self.base_url)
        if origin is None:  # __post_init__ accepts no such address
            raise AssertionError
        return origin

    def url(self, path: str) -> str:
        """The absolute URL of `path` (no leading slash) below the base."""
        return f"{self.base_url.rstrip('/')}/{path}"
