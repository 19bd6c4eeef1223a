"""When the certificate of an https server expires."""

import datetime as dt
import socket
import ssl

from ingest.origin import Origin


def certificate_expiry(origin: Origin, timeout: float) -> dt.datetime | None:
    """When the certificate at an https origin expires (UTC); `timeout` in seconds.

    None when this machine's own authorities cannot vouch for it: whether the server is trusted is decided by
    the client, by the authorities it is given.
    """
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((origin.host.strip("[]"), origin.port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=origin.host.strip("[]")) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except OSError:  # every ssl.SSLError is one
        return None
    expires = certificate.get("notAfter")
    if not isinstance(expires, str):
        return None
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(expires), dt.UTC)
