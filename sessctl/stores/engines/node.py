"""The engine of a live Node process: sessions that express-session's MemoryStore or the npm package
memorystore keep in its memory, read and changed through its inspector.

`node://127.0.0.1:9229` is an inspector that is open, `node+pid://1234` a process; where that holds
several stores, a path names one by its number or its cookie: `node+pid://1234/connect.sid`.

Source: express-session 1.19.0 `session/memory.js` (sid -> JSON text; `cookie.expires` in it ends
the session), memorystore 1.6.8 `lib/memorystore.js` with lru-cache 4.1.5 (now + maxAge ends it,
in ms). What runs in the process stands in `node_reading.js` and `node_writing.js`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from sessctl.errors import JournalError, Refused, UsageError
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Remarks, Server
from sessctl.stores.engines.node_find import find
from sessctl.stores.engines.node_inspector import reach
from sessctl.stores.engines.node_writes import PAGE, NodeWriter
from sessctl.stores.reader import Reader
from sessctl.stores.url import flags
from sessctl.text import escape, is_utf8, shorten
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair, Result
    from sessctl.stores.engines.node_cdp import Cdp
    from sessctl.stores.engines.node_find import Place
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.url import StoreUrl

# A snapshot of the keys is the one step that cannot be cut: 25 ms for 100 000 sessions of
# MemoryStore, 0.9 s for a million (measured).
_MANY = 250_000
_FROZEN = "memory"


class Page(msgspec.Struct):
    """Sessions as `node_reading.js` gives them: sid, text, life; without text what the value is
    instead of its life. `next`: where to go on."""

    next: int
    rows: list[tuple[str, str | None, tuple[float, float] | str | None]]


class Life(NamedTuple):
    """What memorystore keeps beside a text, both in ms: since 1970, and from then on."""

    now: float
    max_age: float


class Kept(NamedTuple):
    """What is compared and put back beside the text. `moved`: `life` is not what counts, the
    session's expiry is."""

    life: Life | None
    moved: bool = False


class NodeStore:
    """Sessions in a process. Open it with `NodeStore.open` or `sessctl.open_store`."""

    def __init__(
        self, cdp: Cdp, place: Place, layout: Layout, access: Access, opened: ExitStack
    ) -> None:
        self.page_size = access.page(PAGE)
        self._cdp = cdp
        self._place = place
        self._opened = opened
        found, process = place.found, place.process
        # The process itself says which library it is, and the name of the cookie.
        self.layout = replace(
            layout,
            name=found.kind or layout.name,
            cookie_name=found.cookie or layout.cookie_name,
        )
        script = shorten(escape(process.script), 200)
        self.identity = Identity(
            "node", f"process {process.pid}", script, found.words,
            f"{script.rpartition('/')[2]}/{process.pid}",
        )  # fmt: skip
        self.remarks = Remarks()
        if process.threaded:
            self.remarks.note("sessions in worker threads of the process are not reached")
        self.capabilities = Capabilities(expires_by_itself=False, counts_fast=True)
        self._dated = found.kind == "express-memory"  # the expiry is the date in the text
        self._reader = Reader(self.layout)
        self._writer = None if access.read_only else NodeWriter(cdp, place)

    @classmethod
    def open(cls, url: StoreUrl, layout: Layout, access: Access) -> Self:
        """Connect, and find the store. An inspector that this opens is closed by `close`, and when
        SIGTERM or SIGHUP would end this process.

        Raises:
            Refused: not on this machine, a process that must not be signalled, several stores.
            StoreUnreachable: no such process, no inspector.
            StoreError: no session store in its memory.
        """
        flags(dict(url.options), (), url.scheme)
        if url.username or url.password or access.username or access.password:
            raise UsageError(f"{url.scheme} URLs take no user and no password")
        with ExitStack() as opened:
            cdp = opened.enter_context(reach(url, opened).connect(access.timeout_s))
            place = find(cdp, url.path.strip("/"))
            return cls(cdp, place, layout, access, opened.pop_all())

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        version = str(self._cdp.evaluate("process.version").value)
        return Server("Node.js", escape(version).removeprefix("v"))

    def now_ms(self) -> int:
        """`Date.now()` of the process."""
        return self._cdp.number("Date.now()")

    def estimate(self) -> int:
        return self._count()

    def lags(self) -> list[Lag]:
        return []

    def _count(self) -> int:
        return self._cdp.run(self._place.helper, "count", self._place.store, returns=int)

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        now_ms = self.now_ms()
        candidates = self.get(query.sids) if query.sids else self._all()
        return self._matching(candidates, query, now_ms)

    @staticmethod
    def _matching(candidates: Iterable[Session], query: Query, now_ms: int) -> Iterator[Session]:
        if not query.filters:
            return iter(candidates)
        return (session for session in candidates if query.matches(session, now_ms))

    def get(self, sids: Sequence[str]) -> list[Session]:
        known = [sid for sid in dict.fromkeys(sids) if is_utf8(sid)]  # JavaScript knows no others
        found: dict[str, Session] = {}
        for start in range(0, len(known), self.page_size):
            found |= {s.sid: s for s in self._pages(known[start : start + self.page_size])}
        return [found[sid] for sid in sids if sid in found]

    def count(self, query: Query) -> int:
        if not query.filters:
            return self._count()
        return sum(1 for _ in self.scan(query))

    def _all(self) -> Iterator[Session]:
        cdp, helper = self._cdp, self._place.helper
        keys = cdp.get(helper, "keys", self._place.store)
        try:
            total = cdp.run(helper, "length", keys, returns=int)
            if total > _MANY:
                self.remarks.note(
                    f"{total} sessions: the process stands still for a moment at each listing of "
                    "their ids"
                )
            yield from self._pages(keys, total)
        finally:
            cdp.release(keys)

    def _pages(self, keys: Any, total: int | None = None) -> Iterator[Session]:
        """The sessions under these keys, which are ids or an array of them over there.

        Never a page ahead: between two pages the process is its users' alone.
        """
        total = len(keys) if total is None else total
        start = 0
        while start < total:
            page = self._cdp.run(
                self._place.helper,
                "page",
                self._place.store,
                keys,
                start,
                self.page_size,
                returns=Page,
            )
            for sid, text, life in page.rows:
                if text is None:
                    self.remarks.stranger(_location(sid), escape(str(life)[:40]))
                elif not isinstance(life, str):
                    yield self._session(sid, text.encode(), _kept(life))
            start = max(page.next, start + 1)

    def _session(self, sid: str, raw: bytes, kept: Kept) -> Session:
        user, written, problem = self._reader.read(raw)
        if self._dated:
            expires_ms, expiry = self._reader.inner_expiry(written, problem)
            if expiry is Expiry.COOKIE_DATE:
                expiry = Expiry.STORE  # here it is what the store enforces
        elif kept.life is None:
            expires_ms, expiry = None, Expiry.NEVER
        else:
            ends_ms = int(kept.life.now + kept.life.max_age)
            known = 0 < ends_ms <= MAX_MS
            expires_ms, expiry = (ends_ms, Expiry.STORE) if known else (None, Expiry.UNKNOWN)
        return Session(
            sid=sid,
            raw=raw,
            location=_location(sid),
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            problem=problem,
            original=kept,
            reader=self._reader,
        )

    def recognises(self, session: Session) -> bool:
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        return self._writes().replace(pairs)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        """MemoryStore's end is in the value: it is the one that `raw` tells."""
        return self._session(session.sid, raw, session.original)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """The process itself writes the end down, wherever that stands."""
        return msgspec.structs.replace(
            session,
            expires_ms=expires_ms,
            expiry=Expiry.NEVER if expires_ms is None else Expiry.STORE,
            original=Kept(None, moved=True),
        )

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put(sessions)

    def _writes(self) -> NodeWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        life = session.original.life
        return {"kind": _FROZEN, "value": session.raw, "life": life and list(life)}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        if frozen.get("kind") != _FROZEN or not isinstance(frozen.get("value"), bytes):
            raise JournalError("the journal does not hold sessions of a live Node process")
        session = self._session(frozen["sid"], frozen["value"], _kept(frozen.get("life")))
        return session if expires_ms is None else self.with_end(session, expires_ms)

    def close(self) -> None:
        """Disconnect, and close the inspector if we opened it. Harmless when repeated."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_TEXT_ALONE = Kept(None)


def _kept(life: Sequence[float] | None) -> Kept:
    return _TEXT_ALONE if life is None else Kept(Life(*life))


def _location(sid: str) -> str:
    """As it is written in JavaScript."""
    return f"sessions[{msgspec.json.encode(sid).decode()}]"
