"""Runs a test's HTTP server in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


@contextmanager
def running(http: ThreadingHTTPServer) -> Iterator[str]:
    """Serve while the block runs; gives the FHIR base below the server's address."""
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}/fhir"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
