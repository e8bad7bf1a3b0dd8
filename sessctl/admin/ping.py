"""Is a backend there, who answers, how fast, and do its sessions look as its layout says?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessctl.admin.clock import Skew, measure_skew
from sessctl.config.opening import is_laid_out, layouts_of, open_backend, url_of
from sessctl.errors import AccessDenied, SessctlError, StoreError, StoreUnreachable
from sessctl.stores.registry import find_layout
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.config.model import Backend
    from sessctl.config.secrets import Asker
    from sessctl.stores.base import Server
    from sessctl.stores.detect import Candidate


@dataclass(frozen=True, slots=True)
class Pong:
    """What came back.

    `latency_ms`: one round trip on an open connection.
    `login`: the user's name, or `password` without one; None: nobody was asked. `layout`: what the
    backend names; `seen`: what its sessions look like, the likeliest first. `about`: how many
    sessions, an upper bound. `problem`: why the rest is missing; `reached` even so.
    """

    backend: str
    address: str
    reached: bool
    problem: SessctlError | None = None
    latency_ms: float | None = None
    server: Server | None = None
    login: str | None = None
    layout: str | None = None
    seen: tuple[Candidate, ...] = ()
    about: int | None = None
    skew: Skew | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return self.problem is None

    @property
    def fits(self) -> bool | None:
        """The sessions look like those of the named layout; None: nothing tells."""
        sure = [one.layout for one in self.seen if one.sure]
        if self.layout is None or not sure:
            return None
        return self.layout in sure or find_layout(self.layout).looks_like in sure


def ping(
    backend: Backend,
    *,
    timeout_s: float,
    environ: Mapping[str, str],
    asker: Asker,
    allow_stale: bool = False,
) -> Pong:
    """Connect to a backend and look at it; nothing is written, and no error is raised."""
    name = backend.name
    try:
        place = url_of(backend)
    except SessctlError as exc:
        return Pong(name or "?", backend.url_from, reached=False, problem=exc)
    address = place.masked
    name = name or address
    password = backend.password or place.password
    login = backend.username or place.username or ("password" if password else None)
    try:
        with open_backend(
            backend, write=False, timeout_s=timeout_s, allow_stale=allow_stale,
            environ=environ, asker=asker,
        ) as store:  # fmt: skip
            started = time.perf_counter()
            server = store.server()
            latency_ms = (time.perf_counter() - started) * 1000
            skew, about = measure_skew(store, local_ms), store.estimate()
            named = store.layout.name if is_laid_out(backend) else None
            notes = tuple(store.remarks.notes)
        seen = layouts_of(
            backend, timeout_s=timeout_s, allow_stale=allow_stale, environ=environ, asker=asker
        )
    except SessctlError as exc:
        silent = (StoreUnreachable, AccessDenied)
        reached = isinstance(exc, StoreError) and not isinstance(exc, silent)
        return Pong(name, address, reached=reached, problem=exc, login=login)
    return Pong(
        name, address, reached=True, server=server, login=login, layout=named, seen=tuple(seen),
        latency_ms=latency_ms, about=about, skew=skew, notes=notes,
    )  # fmt: skip
