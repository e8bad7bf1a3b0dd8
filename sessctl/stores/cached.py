"""A table that the application reads through a cache: one store, whose sessions end in both.

The application asks the cache first and believes it; a session whose row alone is deleted goes on.
So the row goes first, and its copy after it: once the row is gone nobody can make a new copy, but
for a request that read the row a moment before. That is why the copies are read again after they
were deleted, and why `get` and `scan` also know the sessions of which only the copy is left: to the
application they are as good as any (`--recheck` ends what such a request put back).

What is written is the row. Its copy is dropped, and the application makes itself a new one.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from sessctl.errors import ConfigError, SessctlError, StoreError, UsageError
from sessctl.session import Need, Query
from sessctl.stores.base import Outcome, Result, in_pages
from sessctl.stores.registry import find_engine, kind_of, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sessctl.session import Session
    from sessctl.stores.access import Access
    from sessctl.stores.base import Capabilities, Identity, Lag, Pair, Remarks, Server, Store
    from sessctl.stores.facts import Fact
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.layouts.cached import CachedTableLayout
    from sessctl.stores.url import StoreUrl

_TRIES = 5  # a request in flight may put a copy back, and another one may
_WENT = (Outcome.DELETED, Outcome.GONE, Outcome.UNCONFIRMED)
_WROTE = (Outcome.STORED, Outcome.UNCONFIRMED)
_ALONE = "the cache holds sessions whose rows are gone; to the application they are valid"
_KIND = "copy in a cache"


class _Copy(NamedTuple):
    """Marks a session of which only the copy is there; `original` is the cache's own."""

    original: Any


class CachedStore:
    """Sessions in a table with their copies in a cache. See `open_cached`."""

    def __init__(self, rows: Store, copies: Store, layout: Layout) -> None:
        self.layout = layout
        self.page_size = min(rows.page_size, copies.page_size)
        self._rows, self._copies = rows, copies

    @property
    def capabilities(self) -> Capabilities:
        """The table's, but for what a copy without a row would be missing from."""
        return replace(self._rows.capabilities, orders_by_expiry=False, counts_fast=False)

    @property
    def identity(self) -> Identity:
        """The table's: there the sessions live."""
        return self._rows.identity

    @property
    def remarks(self) -> Remarks:
        for text in self._copies.remarks.notes:
            self._rows.remarks.note(text)
        return self._rows.remarks

    def server(self) -> Server:
        return self._rows.server()

    def now_ms(self) -> int:
        return self._rows.now_ms()

    def estimate(self) -> int:
        return self._rows.estimate()

    def lags(self) -> list[Lag]:
        return [*self._rows.lags(), *self._copies.lags()]

    def facts(self) -> Iterator[Fact]:
        """The table's; of the cache an audit hears as a backend of its own."""
        yield from self._rows.facts()  # type: ignore[attr-defined]  # every SQL store tells some

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        yield from self._rows.scan(query, need)
        if not query.expired:  # a cache removes what is over
            yield from self._alone(self._copies.scan(query, need))

    def _alone(self, copies: Iterator[Session]) -> Iterator[Session]:
        """Of copies those that have no row."""
        for page in in_pages(copies, self.page_size):
            with_row = {session.sid for session in self._rows.get([one.sid for one in page])}
            for session in page:
                if session.sid not in with_row:
                    self.remarks.note(_ALONE)
                    yield _marked(session)

    def get(self, sids: Sequence[str]) -> list[Session]:
        found = {session.sid: session for session in self._rows.get(sids)}
        missing = [sid for sid in sids if sid not in found]
        if missing:
            found |= {session.sid: _marked(session) for session in self._copies.get(missing)}
        return [found[sid] for sid in sids if sid in found]

    def count(self, query: Query) -> int:
        alone = () if query.expired else self._alone(self._copies.scan(query, Need.ID))
        return self._rows.count(query) + sum(1 for _ in alone)

    def recognises(self, session: Session) -> bool:
        return self._home(session).recognises(_plain(session))

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        def write(home: Store, some: list[Session]) -> list[Result]:
            return home.delete(some, grace_ms=grace_ms)

        # A row that somebody else has just deleted leaves a copy, too.
        return self._written(sessions, write, _WENT, "its row is gone, its copy is not")

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        new = {was.sid: _plain(after) for was, after in pairs}

        def write(home: Store, some: list[Session]) -> list[Result]:
            return home.replace([(was, new[was.sid]) for was in some])

        return self._written(
            [was for was, _ in pairs], write, _WROTE, "its row is changed, its copy is not"
        )

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self.replace([(one, self.with_end(one, expires_ms)) for one in sessions])

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        def write(home: Store, some: list[Session]) -> list[Result]:
            return home.put(some)

        return self._written(sessions, write, _WROTE, "its row is there, beside an older copy")

    def _written(
        self,
        sessions: Sequence[Session],
        write: Callable[[Store, list[Session]], list[Result]],
        drops: Sequence[Outcome],
        left: str,
    ) -> list[Result]:
        """Write each session where it is, then drop the copies of those rows that were written.

        One whose copy could not be dropped has failed, whatever became of its row.
        """
        self._copies.now_ms()  # a cache that is gone is noticed before the first row is written
        results: dict[str, Result] = {}
        for home in (self._rows, self._copies):
            some = [_plain(one) for one in sessions if self._home(one) is home]
            if some:
                results |= {result.sid: result for result in write(home, some)}
        rows = [one.sid for one in sessions if not isinstance(one.original, _Copy)]
        for sid, why in self._drop([sid for sid in rows if results[sid].outcome in drops]).items():
            results[sid] = Result(sid, Outcome.FAILED, f"{left}: {why}")
        return [results[session.sid] for session in sessions]

    def _drop(self, sids: list[str]) -> dict[str, str]:
        """Delete the copies of these until none is found; of the others, why not."""
        left = dict.fromkeys(sids, "requests put it back again and again")
        try:
            for _ in range(_TRIES):
                copies = self._copies.get(list(left))
                left = {copy.sid: left[copy.sid] for copy in copies}
                if not left:
                    break
                for result in self._copies.delete(copies):
                    if result.outcome is Outcome.FAILED:
                        left[result.sid] = result.reason or "the cache refused"
        except StoreError as exc:
            return dict.fromkeys(left, exc.message)
        return left

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._as(session, self._home(session).with_value(_plain(session), raw))

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        return self._as(session, self._home(session).with_end(_plain(session), expires_ms))

    def freeze(self, session: Session) -> dict[str, Any]:
        frozen = self._home(session).freeze(_plain(session))
        return {"kind": _KIND, "copy": frozen} if isinstance(session.original, _Copy) else frozen

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        if frozen.get("kind") != _KIND:
            return self._rows.thaw(frozen, expires_ms=expires_ms)
        copy = {**frozen["copy"], "sid": frozen["sid"]}
        return _marked(self._copies.thaw(copy, expires_ms=expires_ms))

    def _home(self, session: Session) -> Store:
        """Where a session is: in the table, unless its copy is all that is left."""
        return self._copies if isinstance(session.original, _Copy) else self._rows

    @staticmethod
    def _as(session: Session, made: Session) -> Session:
        return _marked(made) if isinstance(session.original, _Copy) else made

    def close(self) -> None:
        with ExitStack() as both:
            both.callback(self._rows.close)
            both.callback(self._copies.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_cached(
    open_table: Callable[[], Store], layout: CachedTableLayout, access: Access
) -> CachedStore:
    """A table's store with the cache beside it.

    Raises:
        ConfigError: the layout names no cache.
        UsageError: its URL is malformed, or of a store that no cache is.
        StoreError: no connection to it, or no access.
    """
    copies = _open_copies(layout, access)
    try:
        return CachedStore(open_table(), copies, layout)
    except SessctlError:
        copies.close()
        raise


def _place_of(layout: CachedTableLayout) -> StoreUrl:
    """Where the cache is. Raises ConfigError, or UsageError for what cannot be one."""
    if layout.cache is None:
        raise ConfigError(
            f"layout '{layout.name}' needs the cache beside its table: sessions end in both",
            hint='cache = "redis://localhost:6379/1" in the backend, or &cache=... in the URL',
        )
    place = parse_url(layout.cache)
    kind = kind_of(place)
    if kind not in layout.copies.databases:
        raise UsageError(
            f"cache: a {kind} store is no cache of {layout.name}",
            hint=f"it may be {' or '.join(layout.copies.databases)}",
        )
    return place


def _open_copies(layout: CachedTableLayout, access: Access) -> Store:
    place = _place_of(layout)
    try:
        settings = {key: value for key, value in place.settings if key != "layout"}
        copies = layout.copies.configured({"user": layout.user, **settings})
        own = replace(access, username=None, password=None)  # the URL says the cache's own
        opened: Store = find_engine(place).open(place, replace(copies, budget=access.budget), own)
    except SessctlError as exc:
        raise exc.at(cache=place.masked) from None
    return opened


def _marked(session: Session) -> Session:
    return msgspec.structs.replace(session, original=_Copy(session.original))


def _plain(session: Session) -> Session:
    """The session as its own store made it."""
    if not isinstance(session.original, _Copy):
        return session
    return msgspec.structs.replace(session, original=session.original.original)
