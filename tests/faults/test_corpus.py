"""S19, S20, S21: the whole hostile corpus through `decode -` and the sessions of every store.

Nothing is run, fetched or opened, time and memory stay within the limits of each case, and one bad
session never stops a listing. That the output is harmless is `tests/cli/test_hostile_output.py`.
"""

from __future__ import annotations

import json
import pkgutil
from base64 import b64decode
from functools import cache
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING

import pytest

from sessctl import cookies
from tests.faults.stores import sid, stored
from tests.support.child import in_child
from tests.support.cli import HOUR_MS, Cli, now_ms
from tests.support.vectors import folder, hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.stores import Subject
    from tests.support.child import Ran
    from tests.support.run import Result
    from tests.support.vectors import Case

CASES = hostile()
GOOD = 1000
LIMIT_MIB = 256


HARMLESS = (
    *(b"s%3Aabc.def", b'{"cookie":{}}', b"{", b"words", b"two words", b"a=b"),
    b"Cookie: theme=dark; connect.sid=s%3Aabc.def; _ga=GA1.1.1; tiny=x; sid=0123456789abcdef",
)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a payload that is run leaves its mark."""
    folder = tmp_path_factory.mktemp("marks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOSTILE_MARKER_DIR", str(folder))
        yield folder


def run(cli: Cli, words: tuple[str, ...], text: bytes) -> Ran:
    return in_child(lambda: cli(*words, "-o", "jsonl", stdin=text, env={"KEY": "some-secret-91"}))


def one_of_each_format() -> list[bytes]:
    """A cookie of each format, whose module and libraries are loaded with it."""
    files = sorted(folder("SESSCTL_COOKIE_VECTORS", "cookies").glob("*.jsonl"))
    firsts = [json.loads(path.read_text(encoding="utf-8").partition("\n")[0]) for path in files]
    return [row["cookie"].encode() for row in firsts if isinstance(row["cookie"], str)]


@cache
def usual(cli: Cli, words: tuple[str, ...]) -> frozenset[str]:
    """What a command reaches for when its input is harmless, once all is loaded."""
    for found in pkgutil.iter_modules(cookies.__path__):
        import_module(f"sessctl.cookies.{found.name}")
    for text in (*HARMLESS, *one_of_each_format()):
        cli(*words, "-o", "jsonl", stdin=text, env={"KEY": "some-secret-91"})
    return frozenset().union(*(run(cli, words, text).acts for text in HARMLESS))


def ways(case: Case) -> list[tuple[str, ...]]:
    """The sentences that read this kind of input from standard input."""
    if case.kind == "value":
        return [("decode", "--format", "stored-json", "-"), ("decode", "-")]
    if case.kind == "sid":
        return [("decode", "-")]
    return [("decode", "-"), ("verify", "-", "--secret-from", "env:KEY")]


@pytest.mark.parametrize("case", [c for c in CASES if c.kind != "url"], ids=lambda case: case.id)
def test_decode_from_standard_input(cli: Cli, marker: Path, case: Case) -> None:
    for words in ways(case):
        expected = usual(cli, words)
        ran = run(cli, words, case.raw)
        result: Result = ran.answer
        assert ran.acts <= expected
        assert list(marker.iterdir()) == []
        assert (ran.rss_mib < case.max_rss_mib, ran.seconds < case.max_seconds) == (True, True)
        assert result.code in (0, 1, 5, 7)
        assert len(result.stderr_bytes) <= 4096
        assert '"signature":"valid"' not in result.stdout
        assert not [word for word in case.forbid if word in result.stdout + result.stderr]
        if result.code == 7 and not result.stdout:
            assert json.loads(result.stderr.splitlines()[-1])["error"]["exit"] == 7


def store_corpus(subject: Subject) -> tuple[set[str], set[bytes]]:
    """1 000 good sessions, and of the corpus what the store takes: as a value, and as an id."""
    rng, ends = Random(11), now_ms() + HOUR_MS
    good = [(sid(rng), stored(rng, ends_ms=ends), ends) for _ in range(GOOD)]
    subject.replace(good)
    taken: set[bytes] = set()
    for case in CASES:
        name = f"case-{case.id}".encode() if case.kind != "sid" else case.raw
        raw = stored(rng) if case.kind == "sid" else case.raw
        if not name or not subject.engine.holds(name):
            continue
        try:
            subject.engine.save(name, raw, ends)
        except Exception:  # the database does not take such a text; each driver says so its own way
            continue
        taken.add(name)
    return {name for name, *_ in good}, taken


def named(result: Result) -> set[str]:
    """The ids of a listing; those that are no text are beside it in base64."""
    found = set()
    for item in result.json_lines():
        odd = item["extra"].get("sid_b64")
        found.add(b64decode(odd).decode("utf-8", "surrogateescape") if odd else item["sid"])
    return found


def test_a_store_full_of_it(subject: Subject, cli: Cli, marker: Path) -> None:
    good, taken = store_corpus(subject)
    assert len(taken) > 40
    odd = {name.decode("utf-8", "surrogateescape") for name in taken}
    for words in (["list"], ["list", "--data"], ["list", "--user", "7"], ["list", "--strict"]):
        line = [*words, "-b", subject.url, "-o", "jsonl", "--no-pager"]
        cli(*line)
        usual = in_child(lambda line=line: cli(*line))  # type: ignore[misc]
        result: Result = usual.answer
        assert (usual.rss_mib < LIMIT_MIB, usual.seconds < 20) == (True, True)
        assert result.code == (5 if words == ["list", "--strict"] else 0)
        if "--user" not in words:
            assert named(result) == good | odd
            assert "cannot be decoded" in result.stderr
    listing = cli("list", "-b", subject.url, "-o", "jsonl", "-q").stdout_bytes
    shown = in_child(lambda: cli("show", "-", "-b", subject.url, "-o", "jsonl", stdin=listing))
    assert named(shown.answer) == good | odd
    assert (shown.rss_mib < LIMIT_MIB, shown.seconds < 20) == (True, True)
    assert list(marker.iterdir()) == []


def test_a_purge_of_the_expired_leaves_all_of_it(subject: Subject, cli: Cli) -> None:
    store_corpus(subject)
    before = subject.contents()
    result = cli("purge", "--expired", "--yes", "-b", subject.url)
    assert (result.counts, subject.contents() == before) == ({}, True)


def test_all_of_it_comes_back(subject: Subject, cli: Cli) -> None:
    store_corpus(subject)
    before = subject.contents()
    result = cli("purge", "--all", "--yes", "--force=share", "-b", subject.url)
    assert result.code == 0
    assert subject.sessions() == {}
    cli("restore", "--last", "--yes", "-b", subject.url)
    assert subject.contents() == before
