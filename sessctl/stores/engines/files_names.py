"""Which file is which session, and which is none.

An id becomes a name only if it is what the layout's library makes ids of, and never with a slash or
a dot in front; anything else is no id of such a store, whatever else its bytes are.

Where a library calls its files by a hash of the id, the name stands for the id: a listing has
nothing else. Asked for by the id of a cookie, a session has that id.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import Enum
from typing import TYPE_CHECKING

from sessctl.errors import ConfigError

if TYPE_CHECKING:
    from sessctl.stores.layouts.files import FileLayout

# 200 of the 255 bytes of a name: an extension and what we or the library append must fit as well.
_LONGEST = 200
_PART = re.compile(r"[!-.0-~]{0,50}")  # visible ASCII, no slash


def masked(aside: str) -> str:
    """A name of ours, to be found again, without the session id before it."""
    return "*.sessctl-" + aside.rpartition("-")[2]


class Kind(Enum):
    """What a name that is no session's is."""

    IN_FLIGHT = "a write of the library that is under way"  # or was cut off
    OTHER = "the library's own, or another program's in a place that they share"
    LEFTOVER = "left by an interrupted sessctl: its session is in that run's journal"
    STRANGER = "another kind of name"


class FileNames:
    """The names of a layout; those in folders with the way there, `1/11/11b98a....cache`.

    Raises:
        ConfigError: an extension, or a cookie name, that no file name can have.
    """

    def __init__(self, layout: FileLayout) -> None:
        self._naming = naming = layout.naming
        self.folders = naming.folders
        self._extension, self._before = layout.extension, layout.before_sid
        self._prefix = getattr(layout, "prefix", "")
        if _PART.fullmatch(layout.extension) is None or len(layout.extension) > 20:
            raise ConfigError(
                "the extension of the session files is no part of a file name",
                hint='write it with its dot: extension = ".json"',
            )
        if _PART.fullmatch(self._before) is None or self._before.startswith("."):
            raise ConfigError(
                "the cookie name, with which the session files begin, is no part of a file name",
                hint="the application's own: cookie_name = 'sessionid'",
            )
        lengths = {2 * hashlib.new(name).digest_size for name in naming.digests}
        hashed = "|".join(f"[0-9a-f]{{{length}}}" for length in sorted(lengths))
        self._id = re.compile(hashed or naming.ids)
        self._in_flight = re.compile(
            rf".+{re.escape(layout.extension)}{naming.in_flight}", re.DOTALL
        )
        self._others = re.compile(naming.others, re.DOTALL)
        self._ours = re.compile(rf".+\.sessctl-[0-9a-f]{{16}}{re.escape(naming.unseen)}", re.DOTALL)
        counter = naming.counter
        self._counters = set(_hashes(naming.digests, counter)) if counter else set()

    def names(self, sid: str) -> list[str]:
        """The files that may be a session's, the likeliest first; none where no file can have
        this id. A session that is new gets the first."""
        found = [self._way(self._before + sid + self._extension)]
        if self._naming.digests and 0 < len(sid) <= _LONGEST:
            found += _hashes(self._naming.digests, self._prefix + sid)
        return [name for name in found if self.sid(name) is not None]

    def sid(self, name: str) -> str | None:
        """The session of a file; None where it is none."""
        last = name.rpartition("/")[2]
        if not (last.startswith(self._before) and last.endswith(self._extension)):
            return None
        sid = last.removeprefix(self._before).removesuffix(self._extension)
        if len(sid) > _LONGEST or self._id.fullmatch(sid) is None or name != self._way(last):
            return None
        if self._ours.fullmatch(last) or self._in_flight.fullmatch(last) or last in self._counters:
            return None
        return sid

    def kind(self, name: str) -> Kind:
        """What a file is that is no session's."""
        last = name.rpartition("/")[2]
        if self._naming.shared and not last.startswith(self._before):
            return Kind.OTHER
        if self._ours.fullmatch(last):
            return Kind.LEFTOVER
        if last in self._counters or self._others.fullmatch(last):
            return Kind.OTHER
        return Kind.IN_FLIGHT if self._in_flight.fullmatch(last) else Kind.STRANGER

    def counter(self, name: str) -> str | None:
        """The file in which the library counts files like this one; None if it counts none."""
        for digest in self._naming.digests if self._counters else ():
            if 2 * hashlib.new(digest).digest_size == len(name):
                return _hashes((digest,), self._naming.counter)[0]
        return None

    def aside(self, name: str) -> str:
        """A name of ours beside a session's, which no library lists: its session can be told."""
        return f"{name}.sessctl-{secrets.token_hex(8)}{self._naming.unseen}"

    def _way(self, last: str) -> str:
        folders = [last[: depth + 1] for depth in range(self._naming.folders)]
        return "/".join((*folders, last))


def _hashes(digests: tuple[str, ...], text: str) -> list[str]:
    raw = text.encode("utf-8", "backslashreplace")  # never fails, and finds nothing
    return [hashlib.new(name, raw, usedforsecurity=False).hexdigest() for name in digests]
