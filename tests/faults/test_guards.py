"""S11: every guard, with and without a terminal, with every word that does not lift it and then
with the one that does; after a refusal the server has seen no writing command.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.recorder import asked, reading, writing
from tests.faults.stores import sid, stored
from tests.support.cli import DAY_MS, HOUR_MS, PIPES, TERMINAL, Cli
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from tests.faults.stores import FilesSubject, SqliteSubject, Subject

GUARDS = ["share", "zone", "no-ttl", "wrong-store", "cascade", "journal", "old-journal"]
YEAR_MS = 365 * DAY_MS
TRIGGERS = {
    "sqlite": ["CREATE TRIGGER t AFTER DELETE ON sessions BEGIN SELECT 1; END"],
    "postgres": [
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END'",
        "CREATE TRIGGER t BEFORE DELETE ON session FOR EACH ROW EXECUTE FUNCTION f()",
    ],
    "mysql": ["CREATE TRIGGER t AFTER DELETE ON sessions FOR EACH ROW SET @x = 1"],
}


@dataclass(frozen=True)
class Guard:
    """A store that sets a guard off, the command that it stops, what lifts it (None: nothing)."""

    prepare: Callable[[Subject, Random], None]
    words: list[str]
    lifts: list[list[str]] | None
    code: str
    engines: tuple[str, ...] = ("redis", "sqlite", "postgres", "mysql")
    config: str = ""  # further lines of the backend
    exit: int = 4
    is_slow: bool = False  # each run reads ten thousand sessions


def fill(count: int, left_ms: int = HOUR_MS) -> Callable[[Subject, Random], None]:
    def prepare(subject: Subject, rng: Random) -> None:
        ends = now_ms() + left_ms
        subject.replace([(sid(rng), stored(rng, ends_ms=ends), ends) for _ in range(count)])

    return prepare


def all_over(subject: Subject, rng: Random) -> None:
    ends = now_ms() - HOUR_MS
    kept = None if subject.name == "redis" else ends  # Redis keeps only what has no TTL
    subject.replace([(sid(rng), stored(rng, ends_ms=ends), kept) for _ in range(120)])


def another_century(subject: Subject, rng: Random) -> None:
    ends = now_ms() + (100 if subject.name == "redis" else -40) * YEAR_MS
    subject.replace([(sid(rng), stored(rng, ends_ms=ends), ends) for _ in range(5)])


def no_sessions(subject: Subject, rng: Random) -> None:
    ends = now_ms() + HOUR_MS
    subject.replace([(sid(rng), b"[1, 2]", ends) for _ in range(5)])


def with_trigger(subject: Subject, rng: Random) -> None:
    fill(5)(subject, rng)
    for statement in TRIGGERS[subject.name]:
        cursor = subject.engine.client.cursor()  # type: ignore[attr-defined]
        cursor.execute(statement)
        cursor.close()


PURGE_ALL = ["purge", "--all"]
EXPIRED = ["purge", "--expired"]
SQL = ("sqlite", "postgres", "mysql")
TABLE = {
    "no query": Guard(fill(5), ["purge"], None, "usage", exit=2),
    "share": Guard(
        fill(150), PURGE_ALL, [["--force=share"], ["--max-delete", "150"]], "refused.share"
    ),
    "more than 10 000": Guard(
        fill(10_001),
        PURGE_ALL,
        [["--max-delete", "20000"]],
        "refused.max-delete",
        ("sqlite", "postgres"),
        is_slow=True,
    ),
    "all expired": Guard(all_over, EXPIRED, [["--force=zone"]], "refused.zone", SQL),
    "all expired by their cookies' dates": Guard(
        all_over, [*EXPIRED, "--force=no-ttl"], [["--force=zone"]], "refused.zone", ("redis",)
    ),
    "unit": Guard(another_century, PURGE_ALL, None, "refused.unit"),
    "wrong store": Guard(no_sessions, PURGE_ALL, [["--force=wrong-store"]], "refused.wrong-store"),
    "cascade": Guard(with_trigger, PURGE_ALL, [["--force=cascade"]], "refused.cascade", SQL),
    "no journal": Guard(
        fill(5), [*PURGE_ALL, "--no-journal"], [["--force=journal"]], "refused.journal"
    ),
    "expected fewer": Guard(fill(5), [*PURGE_ALL, "--expect", "4"], None, "refused.expect"),
    "read-only backend": Guard(fill(5), PURGE_ALL, None, "refused", config="read_only = true"),
}
ROWS = [(name, engine) for name, guard in TABLE.items() for engine in guard.engines]


@contextmanager
def unwritten(subject: Subject) -> Iterator[None]:
    """Nothing in the block writes: by the server's own record, or by the files' bytes."""
    if subject.name in ("sqlite", "files"):
        folder = _files(subject)  # type: ignore[arg-type]
        yield
        assert _files(subject) == folder  # type: ignore[arg-type]
        return
    with asked(subject) as seen:
        yield
    assert writing(seen, reading(subject)) == []


def _files(subject: SqliteSubject | FilesSubject) -> dict[str, tuple[bytes, int]]:
    files = subject.folder.iterdir()
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def words_that_lift_nothing(guard: Guard, label: str) -> list[list[str]]:
    lifting = {word for lift in guard.lifts or [] for word in lift}
    forced = [f"--force={name}" for name in GUARDS]
    others = [word for word in forced if word not in lifting and word not in guard.words]
    if guard.is_slow:
        others = others[:1]
    return [[], ["--yes"], ["--confirm", label], *([word, "--yes"] for word in others)]


@pytest.fixture
def guarded(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.mark.parametrize(("name", "guarded"), ROWS, indirect=["guarded"])
def test_a_guard_is_lifted_by_its_own_word_only(
    name: str, guarded: Subject, home: Path, rng: Random
) -> None:
    guard, cli = TABLE[name], Cli(home)
    cli.user_config(f"[backends.shop]\nurl = '{guarded.url}'\n{guard.config}\n")
    guard.prepare(guarded, rng)
    before = guarded.contents()
    words = [*guard.words, "-b", "shop", "-o", "jsonl"]
    with unwritten(guarded):
        for terminals, answer in ((PIPES, ""), (TERMINAL, "shop\n")):
            for more in words_that_lift_nothing(guard, "shop"):
                if guard.exit == 2 and more == ["--force=journal", "--yes"]:
                    continue
                refused = cli(*words, *more, terminals=terminals, stdin=answer)
                assert (refused.stdout, refused.code) == ("", guard.exit), more
                assert f'"code":"{guard.code}"' in refused.stderr.replace(" ", ""), more
    assert guarded.contents() == before
    assert cli.journals() == []
    for lift in guard.lifts or []:
        guard.prepare(guarded, rng) if guarded.contents() != before else None
        done = cli(*words, *lift, "--yes")
        assert (done.code, guarded.sessions()) == (0, {}), done.stderr


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("live", [3, 101])
def test_the_question(
    subject: Subject, home: Path, rng: Random, live: int, *, protected: bool
) -> None:
    """Who is here to answer, what is said, and what is asked of them."""
    cli = Cli(home)
    cli.user_config(
        f"[backends.shop]\nurl = '{subject.url}'\nprotected = {str(protected).lower()}\n"
    )
    fill(live)(subject, rng)
    before = subject.contents()
    words = ["purge", "--all", "--force=share", "-b", "shop"]
    needs_name = protected or live > 100
    refusals = [(PIPES, [], ""), (PIPES, ["--confirm", "shap"], ""), (TERMINAL, [], "n\n"),
                (TERMINAL, ["--no-input"], "shop\n"), (TERMINAL, [], "")]  # fmt: skip
    refusals += [(TERMINAL, [], "y\n")] if needs_name else []
    refusals += [(PIPES, ["--yes"], "")] if protected else []
    with unwritten(subject):
        for terminals, more, answer in refusals:
            refused = cli(*words, *more, terminals=terminals, stdin=answer)
            assert (refused.stdout, refused.code) == ("", 4), (more, answer)
    assert subject.contents() == before
    consents = [
        (PIPES, ["--confirm", "shop"], ""),
        (TERMINAL, [], "shop\n" if needs_name else "y\n"),
    ]
    consents += [] if protected else [(PIPES, ["--yes"], "")]
    for terminals, more, answer in consents:
        fill(live)(subject, rng)
        done = cli(*words, *more, terminals=terminals, stdin=answer)
        assert (done.code, subject.sessions()) == (0, {}), (more, answer, done.stderr)
