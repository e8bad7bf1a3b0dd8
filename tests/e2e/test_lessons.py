"""The lessons: each shows what it teaches, and would not if the shop were another one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from sessctl.demo.lessons import LESSONS, Part, find_lesson
from sessctl.demo.lessons.lesson import Shop
from sessctl.demo.lessons.stage import staged
from sessctl.demo.options import ShopOptions
from sessctl.replay.evidence import Kept
from sessctl.replay.join import Fate
from sessctl.replay.scenario import Wait, requests_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.study import Finding, Study
    from sessctl.replay.transcript import Exchange

COOKIE, SERVER = Kept.COOKIE, Kept.SERVER
STATELESS = (False, None, Kept.UNKNOWN)

# What each part teaches: is it stateful, carried by what, kept where.
TAUGHT = {
    ("stateless-vs-stateful", ""): (True, "connect.sid", SERVER),
    ("plain-and-signed", "plain"): (True, "plain_views", COOKIE),
    ("plain-and-signed", "signed"): (True, "signed_views", COOKIE),
    ("id-and-data", ""): (True, "connect.sid", SERVER),
    ("secret-rotation", ""): (True, "connect.sid", SERVER),
    ("resave-saveuninitialized", "both off"): (True, "connect.sid", SERVER),
    ("resave-saveuninitialized", "both on"): (True, "connect.sid", SERVER),
    ("max-age", ""): (True, "connect.sid", SERVER),
    ("rolling", ""): (True, "connect.sid", SERVER),
    ("flash", ""): (True, "connect.sid", SERVER),
    ("logout", "session at the server"): (True, "connect.sid", SERVER),
    ("logout", "session in the cookie"): (True, "session", COOKIE),
    ("fixation", "vulnerable"): (True, "connect.sid", SERVER),
    ("fixation", "mended"): (True, "connect.sid", SERVER),
    ("race", ""): (True, "connect.sid", SERVER),
    ("restart", "in memory"): (True, "connect.sid", SERVER),
    ("restart", "in SQLite"): (True, "connect.sid", SERVER),
    ("two-instances", "a memory each"): STATELESS,
    ("two-instances", "one SQLite store"): (True, "connect.sid", SERVER),
    ("where-it-lives", ""): (True, "connect.sid", SERVER),
}
PARTS = [(lesson.name, part.title) for lesson in LESSONS for part in lesson.parts]


def part_of(name: str, title: str = "") -> Part:
    """A part by its title; the only one of a lesson has none."""
    return next(one for one in find_lesson(name).parts if one.title == title)


@cache
def played(part: Part) -> Study:
    """Each part is played once, whatever is asked of it."""

    async def play(study: Study) -> None:
        async for _ in study.run():
            pass

    with staged(part) as study:
        asyncio.run(play(study))
    return study


def found(part: Part) -> Finding:
    finding = played(part).finding
    assert finding is not None
    return finding


def exchanges(study: Study) -> Iterator[Exchange]:
    for run in study.transcripts:
        for record in run.steps:
            yield from record.exchanges


@pytest.mark.parametrize(("name", "title"), PARTS)
def test_a_lesson_shows_what_it_teaches(name: str, title: str) -> None:
    study = played(part_of(name, title))
    finding = study.finding
    assert finding is not None
    assert finding.unmet == ()
    assert finding.complete
    assert (finding.is_stateful, finding.carrier.name, finding.kept) == TAUGHT[name, title]
    asserted = study.runner.scenario.expect
    assert asserted.verdict == ("stateful" if finding.is_stateful else "stateless")
    assert any(one.expect.checks for one in requests_of(study.runner.scenario.steps))


@pytest.mark.parametrize("name", [lesson.name for lesson in LESSONS])
def test_a_lesson_takes_less_than_five_seconds(name: str) -> None:
    """By what its steps wait for and its answers take, which other work on the machine adds to."""
    spent = 0.0
    for part in find_lesson(name).parts:
        study = played(part)
        steps = [record.step for run in study.transcripts for record in run.steps]
        spent += sum(step.seconds for step in steps if isinstance(step, Wait))
        at_once = {key for key, step in study.runner.numbered if not hasattr(step, "method")}
        for run in study.transcripts:
            for record in run.steps:
                times = [
                    (one.response.timing.total_s if one.response else 0.0)
                    + (one.look.waited_ms / 1000 if one.look else 0.0)
                    for one in record.exchanges
                ]
                spent += max(times, default=0.0) if record.key in at_once else sum(times)
    assert spent < 5


def test_a_lesson_that_looks_into_the_store_shows_the_very_data() -> None:
    study = played(part_of("id-and-data"))
    looks = [one.look for record in study.transcripts[0].steps for one in record.exchanges]
    first, second = looks[0], looks[1]
    assert first is not None
    assert second is not None
    assert (first.fate, second.fate) == (Fate.CREATED, Fate.CHANGED)
    assert first.sid == second.sid
    assert "$.cart[1]" in [change.path for change in second.changes]
    assert study.finding is not None
    assert "sqlite, session found" in study.finding.sentence


def test_a_wait_is_told_as_it_is() -> None:
    assert "waited 1.6s" in [
        record.done for record in played(part_of("max-age")).transcripts[0].steps
    ]


def test_the_race_loses_what_it_says() -> None:
    study = played(part_of("race"))
    last = study.transcripts[0].steps[-1]
    assert 3 < int(last.values["count"] or 0) < 23
    assert [one.response.status for one in study.transcripts[0].steps[-2].exchanges
            if one.response] == [302] * 20  # fmt: skip


def with_options(part: Part, **options: object) -> Part:
    """The same scenario against shops with another setting."""
    shops = tuple(
        replace(shop, options=replace(shop.options, **options))  # type: ignore[arg-type]
        for shop in part.shops
    )
    return replace(part, shops=shops)


OTHERWISE = {
    "secrets that nobody overlapped": replace(
        part_of("secret-rotation"),
        shops=tuple(
            Shop(options=ShopOptions(name=name, max_age_ms=3_600_000), secrets=(secret,))
            for name, secret in (("before", "old"), ("during", "new"), ("after", "new"))
        ),
    ),
    "resave": with_options(part_of("resave-saveuninitialized", "both off"), resave=True),
    "saveUninitialized": with_options(
        part_of("resave-saveuninitialized", "both off"), save_uninitialized=True
    ),
    "no resave": with_options(part_of("resave-saveuninitialized", "both on"), resave=False),
    "sessions without an end": with_options(part_of("max-age"), max_age_ms=None),
    "nothing rolls": with_options(part_of("rolling"), rolling=False),
    "everything rolls": with_options(part_of("rolling"), rolling=True),
    "sessions in the cookie": with_options(
        part_of("logout", "session at the server"), keep="cookie"
    ),
    "sessions at the server": with_options(
        part_of("logout", "session in the cookie"), keep="session"
    ),
    "a login that keeps the id": with_options(part_of("fixation", "mended"), regenerate=False),
    "a login that changes it": with_options(part_of("fixation", "vulnerable"), regenerate=True),
    "memory that outlives a restart": replace(part_of("restart", "in memory"), store="sqlite"),
    "a store that does not": replace(part_of("restart", "in SQLite"), store="memory"),
    "a shared store": replace(part_of("two-instances", "a memory each"), store="sqlite"),
    "no shared store": replace(part_of("two-instances", "one SQLite store"), store="memory"),
    "a store that nobody looks into": replace(part_of("id-and-data"), joined=False),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_a_lesson_fails_where_it_is_not_so(what: str) -> None:
    finding = found(OTHERWISE[what])
    assert finding.unmet
