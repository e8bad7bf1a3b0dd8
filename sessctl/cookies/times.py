"""Judging a cookie by the times in it, once its signature is good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sessctl.cookies.base import VerdictWord

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sessctl.cookies.base import Verdict


def timed_as_usual(
    verdict: Verdict, now: datetime, max_age: timedelta | None, lifetime: timedelta, setting: str
) -> Verdict:
    """The same where the library has a limit of its own, unless the app's `setting` differs."""
    found = timed(verdict, now, lifetime if max_age is None else max_age)
    if max_age is not None or found.word is not VerdictWord.EXPIRED:
        return found
    note = f"older than the library's own limit; if the app's {setting} is another: --max-age"
    return replace(found, notes=(*found.notes, note))


def timed(verdict: Verdict, now: datetime, max_age: timedelta | None) -> Verdict:
    """A verdict that was good so far, judged by the cookie's own end and by its age."""
    decoded = verdict.decoded
    if not verdict.valid or decoded is None:
        return verdict
    if decoded.expires_at is not None and decoded.expires_at < now:
        return replace(verdict, word=VerdictWord.EXPIRED)
    if max_age is None:
        return verdict
    if decoded.issued_at is None:
        note = "it does not say when it was issued, so its age cannot be judged"
        return replace(verdict, word=VerdictWord.UNVERIFIED, notes=(*verdict.notes, note))
    if now - decoded.issued_at <= max_age:
        return verdict
    return replace(verdict, word=VerdictWord.EXPIRED)
