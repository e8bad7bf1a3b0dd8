"""`Sender`: a scenario's request becomes exchanges, with the jar at work at each of them.

Redirects are followed here and nowhere below, and only to where the user has allowed (S28): the
target and the instances, or a host that was named. What a step's author wrote by hand (headers,
cookies, credentials) does not go along to another origin.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import TYPE_CHECKING, Protocol

from sessctl.errors import HttpError, Refused, UsageError
from sessctl.replay import expect, outgoing
from sessctl.replay.cookie import From
from sessctl.replay.http import HttpClient
from sessctl.replay.jar import Choice, Jar
from sessctl.replay.message import HttpLimits
from sessctl.replay.message import Request as Sent
from sessctl.replay.scenario import ROUND_ROBIN
from sessctl.replay.transcript import Exchange
from sessctl.replay.variables import fill
from sessctl.text import encode_id
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from sessctl.replay.look import Look
    from sessctl.replay.network import Network
    from sessctl.replay.scenario import Request
    from sessctl.replay.state import State
    from sessctl.replay.url import Url

MAX_HOPS = 10
_REDIRECTS = (301, 302, 303, 307, 308)


class Watcher(Protocol):
    """Looks at the store around each exchange."""

    async def before(self, cookies: Mapping[str, str]) -> object:
        """Called with the cookies that are about to be sent."""

    async def after(self, seen: object, exchange: Exchange) -> Look | None:
        """Called with what `before` returned and the exchange without its `look`."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may do beyond sending to its target.

    Attributes:
        allow_hosts: names of hosts that redirects and steps may lead to.
        allow_hooks: the scenario's own commands may be run.
        hooks: hooks by name that are not commands: the demo restarts its own app.
        jars: cookies that clients begin with.
        ignore_failures: go on after a step that failed.
    """

    allow_hosts: frozenset[str] = frozenset()
    allow_hooks: bool = False
    hooks: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    jars: Mapping[str, Jar] = field(default_factory=dict)
    limits: HttpLimits = field(default_factory=HttpLimits)
    ignore_failures: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """The application that is played against, and how it is reached."""

    target: Url
    instances: Mapping[str, Url]
    network: Network
    options: Options
    watcher: Watcher | None = None


class Sender:
    """Sends the requests of one run; close it at the end."""

    def __init__(self, app: App, state: State) -> None:
        self._app = app
        self._state = state
        self._clients: dict[str, HttpClient] = {}
        self._turns = cycle(app.instances.items() or [("", app.target)])
        self._allowed = {url.origin for url in (app.target, *app.instances.values())}

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def send(self, step: Request, *, is_watched: bool = True) -> AsyncIterator[Exchange]:
        """The exchanges of a request, its redirects and its retries.

        Args:
            is_watched: look at the store around each exchange.

        Raises:
            HttpError: a redirect that is not followed; what came before it has been yielded.
            Refused: the step leads to where the user has not allowed.
            UsageError: it cannot be sent as it is.
        """
        instance, base = self._address(step)
        times = step.retry.times if step.retry else 1
        for time in range(times):
            if time and step.retry:
                await asyncio.sleep(step.retry.every_s)
            last: Exchange | None = None
            async for exchange in self._hops(step, instance, base, is_watched):
                last = exchange
                yield exchange
            if last is None or step.retry is None or self._is_enough(step, last):
                return

    def _is_enough(self, step: Request, last: Exchange) -> bool:
        if last.answer is None or step.retry is None:
            return False
        until = step.retry.until
        return until is None or not expect.failures(until, last.answer, self._state.values)

    async def _hops(
        self, step: Request, instance: str, base: Url, is_watched: bool
    ) -> AsyncIterator[Exchange]:
        url = self._check(self._url(step, base))
        draft = outgoing.draft(step, self._state.values)
        source, own = From.SAME_SITE, True
        for _ in range(MAX_HOPS + 1):
            seen = await self._before(step, url, source, own=own) if is_watched else None
            exchange = await self._exchange(step, instance, url, draft, source, own=own)
            exchange = await self.look_after(seen, exchange)
            yield exchange
            status = exchange.response.status if exchange.response else 0
            if not step.follow or status not in _REDIRECTS or not exchange.location:
                return
            following = self._follow(url, exchange.location)
            if status == 303 or (status in (301, 302) and draft.method == "POST"):
                draft = draft.as_get()
            if following.origin != url.origin:
                own = False  # what its author wrote is for the first origin only
            if following.host != url.host:
                link = draft.method in ("GET", "HEAD")
                source = From.CROSS_LINK if link else From.CROSS_FORM
            url = following
        raise HttpError("redirects", f"more than {MAX_HOPS} redirects, the last to {url}")

    async def present(self, step: Request, cookies: Mapping[str, str]) -> Exchange:
        """Send a request with other values of some cookies; the jar stays as it is."""
        instance, base = self._address(step)
        url = self._check(self._url(step, base))
        jar = self._state.jar(step.client)
        before = jar.copy()
        for name, value in cookies.items():
            jar.set(name, value, url, local_ms())
        draft = outgoing.draft(step, self._state.values)
        exchange = await self._exchange(step, instance, url, draft, From.SAME_SITE)
        jar.restore(before)
        return exchange

    async def look_before(self, step: Request) -> object:
        """What the store holds for the cookies that a step is about to send; for `look_after`."""
        base = self._app.target if step.at in (None, ROUND_ROBIN) else self._address(step)[1]
        return await self._before(step, self._url(step, base), From.SAME_SITE, own=True)

    async def look_after(self, seen: object, exchange: Exchange) -> Exchange:
        """The exchange with what it did to the store, if `seen` says what was there before."""
        if self._app.watcher is None or seen is None:
            return exchange
        return replace(exchange, look=await self._app.watcher.after(seen, exchange))

    async def _before(self, step: Request, url: Url, source: From, *, own: bool) -> object:
        if self._app.watcher is None:
            return None
        _, pairs = self._cookies(step, url, local_ms(), source, own=own)
        return await self._app.watcher.before(dict(pairs))

    async def _exchange(
        self,
        step: Request,
        instance: str,
        url: Url,
        draft: outgoing.Draft,
        source: From,
        *,
        own: bool = True,
    ) -> Exchange:
        now = local_ms()
        choice, pairs = self._cookies(step, url, now, source, own=own)
        line = b"; ".join(encode_id(f"{k}={v}" if k else v) for k, v in pairs) or None
        sent = Sent(draft.method, url, draft.headers(line, own=own), draft.body)
        response, error = None, None
        try:
            response = await self.client(step.client, step.timeout_s).send(sent)
        except HttpError as exc:
            error = exc
        jar = self._state.jar(step.client) if self._state.mode.stateful else Jar()
        lines = response.set_cookie if response else []
        changes = jar.receive(lines, url, local_ms(), source=source)
        return Exchange(
            step.client, instance, sent, choice, tuple(k for k, _ in pairs if k not in
            {cookie.name for cookie in choice.sent}), response, error, tuple(changes),
            jar.choose(url, local_ms()).sent, now,
        )  # fmt: skip

    def _cookies(
        self, step: Request, url: Url, now: int, source: From, *, own: bool
    ) -> tuple[Choice, list[tuple[str, str]]]:
        """(what the jar gives, all pairs in the order of the line)."""
        if not self._state.mode.stateful:
            return Choice((), ()), []
        state, mode = self._state, step.cookies.mode
        withheld = (state.mode.withheld,) if state.mode.withheld else ()
        jar = state.kept_jar(step.cookies.kept or "") if mode == "from" else state.jar(step.client)
        if mode == "none":
            jar = Jar()
        choice = jar.choose(url, now, source=source, withhold=withheld)
        given = outgoing.author_cookies(step, self._state.values) if own else []
        given = [(name, value) for name, value in given if name not in withheld]
        names = {name for name, _ in given}
        pairs = [(one.name, one.value) for one in choice.sent if one.name not in names]
        return choice, pairs + given

    # -- addresses ---------------------------------------------------------------------------------

    def _address(self, step: Request) -> tuple[str, Url]:
        if step.at is None:
            return "", self._app.target
        if step.at == ROUND_ROBIN:
            return next(self._turns)
        return step.at, self._app.instances[step.at]

    def _url(self, step: Request, base: Url) -> Url:
        url = base.join(fill(step.url, self._state.values))
        more = outgoing.query(step, self._state.values)
        if not more:
            return url
        return replace(url, target=f"{url.target}{'&' if '?' in url.target else '?'}{more}")

    def _check(self, url: Url) -> Url:
        """S28: only to the origins that the user named."""
        if url.origin in self._allowed or url.host in self._app.options.allow_hosts:
            return url
        raise Refused(
            f"the step leads to {url.origin}, which is not the target",
            hint=f"--allow-host {url.host} lets it",
        )

    def _follow(self, url: Url, location: str) -> Url:
        """Where a redirect leads. Raises HttpError if it is not followed."""
        try:
            following = url.join(location)
        except UsageError as exc:
            raise HttpError("redirect", f"the redirect cannot be followed: {exc.message}") from None
        if following.origin in self._allowed:
            return following
        if url.is_secure and not following.is_secure:
            raise HttpError("redirect", f"the redirect to {following.origin} leaves https")
        if following.host not in self._app.options.allow_hosts:
            message = f"the redirect leads to {following.origin} (--allow-host {following.host})"
            raise HttpError("redirect", message)
        return following

    def client(self, name: str, timeout_s: float | None = None) -> HttpClient:
        key = name if timeout_s is None else f"{name} {timeout_s}"
        if key not in self._clients:
            limits = self._app.options.limits
            if timeout_s is not None:
                limits = replace(limits, read_s=timeout_s, total_s=timeout_s)
            self._clients[key] = HttpClient(self._app.network, limits)
        return self._clients[key]
