"""A gateway in front of a server, as hospitals have them: it may refuse POST, and it may fail in between.

It hands the Host header on, so the server writes its links with the gateway's address.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DROPPED = {"connection", "transfer-encoding", "content-length", "keep-alive"}


def as_asked(number: int, path: str) -> str:
    """The path as the client asked for it."""
    return path


@dataclass(slots=True)
class Gateway:
    """What stands between client and server.

    `reroute` gets the number of each request for a further page and its path, and returns the path that is
    handed on instead. `seen` holds method and path of every request.
    """

    server_port: int
    takes_post: bool = True
    reroute: Callable[[int, str], str] = as_asked
    seen: list[tuple[str, str]] = field(default_factory=list)
    pages: int = 0

    def path_for(self, path: str) -> str:
        """The path to hand on."""
        if "_getpages=" not in path:
            return path
        self.pages += 1
        return self.reroute(self.pages, path)


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """The gateway's FHIR base while it serves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fhir"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._hand_on(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if gateway.takes_post:
                self._hand_on(body)
            else:
                gateway.seen.append(("POST", self.path))
                self._answer(405, [], b"")

        def _hand_on(self, body: bytes | None) -> None:
            gateway.seen.append((self.command, self.path))
            path = gateway.path_for(self.path)
            connection = http.client.HTTPConnection("127.0.0.1", gateway.server_port, timeout=120)
            try:
                connection.request(self.command, path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                self._answer(answer.status, answer.getheaders(), answer.read())
            except (OSError, http.client.HTTPException):
                self.close_connection = True  # the server is gone: so is the connection
            finally:
                connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
