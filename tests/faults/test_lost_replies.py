"""S9: replies get lost. What is reported is true, what was written is never sent twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from itertools import chain, cycle
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal, Summary
from sessctl.admin.restore import Restore
from sessctl.session import Query
from sessctl.stores.base import Outcome, Result
from sessctl.stores.registry import open_store
from tests.faults.killer import Victim
from tests.faults.recorder import parse_commands
from tests.faults.renewer import ROOT
from tests.faults.stores import check_nothing_lost, journalled, journals
from tests.support.proxy import FaultyProxy, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.stores import Contents, RedisSubject, Subject

SESSIONS = 2_500  # five pages to delete, three to read
# To be found by a rule, a lost reply must meet every kind of exchange: hence several periods.
PERIODS = [2, 3, 5, 7, 7, 11]


def purge(url: str, folder: Path, proxy: FaultyProxy | None = None) -> tuple[Summary, list[Result]]:
    """A purge of everything; whatever breaks ends it."""
    results: list[Result] = []
    with open_store(url, write=True) as store:
        if proxy is not None:
            proxy.arm()
        journal = JournalWriter(folder, {"command": "purge", "backend": "x"})
        run = Removal(store, journal, permissions=Permissions(max_delete=10**9))
        for page in run.purge(Query(everything=True)):
            results += page
    return run.summary, results


def commands(proxy: FaultyProxy) -> Iterator[list[bytes]]:
    """Every whole command that a client has sent to a Redis, delivered or not."""
    return chain.from_iterable(parse_commands(bytes(stream)) for stream in proxy.sent)


def writes(proxy: FaultyProxy) -> Counter[bytes]:
    """Key -> how often a script that changes it was sent."""
    return Counter(words[3] for words in commands(proxy) if words[0] == b"EVALSHA")


def check_report(
    subject: RedisSubject, original: Contents, folder: Path, results: list[Result]
) -> Contents:
    """Each session at most once, none as deleted that exists, and nothing lost."""
    sids = [result.sid for result in results]
    assert len(sids) == len(set(sids))
    paths = list_journals(folder)
    saved = journalled(subject, paths[0]) if paths else {}
    now = check_nothing_lost(subject, original, saved)
    for result in results:
        there = f"sess:{result.sid}".encode() in now
        assert there == (result.outcome.value == "failed"), result
    unsure = set()
    for page in open_journal(paths[0]).pages() if paths else ():
        if page.outcomes is None:
            unsure |= {item["sid"] for item in page.sessions}
    missing = {key[5:].decode() for key in original if key not in now}
    assert missing <= set(sids) | unsure, "somebody vanished and nobody said so"
    return now


@pytest.mark.parametrize("kind", ["replies", "requests"])
@pytest.mark.parametrize("repeat", [1, pytest.param(20, marks=pytest.mark.long)])
def test_every_nth_is_lost(redis_subject, tmp_path, rng, kind, repeat) -> None:
    words: Counter[str] = Counter()
    lost = 0
    for number, every in enumerate(cycle(PERIODS)):
        hit = words["unconfirmed"] + words["failed"] > 0  # at least one write
        if number >= len(PERIODS) * repeat and (hit or number > 60):
            break
        original = redis_subject.fill(SESSIONS, rng)
        folder = tmp_path / f"run-{number}"
        port = redis_subject.engine.server.port
        with FaultyProxy(port, rng, armed=False, **{kind: every}) as proxy:
            summary, results = purge(f"redis://127.0.0.1:{proxy.port}/0", folder, proxy)
            assert summary.counts == Counter(result.outcome.value for result in results)
            assert summary.complete == (summary.error is None)
            words.update(summary.counts)
            words["runs complete" if summary.complete else "runs cut short"] += 1
        redis_subject.quiesce()
        check_report(redis_subject, original, folder, results)
        assert not writes(proxy) or max(writes(proxy).values()) == 1, "a write was sent twice"
        lost += proxy.lost
    print(f"{lost} {kind} lost: {dict(words)}")
    assert lost >= len(PERIODS) * repeat
    assert hit, "no write was ever lost"


def test_a_reply_lost_while_reading_ends_nothing(redis_subject, rng) -> None:
    """Reads are asked again, in the middle of a scan as well; nothing is missing, nothing twice."""
    original = redis_subject.fill(SESSIONS, rng)
    expected = sorted(k for k in original if k.startswith(b"sess:") and k != b"sess:hash")
    lost = 0
    port = redis_subject.engine.server.port
    for _ in range(8):
        with (
            FaultyProxy(port, rng, replies=12, most=1, armed=False) as proxy,
            open_store(f"redis://127.0.0.1:{proxy.port}/0") as store,
        ):
            proxy.arm()
            found = [session.location.encode() for session in store.scan(Query())]
            assert sorted(found) == expected
            assert store.count(Query()) == len(expected)
            lost += proxy.lost
    assert lost > 4


def test_what_was_lost_comes_back_over_a_bad_line(redis_subject, tmp_path, rng) -> None:
    """A restore whose replies get lost says `present` of what it wrote, and sends nothing twice."""
    original = redis_subject.fill(600, rng)
    _, results = purge(redis_subject.url, tmp_path)
    journal = open_journal(list_journals(tmp_path)[0])
    with (
        FaultyProxy(redis_subject.engine.server.port, rng, replies=97, armed=False) as proxy,
        open_store(f"redis://127.0.0.1:{proxy.port}/0", write=True) as store,
    ):
        proxy.arm()
        undo = Restore(store, journal)
        put = [result for page in undo.run() for result in page]
        assert proxy.lost
    assert redis_subject.contents() == original
    assert {result.outcome.value for result in put} == {"stored", "present"}
    assert undo.counts.total() == len(put) == len(results)
    sets = Counter(words[1] for words in commands(proxy) if words[0] == b"SET")
    assert max(sets.values()) == 1


@pytest.mark.parametrize("certain_only", [False, True])
def test_a_failed_delete_that_came_through_is_undone(subject, tmp_path, rng, certain_only) -> None:
    """A command may reach the server after we have looked: `failed` is no proof of being there."""
    original = subject.fill(100, rng)
    with subject.open() as store:
        found = list(store.scan(Query()))
        journal = JournalWriter(tmp_path, {"command": "purge"})
        number = journal.page(store, found)
        assert {result.outcome for result in store.delete(found)} == {Outcome.DELETED}
        lost = [Result(session.sid, Outcome.FAILED, "connection lost") for session in found[:-1]]
        journal.done(number, [*lost, Result(found[-1].sid, Outcome.DELETED)])
        journal.close()
        undo = Restore(store, open_journal(journal.path), lapsed=True, certain_only=certain_only)
        for _ in undo.run():
            pass
    left = 1 if certain_only else len(found)
    assert (undo.counts["restored"], undo.uncertain) == (left, left - 1)
    assert (subject.contents() == original) == (not certain_only)


def test_the_command_line_tells_it_all(redis_subject, tmp_path, rng) -> None:
    original = redis_subject.fill(SESSIONS, rng)
    with FaultyProxy(redis_subject.engine.server.port, rng, replies=7) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        command = [*redis_subject.purge, "-o", "json", "-b", url]
        with Victim(*command, home=tmp_path / "home") as run:
            code = run.wait()
            report = json.loads(run.stdout) if run.stdout else {"items": [], "summary": {}}
            stderr = run.stderr
    redis_subject.quiesce()
    found = journals(tmp_path / "home")
    saved = journalled(redis_subject, found[0]) if found else {}
    now = check_nothing_lost(redis_subject, original, saved)
    counts = Counter(one["outcome"] for one in report["items"])
    assert {word: report["summary"][word] for word in counts} == counts
    ended = {
        f"sess:{one['sid']}".encode() for one in report["items"] if one["outcome"] == "deleted"
    }
    assert ended.isdisjoint(now)
    if report["summary"].get("complete") and not counts["failed"]:
        assert code == 0, stderr
    else:
        touched = counts["deleted"] + counts["unconfirmed"] + counts["failed"]
        assert code == (5 if touched else 3), stderr


def test_a_server_lost_in_the_first_page_is_not_told_as_nothing(
    redis_subject, tmp_path, rng, sessctl
) -> None:
    """The page had been sent: what the server did of it nobody can see any more."""
    original = redis_subject.fill(600, rng)
    with Proxy(redis_subject.engine.server.port) as proxy:
        proxy.vanish(b"EVALSHA")
        command = [*redis_subject.purge, "-o", "json"]
        result = sessctl(*command, "-b", f"redis://127.0.0.1:{proxy.port}/0")
    redis_subject.quiesce()
    assert len(redis_subject.contents()) < len(original)
    assert (result.json()["summary"]["failed"], result.code) == (500, 5)
    assert "Up to 500 of the failed may be gone. Undo: sessctl restore --last" in result.stderr
    undo = ("restore", "--last", "--force", "wrong-store", "--confirm", "127.0.0.1/0")
    assert sessctl(*undo, "-b", redis_subject.url).code == 0
    assert redis_subject.contents() == original


@pytest.mark.parametrize("ordered", [True, False])
def test_two_at_once_report_each_session_once(subject, tmp_path, rng, ordered) -> None:
    """In the same order one is always behind the other; in orders of their own, both take some."""
    met, shares = 0, Counter[str]()
    for number in range(2):
        original = subject.fill(1500, rng)
        seeds = [[], []] if ordered else [[str(rng.random())], [str(rng.random())]]
        mine, theirs = two_at_once(subject, tmp_path / str(number), seeds)
        deleted = [*mine.get("deleted", []), *theirs.get("deleted", [])]
        assert len(deleted) == len(set(deleted)) == len(original) - len(subject.contents())
        shares.update(a=len(mine.get("deleted", [])), b=len(theirs.get("deleted", [])))
        met += sum(len(run.get(word, [])) for run in (mine, theirs) for word in ("gone", "changed"))
    print(f"{subject.name}: two purges met at {met} sessions, shares {dict(shares)}")
    assert met


def two_at_once(
    subject: Subject, folder: Path, seeds: list[list[str]]
) -> list[dict[str, list[str]]]:
    """What two processes report that start at the same word."""
    program = [sys.executable, "-m", "tests.faults.purger", subject.url]
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(
                    [*program, str(folder / str(number)), *seed],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for number, seed in enumerate(seeds)
        ]
        for one in both:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        for one in both:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
            one.stdin.flush()
        answers = [one.stdout.read() for one in both if one.stdout is not None]
    return [json.loads(answer) for answer in answers]
