"""What a scenario holds: frozen values, no I/O.

A `str` described as *text* may hold `${name}`; `variables.fill` puts the values in. Everything else
was checked when the scenario was loaded. Times are seconds (`_s`), paths of files are absolute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from sessctl.replay.expect import NOTHING, Expectation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sessctl.replay.extract import Source
    from sessctl.replay.problems import Place
    from sessctl.replay.variables import Variable

Pairs = tuple[tuple[str, str], ...]

MAIN = "main"  # the client of a step without `as`
ROUND_ROBIN = "round-robin"
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


@dataclass(frozen=True, slots=True)
class Capture:
    """A value to read from the answer; a name with a leading `_` stays out of the comparison."""

    name: str
    source: Source
    place: Place

    @property
    def is_compared(self) -> bool:
        return not self.name.startswith("_")


@dataclass(frozen=True, slots=True)
class FormBody:
    """Fields (text) sent as `application/x-www-form-urlencoded`."""

    fields: Pairs


@dataclass(frozen=True, slots=True)
class JsonBody:
    """Data for `application/json`; its strings are text."""

    data: Any


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: a `text`, or a file's content."""

    name: str
    text: str | None = None
    file: Path | None = None
    filename: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """Parts in order, for `multipart/form-data`."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TextBody:
    """The body itself (text), UTF-8."""

    text: str


@dataclass(frozen=True, slots=True)
class FileBody:
    """The body is this file's content, byte for byte."""

    file: Path


Body = FormBody | JsonBody | MultipartBody | TextBody | FileBody


@dataclass(frozen=True, slots=True)
class Cookies:
    """Which cookies a request carries, instead of simply the jar's.

    Attributes:
        mode: `jar`: the client's jar, `given` on top of it for this request only.
            `none`: no cookie at all. `from`: those of the jar that was kept as `kept`.
    """

    mode: Literal["jar", "none", "from"] = "jar"
    given: Pairs = ()
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """`Authorization`: basic with `user` and `secret`, or bearer with `secret` (all text)."""

    kind: Literal["basic", "bearer"]
    secret: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send again, at most `times` in all, `every_s` apart, until `until` holds.

    Without `until`: until an answer came at all.
    """

    times: int
    every_s: float = 1.0
    until: Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step has. `name` is what reports call it, `about` what a lesson says of it."""

    place: Place
    name: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Step):
    """One request.

    Attributes:
        method: in capital letters.
        url: text; a path below the target, or a whole URL.
        client: whose jar.
        at: an instance's name, `round-robin`, or None for the target.
        expect, stateless: of the runs with cookies, of the run without.
    """

    method: str
    url: str
    client: str = MAIN
    at: str | None = None
    query: Pairs = ()
    headers: Pairs = ()
    cookies: Cookies = Cookies()
    auth: Auth | None = None
    body: Body | None = None
    follow: bool = False
    timeout_s: float | None = None
    retry: Retry | None = None
    capture: tuple[Capture, ...] = ()
    show: tuple[Capture, ...] = ()
    expect: Expectation = NOTHING
    stateless: Expectation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Step):
    """Nothing happens for a while."""

    seconds: float


class JarVerb(StrEnum):
    """What can be done to a jar."""

    CLEAR = "clear"
    CLOSE_BROWSER = "close-browser"
    KEEP = "keep"
    RESTORE = "restore"
    SET = "set"
    FORGET = "forget"
    TAMPER = "tamper"


@dataclass(frozen=True, slots=True, kw_only=True)
class JarAct(Step):
    """Something done to a client's jar.

    Attributes:
        kept: the name of the kept jar: of `keep`, `restore` and `tamper: swap`.
        cookie: the cookie's name (text): of `forget` and `tamper`.
        cookies: of `set`, names with values (text).
        how: of `tamper`; `swap` takes the signature of the same cookie in the kept jar.
    """

    verb: JarVerb
    client: str = MAIN
    kept: str = ""
    cookie: str = ""
    cookies: Pairs = ()
    how: Literal["flip", "truncate", "unsign", "swap"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook(Step):
    """Run the hook of that name."""

    hook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Step):
    """The same request `times` times at once, all with one client's jar."""

    times: int
    step: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Step):
    """The same steps `times` times, one after the other."""

    times: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Hook:
    """A command of the scenario, run with --allow-hooks only, without a shell.

    `ready` is a path that must answer within `within_s` before the next step.
    """

    name: str
    run: tuple[str, ...]
    ready: str | None = None
    within_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scenario as a whole must show; None is not asked."""

    verdict: Literal["stateful", "stateless"] | None = None
    carrier: str | None = None
    kept: Literal["cookie", "server", "both"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole scenario; included files are part of it already.

    `notes` are for the person who runs it: files outside of its folder that it reads.
    """

    file: str
    steps: tuple[Step, ...]
    before: tuple[Step, ...] = ()
    name: str = ""
    about: str = ""
    target: str | None = None
    instances: Pairs = ()
    backend: str | None = None
    session_cookie: str | None = None  # None: found out
    variables: tuple[Variable, ...] = ()
    hooks: tuple[Hook, ...] = ()
    expect: Verdict = Verdict()
    notes: tuple[str, ...] = ()


def requests_of(steps: Iterable[Step]) -> Iterator[Request]:
    """Every request, those inside `repeat` and `parallel` too, in the file's order."""
    for step in steps:
        if isinstance(step, Request):
            yield step
        elif isinstance(step, Parallel):
            yield step.step
        elif isinstance(step, Repeat):
            yield from requests_of(step.steps)
