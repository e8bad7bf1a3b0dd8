"""`purge --resume`: an interrupted purge goes on in its own journal, which undoes all of it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal, reopen
from tests.support.cli import DAY_MS, HOUR_MS, Cli, fill, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine
    from tests.support.run import Result

ANA, BEN = sid("a"), sid("b")
LIVE = ["purge", "--all", "--yes", "--max-delete", "5000"]


def stop_early(cli: Cli, store: Engine, *words: str) -> Path:
    """A purge that is stopped after its first page; its journal."""
    result = cli(*(words or LIVE), "-b", store.url, "--run-time", "1ms")
    assert result.code == 5, result.stderr
    return cli.journals()[-1]


def resume(cli: Cli, store: Engine, path: Path, *words: str) -> Result:
    return cli("purge", "--resume", path, "-b", store.url, "--yes", "--max-delete", "5000", *words)


@pytest.fixture
def stopped(cli: Cli, shop: SqliteEngine) -> Path:
    """700 of 1,200 live sessions are left; the journal of the purge that stopped."""
    fill(shop, "a", 1200)
    return stop_early(cli, shop)


def test_what_is_typed_to_go_on_ends_the_rest_and_one_restore_undoes_both(
    cli: Cli, store: Engine
) -> None:
    fill(store, "a", 1200)
    before = store.everything()
    first = cli(*LIVE, "-b", store.url, "--run-time", "1ms")
    typed = shlex.split(first.stderr.partition("to go on: ")[2])
    assert typed[:3] == ["sessctl", "purge", "--resume"]
    result = cli(*typed[1:], "--yes")
    assert (store.everything(), result.counts, result.code) == ({}, {"deleted": 700}, 0)
    (path,) = cli.journals()
    assert f"Ended 700 sessions. Undo: sessctl restore {path}" in result.stderr
    back = cli("restore", path, "-b", store.url, "--confirm", first_label(store))
    assert (store.everything() == before, back.counts, back.code) == (True, {"restored": 1200}, 0)


def first_label(store: Engine) -> str:
    return "shop.db" if store.name == "sqlite" else "127.0.0.1/0"


def test_a_guard_that_was_lifted_is_named_again(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 600)
    first = cli("purge", "--all", "--yes", "--force=share", "-b", shop.url, "--run-time", "1ms")
    typed = shlex.split(first.stderr.partition("to go on: ")[2])
    assert typed[3:] == [str(cli.journals()[0]), "--force=share", "-b", shop.url]
    assert cli(*typed[1:], "--yes").code == 0
    assert shop.everything() == {}


def test_what_the_journal_holds_is_not_touched(cli: Cli, shop: SqliteEngine, stopped: Path) -> None:
    before = stopped.read_bytes()
    assert resume(cli, shop, stopped).code == 0
    assert stopped.read_bytes().startswith(before)
    shown = cli("journal", "show", stopped, "-o", "json").json()["summary"]
    assert (shown["sessions"], shown["pages"], shown["complete"]) == (1200, 3, True)
    assert (shown["resumed"], shown["counts"]) == (1, {"deleted": 1200})
    assert cli("journal", "verify", stopped).code == 0


@pytest.mark.parametrize("tail", [b"deadbeef {", b"deadbeef {}\n"])
def test_a_torn_last_line_is_cut_off(
    cli: Cli, shop: SqliteEngine, stopped: Path, tail: bytes
) -> None:
    whole = stopped.read_bytes()
    stopped.write_bytes(whole + tail)
    result = resume(cli, shop, stopped)
    assert (shop.everything(), result.code) == ({}, 0)
    assert "the last line is torn and ignored" in result.stderr
    assert stopped.read_bytes().startswith(whole)
    assert tail not in stopped.read_bytes()
    verified = cli("journal", "verify", stopped, "-o", "json")
    assert (verified.json()["items"][0]["notes"], verified.code) == ([], 0)


def test_a_page_that_nobody_knows_about_is_purged_again(cli: Cli, shop: SqliteEngine) -> None:
    """The run died between the journal and the delete: its sessions are in two pages then."""
    save(shop, ANA, 1)
    save(shop, BEN, 2)
    before = shop.everything()
    cli("purge", "--all", "-b", shop.url, "--yes")
    (path,) = cli.journals()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    for name, (raw, ends_ms) in before.items():
        shop.save(name, raw, ends_ms)
    assert resume(cli, shop, path).counts == {"deleted": 2}
    back = cli("restore", path, "-b", shop.url, "--yes")
    assert (shop.everything() == before, back.code) == (True, 0)
    assert back.counts == {"restored": 2, "present": 2}
    assert "uncertain." not in back.stderr.partition("Restored")[2]


def test_a_session_that_came_back_in_between_is_restored_as_it_was_last(
    cli: Cli, store: Engine
) -> None:
    save(store, ANA, 42, cart="old")
    save(store, BEN, 7)
    words = ["purge", "--all", "--yes", "--max-delete", "1"]
    assert cli(*words, "-b", store.url).code == 5
    (path,) = cli.journals()
    (gone,) = (one["sid"] for one in next(open_journal(path).pages()).sessions)
    raw = stored(42, cart="new")
    store.save(gone.encode(), raw, now_ms() + DAY_MS)
    before = store.everything()
    assert resume(cli, store, path).counts == {"deleted": 2}
    result = cli("restore", path, "-b", store.url, "--yes")
    assert store.everything() == before
    assert (result.counts, result.code) == ({"restored": 2, "newer": 1}, 0)


def test_the_same_query_is_asked_with_its_grace(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "o", 600, left_ms=-HOUR_MS)
    save(shop, ANA, left_ms=-600_000)
    save(shop, BEN)
    path = stop_early(cli, shop, "purge", "--expired", "--grace", "30m")
    result = cli("purge", "--resume", path, "-b", shop.url)  # as in cron: no --yes
    assert set(shop.everything()) == {ANA.encode(), BEN.encode()}
    assert (result.counts, result.code) == ({"deleted": 100}, 0)
    assert "expired (for more than 30m)" in result.stderr
    assert f"added to {path}" in result.stderr
    assert "--lapsed" in result.stderr


def test_with_nothing_left_the_journal_comes_to_its_end(
    cli: Cli, shop: SqliteEngine, stopped: Path
) -> None:
    shop.client.execute("DELETE FROM sessions")
    result = resume(cli, shop, stopped)
    assert ("Ended 0 sessions." in result.stderr, result.counts, result.code) == (True, {}, 0)
    assert cli("journal", "show", stopped, "-o", "json").json()["summary"]["complete"] is True


def test_it_can_be_stopped_and_resumed_again(cli: Cli, shop: SqliteEngine, stopped: Path) -> None:
    again = resume(cli, shop, stopped, "--run-time", "1ms")
    assert (len(shop.everything()), again.code) == (200, 5)
    assert f"to go on: sessctl purge --resume {stopped} " in again.stderr
    assert (resume(cli, shop, stopped).code, shop.everything()) == (0, {})
    shown = cli("journal", "show", stopped, "-o", "json").json()["summary"]
    assert (shown["resumed"], shown["complete"], shown["sessions"]) == (2, True, 1200)


def test_ids_only_stays_ids_only(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 600)
    path = stop_early(cli, shop, *LIVE, "--journal=ids")
    result = resume(cli, shop, path)
    assert (result.counts, "No undo" in result.stderr) == ({"deleted": 100}, True)
    kept = [one for page in open_journal(path).pages() for one in page.sessions]
    assert (len(kept), {tuple(one) for one in kept}) == (600, {("sid", "digest")})


def test_the_backend_of_the_journal_is_taken(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(f'[backends.web]\nurl = "{shop.url}"\n')
    fill(shop, "a", 600)
    cli(*LIVE, "--run-time", "1ms")
    (path,) = cli.journals()
    result = cli("purge", "--resume", path, "--yes", "--max-delete", "5000")
    assert (shop.everything(), result.code) == ({}, 0)


def test_a_dry_run_changes_neither_store_nor_journal(
    cli: Cli, shop: SqliteEngine, stopped: Path
) -> None:
    before = stopped.read_bytes()
    result = resume(cli, shop, stopped, "--dry-run")
    assert (len(shop.everything()), stopped.read_bytes() == before) == (700, True)
    assert ("Would end 700 sessions." in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize(
    ("words", "code"), [(["--max-delete", "5000"], 4), (["--yes"], 4), (["--expect", "9"], 4)]
)
def test_guards_and_questions_are_those_of_any_purge(
    cli: Cli, shop: SqliteEngine, stopped: Path, words: list[str], code: int
) -> None:
    before = stopped.read_bytes()
    result = cli("purge", "--resume", stopped, "-b", shop.url, *words)
    assert (len(shop.everything()), stopped.read_bytes() == before) == (700, True)
    assert (result.stdout, result.code) == ("", code)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--expired"], ["--all"], ["--user", "42"], ["--idle", "1h"], ["--grace", "1m"],
        ["--journal=full"], ["--no-journal"],
    ],
)  # fmt: skip
def test_the_query_is_the_journal_s_own(
    cli: Cli, shop: SqliteEngine, stopped: Path, words: list[str]
) -> None:
    result = resume(cli, shop, stopped, *words)
    assert (len(shop.everything()), result.stdout, result.code) == (700, "", 2)
    assert "--resume asks the journal's own query" in result.stderr


def test_a_run_that_came_to_its_end_is_not_resumed(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 1)
    cli("purge", "--all", "-b", shop.url, "--yes")
    save(shop, ANA, 1)
    result = resume(cli, shop, cli.journals()[0])
    assert (len(shop.everything()), result.stdout, result.code) == (1, "", 4)
    assert "has come to its end" in result.stderr


def test_the_journal_of_expire_is_not_resumed(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42)
    save(shop, BEN, 7)
    cli("expire", "--user", "42", "-b", shop.url, "--yes")
    result = resume(cli, shop, cli.journals()[0])
    assert (len(shop.everything()), result.stdout, result.code) == (1, "", 4)
    assert "cannot be resumed: expire" in result.stderr


@pytest.mark.parametrize("words", [[], ["--force=wrong-store"]])
def test_a_journal_of_another_store_takes_nothing(
    cli: Cli, stopped: Path, tmp_path: Path, words: list[str]
) -> None:
    other = SqliteEngine(tmp_path / "other.db")
    save(other, ANA, 1)
    before = stopped.read_bytes()
    result = resume(cli, other, stopped, *words)
    assert (len(other.everything()), stopped.read_bytes() == before) == (1, True)
    assert (result.stdout, result.code) == ("", 4)
    assert "the journal is of another store" in result.stderr
    assert "--force" not in result.stderr
    other.client.close()


def test_two_runs_never_write_one_journal(cli: Cli, shop: SqliteEngine, stopped: Path) -> None:
    with shop.open() as store:
        other = reopen(open_journal(stopped), store)
        result = resume(cli, shop, stopped)
        other.close()
    assert (len(shop.everything()), result.stdout, result.code) == (700, "", 4)
    assert "another run is writing the journal" in result.stderr
    assert resume(cli, shop, stopped).code == 0


def test_a_damaged_journal_is_not_added_to(cli: Cli, shop: SqliteEngine, stopped: Path) -> None:
    broken = stopped.read_bytes().replace(b'"n":1', b'"n":2', 1)
    stopped.write_bytes(broken)
    result = resume(cli, shop, stopped)
    assert (len(shop.everything()), stopped.read_bytes() == broken) == (700, True)
    assert (result.stdout, result.code) == ("", 6)
    assert f"line 2 of {stopped} is damaged" in result.stderr


def test_a_journal_that_others_may_read_is_not_added_to(
    cli: Cli, shop: SqliteEngine, stopped: Path
) -> None:
    stopped.chmod(0o644)
    result = resume(cli, shop, stopped)
    assert (len(shop.everything()), result.stdout, result.code) == (700, "", 6)
    assert f"chmod 600 {stopped}" in result.stderr


def test_a_link_is_not_written_through(cli: Cli, shop: SqliteEngine, stopped: Path) -> None:
    link = cli.home / "link.journal"
    link.symlink_to(stopped)
    result = resume(cli, shop, link)
    assert (len(shop.everything()), result.stdout, result.code) == (700, "", 6)
    assert f"cannot write the journal {link}" in result.stderr


@pytest.mark.parametrize("name", ["", "nowhere.journal"])
def test_a_journal_that_is_not_there_is_named(cli: Cli, shop: SqliteEngine, name: str) -> None:
    result = cli("purge", "--resume", name, "-b", shop.url)
    assert (result.stdout, result.code) == ("", 6)
    assert f"cannot read {name or '.'} (" in result.stderr
