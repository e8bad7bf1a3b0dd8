"""How libraries keep a session in a file: what it is called, and how a value and its end are put
into it and found there again."""

from __future__ import annotations

import pickle
import re
import struct
from typing import TYPE_CHECKING, Protocol

import msgspec

from sessctl.serializers.django import StoredSession
from sessctl.serializers.litestar import Stored
from sessctl.text import Secret
from sessctl.timespec import from_ms, to_ms

if TYPE_CHECKING:
    from random import Random

_LAST_ACCESS = re.compile(rb',"__lastAccess":(\d+)}')
_MAX_AGE = re.compile(rb'"originalMaxAge":(\d+)')
_HOUR_MS, _TWO_WEEKS_MS = 3_600_000, 14 * 86_400_000


class FileForm(Protocol):
    """A library's. `unit_ms`: of its ends. `by_mtime`: the end is the file's time of modification
    and so long after it."""

    layout: str
    unit_ms: int
    by_mtime: int

    def sid(self, rng: Random) -> str:
        """A new id; where files are called after a hash of it, that."""

    def file(self, sid: str) -> str: ...

    def pack(self, raw: bytes, ends_ms: int) -> bytes: ...

    def unpack(self, content: bytes) -> tuple[bytes, int | None]:
        """(value, end); as it is, where it is none of the library's."""


class SessionFileStore:
    layout, unit_ms, by_mtime = "session-file-store", 1, 0

    def sid(self, rng: Random) -> str:
        return "".join(rng.choices("ABCDEFGHabcdefgh01234567-_", k=32))

    def file(self, sid: str) -> str:
        return f"{sid}.json"

    def pack(self, raw: bytes, ends_ms: int) -> bytes:
        age = _MAX_AGE.search(raw)
        last = ends_ms - (int(age[1]) if age else _HOUR_MS)
        return raw[:-1] + b',"__lastAccess":%d}' % last if raw.endswith(b"}") else raw

    def unpack(self, content: bytes) -> tuple[bytes, int | None]:
        last, age = _LAST_ACCESS.search(content), _MAX_AGE.search(content)
        if last is None:
            return content, None
        ends_ms = int(last[1]) + (int(age[1]) if age else _HOUR_MS)
        return _LAST_ACCESS.sub(b"}", content), ends_ms


class _Hashed:
    def sid(self, rng: Random) -> str:
        return rng.randbytes(32).hex()

    def file(self, sid: str) -> str:
        return sid


class Cachelib(_Hashed):
    """Of Flask-Session: seconds in four bytes, and a pickle."""

    layout, unit_ms, by_mtime = "flask-cachelib-file", 1000, 0

    def pack(self, raw: bytes, ends_ms: int) -> bytes:
        if not raw.endswith(b"}"):
            return raw
        return struct.pack("<I", ends_ms // 1000) + pickle.dumps({"_permanent": True, "raw": raw})

    def unpack(self, content: bytes) -> tuple[bytes, int | None]:
        if content[4:5] != b"\x80":
            return content, None
        raw: bytes = pickle.loads(content[4:])["raw"]
        return raw, struct.unpack_from("<I", content)[0] * 1000


class Litestar(_Hashed):
    layout, unit_ms, by_mtime = "litestar-file", 1, 0

    def pack(self, raw: bytes, ends_ms: int) -> bytes:
        if not raw.endswith(b"}"):
            return raw
        return msgspec.msgpack.encode(Stored(from_ms(ends_ms), raw))

    def unpack(self, content: bytes) -> tuple[bytes, int | None]:
        try:
            found = msgspec.msgpack.decode(content, type=Stored)
        except msgspec.DecodeError:
            return content, None
        return found.data, None if found.expires_at is None else to_ms(found.expires_at)


class Django:
    layout, unit_ms, by_mtime = "django-file", 1, _TWO_WEEKS_MS

    def __init__(self) -> None:
        self._signed = StoredSession([Secret("of Django")])

    def sid(self, rng: Random) -> str:
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=32))

    def file(self, sid: str) -> str:
        return f"sessionid{sid}"

    def pack(self, raw: bytes, ends_ms: int) -> bytes:
        return self._signed.seal(raw, None) if raw.endswith(b"}") else raw

    def unpack(self, content: bytes) -> tuple[bytes, int | None]:
        return (self._signed.open(content) if b":" in content else content), None


EXPRESS = SessionFileStore()
FILE_FORMS: dict[str, FileForm] = {
    one.layout: one for one in (EXPRESS, Cachelib(), Litestar(), Django())
}
