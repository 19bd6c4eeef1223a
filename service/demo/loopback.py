"""HTTP around a FhirApi, on 127.0.0.1 only: connections, bodies, compression, Date header, access log."""

import gzip
import socket
from contextlib import suppress
from datetime import UTC
from email.utils import format_datetime
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import simplejson

from service.demo.api import Clock, FhirApi, Reply, Request
from service.demo.refused import outcome

LARGEST_BODY = 4_000_000

Access = tuple[str, str, int]  # method, path without its query, status


class LoopbackServer(ThreadingHTTPServer):
    """A socket on a free port of 127.0.0.1, a thread for each connection, all ended by `stop`.

    `api` must be set before it serves. `log`: every answer so far, without parameter values.
    """

    daemon_threads = False  # so that closing waits for them

    def __init__(self, clock: Clock) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api: FhirApi
        self.clock = clock
        self.log: list[Access] = []
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can end it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Serve no more: end the loop, then every open connection, then wait for their threads."""
        self.shutdown()
        for connection in tuple(self._connections):
            with suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """HTTP to FhirApi and back."""

    protocol_version = "HTTP/1.1"
    server: LoopbackServer
    path = ""  # as they stand while http.server refuses a request it could not read
    headers = HTTPMessage()

    def handle(self) -> None:
        """Serve the connection until either side ends it; a client that hangs up is no error."""
        with suppress(ConnectionError):
            super().handle()

    def version_string(self) -> str:
        """The Server header, without the versions http.server tells."""
        return "cryocohort-demo"

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002  (http.server's signature)
        """The Date header by the server's own clock, which also stamps what it stores."""
        return format_datetime(self.server.clock().astimezone(UTC), usegmt=True)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what http.server itself refuses, as an OperationOutcome and without its words."""
        self.close_connection = True
        self._send(Reply(int(code), outcome("error", "invalid", "This request cannot be read.")))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's signature)
        """Nothing: `log` has it, without values."""

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            reply = self.server.api.answer(Request(self.command, path, query, headers, body))
        except Exception:
            self.close_connection = True
            self._send(Reply(500, outcome("fatal", "exception", "The server failed.")))
            raise
        self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  (http.server's names)

    def _body(self) -> bytes | None:
        """The request's body; None after refusing one of unknown or excessive length."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.send_error(411)
            return None
        if int(length) > LARGEST_BODY:
            self.send_error(413)
            return None
        return self.rfile.read(int(length))

    def _send(self, reply: Reply) -> None:
        body = reply.lines or b""
        if reply.resource is not None:
            body = simplejson.dumps(reply.resource, use_decimal=True).encode()
        self.server.log.append((self.command or "", self.path.partition("?")[0], reply.status))
        self.send_response(reply.status)
        if body:
            kind = (
                "application/fhir+json; charset=utf-8" if reply.lines is None else "application/fhir+ndjson"
            )
            self.send_header("Content-Type", kind)
            self.send_header("Vary", "Accept-Encoding")
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, compresslevel=1, mtime=0)
                self.send_header("Content-Encoding", "gzip")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
