"""S9: replies get lost. What is reported is true, what was written is never sent twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal, Summary
from sessctl.admin.restore import Restore
from sessctl.session import Query
from sessctl.stores.base import Outcome, Result
from sessctl.stores.opening import open_store
from tests.faults.killer import Victim
from tests.faults.recorder import parse_commands
from tests.faults.renewer import ROOT
from tests.faults.stores import check_nothing_lost, journalled, journals
from tests.support.proxy import FaultyProxy, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.stores import Contents, Subject
    from tests.support.proxy import Relay

SESSIONS = 2_500  # three pages and more
# To be found by a rule, a lost reply must meet every kind of exchange: hence several periods. To
# connect again, a SQL server sends about ten.
PERIODS = {"redis": [2, 3, 5, 7, 7, 11], "sql": [7, 17, 19, 23, 29, 31]}
# What is sent when a page is deleted for good. "READ COMMITTED" is something else.
LAST_WORDS = {
    "redis": [b"EVALSHA"], "postgres": [b"DELETE", b"COMMIT\0"], "mysql": [b"DELETE", b"COMMIT"]
}  # fmt: skip


def through(proxy: Relay, subject: Any) -> str:
    """The store's address by way of the proxy."""
    return str(subject.url).replace(f":{subject.engine.server.port}/", f":{proxy.port}/")


def periods(subject: Subject) -> list[int]:
    return PERIODS.get(subject.name, PERIODS["sql"])


def purge(
    url: str, folder: Path, arm: Callable[[int], object] = lambda page: None
) -> tuple[Summary, list[Result]]:
    """A purge of everything; whatever breaks ends it.

    Args:
        arm: called with 0 when the store is open, then with the number of each page that is done.
    """
    results: list[Result] = []
    with open_store(url, write=True) as store:
        arm(0)
        journal = JournalWriter(folder, {"command": "purge", "backend": "x"})
        run = Removal(store, journal, permissions=Permissions(max_delete=10**9))
        for number, page in enumerate(run.purge(Query(everything=True)), 1):
            results += page
            arm(number)
    return run.summary, results


def commands(proxy: FaultyProxy) -> Iterator[list[bytes]]:
    """Every whole command that a client has sent to a Redis, delivered or not."""
    return chain.from_iterable(parse_commands(bytes(stream)) for stream in proxy.sent)


def check_sent_once(subject: Subject, proxy: FaultyProxy, asked: list[str]) -> None:
    """No write was sent again: a key in one script, in SQL one DELETE after each lock."""
    if subject.name == "redis":
        scripts = Counter(words[3] for words in commands(proxy) if words[0] == b"EVALSHA")
        assert set(scripts.values()) <= {1}
    else:
        locks = sum("FOR UPDATE" in words for words in asked)
        assert sum(words.startswith("DELETE") for words in asked) <= locks


def check_report(
    subject: Subject, original: Contents, folder: Path, results: list[Result]
) -> Contents:
    """Each session at most once, none as deleted that exists, and nothing lost."""
    sids = [result.sid for result in results]
    assert len(sids) == len(set(sids))
    paths = list_journals(folder)
    saved = journalled(subject, paths[0]) if paths else {}
    now = check_nothing_lost(subject, original, saved)
    for result in results:
        there = subject.key(result.sid) in now
        assert there == (result.outcome.value == "failed"), result
    unsure = set()
    for page in open_journal(paths[0]).pages() if paths else ():
        if page.outcomes is None:
            unsure |= {subject.key(item["sid"]) for item in page.sessions}
    missing = {key for key in original if key not in now}
    assert missing <= set(map(subject.key, sids)) | unsure, "somebody vanished and nobody said so"
    return now


@contextmanager
def asked_of(subject: Any) -> Iterator[list[str]]:
    """Every statement of a SQL server; of a Redis the proxy knows."""
    server = subject.engine.server
    with nullcontext([]) if subject.name == "redis" else server.recorded() as seen:
        yield seen


@pytest.mark.parametrize("kind", ["replies", "requests"])
@pytest.mark.parametrize("repeat", [1, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.quick_on("redis")
def test_every_nth_is_lost(served, tmp_path, rng, kind, repeat) -> None:
    words: Counter[str] = Counter()
    lost = 0
    rounds = periods(served)
    for number, every in enumerate(cycle(rounds)):
        hit = words["unconfirmed"] + words["failed"] > 0  # at least one write
        if number >= len(rounds) * repeat and (hit or number > 60):
            break
        original = served.fill(SESSIONS, rng)
        folder = tmp_path / f"run-{number}"
        port = served.engine.server.port
        with (
            FaultyProxy(port, rng, armed=False, **{kind: every}) as proxy,
            asked_of(served) as asked,
        ):
            url = through(proxy, served)
            summary, results = purge(url, folder, lambda page: page or proxy.arm())
            assert summary.counts == Counter(result.outcome.value for result in results)
            assert summary.complete == (summary.error is None)
            words.update(summary.counts)
            words["runs complete" if summary.complete else "runs cut short"] += 1
        served.quiesce()
        check_report(served, original, folder, results)
        check_sent_once(served, proxy, asked)
        lost += proxy.lost
    print(f"{served.name}: {lost} {kind} lost: {dict(words)}")
    assert lost >= len(rounds) * repeat
    assert hit, "no write was ever lost"


@pytest.mark.parametrize(
    ("way", "word"), [("lose_reply", "unconfirmed"), ("lose_request", "failed")]
)
def test_a_commit_is_lost(rows, tmp_path, rng, way, word) -> None:
    """Done, and nobody was told; or never heard of. The run looks again, and goes on."""
    original = rows.fill(SESSIONS, rng)
    with Proxy(rows.engine.server.port) as proxy:

        def arm(page: int) -> None:
            if page in (0, 2):
                getattr(proxy, way)(*LAST_WORDS[rows.name])

        summary, results = purge(through(proxy, rows), tmp_path, arm)
    rows.quiesce()
    lost = summary.counts[word]
    assert summary.complete
    assert lost
    assert summary.counts["deleted"] == len(original) - lost
    left = check_report(rows, original, tmp_path, results)
    assert len(left) == (lost if word == "failed" else 0)


def test_a_reply_lost_while_reading_ends_nothing(served, rng) -> None:
    """Reads are asked again, in the middle of a scan as well; nothing is missing, nothing twice."""
    original = served.fill(SESSIONS, rng)
    expected = sorted(key for key in original if key not in (b"sess:hash", b"other:x"))
    lost = 0
    for _ in range(8):
        with (
            FaultyProxy(
                served.engine.server.port,
                rng,
                replies=12 if served.name == "redis" else 5,
                most=1,
                armed=False,
            ) as proxy,
            open_store(through(proxy, served)) as store,
        ):
            proxy.arm()
            found = [served.key(session.sid) for session in store.scan(Query())]
            assert sorted(found) == expected
            assert store.count(Query()) == len(expected)
            lost += proxy.lost
    assert lost > 4


def test_what_was_lost_comes_back_over_a_bad_line(served, tmp_path, rng) -> None:
    """A restore whose replies get lost says `present` of what it wrote, and sends nothing twice.

    A SQL server takes back the page whose connection broke: it says `failed`, and the same command
    again brings it.
    """
    original = served.fill(600, rng)
    _, results = purge(served.url, tmp_path)
    journal = open_journal(list_journals(tmp_path)[0])
    with (
        FaultyProxy(served.engine.server.port, rng, replies=97, armed=False) as proxy,
        open_store(through(proxy, served), write=True) as store,
    ):
        proxy.arm()
        undo = Restore(store, journal, lapsed=True)
        put = [result for page in undo.run() for result in page]
        assert proxy.lost
    served.quiesce()
    now = served.contents()
    assert all(original[key] == cells for key, cells in now.items())
    assert undo.counts.total() == len(put) == len(results)
    assert all((r.outcome is Outcome.FAILED) == (served.key(r.sid) not in now) for r in put)
    if served.name == "redis":
        assert {result.outcome.value for result in put} == {"stored", "present"}
        sets = Counter(words[1] for words in commands(proxy) if words[0] == b"SET")
        assert max(sets.values()) == 1
    with served.open() as store:
        for _ in Restore(store, journal, lapsed=True).run():
            pass
    assert served.contents() == original


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


def test_the_command_line_tells_it_all(served, tmp_path, rng) -> None:
    original = served.fill(SESSIONS, rng)
    every = 7 if served.name == "redis" else 37  # which is beyond what the beginning takes
    with FaultyProxy(served.engine.server.port, rng, replies=every) as proxy:
        command = [*served.purge, "-o", "json", "-b", through(proxy, served)]
        with Victim(*command, home=tmp_path / "home") as run:
            code = run.wait()
            report = json.loads(run.stdout) if run.stdout else {"items": [], "summary": {}}
            stderr = run.stderr
    served.quiesce()
    found = journals(tmp_path / "home")
    saved = journalled(served, found[0]) if found else {}
    now = check_nothing_lost(served, original, saved)
    counts = Counter(one["outcome"] for one in report["items"])
    assert {word: report["summary"][word] for word in counts} == counts
    ended = {served.key(one["sid"]) for one in report["items"] if one["outcome"] == "deleted"}
    assert ended.isdisjoint(now)
    if report["summary"].get("complete") and not counts["failed"]:
        assert code == 0, stderr
    else:
        touched = counts["deleted"] + counts["unconfirmed"] + counts["failed"]
        assert code == (5 if touched else 3), stderr


def test_a_server_lost_in_the_first_page_is_not_told_as_nothing(
    served, tmp_path, rng, sessctl
) -> None:
    """The page had been sent: what the server did of it nobody can see any more."""
    original = served.fill(600, rng)
    with Proxy(served.engine.server.port) as proxy:
        proxy.vanish(*LAST_WORDS[served.name])
        result = sessctl(*served.purge, "-o", "json", "-b", through(proxy, served))
    served.quiesce()
    assert len(served.contents()) < len(original)
    failed = result.json()["summary"]["failed"]
    assert (failed >= 500, result.code) == (True, 5)
    assert (
        f"Up to {failed} of the failed may be gone. Undo: sessctl restore --last" in result.stderr
    )
    name = served.url.rpartition("@")[2].removeprefix("redis://")
    name = name.partition(":")[0] + "/" + name.rpartition("/")[2].partition("?")[0]
    undo = ("restore", "--last", *served.lapsed, "--force", "wrong-store", "--confirm", name)
    again = sessctl(*undo, "-b", served.url)
    assert again.code == 0, again.stderr
    assert served.contents() == original


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.quick_on("redis", "postgres")
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
