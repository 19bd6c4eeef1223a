"""The connections of a session: pooled for several threads, without retries of their own, bounded in time.

A read timeout starts anew with every byte, so a server that drips one byte a minute holds a thread for
ever. Here each read waits no longer than what is left of the whole exchange, headers included.
"""

import http.client
import io
import socket
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class BoundedAdapter(HTTPAdapter):
    """Connections whose exchanges end after `exchange_seconds`, `connections` of them kept open."""

    def __init__(self, exchange_seconds: float, connections: int) -> None:
        self._exchange_seconds = exchange_seconds
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """The adapter's pool manager, with our connections in it."""
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._exchange_seconds)


def session(exchange_seconds: float, connections: int) -> requests.Session:
    """A session that ignores the environment (.netrc, proxies) and speaks over bounded connections."""
    opened = requests.Session()
    opened.trust_env = False
    for scheme in ("https://", "http://"):
        opened.mount(scheme, BoundedAdapter(exchange_seconds, connections))
    return opened


class _Reads(io.RawIOBase):
    """The bytes of a socket until a deadline; each read waits at most the socket's own timeout."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pools(seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, whose responses are read through `_Reads`."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Reads(raw, sock, time.monotonic() + seconds))

    class Connection(HTTPConnection):
        response_class = Response

    class SecureConnection(HTTPSConnection):
        response_class = Response

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
