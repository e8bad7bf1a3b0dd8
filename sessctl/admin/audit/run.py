"""One audit: the store's facts, the settings, and one look at every session, memory flat."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from sessctl.admin.audit import contents  # noqa: F401 - its checks add themselves
from sessctl.admin.audit.configuration import SETTINGS_CHECKS
from sessctl.admin.audit.crowds import Anonymous, Crowd, OneUser, Sids
from sessctl.admin.audit.finding import Finding, Rule, Severity, Skipped, named, percent
from sessctl.admin.audit.look import MOST_VALUES, Look
from sessctl.admin.audit.sessions import SESSION_CHECKS, SessionCheck
from sessctl.admin.audit.settings import Settings
from sessctl.admin.audit.store import (
    CLOCK,
    STRANGERS,
    judge_clock,
    judge_facts,
    judge_strangers,
    told_by,
)
from sessctl.session import Query
from sessctl.text import Masker, short_id, shorten
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.config.model import Backend
    from sessctl.stores.base import Store

_PAGE = 500  # sessions between two words of progress
_GROUPS = 1_000  # different words of one check that are counted apart
_WORD = 120  # characters of each
_SHOWN = 3


@dataclass(slots=True)
class Tally:
    """What one check has found so far."""

    check: SessionCheck
    sessions: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    def see(self, look: Look) -> None:
        words = {shorten(word, _WORD) for word in self.check.judge(look)}
        if not words:
            return
        self.sessions += 1
        for word in words:
            self.groups[word if word in self.groups or len(self.groups) < _GROUPS else ""] += 1
        if len(self.samples) < _SHOWN:
            self.samples.append(short_id(look.session.sid))

    def finding(self, where: str, total: int) -> Finding:
        evidence = percent(self.sessions, total)
        words = [one for one in self.groups.most_common() if one[0]]
        if words:
            shown = [f"{word} ({count:,})" for word, count in words[:_SHOWN]]
            more = f", and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
            evidence += f": {', '.join(shown)}{more}"
        return self.check.rule.found(where, evidence, count=self.sessions, sids=tuple(self.samples))


class Audit:
    """Iterate `run`, which yields how many more sessions were looked at; then read what it found.

    `findings` come the worst first, `skipped` are checks that could not be made, `passed` the ids
    of those that found nothing. `complete`: every session was looked at.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings | None = None,
        *,
        sample: int | None = None,
        masker: Masker | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self.skipped: list[Skipped] = []
        self.passed: list[str] = []
        self.sessions = 0
        self.complete = False
        self._store, self._settings = store, settings
        self._sample = sample
        self._masker = masker or Masker()
        backend = settings.backend if settings is not None else None
        self._name = shlex.quote(backend.name) if backend and backend.name else "URL"
        self._where = (backend.name if backend else "") or store.identity.label

    def run(self) -> Iterator[int]:
        """Make every check.

        Raises:
            StoreError: the store failed; then nothing is known.
        """
        self._judge_store()
        if self._settings is not None:
            for check in SETTINGS_CHECKS:
                self._take(check.rule, [*check.judge(check.rule, self._settings)])
        yield from self._judge_sessions()
        self.findings.sort(key=lambda one: (-one.severity.rank, one.id, one.where))

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding."""
        return self.findings[0].severity if self.findings else None

    def _take(self, rule: Rule, said: list[Finding | Skipped]) -> None:
        """Sort in what a check said; a check that says nothing has passed."""
        for one in said:
            if isinstance(one, Finding):
                self.findings.append(named(one, self._name))
            else:
                self.skipped.append(one)
        if not said:
            self.passed.append(rule.id)

    def _judge_store(self) -> None:
        told = told_by(self._store)
        if told is None:
            self._skip("store", "the server's settings", "this engine does not tell them")
        else:
            for rule, said in judge_facts(told):
                self._take(rule, said)
        self._take(CLOCK, [*judge_clock(self._store, self._where)])

    def _judge_sessions(self) -> Iterator[int]:
        tallies = [Tally(check) for check in SESSION_CHECKS]
        crowds: list[Crowd] = [Anonymous(), OneUser(), Sids()]
        now_ms, lifetime_s = self._store.now_ms(), self._lifetime_s()
        cut = with_cookie = unmarked = 0
        found = self._store.scan(Query(everything=True))
        for session in islice(found, self._sample):
            look = Look(session, now_ms=now_ms, lifetime_s=lifetime_s, masker=self._masker)
            for tally in tallies:
                tally.see(look)
            for crowd in crowds:
                crowd.see(look)
            cut += look.was_cut
            with_cookie += bool(look.cookie)
            unmarked += look.problem is None and not self._store.recognises(session)
            self.sessions += 1
            if self.sessions % _PAGE == 0:
                yield _PAGE
        yield self.sessions % _PAGE
        self.complete = self._sample is None or next(found, None) is None
        self._take(STRANGERS, [*judge_strangers(self._store, self._where, unmarked)])
        if not self.sessions:  # nothing has passed that was not looked at
            self._skip("data", "what stands in sessions", "the store has none")
            return
        if not with_cookie:
            reason = f"{self._store.layout.name} keeps none in its sessions"
            self._skip("cookie", "the settings of cookies", reason)
        for tally in tallies:
            if with_cookie or not tally.check.rule.id.startswith("cookie."):
                said = [tally.finding(self._where, self.sessions)] if tally.sessions else []
                self._take(tally.check.rule, [*said])
        for crowd in crowds:
            self._take(crowd.rule, [*crowd.judge(self._where, self.sessions)])
        if cut:
            reason = f"of {cut:,} sessions only the first {MOST_VALUES:,} values were looked at"
            self._skip("data", "what stands in sessions", reason)

    def _skip(self, id: str, title: str, reason: str) -> None:
        """Several checks at once that could not be made."""
        self.skipped.append(Skipped(id, title, self._where, reason))

    def _lifetime_s(self) -> int | None:
        """What the backend says; a library's default is no promise of the application."""
        said = self._settings.backend.lifetime if self._settings is not None else None
        return int(parse_duration(said).total_seconds()) if said else None


def audit(store: Store, backend: Backend | None = None, *, sample: int | None = None) -> Audit:
    """Findings on a store's sessions and settings, and on a backend's.

        with open_store("redis://localhost:6379/0") as store:
            for finding in audit(store).findings:
                print(finding.severity, finding.id, finding.evidence)

    Args:
        backend: its settings are looked at, too; secrets that it names by `env:` are not found
            here: `Audit` takes `Settings` with an environment.
        sample: look at so many sessions at the most.

    Raises:
        StoreError: the store failed.
    """
    made = Audit(store, None if backend is None else Settings(backend=backend), sample=sample)
    for _ in made.run():
        pass
    return made
