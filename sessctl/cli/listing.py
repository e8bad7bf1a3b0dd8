"""The sessions of one listing: sorted, cut, and what is to be told about them."""

from __future__ import annotations

import heapq
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

from sessctl.cli.query_options import check_fields
from sessctl.errors import Refused, UsageError
from sessctl.session import Need
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sessctl.cli.run import Run
    from sessctl.session import Query, Session
    from sessctl.stores.base import Store

_TERMINAL_LIMIT = 100
_SORTED_LIMIT = 200_000  # sessions held for a --sort without --limit
_FIRST = 1000  # sessions of a store's first page, at most
_EXPIRY = ("expires", "ttl")
SORT_KEYS: dict[str, Callable[[Session], Any]] = {
    "sid": lambda s: s.sid,
    "user": lambda s: s.user,
    "expires": lambda s: s.expires_ms,
    "ttl": lambda s: s.expires_ms,
    "created": lambda s: s.created_ms,
    "seen": lambda s: s.seen_ms,
    "size": lambda s: s.size_bytes,
}


class Listing:
    """The sessions of one `list`, backend by backend; remembers what could not be decoded."""

    def __init__(
        self, run: Run, query: Query, output: str, keys: list[tuple[str, bool]], limit: int | None
    ) -> None:
        self.run = run
        self.query = query
        self.problems = 0
        self.cut = False
        self.shown = 0
        self._samples: list[str] = []
        self._keys = keys
        on_terminal = output in ("table", "wide") and run.streams.stdout_is_terminal
        self._limit = _TERMINAL_LIMIT if limit is None and on_terminal else limit

    def sessions(self, store: Store, need: Need) -> Iterator[Session]:
        """The sessions of one store, sorted and cut as asked for."""
        check_fields(self.query, store)
        source = self._in_order(store) if self._keys else store.scan(self.query, need)
        if self._limit is not None:
            left = self._limit - self.shown
            yield from self._seen(islice(source, max(left, 0)))
            self.cut = self.cut or next(source, None) is not None
        else:
            yield from self._seen(source)

    def _in_order(self, store: Store) -> Iterator[Session]:
        """All that match, sorted; of a store with an index on the expiry no more than is shown."""
        keys, limit = self._keys, None if self._limit is None else self._limit + 1
        name, descending = keys[0]
        if name not in _EXPIRY or not store.capabilities.orders_by_expiry:
            return iter(_sorted(store.scan(self.query, Need.ALL), keys, limit))
        # The last one shown is followed by the one that says "more", and that by one which shows
        # that it has no equals.
        some = {} if limit is None else {"first": min(limit + 1, _FIRST)}
        found = store.by_expiry(self.query, descending=descending, **some)
        equals = (tied for _, tied in groupby(found, key=SORT_KEYS[name]))
        return chain.from_iterable(_sorted(tied, keys, limit) for tied in equals)

    def _seen(self, sessions: Iterable[Session]) -> Iterator[Session]:
        for session in sessions:
            if session.problem is not None:
                self.problems += 1
                if len(self._samples) < 3:
                    self._samples.append(f"{short_id(session.sid)} ({session.problem.message})")
            self.shown += 1
            yield session

    def tell(self) -> None:
        """What the rows do not say."""
        run = self.run
        if self.problems:
            more = ", ..." if self.problems > len(self._samples) else ""
            word = "session" if self.problems == 1 else "sessions"
            run.note(f"{self.problems} {word} cannot be decoded: {', '.join(self._samples)}{more}")
        if self.cut:
            run.note(f"the first {self._limit} are shown; --limit N shows more")
        if not self.shown and not self.problems and run.streams.stdout_is_terminal:
            run.note("no sessions match")


def sort_keys(text: str | None) -> list[tuple[str, bool]]:
    """[(key, descending)] of `--sort -size,created`. Raises UsageError."""
    keys = []
    for word in (text or "").split(","):
        name = word.strip().removeprefix("-")
        if not name and not word.strip():
            continue
        if name not in SORT_KEYS:
            raise UsageError(
                f"cannot sort by '{name}'", hint=f"--sort takes {', '.join(SORT_KEYS)}"
            )
        keys.append((name, word.strip().startswith("-")))
    return keys


def _sorted(
    sessions: Iterable[Session], keys: list[tuple[str, bool]], limit: int | None
) -> list[Session]:
    """The first `limit` in order, holding no more than these; missing values come last.

    Equals are in the order of their ids, in whichever order the store gave them.
    """

    def rank(session: Session) -> tuple[Any, ...]:
        ranks = (_Rank(SORT_KEYS[name](session), descending) for name, descending in keys)
        return (*ranks, session.sid)

    if limit is not None:
        return heapq.nsmallest(limit, sessions, key=rank)
    held: list[Session] = []
    for session in sessions:
        if len(held) == _SORTED_LIMIT:
            raise Refused(
                f"--sort would hold more than {_SORTED_LIMIT} sessions in memory",
                hint="--limit N keeps the first N only",
            )
        held.append(session)
    return sorted(held, key=rank)


class _Rank:
    """A value that sorts in either direction, null always last."""

    __slots__ = ("descending", "value")

    def __init__(self, value: Any, descending: bool) -> None:
        self.value, self.descending = value, descending

    def __lt__(self, other: _Rank) -> bool:
        if self.value is None or other.value is None:
            return self.value is not None
        less: bool = self.value < other.value
        return other.value < self.value if self.descending else less

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rank) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]
