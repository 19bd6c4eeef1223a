"""A FHIR server on raw sockets: what no HTTP library would send is sent here, and every fault is counted.

The content comes from the FhirServer of the ingest tests; `WireFault.send` replaces how an answer is written
to the socket: cut, dripped, mis-framed, not at all.
"""

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

from tests.ingest.loopback import Answer, FhirServer, Seen

Send = Callable[[socket.socket, bytes, Answer], None]  # the connection, the usual head, the answer
When = Callable[[Seen], bool]


@dataclass
class WireFault:
    """Writes the answers to the first `times` requests that match `when` in its own way, then hangs up."""

    when: When
    send: Send
    times: int = 1
    fired: int = 0


class FaultServer(FhirServer):
    """A FhirServer whose answers go over raw sockets, some of them wrong."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.wire: list[WireFault] = []
        self.open_now = 0
        self.open_most = 0
        self.delay = 0.0
        self._gate = threading.Lock()

    def inject(self, when: When, send: Send, times: int = 1) -> WireFault:
        fault = WireFault(when, send, times)
        self.wire.append(fault)
        return fault

    def write(self, connection: socket.socket, seen: Seen) -> bool:
        """Answer one request; False when the connection is to be closed."""
        with self._gate:
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
        try:
            time.sleep(self.delay)
            with self._gate:
                answer = self.answer(seen)
                fault = self._fault(seen)
            if fault is None:
                connection.sendall(self.head(answer) + answer.body)
                return answer.framing == "length"
            fault.send(connection, self.head(answer), answer)
            return False
        finally:
            with self._gate:
                self.open_now -= 1

    def head(self, answer: Answer) -> bytes:
        """Status line and headers of an answer, with its length."""
        lines = [f"HTTP/1.1 {answer.status} -"]
        if not self.without_date:
            lines.append(f"Date: {format_datetime(self.clock, usegmt=True)}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.framing == "length":
            lines.append(f"Content-Length: {len(answer.body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def _fault(self, seen: Seen) -> WireFault | None:
        for fault in self.wire:
            if fault.fired < fault.times and fault.when(seen):
                fault.fired += 1
                return fault
        return None


@contextmanager
def fault_serving(server: FaultServer) -> Iterator[FaultServer]:
    """Serve on a free loopback port while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        threading.Thread(target=_accept, args=(listener, server), daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, server: FaultServer) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_converse, args=(connection, server), daemon=True).start()


def _converse(connection: socket.socket, server: FaultServer) -> None:
    with contextlib.suppress(OSError), connection:
        reader = connection.makefile("rb")
        while (seen := _request(reader)) is not None and server.write(connection, seen):
            pass


def _request(reader: object) -> Seen | None:
    line = reader.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name] = value.strip()
    body = reader.read(int(headers.get("Content-Length", "0"))).decode()
    parts = urlsplit(target)
    query = parse_qs(body if method == "POST" else parts.query, keep_blank_values=True)
    return Seen(method, parts.path, query, headers, target)


# What goes wrong on the wire.


def cut_after(share: float) -> Send:
    """The announced length, and only a part of it."""
    return lambda connection, head, answer: connection.sendall(
        head + answer.body[: int(len(answer.body) * share)]
    )


def unframed(change: Callable[[bytes], bytes] = bytes) -> Send:
    """A body without a told length, ended by hanging up."""

    def send(connection: socket.socket, head: bytes, answer: Answer) -> None:
        connection.sendall(without(head, b"Content-Length") + change(answer.body))

    return send


def announced(extra: int) -> Send:
    """A Content-Length that is `extra` bytes off."""

    def send(connection: socket.socket, head: bytes, answer: Answer) -> None:
        told = b"Content-Length: %d\r\n\r\n" % (len(answer.body) + extra)
        connection.sendall(without(head, b"Content-Length")[:-2] + told + answer.body)

    return send


def chunked(*, last: bool = True, size: int = 50) -> Send:
    """Chunks; without the `last` one the body has no end."""

    def send(connection: socket.socket, head: bytes, answer: Answer) -> None:
        parts = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        framed = without(head, b"Content-Length")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
        connection.sendall(framed + body + (b"0\r\n\r\n" if last else b""))

    return send


def dripped(seconds: float, share: float = 0.0) -> Send:
    """From `share` of the head and body on, one byte every `seconds`."""

    def send(connection: socket.socket, head: bytes, answer: Answer) -> None:
        whole = head + answer.body
        start = int(len(whole) * share)
        connection.sendall(whole[:start])
        for position in range(start, len(whole)):
            time.sleep(seconds)
            connection.sendall(whole[position : position + 1])

    return send


def encoded(encoding: str, change: Callable[[bytes], bytes], *, is_framed: bool = True) -> Send:
    """The body as `change` encodes it, told to be `encoding`."""

    def send(connection: socket.socket, head: bytes, answer: Answer) -> None:
        body = change(answer.body)
        told = b"Content-Encoding: %s\r\n" % encoding.encode()
        told += b"Content-Length: %d\r\n" % len(body) if is_framed else b""
        connection.sendall(without(head, b"Content-Length")[:-2] + told + b"\r\n" + body)

    return send


def reset(connection: socket.socket, head: bytes, answer: Answer) -> None:
    """A part of the head, then a TCP reset."""
    connection.sendall(head[:10])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hung_up(connection: socket.socket, head: bytes, answer: Answer) -> None:
    """Nothing at all."""


def hanging(seconds: float) -> Send:
    """Silence for a while."""
    return lambda connection, head, answer: time.sleep(seconds)


def garbage(connection: socket.socket, head: bytes, answer: Answer) -> None:
    """Bytes that are not HTTP."""
    connection.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def two_members(body: bytes) -> bytes:
    """A gzip stream of two members."""
    return gzip.compress(body[:100]) + gzip.compress(body[100:])


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


def without(head: bytes, name: bytes) -> bytes:
    """The head without a header."""
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(name))


# What goes wrong in content or status.


def answering(status: int, body: bytes = b"SECRET body", **headers: str) -> Callable[[Answer], Answer]:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(status, body, told or {"Content-Type": "text/plain"})


def edited(change: Callable[[dict], object]) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edited(change)


def swapped(old: bytes, new: bytes) -> Callable[[Answer], Answer]:
    """The answer with `old` replaced by `new` in its bytes, once."""

    def change(answer: Answer) -> Answer:
        assert old in answer.body
        return replace(answer, body=answer.body.replace(old, new, 1))

    return change


def next_link(url: str) -> Callable[[Answer], Answer]:
    return edited(lambda bundle: bundle.update(link=[{"relation": "next", "url": url}]))


def as_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode()
