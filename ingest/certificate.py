"""When the certificate of an https server expires."""

import datetime as dt
import socket
import ssl
from pathlib import Path

from ingest.origin import Origin


def certificate_expiry(origin: Origin, timeout: float, ca_file: Path | None = None) -> dt.datetime | None:
    """When the certificate at an https origin expires (UTC); `timeout` in seconds.

    None when the authorities in `ca_file`, or this machine's own, cannot vouch for it: whether the server is
    trusted is decided by the client.
    """
    host = origin.host.strip("[]")
    context = ssl.create_default_context(cafile=ca_file)
    try:
        with (
            socket.create_connection((host, origin.port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except OSError:  # every ssl.SSLError is one
        return None
    expires = certificate.get("notAfter")
    if not isinstance(expires, str):
        return None
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(expires), dt.UTC)
