"""The connections of a session: pooled for several threads, without retries of their own, bounded in time.

A read timeout starts anew with every byte, so a server that drips one byte a minute holds a thread for
ever. Here each read waits no longer than what is left of the whole exchange, headers included, and not on
when the run is asked to stop.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from ingest.stopping import STEP


class BoundedAdapter(HTTPAdapter):
    """Connections whose exchanges end after `exchange_seconds`, `connections` of them kept open.

    When `is_stopping`, an answer that has not come is not waited for: it counts as timed out.
    """

    def __init__(
        self, exchange_seconds: float, connections: int, is_stopping: Callable[[], bool] = bool
    ) -> None:
        self._exchange_seconds = exchange_seconds
        self._is_stopping = is_stopping
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """The adapter's pool manager, with our connections in it."""
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._exchange_seconds, self._is_stopping)


class _Reads(io.RawIOBase):
    """The bytes of a socket until a deadline; each read waits at most the socket's own timeout."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, deadline: float, is_stopping: Callable[[], bool]
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._timeout = sock.gettimeout()
        self._is_stopping = is_stopping

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        now = time.monotonic()
        ends = self._deadline if self._timeout is None else min(self._deadline, now + self._timeout)
        while (left := ends - now) > 0:
            if self._has_come(min(left, STEP)):
                self._sock.settimeout(left)
                return self._raw.readinto(buffer)
            if self._is_stopping():
                raise TimeoutError("the run is asked to stop")
            now = time.monotonic()
        raise TimeoutError("the exchange took too long")

    def _has_come(self, seconds: float) -> bool:
        """Whether there is something to read, now or within so many seconds."""
        # What TLS has decrypted and not handed out yet is no longer in the socket.
        is_held = isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0
        return is_held or wait_for_read(self._sock, seconds)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pools(seconds: float, is_stopping: Callable[[], bool]) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, whose responses are read through `_Reads`."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Reads(raw, sock, time.monotonic() + seconds, is_stopping))

    class Connection(HTTPConnection):
        response_class = Response

    class SecureConnection(HTTPSConnection):
        response_class = Response

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}
