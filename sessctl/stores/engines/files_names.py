"""Which file is which session, and which is none.

An id becomes a name only if it is of visible ASCII without a slash and starts with no dot; anything
else is no id of such a store, whatever else its bytes are.
"""

from __future__ import annotations

import re
import secrets
from enum import Enum
from typing import TYPE_CHECKING

from sessctl.errors import ConfigError

if TYPE_CHECKING:
    from sessctl.stores.layouts.base import FileLayout

# 200 of the 255 bytes of a name: an extension and what we or the library append must fit as well.
_SID = re.compile(r"(?!\.)[!-.0-~]{1,200}")
_EXTENSION = re.compile(r"[!-.0-~]{0,20}")
_OURS = re.compile(r".+\.sessctl-[0-9a-f]{16}", re.DOTALL)


def masked(aside: str) -> str:
    """A name of ours, to be found again, without the session id before it."""
    return "*.sessctl-" + aside.rpartition("-")[2]


class Kind(Enum):
    """What a name that is no session's is."""

    IN_FLIGHT = "a write of the library that is under way"  # or was cut off
    LEFTOVER = "left by an interrupted sessctl: its session is in that run's journal"
    STRANGER = "another kind of name"


class FileNames:
    """The names of a layout.

    Raises:
        ConfigError: an extension that no file name can have.
    """

    def __init__(self, layout: FileLayout) -> None:
        self._extension = layout.extension
        if _EXTENSION.fullmatch(layout.extension) is None:
            raise ConfigError(
                "the extension of the session files is no part of a file name",
                hint='write it with its dot: extension = ".json"',
            )
        # write-file-atomic 3: the name, a dot, and a hash of 32 bits.
        self._in_flight = re.compile(rf".+{re.escape(layout.extension)}\.\d{{1,10}}", re.DOTALL)

    def name(self, sid: str) -> str | None:
        """The file of a session; None where no file can have this id."""
        name = sid + self._extension
        return name if _SID.fullmatch(sid) and self.sid(name) == sid else None

    def sid(self, name: str) -> str | None:
        """The session of a file; None where it is none."""
        sid = name.removesuffix(self._extension)
        if not name.endswith(self._extension) or _SID.fullmatch(sid) is None:
            return None
        return None if _OURS.fullmatch(name) or self._in_flight.fullmatch(name) else sid

    def kind(self, name: str) -> Kind:
        """What a file is that is no session's."""
        if _OURS.fullmatch(name):
            return Kind.LEFTOVER
        return Kind.IN_FLIGHT if self._in_flight.fullmatch(name) else Kind.STRANGER

    @staticmethod
    def aside(name: str) -> str:
        """A name of ours beside a session's, which no library lists: its session can be told."""
        return f"{name}.sessctl-{secrets.token_hex(8)}"
