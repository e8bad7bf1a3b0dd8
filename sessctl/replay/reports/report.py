"""`Report`: a study as its reports show it, flat and masked.

These names are the keys of the JSON transcript: `transcript.schema.json` says what each one means,
and a test holds the two together. Texts are a stranger's still: whoever draws them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A header line or a value, by name."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class CookieView:
    """One cookie of a jar. `expires_at` is None for a session cookie."""

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    expires_at: str | None
    secure: bool
    http_only: bool
    same_site: str


@dataclass(frozen=True, slots=True)
class HeldView:
    """A cookie that stayed in the jar, and why."""

    cookie: CookieView
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeView:
    """What one `Set-Cookie` line did. `value_before` is None where there was no such cookie."""

    line: str
    outcome: str
    refusal: str | None
    renewed: bool
    cookie: CookieView | None
    value_before: str | None
    evicted: CookieView | None
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BodyView:
    """A body. `text` is its beginning, None where it is no text; `shortened`: it goes on."""

    text: str | None
    size_bytes: int
    content_type: str
    shortened: bool


@dataclass(frozen=True, slots=True)
class RequestView:
    method: str
    url: str
    headers: tuple[Pair, ...]
    body: BodyView


@dataclass(frozen=True, slots=True)
class ResponseView:
    """An answer. `problem` says why its body is not whole."""

    status: int
    reason: str
    headers: tuple[Pair, ...]
    body: BodyView
    elapsed_ms: float
    problem: str | None


@dataclass(frozen=True, slots=True)
class DataChangeView:
    """One value inside the session's data; None is absent."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class StoreView:
    """The session in the store around the exchange."""

    fate: str
    sid: str | None
    replaced_sid: str | None
    changes: tuple[DataChangeView, ...]
    data: Any
    expires_at: str | None
    expiry_moved_s: float | None
    size_bytes: int | None
    sessions_before: int
    sessions_after: int
    read_after_ms: int


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """One request and its answer. `error` says why there was none."""

    client: str
    instance: str | None
    started_at: str
    request: RequestView
    response: ResponseView | None
    error: str | None
    sent: tuple[CookieView, ...]
    given: tuple[str, ...]
    held: tuple[HeldView, ...]
    received: tuple[ChangeView, ...]
    jar: tuple[CookieView, ...]
    store: StoreView | None


@dataclass(frozen=True, slots=True)
class PresentedView:
    """An earlier cookie presented again: the one of step `step`, after the step it stands in."""

    step: str
    cookie: str
    exchange: ExchangeView


@dataclass(frozen=True, slots=True)
class RecordView:
    """What became of a step in one run."""

    key: str
    exchanges: tuple[ExchangeView, ...]
    values: tuple[Pair, ...]
    failures: tuple[str, ...]
    problem: str | None
    done: str | None
    presented: tuple[PresentedView, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: `title` is stateful, stateless, control, earlier cookies, or `without NAME`."""

    title: str
    stateful: bool
    withheld: str | None
    complete: bool
    steps: tuple[RecordView, ...]

    def step(self, key: str) -> RecordView | None:
        return next((one for one in self.steps if one.key == key), None)


@dataclass(frozen=True, slots=True)
class DifferenceView:
    what: str
    stateful: str
    stateless: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the scenario. What was not judged (an act, a step of `before`) has no judgement.

    `kind` is request, parallel, wait, jar (`verb` is what is done to it) or hook; `action` says it
    in words: `GET /cart`.
    `stateful` and `stateless` sum up the answers of both runs: `302 → 200, items=3`.
    """

    key: str
    name: str
    about: str
    kind: str
    verb: str | None
    action: str
    client: str | None
    judgement: str | None
    differences: tuple[DifferenceView, ...]
    stateful: str
    stateless: str


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One thing that was seen, and where it says that the state is kept."""

    text: str
    points_to: str | None


@dataclass(frozen=True, slots=True)
class WithheldView:
    """The steps that change when this cookie is withheld."""

    cookie: str
    steps: tuple[str, ...]
    is_csrf: bool


@dataclass(frozen=True, slots=True)
class AssertedView:
    what: str
    wanted: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class VerdictView:
    """What it all says. `verdict` is stateful, stateless or not compared."""

    sentence: str
    verdict: str
    depending: int
    judged: int
    carrier: str | None
    carrier_why: str
    kept: str
    evidence: tuple[EvidenceView, ...]
    withheld: tuple[WithheldView, ...]
    has_control: bool
    asserted: tuple[AssertedView, ...]
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenarioView:
    name: str
    about: str
    file: str
    target: str
    instances: tuple[Pair, ...]
    backend: str | None
    store: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole study. `started_at` is None where nothing was sent."""

    schema_version: int
    started_at: str | None
    elapsed_s: float
    masked: bool
    scenario: ScenarioView
    verdict: VerdictView
    steps: tuple[StepView, ...]
    runs: tuple[RunView, ...]

    @property
    def stateful(self) -> RunView | None:
        """The first run: what a browser sees."""
        return self.runs[0] if self.runs else None

    @property
    def stateless(self) -> RunView | None:
        return next((run for run in self.runs if not run.stateful), None)
