"""A session as the checks see it: decoded once, its values walked once."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Decoded, Session, State
    from sessctl.text import Masker

MOST_VALUES = 5_000  # of one session; 10 ms
_NAME = re.compile(r"[^\W\d][\w$-]*")
_LONGEST_NAME, _LIKE_A_TOKEN = 40, 20  # characters


# A value of a session: where it stands, the nearest name above it, the value. The place may be
# shown: what is no plain name in it is `*`.
Leaf = tuple[str, str, "str | int"]


class Look:
    """One session under examination. `lifetime_s` is what the backend says, None if it does not."""

    __slots__ = ("__dict__", "lifetime_s", "masker", "now_ms", "session")

    def __init__(
        self, session: Session, *, now_ms: int, lifetime_s: int | None, masker: Masker
    ) -> None:
        self.session, self.now_ms = session, now_ms
        self.lifetime_s, self.masker = lifetime_s, masker

    @cached_property
    def _decoded(self) -> Decoded | str:
        """The value, or why there is none to see."""
        if self.session.problem is not None:
            return self.session.problem.code
        try:
            return self.session.decoded
        except SerializerError as exc:
            return exc.code

    @property
    def problem(self) -> str | None:
        """Why the value cannot be read: a code."""
        return self._decoded if isinstance(self._decoded, str) else None

    @property
    def data(self) -> Any:
        """The application's data; None if it cannot be read."""
        return None if isinstance(self._decoded, str) else self._decoded.data

    @property
    def cookie(self) -> dict[str, Any]:
        """The cookie's settings that the library keeps beside the data; empty: it keeps none."""
        if isinstance(self._decoded, str):
            return {}
        found = self._decoded.extra.get("cookie")
        return found if isinstance(found, dict) else {}

    @cached_property
    def state(self) -> State:
        return self.session.state(self.now_ms)

    @cached_property
    def leaves(self) -> list[Leaf]:
        """Texts and whole numbers in the data, `MOST_VALUES` at the most."""
        return list(self._walk())

    @property
    def was_cut(self) -> bool:
        """There are more values than were looked at."""
        return len(self.leaves) >= MOST_VALUES

    def _walk(self) -> Iterator[Leaf]:
        stack: list[tuple[str, str, Any]] = [("", "", self.data)]
        room = MOST_VALUES
        while stack and room:
            path, key, value = stack.pop()
            kind = type(value)
            if kind is str or kind is int:
                room -= 1
                yield path, key, value
            elif kind is dict:
                start = f"{path}." if path else ""
                names = list(value)[:room]
                stack += [(start + _step(str(n)), str(n), value[n]) for n in names[::-1]]
            elif kind is list:
                stack += [(f"{path}[]", key, item) for item in value[room - 1 :: -1]]


def _step(name: str) -> str:
    """A name as a part of a path; what could be data itself, an id or a token, is hidden."""
    if not (0 < len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)):
        return "*"
    return name if len(name) < _LIKE_A_TOKEN or name.replace("_", "").isalpha() else "*"
