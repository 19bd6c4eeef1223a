"""The body of an answer while it arrives: decoded by us, under caps, believed only when it is whole.

HTTP libraries return a body without a told length, or a gzip stream without its end, as if it were whole;
httpx drops the second member of a gzip stream; a bomb of 0.3 MB becomes 300 MB before anyone can look. So
the decoder is ours: identity, gzip and deflate (zlib), decoded in small steps.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

_STEP = 64 * 1024
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32  # whichever header the stream has
_IDENTITY = frozenset({"", "identity"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})


class BrokenStreamError(ValueError):
    """The stream broke off or is corrupt: another try may bring it whole."""


class OversizeError(ValueError):
    """The stream is larger than its caps allow."""


class EncodingError(ValueError):
    """The stream has a content encoding that was not asked for."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be read: bytes on the wire, bytes decoded, and how many times more than received.

    FHIR JSON shrinks 10 to 100 times; the ratio is judged beyond the first megabyte.
    """

    wire: int = 64 * 1024 * 1024
    decoded: int = 64 * 1024 * 1024
    ratio: int = 250
    ratio_from: int = 1024 * 1024


class _Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None: ...


def decoded(chunks: Iterable[bytes], encoding: str, caps: Caps) -> Iterator[bytes]:
    """The decoded pieces (at most 64 KiB of a compressed stream at once) of a body that comes in `chunks`.

    Raises EncodingError, OversizeError as soon as a cap is passed, BrokenStreamError when it is not whole.
    """
    decoder = _decoder(encoding.strip().lower())
    received = given = 0
    for chunk in chunks:
        received += len(chunk)
        if received > caps.wire:
            raise OversizeError(f"more than {caps.wire} bytes")
        for piece in decoder.feed(chunk):
            given += len(piece)
            if given > caps.decoded:
                raise OversizeError(f"more than {caps.decoded} bytes")
            if given > max(caps.ratio_from, received * caps.ratio):
                raise OversizeError(f"more than {caps.ratio} times the bytes received")
            yield piece
    decoder.finish()


def lines(pieces: Iterable[bytes], max_line: int) -> Iterator[bytes]:
    """The lines of NDJSON, split at 0x0A only: text may hold U+2028 and U+0085, at which Python would split.

    Raises OversizeError for a line over `max_line` bytes, BrokenStreamError when the last line has no end.
    """
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield bytes(_bounded(line, max_line))
        _bounded(rest, max_line)
    if rest:
        raise BrokenStreamError("the last line has no end")


def _bounded(line: bytearray, max_line: int) -> bytearray:
    if len(line) > max_line:
        raise OversizeError(f"a line of more than {max_line} bytes")
    return line


class _Identity:
    """The body as it is."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Nothing is known of its end."""


class _Inflate:
    """A zlib stream, or a gzip stream of any number of members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_ZLIB_OR_GZIP)
        self._is_empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._member.eof:
                    data = data.lstrip(b"\0")  # padding after the last member (RFC 1952 does not forbid it)
                    self._member = zlib.decompressobj(_ZLIB_OR_GZIP) if data else self._member
                    continue
                self._is_empty = False
                yield from self._inflate(data)
                data = self._member.unused_data
        except zlib.error:
            raise BrokenStreamError("the compressed stream is corrupt") from None

    def finish(self) -> None:
        if not self._member.eof and not self._is_empty:
            raise BrokenStreamError("the compressed stream ends before its end mark")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._member.decompress(data, _STEP)
            yield piece
            data = self._member.unconsumed_tail
            if self._member.eof or (not data and len(piece) < _STEP):
                return


def _decoder(encoding: str) -> _Decoder:
    if encoding in _IDENTITY:
        return _Identity()
    if encoding in _COMPRESSED:
        return _Inflate()
    raise EncodingError("a content encoding that was not asked for")
