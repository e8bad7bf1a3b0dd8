"""A session as the checks see it: decoded once, its values walked once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Session
    from sessctl.text import Masker

MOST_VALUES = 5_000  # of one session; 10 ms
_NAME = re.compile(r"[^\W\d][\w$-]*")
_LONGEST_NAME, _LIKE_A_TOKEN = 40, 20  # characters

# A value of a session: where it stands, the nearest name above it, the value. The place may be
# shown: what is no plain name in it is `*`.
Leaf = tuple[str, str, "str | int"]


class Look:
    """One session under examination.

    `lifetime_s` is what the backend says, None if it does not. `problem` is the code of why the
    value cannot be read; else `data` is the application's and `cookie` what the library keeps of
    the cookie's settings, empty if it keeps none. `leaves` are the texts and whole numbers in the
    data, `MOST_VALUES` at the most (`was_cut`: there may be more); `texts` those that are texts,
    and not empty.
    """

    __slots__ = (
        "cookie", "data", "leaves", "lifetime_s", "masker", "now_ms", "problem", "session", "texts",
        "was_cut",
    )  # fmt: skip

    def __init__(
        self, session: Session, *, now_ms: int, lifetime_s: int | None, masker: Masker
    ) -> None:
        self.session, self.now_ms = session, now_ms
        self.lifetime_s, self.masker = lifetime_s, masker
        self.problem = None if session.problem is None else session.problem.code
        self.data: Any = None
        self.cookie: dict[str, Any] = {}
        if self.problem is None:
            self._decode()
        self.leaves = list(_walk(self.data))
        self.texts = [(p, key, text) for p, key, text in self.leaves if text and type(text) is str]
        self.was_cut = len(self.leaves) >= MOST_VALUES

    def _decode(self) -> None:
        try:
            decoded = self.session.decoded
        except SerializerError as exc:
            self.problem = exc.code
            return
        self.data = decoded.data
        cookie = decoded.extra.get("cookie")
        if isinstance(cookie, dict):
            self.cookie = cookie


def _walk(data: Any) -> Iterator[Leaf]:
    stack: list[tuple[str, str, Any]] = [("", "", data)]
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
            stack += [(start + _step(str(n)), str(n), value[n]) for n in reversed(names)]
        elif kind is list:
            stack += [(f"{path}[]", key, item) for item in value[room - 1 :: -1]]


def _step(name: str) -> str:
    """A name as a part of a path; what could be data itself, an id or a token, is hidden."""
    return _shown(name) if len(name) <= _LONGEST_NAME else "*"


@lru_cache(4096)
def _shown(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        return "*"
    return name if len(name) < _LIKE_A_TOKEN or name.replace("_", "").isalpha() else "*"
