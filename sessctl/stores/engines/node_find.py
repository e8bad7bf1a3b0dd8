"""Finding the session stores in a live Node process, and which of them is meant.

From the servers' listeners along Express's layers and routers, looking into the closures of what is
met: `session()` keeps its store in one. The heap is not searched: V8 would stop the application
for seconds. Source: express 4.22 `lib/router`, express 5.3 with router 2.2, express-session 1.19
`index.js`.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sessctl.errors import Refused, StoreError, UsageError
from sessctl.stores.engines.node_cdp import Remote  # noqa: TC001 - msgspec reads it
from sessctl.text import escape, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.stores.engines.node_cdp import Cdp

_ROUNDS = 12
_FUNCTIONS = 400  # looked into in all; an unminified bundle needs 181, an ordinary app 4 to 9
# The middleware itself, and what an app hangs on; a bundler numbers names that occur twice, and a
# minified bundle has none of them.
_LEADING = re.compile(r"(session|mounted_app|getrouter)\d*")
_NAMED = 2

_Port = int | str | None  # of a server; a socket's path; None: not known


class _Met(msgspec.Struct, array_like=True):
    """Of each function the name, the port, and whether it is middleware; the stores' ports."""

    functions: list[tuple[str, _Port, bool]]
    ports: list[_Port]


class Found(msgspec.Struct):
    """A store as the process describes it. `kind`: our layout's name; None: not in its memory."""

    kind: str | None
    port: _Port  # of the server that leads to it; a socket's path
    cookie: str | None  # the cookie's name
    name: str  # of its class

    @property
    def names(self) -> list[str]:
        """What a URL may call it beside its number: `connect.sid`, `connect.sid:3000`."""
        return [self.cookie, f"{self.cookie}:{self.port}"] if self.cookie else []

    @property
    def words(self) -> str:
        """For an error and for the journal: `connect.sid on port 3000`."""
        name = shorten(escape(self.cookie), 60) if self.cookie else self.kind
        return f"{name} on {_place(self.port)}" if self.port else f"{name}"


class Process(msgspec.Struct):
    """What a process says of itself."""

    pid: int
    script: str
    workers: list[int]  # of a cluster
    threaded: bool  # it speaks to worker threads


class Place(msgspec.Struct):
    """A store and what talks to it: `helper` is node_reading.js, `store` its place in there."""

    helper: Remote
    store: Remote
    found: Found
    process: Process


def resource(name: str) -> str:
    """The text of a helper."""
    return (files("sessctl.stores.engines") / name).read_text(encoding="utf-8")


def find(cdp: Cdp, wanted: str) -> Place:
    """The store that a URL's path names.

    Args:
        wanted: its number or the name of its cookie; empty: the only one.

    Raises:
        StoreError: there is none.
        Refused: there are several, and none or more than one is named.
    """
    helper = cdp.remote(resource("node_reading.js"))
    process = cdp.run(helper, "about", returns=Process)
    for roots in ("servers", "modules"):
        places = cdp.get(helper, "places", _search(cdp, helper, roots))
        found = cdp.run(helper, "describe", places, returns=list[Found])
        if found:
            break
    at = _chosen(found, wanted, process)
    store = cdp.get(helper, "pick", places, at)
    return Place(helper, store, found[at], process)


def _search(cdp: Cdp, helper: Remote, roots: str) -> Remote:
    """All stores that are met: walk as far as properties lead, look into closures, walk on."""
    todo, seen = cdp.get(helper, roots), cdp.remote("[]")
    stores, pool, left = [seen], list[_Function](), _FUNCTIONS
    done: set[_Port] = set()  # ports whose store is found
    for _ in range(_ROUNDS):
        step = cdp.get(helper, "walk", todo, seen)
        parts = cdp.parts(step)
        seen = parts["seen"]
        stores.append(parts["stores"])
        met = cdp.run(helper, "met", step, returns=_Met)
        pool += [_Function(parts["functions"], at, *each) for at, each in enumerate(met.functions)]
        done.update(met.ports)
        pool = [each for each in pool if each.rank == _NAMED or each.port not in done]
        best = max((each.rank for each in pool), default=0)
        chosen = [each for each in pool if each.rank == best][:left]
        pool = [each for each in pool if each.rank != best]
        left -= len(chosen)
        if not chosen:
            break
        inside = [each.inside(cdp, helper) for each in chosen]
        todo = cdp.get(helper, "join", *inside)
    return cdp.get(helper, "join", *stores)


class _Function(NamedTuple):
    """A function that may close over a store: its place in a list over there."""

    functions: Remote
    at: int
    name: str
    port: _Port
    is_middleware: bool

    @property
    def rank(self) -> int:
        """Those of the highest rank are looked into first; where a port's store is found, only
        those that go by a name: there may be another app inside of it."""
        return _NAMED if _LEADING.fullmatch(self.name) else int(self.is_middleware)

    def inside(self, cdp: Cdp, helper: Remote) -> Remote:
        """What its closures hold."""
        scopes = cdp.scopes(cdp.get(helper, "function", self.functions, self.at))
        return cdp.get(helper, "inside", self.functions, self.at, *scopes)


def _chosen(found: Sequence[Found], wanted: str, process: Process) -> int:
    here = dict(enumerate((at for at, each in enumerate(found) if each.kind is not None), 1))
    if not here:
        raise _nothing(found, process)
    named = {n: at for n, at in here.items() if wanted in ("", str(n), *found[at].names)}
    if len(named) == 1:
        return next(iter(named.values()))
    stores = (f"{number}: {found[at].words}" for number, at in (named or here).items())
    listed = shorten("; ".join(stores), 600)
    name = f" '{shorten(escape(wanted), 60)}'" if wanted else ""
    if not named:
        raise UsageError(
            f"process {process.pid} has no session store{name}", hint=f"it has {listed}"
        )
    raise Refused(
        f"process {process.pid} has {len(named)} session stores{name}: {listed}",
        hint=f"name one by its number or its cookie: node+pid://{process.pid}/{next(iter(named))}",
    )


def _nothing(found: Sequence[Found], process: Process) -> StoreError:
    if process.workers:
        return StoreError(
            f"process {process.pid} is the primary of a cluster: its workers hold the sessions",
            hint="one after the other: "
            + ", ".join(f"node+pid://{pid}" for pid in process.workers[:8]),
        )
    if found:
        names = ", ".join(dict.fromkeys(escape(each.name[:40]) for each in found))
        return StoreError(
            f"process {process.pid} keeps no sessions in its memory: its store is {names}",
            hint="open that by a URL of its own",
        )
    threads = "; worker threads, which it has, are not reached" if process.threaded else ""
    return StoreError(
        f"process {process.pid} has no session store that can be found",
        hint=f"looked for: express-session behind an HTTP server of the main thread{threads}",
    )


def _place(port: int | str) -> str:
    return f"port {port}" if isinstance(port, int) else shorten(escape(port), 60)
