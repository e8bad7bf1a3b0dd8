"""`Runner`: play a scenario's steps once, in one mode, and tell what happens as it happens.

    runner = Runner(scenario, target, values=values, network=Network([target]))
    async for event in runner.play(STATEFUL): ...

It decides what is sent and judges nothing but the expectations of single answers; comparison,
store and reports listen. Every run begins with empty jars (or those of `--jar`), connections of its
own, and the variables as they were.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import TYPE_CHECKING, Protocol

from sessctl.errors import HttpError, Refused, SessctlError, UsageError
from sessctl.replay import expect, outgoing, tamper
from sessctl.replay.cookie import From
from sessctl.replay.extract import extract
from sessctl.replay.hooks import run_hook
from sessctl.replay.http import HttpClient
from sessctl.replay.jar import Choice, Jar
from sessctl.replay.message import HttpLimits
from sessctl.replay.message import Request as Sent
from sessctl.replay.scenario import (
    ROUND_ROBIN,
    JarAct,
    JarVerb,
    Parallel,
    Repeat,
    Request,
    RunHook,
    Wait,
)
from sessctl.replay.transcript import (
    Event,
    Exchange,
    Exchanged,
    Mode,
    Rewind,
    RunBegan,
    RunEnded,
    StepBegan,
    StepEnded,
    StepRecord,
    Transcript,
)
from sessctl.replay.url import parse_url
from sessctl.replay.variables import fill
from sessctl.text import encode_id
from sessctl.timespec import format_duration, local_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from sessctl.replay.extract import Answer, Source
    from sessctl.replay.join import Look
    from sessctl.replay.network import Network
    from sessctl.replay.scenario import Scenario, Step
    from sessctl.replay.url import Url
    from sessctl.replay.variables import Value

MAX_HOPS = 10
_AT_ONCE = 64  # connections of one `parallel`
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


class Runner:
    """Plays one scenario against one target."""

    def __init__(
        self,
        scenario: Scenario,
        target: Url,
        *,
        values: Mapping[str, Value],
        network: Network,
        options: Options | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.scenario = scenario
        self.target = target
        self.instances = {name: parse_url(url) for name, url in scenario.instances}
        self._given = dict(values)
        self._network = network
        self._options = options or Options()
        self._watcher = watcher

    async def play(self, mode: Mode, rewinds: Sequence[Rewind] = ()) -> AsyncIterator[Event]:
        """One run from `before` to its last step, or to the first that fails."""
        yield RunBegan(mode)
        records: list[StepRecord] = []
        async with _Run(self, mode, rewinds) as run:
            complete = True
            for key, step in self.numbered:
                if not complete:
                    break
                yield StepBegan(key, step)
                record = StepRecord(key, step)
                async for event in run.step(key, step):
                    if not isinstance(event, StepEnded):
                        yield event
                        continue
                    record = await run.rewind(event.record)
                    yield StepEnded(record)
                records.append(record)
                complete = not record.has_failed or self._options.ignore_failures
        yield RunEnded(Transcript(mode, tuple(records), complete))

    @property
    def numbered(self) -> list[tuple[str, Step]]:
        """Every step of a run with its key; those of `before` first."""
        before = numbered(self.scenario.before, "before.")
        return [*before, *numbered(self.scenario.steps)]


def numbered(steps: tuple[Step, ...], prefix: str = "") -> list[tuple[str, Step]]:
    """Every step with its key: repetitions are written out as `6.1`, `6.1#2`."""
    found: list[tuple[str, Step]] = []
    for number, step in enumerate(steps, 1):
        key = f"{prefix}{number}"
        if isinstance(step, Repeat):
            inner = numbered(step.steps, f"{key}.")
            for time in range(step.times):
                mark = f"#{time + 1}" if time else ""
                found += [(f"{name}{mark}", one) for name, one in inner]
        else:
            found.append((key, step))
    return found


class _Run:
    """The state of one run: jars, captures, connections."""

    def __init__(self, runner: Runner, mode: Mode, rewinds: Sequence[Rewind]) -> None:
        self._runner = runner
        self._mode = mode
        self._rewinds = rewinds
        self._presented: dict[str, dict[str, str]] = {}  # cookies that went with a step
        self._options = runner._options
        self._values: dict[str, Value] = dict(runner._given)
        self._jars = {name: jar.copy() for name, jar in self._options.jars.items()}
        self._kept: dict[str, Jar] = {}
        self._clients: dict[str, HttpClient] = {}
        self._turns = cycle(runner.instances.items() or [("", runner.target)])
        self._allowed = {url.origin for url in (runner.target, *runner.instances.values())}

    async def __aenter__(self) -> _Run:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in self._clients.values():
            await client.close()

    # -- steps -------------------------------------------------------------------------------------

    async def step(self, key: str, step: Step) -> AsyncIterator[Event]:
        """The step's events; the last is its `StepEnded`."""
        try:
            match step:
                case Request():
                    async for event in self._request(key, step):
                        yield event
                case Parallel():
                    async for event in self._parallel(key, step):
                        yield event
                case _:
                    yield StepEnded(StepRecord(key, step, done=await self._act(step)))
        except HttpError as exc:
            yield StepEnded(StepRecord(key, step, problem=exc.message))
        except SessctlError as exc:
            exc.at(step=f"{key} {step.name}".strip(), place=str(step.place))
            raise

    async def rewind(self, record: StepRecord) -> StepRecord:
        """The record with the answers to earlier cookies that this run was asked for."""
        asked = [one for one in self._rewinds if one.after == record.key]
        found = [(one, await self._rewound(one)) for one in asked]
        rewound = {one: exchange for one, exchange in found if exchange is not None}
        return replace(record, rewound=rewound) if rewound else record

    async def _act(self, step: Step) -> str:
        match step:
            case Wait():
                await asyncio.sleep(step.seconds)
                return f"waited {format_duration(step.seconds)}"
            case RunHook():
                return await self._hook(step)
            case JarAct():
                return self._jar_act(step)
        raise AssertionError(step)

    async def _hook(self, step: RunHook) -> str:
        own = self._options.hooks.get(step.hook)
        if own is not None:
            await own()
            return f"hook {step.hook}"
        hook = next(one for one in self._runner.scenario.hooks if one.name == step.hook)
        if not self._options.allow_hooks:
            raise Refused(
                f"the scenario wants to run a command (hook '{hook.name}')",
                hint="--allow-hooks lets it, if you trust the file",
            )
        ready = None if hook.ready is None else self._runner.target.join(hook.ready)
        await run_hook(hook, ready, self._client("hook"))
        return f"hook {hook.name}"

    def _jar_act(self, step: JarAct) -> str:
        if not self._mode.stateful:
            return "no jar in this run"
        jar, who = self._jar(step.client), step.name
        match step.verb:
            case JarVerb.CLEAR:
                return f"cleared {_cookies(len(jar.clear()))}"
            case JarVerb.CLOSE_BROWSER:
                return f"closed the browser: {_cookies(len(jar.close_browser()))} gone"
            case JarVerb.KEEP:
                self._kept[who] = jar.copy()
                return f"kept {_cookies(len(jar))} as '{who}'"
            case JarVerb.RESTORE:
                jar.restore(self._jar_kept(who))
                return f"restored '{who}'"
            case JarVerb.SET:
                for name, text in step.cookies:
                    value = fill(text, self._values)
                    jar.set(name, value, self._runner.target, local_ms())
                return f"set {', '.join(name for name, _ in step.cookies)}"
            case JarVerb.FORGET:
                return f"forgot {_cookies(len(jar.forget(who)))} named {who}"
            case JarVerb.TAMPER:
                return self._tamper(step, jar)

    def _tamper(self, step: JarAct, jar: Jar) -> str:
        found = jar.named(step.name)
        if not found:
            raise UsageError(f"there is no cookie '{step.name}' to tamper with at this point")
        other = None
        if step.other is not None:
            theirs = self._jar_kept(step.other).named(step.name)
            other = theirs[0].value if theirs else None
        for cookie in found:
            forged = tamper.tamper(cookie.value, tamper.How(step.how or "flip"), other=other)
            jar.put(replace(cookie, value=forged))
        return f"tampered with {step.name}: {step.how}"

    def _jar(self, client: str) -> Jar:
        return self._jars.setdefault(client, Jar())

    def _jar_kept(self, name: str) -> Jar:
        if name not in self._kept:
            raise UsageError(f"no jar was kept as '{name}' yet")
        return self._kept[name]

    # -- requests ----------------------------------------------------------------------------------

    async def _request(self, key: str, step: Request) -> AsyncIterator[Event]:
        instance, base = self._address(step)
        exchanges: list[Exchange] = []
        problem = ""
        try:
            async for exchange in self._sent(step, instance, base):
                if not exchanges:
                    self._presented[key] = {one.name: one.value for one in exchange.choice.sent}
                exchanges.append(exchange)
                yield Exchanged(key, exchange)
        except HttpError as exc:  # a redirect that is not followed; what came before it stands
            problem = exc.message
        record = self._record(key, step, exchanges)
        yield StepEnded(replace(record, problem=problem or record.problem))

    async def _sent(self, step: Request, instance: str, base: Url) -> AsyncIterator[Exchange]:
        """The exchanges of a request, its redirects and its retries."""
        times = step.retry.times if step.retry else 1
        for time in range(times):
            if time and step.retry:
                await asyncio.sleep(step.retry.every_s)
            last: Exchange | None = None
            async for exchange in self._hops(step, instance, base):
                last = exchange
                yield exchange
            if last is None or step.retry is None or self._is_enough(step, last):
                return

    def _is_enough(self, step: Request, last: Exchange) -> bool:
        if last.answer is None or step.retry is None:
            return False
        until = step.retry.until
        return until is None or not expect.failures(until, last.answer, self._values)

    async def _hops(self, step: Request, instance: str, base: Url) -> AsyncIterator[Exchange]:
        url = self._check(self._url(step, base))
        draft = outgoing.draft(step, self._values)
        source, own = From.SAME_SITE, True
        for _ in range(MAX_HOPS + 1):
            exchange = await self._exchange(step, instance, url, draft, source, own=own)
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
        seen = None
        if self._runner._watcher is not None:
            seen = await self._runner._watcher.before(dict(pairs))
        response, error = None, None
        try:
            response = await self._client(step.client, step.timeout_s).send(sent)
        except HttpError as exc:
            error = exc
        jar = self._jar(step.client) if self._mode.stateful else Jar()
        lines = response.set_cookie if response else []
        changes = jar.receive(lines, url, local_ms(), source=source)
        exchange = Exchange(
            step.client, instance, sent, choice, tuple(k for k, _ in pairs if k not in
            {cookie.name for cookie in choice.sent}), response, error, tuple(changes),
            jar.choose(url, local_ms()).sent, now,
        )  # fmt: skip
        if self._runner._watcher is not None:
            exchange = replace(exchange, look=await self._runner._watcher.after(seen, exchange))
        return exchange

    def _cookies(
        self, step: Request, url: Url, now: int, source: From, *, own: bool
    ) -> tuple[Choice, list[tuple[str, str]]]:
        """(what the jar gives, all pairs in the order of the line)."""
        if not self._mode.stateful:
            return Choice((), ()), []
        withheld = (self._mode.withheld,) if self._mode.withheld else ()
        mode = step.cookies.mode
        jar = self._jar_kept(step.cookies.kept or "") if mode == "from" else self._jar(step.client)
        if mode == "none":
            jar = Jar()
        choice = jar.choose(url, now, source=source, withhold=withheld)
        given = outgoing.author_cookies(step, self._values) if own else []
        given = [(name, value) for name, value in given if name not in withheld]
        names = {name for name, _ in given}
        pairs = [(one.name, one.value) for one in choice.sent if one.name not in names]
        return choice, pairs + given

    async def _rewound(self, rewind: Rewind) -> Exchange | None:
        """An earlier request once more, with its cookie of then; the jar stays as it is."""
        step = dict(self._runner.numbered).get(rewind.step)
        earlier = self._presented.get(rewind.step, {}).get(rewind.name)
        if not isinstance(step, Request) or earlier is None:
            return None
        instance, base = self._address(step)
        url = self._check(self._url(step, base))
        jar = self._jar(step.client)
        before = jar.copy()
        jar.set(rewind.name, earlier, url, local_ms())
        draft = outgoing.draft(step, self._values)
        exchange = await self._exchange(step, instance, url, draft, From.SAME_SITE)
        jar.restore(before)
        return exchange

    async def _parallel(self, key: str, step: Parallel) -> AsyncIterator[Event]:
        """All at once, all with the jar as it is now."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one() -> list[Exchange]:
            async with turn:
                instance, base = self._address(step.step)
                return [exchange async for exchange in self._sent(step.step, instance, base)]

        exchanges: list[Exchange] = []
        for done in asyncio.as_completed([one() for _ in range(step.times)]):
            for exchange in await done:
                exchanges.append(exchange)
                yield Exchanged(key, exchange)
        yield StepEnded(replace(self._record(key, step.step, exchanges), step=step))

    def _record(self, key: str, step: Request, exchanges: list[Exchange]) -> StepRecord:
        last = exchanges[-1]
        record = StepRecord(key, step, tuple(exchanges))
        if last.problem is not None:
            record = replace(record, problem=last.problem.message)
        if last.answer is None:
            return record
        shown = {one.name: self._read(one.source, last.answer) for one in step.show}
        captured = {one.name: self._read(one.source, last.answer) for one in step.capture}
        found = captured | shown
        self._values |= {name: value for name, value in found.items() if value is not None}
        compared = (*(one.name for one in step.capture if one.is_compared), *shown)
        return replace(
            record,
            values=found,
            shown=compared,
            failures=tuple(self._failures(step, last.answer)),
        )

    def _read(self, source: Source, answer: Answer) -> str | None:
        return extract(source, answer, self._values)

    def _failures(self, step: Request, answer: Answer) -> list[expect.Failure]:
        if self._mode.withheld:
            return []
        if self._mode.stateful:
            return expect.failures(step.expect, answer, self._values)
        return expect.failures(step.stateless, answer, self._values) if step.stateless else []

    # -- addresses ---------------------------------------------------------------------------------

    def _address(self, step: Request) -> tuple[str, Url]:
        if step.at is None:
            return "", self._runner.target
        if step.at == ROUND_ROBIN:
            return next(self._turns)
        return step.at, self._runner.instances[step.at]

    def _url(self, step: Request, base: Url) -> Url:
        url = base.join(fill(step.url, self._values))
        more = outgoing.query(step, self._values)
        if not more:
            return url
        return replace(url, target=f"{url.target}{'&' if '?' in url.target else '?'}{more}")

    def _check(self, url: Url) -> Url:
        """S28: only to the origins that the user named."""
        if url.origin in self._allowed or url.host in self._options.allow_hosts:
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
        if following.host not in self._options.allow_hosts:
            message = f"the redirect leads to {following.origin} (--allow-host {following.host})"
            raise HttpError("redirect", message)
        return following

    def _client(self, name: str, timeout_s: float | None = None) -> HttpClient:
        key = name if timeout_s is None else f"{name} {timeout_s}"
        if key not in self._clients:
            limits = self._options.limits
            if timeout_s is not None:
                limits = replace(limits, read_s=timeout_s, total_s=timeout_s)
            self._clients[key] = HttpClient(self._runner._network, limits)
        return self._clients[key]


def _cookies(count: int) -> str:
    return "1 cookie" if count == 1 else f"{count} cookies"
