"""A session as the checks see it: decoded once, its values walked once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.errors import SerializerError
from sessctl.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Decoded, Session, State
    from sessctl.text import Masker

MOST_VALUES = 5_000  # of one session; 10 ms
_LONGEST_KEY = 40


class Leaf(NamedTuple):
    """A value of a session. `path` may be shown: what is no plain name in it is `*`."""

    path: str
    key: str  # the nearest name above the value
    value: Any


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
        stack: list[Leaf] = [Leaf("", "", self.data)]
        room = MOST_VALUES
        while stack and room:
            path, key, value = stack.pop()
            if isinstance(value, dict):
                inner = [self._below(path, name, item) for name, item in value.items()]
                stack += reversed(inner[:room])
            elif isinstance(value, list):
                stack += (Leaf(f"{path}[]", key, item) for item in reversed(value[:room]))
            elif isinstance(value, str | int) and not isinstance(value, bool):
                room -= 1
                yield Leaf(path, key, value)

    def _below(self, path: str, name: Any, value: Any) -> Leaf:
        key = str(name)
        plain = key.replace("_", "a").replace("-", "a").replace("$", "a").isalnum()
        shown = key if plain and not key.isdigit() and not self.masker.looks_secret(key) else "*"
        step = shorten(shown, _LONGEST_KEY)
        return Leaf(f"{path}.{step}" if path else step, key, value)
