"""What happened in one run of a scenario: its steps, their exchanges, and what the jars did.

A runner emits these as events; whoever wants the whole collects them in a `Transcript`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sessctl.replay.extract import Answer, SeenCookie
from sessctl.replay.set_cookie import SameSite
from sessctl.text import decode_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.errors import HttpError
    from sessctl.replay.cookie import Cookie
    from sessctl.replay.expect import Failure
    from sessctl.replay.jar import Change, Choice, Jar
    from sessctl.replay.look import Look
    from sessctl.replay.message import Request as Sent
    from sessctl.replay.message import Response
    from sessctl.replay.scenario import Step


@dataclass(frozen=True, slots=True)
class Mode:
    """How the cookies are handled in a run.

    `stateful`: jars carried. `stateless`: no cookie is ever sent. `withheld` names one cookie that
    a stateful run does not send; `rewinding` presents earlier cookies again. `look` counts the runs
    of a kind, where one was not enough.
    """

    stateful: bool = True
    withheld: str = ""
    control: bool = False
    rewinding: bool = False
    look: int = 1

    @property
    def must_succeed(self) -> bool:
        """Cookies go as they should, so the scenario's expectations have to hold."""
        return self.stateful and not self.withheld

    @property
    def title(self) -> str:
        if self.look > 1:
            return f"{replace(self, look=1).title}, look {self.look}"
        if not self.stateful:
            return "stateless"
        if self.withheld:
            return f"without {self.withheld}"
        if self.rewinding:
            return "earlier cookies"
        return "control" if self.control else "stateful"


STATEFUL, CONTROL, STATELESS = Mode(), Mode(control=True), Mode(stateful=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; a redirect that is followed is the next one.

    Attributes:
        client: whose jar.
        instance: which address of the app; empty for the target.
        sent: the request, cookies included, byte for byte.
        choice: which cookies of the jar went, and of the others why not.
        given: names of cookies that the step added by hand.
        response: None where there was none; `error` says why.
        changes: what each `Set-Cookie` line did.
        cookies: the jar afterwards, as far as it goes to this URL.
        started_ms: by the machine's clock, since 1970 UTC.
    """

    client: str
    instance: str
    sent: Sent
    choice: Choice
    given: tuple[str, ...]
    response: Response | None
    error: HttpError | None
    changes: tuple[Change, ...]
    cookies: tuple[Cookie, ...]
    started_ms: int
    look: Look | None = None

    @property
    def problem(self) -> HttpError | None:
        """Why there is no whole answer."""
        return self.error or (self.response.problem if self.response else None)

    @property
    def location(self) -> str:
        """Where the answer leads to, empty if nowhere."""
        found = self.response.values(b"location") if self.response else []
        return decode_id(found[0]) if found else ""

    @property
    def answer(self) -> Answer | None:
        """The answer as values are read from it."""
        if self.response is None:
            return None
        return Answer(
            self.response.status,
            str(self.sent.url),
            self.response.headers,
            self.response.body.kept,
            seen_cookies(self),
            None if self.look is None else str(self.look.fate),
        )


@dataclass(frozen=True, slots=True)
class Rewind:
    """After the step `after`, send the request of `step` with the cookie `name` as it was then;
    `parts` are the cookies that belong to it, such as its signature."""

    after: str
    step: str
    name: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What became of one step. `key` names it across runs: `3`, `6.1`, `6.1#2` in a repetition.

    Attributes:
        exchanges: the redirects in their order; of `parallel` all requests.
        values: what was captured and shown, by name; None where the answer had none.
        shown: the names of `values` that are compared and printed.
        failures: expectations that did not hold.
        problem: why the step failed otherwise, in one line.
        done: what an act did, in words.
    """

    key: str
    step: Step
    exchanges: tuple[Exchange, ...] = ()
    values: Mapping[str, str | None] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    problem: str = ""
    done: str = ""
    rewound: Mapping[Rewind, Exchange] = field(default_factory=dict)

    @property
    def has_failed(self) -> bool:
        return bool(self.failures or self.problem)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole run.

    Attributes:
        complete: False where it stopped at a failed step.
        jars: what each client holds at its end.
    """

    mode: Mode
    steps: tuple[StepRecord, ...]
    complete: bool = True
    jars: Mapping[str, Jar] = field(default_factory=dict)

    def step(self, key: str) -> StepRecord | None:
        return next((one for one in self.steps if one.key == key), None)

    @property
    def failed(self) -> list[StepRecord]:
        return [one for one in self.steps if one.has_failed]


@dataclass(frozen=True, slots=True)
class RunBegan:
    mode: Mode


@dataclass(frozen=True, slots=True)
class StepBegan:
    key: str
    step: Step


@dataclass(frozen=True, slots=True)
class Exchanged:
    key: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class StepEnded:
    record: StepRecord


@dataclass(frozen=True, slots=True)
class RunEnded:
    transcript: Transcript


Event = RunBegan | StepBegan | Exchanged | StepEnded | RunEnded


def seen_cookies(exchange: Exchange) -> dict[str, SeenCookie]:
    """The cookies by name as the jar holds them after the answer, and what it did to them."""
    found: dict[str, SeenCookie] = {}
    acts: dict[str, set[str]] = {}
    for change in exchange.changes:
        if change.cookie is None or change.refusal is not None:
            continue
        words = acts.setdefault(change.cookie.name, set())
        words.add(_ACTS[change.outcome.value])
    for cookie in exchange.cookies:
        did = acts.pop(cookie.name, set())
        left = cookie.expires_ms
        found[cookie.name] = SeenCookie(
            cookie.value,
            set=bool(did & {"set", "changed"}),
            changed="changed" in did,
            secure=cookie.secure,
            httponly=cookie.http_only,
            samesite="" if cookie.same_site is SameSite.UNSET else cookie.same_site.lower(),
            path=cookie.path,
            domain="" if cookie.host_only else cookie.domain,
            max_age_s=None if left is None else round((left - exchange.started_ms) / 1000),
        )
    for name, did in acts.items():
        found[name] = SeenCookie(None, deleted="deleted" in did)
    return found


# `changed` includes a cookie that was not there before: its value is another one.
_ACTS = {"new": "changed", "changed": "changed", "same": "set", "deleted": "deleted"}
