"""The body of an answer, taken in within limits: the first of it kept, all of it hashed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from hashlib import sha256

from sessctl.errors import HttpError
from sessctl.limits import MIB
from sessctl.timespec import format_size

_PIECE = 256 * 1024  # unpacked at once, so that a bomb is noticed before it has gone off
_GZIP = (b"gzip", b"x-gzip")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Ceilings in bytes: read off the wire, unpacked, kept in memory (S28)."""

    read: int = 10 * MIB
    unpacked: int = 50 * MIB
    kept: int = 2 * MIB


@dataclass(frozen=True, slots=True)
class Body:
    """A body after unpacking. `sha256` (hexadecimal) and `size_bytes` are of everything that was
    read, `kept` is its beginning."""

    kept: bytes = b""
    size_bytes: int = 0
    wire_bytes: int = 0  # as sent: packed, without the frames of chunks
    sha256: str = sha256().hexdigest()
    packed_as: str = ""  # a Content-Encoding that was left as it is: br, zstd

    @property
    def is_whole(self) -> bool:
        """Nothing was left out of `kept`."""
        return len(self.kept) == self.size_bytes


class BodyReader:
    """Collects one body.

    Args:
        encoding: the `Content-Encoding`; gzip and deflate are unpacked, others kept as they are.
    """

    def __init__(self, encoding: bytes, limits: BodyLimits) -> None:
        self._limits = limits
        self._encoding = encoding.strip().lower()
        self._unpacks = self._encoding in (*_GZIP, b"deflate")
        self._unpacker: zlib._Decompress | None = None
        self._wire = self._size = 0
        self._kept = bytearray()
        self._hash = sha256()

    def feed(self, data: bytes) -> None:
        """Take in what came off the wire.

        Raises:
            HttpError: too large, or not packed as it says.
        """
        self._wire += len(data)
        if self._wire > self._limits.read:
            raise _too_large("is", self._limits.read)
        if self._unpacks:
            self._unpack(data)
        else:
            self._keep(data)

    def finish(self) -> None:
        """The body has come to its end.

        Raises:
            HttpError: a packed one has not.
        """
        if self._unpacker is not None and not self._unpacker.eof:
            raise self._broken("ends early")

    def body(self) -> Body:
        """What was read so far."""
        is_plain = self._unpacks or self._encoding in (b"", b"identity")
        return Body(
            bytes(self._kept),
            self._size,
            self._wire,
            self._hash.hexdigest(),
            "" if is_plain else self._encoding.decode("latin-1"),
        )

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.unpacked:
            raise _too_large("unpacks to", self._limits.unpacked)
        self._hash.update(data)
        self._kept += data[: max(self._limits.kept - len(self._kept), 0)]

    def _unpack(self, data: bytes) -> None:
        while data:
            if self._unpacker is None:
                self._unpacker = self._new_unpacker(data)
            elif self._unpacker.eof:
                if not data.startswith(b"\x1f\x8b") or self._encoding not in _GZIP:
                    return  # padding behind the end, which browsers skip
                self._unpacker = self._new_unpacker(data)
            try:
                piece = self._unpacker.decompress(data, _PIECE)
                self._keep(piece)
                # All input can be taken while output is still waiting.
                while len(piece) == _PIECE and not self._unpacker.unconsumed_tail:
                    piece = self._unpacker.decompress(b"", _PIECE)
                    self._keep(piece)
            except zlib.error:
                raise self._broken("is broken") from None
            data = self._unpacker.unused_data or self._unpacker.unconsumed_tail

    def _new_unpacker(self, data: bytes) -> zlib._Decompress:
        if self._encoding in _GZIP:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # Some servers send deflate with zlib's header, as the RFC says, and some without.
        is_zlib = data[0] & 0x0F == zlib.DEFLATED and (
            len(data) == 1 or (data[0] << 8 | data[1]) % 31 == 0
        )
        return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)

    def _broken(self, how: str) -> HttpError:
        return HttpError("encoding", f"the {self._encoding.decode('latin-1')} body {how}")


def _too_large(how: str, limit: int) -> HttpError:
    return HttpError("too-large", f"the body {how} more than {format_size(limit)}")
