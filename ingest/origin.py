"""Origins: which server a URL really leads to.

Credentials and queries may go to a center's own origin only, so a URL is read here by one strict
grammar: whatever a lenient parser could take for another host (user info, backslashes, blanks, control
characters) is refused instead of interpreted.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urljoin

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?#][!-\[\]^-~]*)?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL (RFC 6454), lower-case, the port always told."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, told by name or by address, without asking a name server."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_confidential(self) -> bool:
        """Whether nobody on the way can read what is sent there: https, or this machine."""
        return self.scheme == "https" or self.is_loopback


def resolved(base: str, link: str) -> str:
    """`link` resolved against `base`; an empty text, which has no origin, when it cannot be read."""
    try:
        return urljoin(base, link)
    except ValueError:
        return ""


def origin_of(url: str) -> Origin | None:
    """The origin of an absolute http(s) URL; None when the text is anything else."""
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    return Origin(scheme, match["host"].lower(), port) if port < 65536 else None
