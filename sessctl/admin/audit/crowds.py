"""Checks of all sessions together: who they belong to, and what their ids are like.

Memory stays flat however many there are: users are counted with 10 000 counters, ids judged by a
sample.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from sessctl.admin.audit.finding import Finding, Rule, Severity, Skipped, percent
from sessctl.text import short_id, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.audit.look import Look


class Crowd(Protocol):
    """A check that sees every session and judges at the end."""

    @property
    def rule(self) -> Rule: ...

    def see(self, look: Look) -> None: ...

    def judge(self, where: str, total: int) -> Iterator[Finding | Skipped]: ...


ANONYMOUS = Rule(
    "crowd.anonymous",
    Severity.LOW,
    "most sessions are nobody's",
    "robots and health checks get one each: the store fills up, and who logs in is lost in it",
    "saveUninitialized: false   // in the session library's options",
)
_MANY_ANONYMOUS, _MASSES = 100, 10_000


class Anonymous:
    """Sessions without a user, and how many of them hold nothing at all."""

    rule = ANONYMOUS

    def __init__(self) -> None:
        self._count = self._empty = 0
        self._samples: list[str] = []

    def see(self, look: Look) -> None:
        if look.session.user is not None or look.problem is not None:
            return
        self._count += 1
        self._empty += look.data == {}
        if len(self._samples) < 3:
            self._samples.append(short_id(look.session.sid))

    def judge(self, where: str, total: int) -> Iterator[Finding | Skipped]:
        """Half of at least 100; nearly all of at least 10 000 are masses."""
        if self._count < _MANY_ANONYMOUS or self._count * 2 < total:
            return
        masses = self._count >= _MASSES and self._count >= 0.9 * total
        evidence = f"{percent(self._count, total)} have no user; {self._empty:,} hold no data"
        yield ANONYMOUS.found(
            where,
            evidence,
            severity=Severity.MEDIUM if masses else None,
            count=self._count,
            sids=tuple(self._samples),
        )


ONE_USER = Rule(
    "crowd.one-user",
    Severity.LOW,
    "one user has a great number of sessions",
    "a shared or stolen account, a robot, or a login that never reuses its session",
    "sessctl list --user USER -b BACKEND   # then end them: sessctl expire --user USER",
)
_SESSIONS_OF_ONE, _FAR_TOO_MANY = 20, 200
_COUNTERS = 10_000
_NAME = 200  # characters of a user's name that are told apart


class OneUser:
    """The users with the most sessions, counted as Misra and Gries did in 1982.

    With more users than counters a count is too small, by no more than a 10 000th of all sessions.
    """

    rule = ONE_USER

    def __init__(self, counters: int = _COUNTERS) -> None:
        self._counts: Counter[str] = Counter()
        self._counters = counters
        self._taken = 0  # from every count

    def see(self, look: Look) -> None:
        user = look.session.user
        if user is None:
            return
        self._counts[user[:_NAME]] += 1
        if len(self._counts) > self._counters:
            self._taken += 1
            self._counts = Counter({k: n - 1 for k, n in self._counts.items() if n > 1})

    def judge(self, where: str, total: int) -> Iterator[Finding | Skipped]:
        top = [(user, n) for user, n in self._counts.most_common(3) if n > _SESSIONS_OF_ONE]
        if not top:
            return
        least = "at least " if self._taken else ""
        said = ", ".join(f"user {shorten(user, 40)}: {least}{n:,}" for user, n in top)
        severity = Severity.MEDIUM if top[0][1] > _FAR_TOO_MANY else None
        yield ONE_USER.found(where, said, severity=severity, count=top[0][1])


GUESSABLE = Rule(
    "sid.guessable",
    Severity.HIGH,
    "session ids can be guessed",
    "whoever guesses an id is in; OWASP asks for 64 random bits at the least",
    "leave genid out, or: genid: () => crypto.randomBytes(24).toString('base64url')",
)
_FEWEST, _SAMPLE = 30, 2_000
_LONGEST_SID = 256
_ENOUGH_BITS = 51  # a sample shows about four fifths of 64 bits
_NUMBER = re.compile(r"(?s)(.*?)([0-9]{1,18})")


class Sids:
    """The first 2 000 ids: how random each of their characters is, and whether they count up."""

    rule = GUESSABLE

    def __init__(self) -> None:
        self._sids: list[str] = []

    def see(self, look: Look) -> None:
        if len(self._sids) < _SAMPLE:
            self._sids.append(look.session.sid[:_LONGEST_SID])

    def judge(self, where: str, total: int) -> Iterator[Finding | Skipped]:
        sids = self._sids
        if len(sids) < _FEWEST:
            reason = f"{total} sessions; it takes {_FEWEST} to judge their ids"
            yield GUESSABLE.skipped(where, reason)
            return
        samples = tuple(map(short_id, sids[:3]))
        bits = bits_of(sids)
        if (share := counted_up(sids)) > 0.5:
            evidence = f"they are counted up: {share:.0%} of {len(sids):,} follow another one"
            yield GUESSABLE.found(where, evidence, severity=Severity.CRITICAL, sids=samples)
        elif bits < _ENOUGH_BITS:
            evidence = f"about {bits:.0f} random bits in {len(sids):,} ids"
            yield GUESSABLE.found(where, evidence, sids=samples)


def counted_up(sids: list[str]) -> float:
    """The share of ids that are a number one above another, after the same text."""
    found: dict[str, set[int]] = {}
    for sid in sids:
        if number := _NUMBER.fullmatch(sid):
            found.setdefault(number[1], set()).add(int(number[2]))
    following = sum(n - 1 in numbers for numbers in found.values() for n in numbers)
    return following / len(sids)


def bits_of(sids: list[str]) -> float:
    """An upper bound of what is random in ids: Shannon's entropy of each place, added up, with
    Miller's and Madow's correction for a small sample."""
    bits, size = 0.0, len(sids)
    for place in range(max(map(len, sids))):
        counts = Counter(sid[place : place + 1] for sid in sids).values()
        if len(counts) > 1:
            bits -= sum(n / size * math.log2(n / size) for n in counts)
            bits += (len(counts) - 1) / (2 * size * math.log(2))
    return bits
