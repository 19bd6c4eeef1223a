"""An https server on loopback with a certificate of its own authority, made by openssl for the test."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Certificate:
    """PEM files of a self-signed certificate for localhost and its key."""

    cert: Path
    key: Path


def certificate(folder: Path, *, days: int) -> Certificate:
    files = Certificate(folder / "cert.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -days {days}"
    paths = ["-keyout", str(files.key), "-out", str(files.cert)]
    subprocess.run([*command.split(), *paths], check=True, capture_output=True)
    return files


@contextmanager
def https_serving(files: Certificate, answers: dict[str, Any] | None = None) -> Iterator[int]:
    """The port of a server that answers GET with the JSON in `answers` by path, else 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = (answers or {}).get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/fhir+json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that distrusts hangs up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
