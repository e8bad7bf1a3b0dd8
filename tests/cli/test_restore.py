"""`sessctl restore`: the way back, which never overwrites anything newer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter
from sessctl.session import Query
from sessctl.text import short_id
from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, Cli, fill, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine, RedisEngine
    from tests.support.run import Result

ANA, PHONE, BEN, OLD = sid("a"), sid("p"), sid("b"), sid("o")


@pytest.fixture
def ended(cli: Cli, store: Engine) -> Engine:
    """A store where Ana's two sessions were just ended and Ben's was left."""
    save(store, ANA, 42, left_ms=2 * HOUR_MS)
    save(store, PHONE, 42, left_ms=DAY_MS, odd="\x00é\u2028")
    save(store, BEN, "u-7")
    assert cli("expire", "--user", "42", "-b", store.url, "--yes").code == 0
    return store


@pytest.fixture
def purged(cli: Cli, shop: SqliteEngine) -> SqliteEngine:
    """A store where an expired session was just purged."""
    save(shop, OLD, 1, left_ms=-HOUR_MS)
    save(shop, BEN, "u-7")
    assert cli("purge", "--expired", "-b", shop.url).code == 0
    return shop


def restore(cli: Cli, store: Engine, *words: str | Path) -> Result:
    return cli("restore", *words, "-b", store.url, "--yes")


def test_last_brings_back_what_was_there_to_the_byte_and_millisecond(
    cli: Cli, store: Engine
) -> None:
    save(store, ANA, 42, left_ms=2 * HOUR_MS, odd="\x00é\u2028")
    save(store, PHONE, 42, left_ms=DAY_MS)
    before = store.everything()
    cli("expire", "--user", "42", "-b", store.url, "--yes")
    result = restore(cli, store, "--last")
    assert store.everything() == before
    assert result.counts == {"restored": 2}
    assert ("Restored 2 sessions." in result.stderr, result.code) == (True, 0)


def test_a_key_without_ttl_comes_back_without_one(cli: Cli, cache: RedisEngine) -> None:
    cache.save(ANA.encode(), stored(42, left_ms=None), None)
    before = cache.everything()
    cli("expire", ANA, "-b", cache.url, "--yes")
    result = restore(cli, cache, "--last")
    assert cache.everything() == before
    assert ("Restored 1 session." in result.stderr, result.code) == (True, 0)


def test_an_id_and_value_that_are_not_utf8_come_back(cli: Cli, store: Engine) -> None:
    store.save(b"odd-\xff\xfe-id", b'{"cookie":{},"x":"\xff"}', now_ms() + HOUR_MS)
    before = store.everything()
    listed = cli("list", "-b", store.url, "-o", "jsonl").stdout_bytes
    assert cli("expire", "-", "-b", store.url, "--yes", stdin=listed).code == 0
    assert store.everything() == {}
    result = restore(cli, store, "--last")
    assert store.everything() == before
    assert ("Restored" in result.stderr, result.code) == (True, 0)


def test_a_path_names_the_journal(cli: Cli, ended: Engine) -> None:
    first = cli.journals()[0]
    cli("expire", BEN, "-b", ended.url, "--yes")
    result = restore(cli, ended, first)
    assert len(ended.everything()) == 2
    assert (result.counts, result.code) == ({"restored": 2}, 0)
    assert str(first) in result.stderr


def test_last_is_the_newest(cli: Cli, ended: Engine) -> None:
    cli("expire", BEN, "-b", ended.url, "--yes")
    result = restore(cli, ended, "--last")
    assert (result.counts, result.code) == ({"restored": 1}, 0)
    assert str(cli.journals()[-1]) in result.stderr


def test_the_second_time_changes_nothing(cli: Cli, ended: Engine) -> None:
    restore(cli, ended, "--last")
    before = ended.everything()
    result = restore(cli, ended, "--last")
    assert ended.everything() == before
    assert (result.counts, result.code) == ({"present": 2}, 0)
    assert "Restored 0 sessions (2 already there)." in result.stderr


def test_what_is_newer_is_not_overwritten(cli: Cli, ended: Engine) -> None:
    save(ended, ANA, 42, left_ms=DAY_MS, login="the new one")
    newer = {k: v for k, v in ended.everything().items() if k.endswith(ANA.encode())}
    result = restore(cli, ended, "--last", "-o", "jsonl")
    assert {k: v for k, v in ended.everything().items() if k.endswith(ANA.encode())} == newer
    assert {i["sid"]: i["outcome"] for i in result.json_lines()[:-1]} == {
        ANA: "newer",
        PHONE: "restored",
    }
    assert "1 newer, left alone" in result.stderr
    assert result.code == 0


def test_a_renewed_end_counts_as_newer(cli: Cli, ended: Engine) -> None:
    restore(cli, ended, "--last")
    ended.touch(ANA.encode(), now_ms() + 7 * DAY_MS)
    before = ended.everything()
    result = restore(cli, ended, "--last")
    assert ended.everything() == before
    assert (result.code, "newer\t1" in result.stdout, result.stderr != "") == (0, True, True)


def test_what_has_lapsed_is_skipped_and_the_ways_are_said(cli: Cli, purged: SqliteEngine) -> None:
    result = restore(cli, purged, "--last")
    assert set(purged.everything()) == {BEN.encode()}
    assert (result.counts, result.code) == ({"lapsed": 1}, 0)
    assert "--lapsed" in result.stderr
    assert "--ttl" in result.stderr


def test_lapsed_puts_them_back_as_they_were(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, OLD, 1, left_ms=-HOUR_MS)
    before = shop.everything()
    cli("purge", "--expired", "-b", shop.url)
    result = restore(cli, shop, "--last", "--lapsed")
    assert shop.everything() == before
    assert (result.counts, result.code) == ({"restored": 1}, 0)
    assert "Restored 1 session." in result.stderr


def test_ttl_gives_them_a_new_life(cli: Cli, purged: SqliteEngine) -> None:
    result = restore(cli, purged, "--last", "--ttl", "2h")
    left_ms = purged.everything()[OLD.encode()][1] - now_ms()
    assert 2 * HOUR_MS - 60_000 < left_ms <= 2 * HOUR_MS
    assert (result.counts, result.code) == ({"restored": 1}, 0)
    assert "Restored 1 session." in result.stderr


def test_another_store_s_journal_is_refused(cli: Cli, ended: Engine, tmp_path: Path) -> None:
    other = SqliteEngine(tmp_path / "other.db")
    result = cli("restore", cli.journals()[-1], "-b", other.url, "--yes")
    assert (other.everything(), result.stdout, result.code) == ({}, "", 4)
    assert "the journal is of another store" in result.stderr
    assert "--force=wrong-store" in result.stderr
    other.client.close()


def test_last_is_the_newest_of_the_store_that_is_named(
    cli: Cli, ended: Engine, tmp_path: Path
) -> None:
    other = SqliteEngine(tmp_path / "other.db")
    save(other, OLD, 1)
    assert cli("expire", OLD, "-b", other.url, "--yes").code == 0
    result = restore(cli, ended, "--last")
    assert (result.counts, result.code) == ({"restored": 2}, 0)
    assert "Restored 2 sessions." in result.stderr
    other.client.close()


def test_last_without_a_journal_of_the_store_says_so(
    cli: Cli, ended: Engine, tmp_path: Path
) -> None:
    other = SqliteEngine(tmp_path / "other.db")
    result = restore(cli, other, "--last")
    assert (result.stdout, result.code) == ("", 2)
    assert "there is no journal of other.db in " in result.stderr
    other.client.close()


def test_force_wrong_store_restores_a_moved_store(
    cli: Cli, shop: SqliteEngine, tmp_path: Path
) -> None:
    save(shop, ANA, 42)
    cli("expire", ANA, "-b", shop.url, "--yes")
    moved = SqliteEngine(tmp_path / "moved.db")
    result = restore(cli, moved, "--last", "--force", "wrong-store")
    assert set(moved.everything()) == {ANA.encode()}
    assert ("Restored 1 session." in result.stderr, result.code) == (True, 0)
    moved.client.close()


def written(cli: Cli, shop: SqliteEngine, started: datetime) -> Path:
    """A journal of a run that ended Ana's session at this moment."""
    folder = cli.home / "state" / "sessctl" / "journals"
    with shop.open(write=True) as store:
        head = {
            "command": "expire", "backend": "shop.db", "store": store.identity.as_dict(),
            "layout": "connect-sqlite3", "query": "user 42", "started": started.isoformat(),
        }  # fmt: skip
        journal = JournalWriter(folder, head)
        sessions = list(store.scan(Query(user="42")))
        number = journal.page(store, sessions)
        journal.done(number, store.delete(sessions))
        journal.end({"deleted": 1}, complete=True)
    return journal.path


@pytest.mark.parametrize(("age", "code"), [(23, 0), (25, 4)])
def test_a_journal_of_more_than_a_day_needs_a_word(
    cli: Cli, shop: SqliteEngine, age: int, code: int
) -> None:
    save(shop, ANA, 42)
    written(cli, shop, datetime.now(UTC) - timedelta(hours=age))
    result = restore(cli, shop, "--last")
    assert (len(shop.everything()), result.code) == (0 if code else 1, code)
    assert ("--force=old-journal" in result.stderr) == bool(code)


def test_force_old_journal_is_that_word(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42)
    written(cli, shop, datetime.now(UTC) - timedelta(days=9))
    result = restore(cli, shop, "--last", "--force=old-journal")
    assert set(shop.everything()) == {ANA.encode()}
    assert (result.counts, result.code) == ({"restored": 1}, 0)
    assert "Restored 1 session." in result.stderr


@pytest.fixture
def torn(cli: Cli, shop: SqliteEngine) -> SqliteEngine:
    """A journal whose run died after it deleted, before it wrote down that it had."""
    save(shop, ANA, 42)
    path = written(cli, shop, datetime.now(UTC))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    return shop


def test_uncertain_sessions_are_restored_and_counted_apart(cli: Cli, torn: SqliteEngine) -> None:
    result = restore(cli, torn, "--last")
    assert set(torn.everything()) == {ANA.encode()}
    assert "1 uncertain" in result.stderr
    assert (result.counts, result.code) == ({"restored": 1}, 0)


def test_certain_only_leaves_them(cli: Cli, torn: SqliteEngine) -> None:
    result = restore(cli, torn, "--last", "--certain-only")
    assert torn.everything() == {}
    assert (result.code, "Restored 0 sessions." in result.stderr) == (0, True)


def test_a_damaged_journal_is_a_journal_error(cli: Cli, ended: Engine) -> None:
    path = cli.journals()[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"page", b"pace") + b"".join(lines[2:]))
    before = ended.everything()
    result = restore(cli, ended, "--last")
    assert (ended.everything(), result.stdout, result.code) == (before, "", 6)
    assert f"line 2 of {path} is damaged" in result.stderr


@pytest.mark.parametrize("content", [b"", b"hello\n", b"{}\n"])
def test_a_file_that_is_no_journal_is_a_journal_error(
    cli: Cli, ended: Engine, content: bytes
) -> None:
    path = cli.home / "notes.txt"
    path.write_bytes(content)
    result = restore(cli, ended, path)
    assert (result.stdout, result.code) == ("", 6)
    assert str(path) in result.stderr


def test_a_journal_that_is_not_there_is_named(cli: Cli, ended: Engine) -> None:
    result = restore(cli, ended, "no/such.journal")
    assert (result.stdout, result.code) == ("", 6)
    assert "cannot read no/such.journal (no such file or directory)" in result.stderr


@pytest.mark.parametrize("words", [[], ["--last", "x.journal"]])
def test_one_journal_has_to_be_named(cli: Cli, ended: Engine, words: list[str]) -> None:
    result = restore(cli, ended, *words)
    assert (result.stdout, result.code) == ("", 2)
    assert "--last" in result.stderr


def test_without_any_journal_there_is_no_last(cli: Cli, shop: SqliteEngine) -> None:
    result = restore(cli, shop, "--last")
    assert (result.stdout, result.code) == ("", 2)
    assert "there is no journal in " in result.stderr


def test_a_dry_run_restores_nothing(cli: Cli, ended: Engine) -> None:
    before = ended.everything()
    result = cli("restore", "--last", "-b", ended.url, "--dry-run", "-o", "jsonl")
    assert ended.everything() == before
    (last,) = result.json_lines()
    assert (last["summary"]["would-restore"], last["summary"]["dry_run"]) == (2, True)
    assert ("Would restore 2 sessions." in result.stderr, result.code) == (True, 0)


def test_restoring_counts_the_live_logins_and_asks(cli: Cli, ended: Engine) -> None:
    result = cli("restore", "--last", "-b", ended.url, terminals=TERMINAL, stdin="n\n")
    assert len(ended.everything()) == 1
    assert "Restore 2 sessions (2 live) in " in result.stderr
    assert (result.stdout, result.code) == ("", 4)


def test_without_a_terminal_it_needs_yes(cli: Cli, ended: Engine) -> None:
    result = cli("restore", "--last", "-b", ended.url)
    assert (len(ended.everything()), result.stdout, result.code) == (1, "", 4)
    assert "--yes" in result.stderr


def test_above_a_hundred_live_logins_the_name_has_to_be_typed(cli: Cli, shop: SqliteEngine) -> None:
    names = fill(shop, "a", 101)
    cli("expire", "-", "-b", shop.url, "--yes", stdin="\n".join(names))
    result = cli(
        "restore", "--last", "-b", shop.url, "--no-color", terminals=TERMINAL, stdin="shop.db\n"
    )
    assert "Type shop.db to go on: " in result.stderr
    assert (result.stdout, result.code) == ("Restored 101 sessions.\n", 0)


def test_a_protected_backend_wants_its_name(cli: Cli, ended: Engine) -> None:
    cli.config(f'[backends.prod]\nurl = "{ended.url}"\nprotected = true\n')
    result = cli("restore", "--last", "--yes")
    assert (len(ended.everything()), result.stdout, result.code) == (1, "", 4)
    assert "--confirm prod" in result.stderr


def test_the_configured_backend_of_the_journal_is_taken(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine
) -> None:
    save(cache, ANA, 42)
    cli.config(
        f'default_backend = "web"\n[backends.web]\nurl = "{shop.url}"\n'
        f'[backends.api]\nurl = "{cache.url}"\n'
    )
    cli("expire", ANA, "-b", "api", "--yes")
    result = cli("restore", "--last", "--yes")
    assert len(cache.everything()) == 1
    assert ("Restored 1 session." in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("name", f"{ANA}\n"),
        ("csv", f"sid,outcome,reason\n{ANA},restored,\n"),
        ("tsv", f"sid\toutcome\treason\n{ANA}\trestored\t\n"),
    ],
)
def test_outcomes_in_every_format(cli: Cli, shop: SqliteEngine, output: str, text: str) -> None:
    save(shop, ANA, 42)
    cli("expire", ANA, "-b", shop.url, "--yes")
    result = restore(cli, shop, "--last", "-o", output)
    assert (result.stdout, result.code) == (text, 0)
    assert "Restored" in result.stderr


def test_the_plan_says_which_journal_and_how_many(cli: Cli, ended: Engine) -> None:
    result = cli("restore", "--last", "-b", ended.url, "--dry-run")
    plan = {line[2:12].strip(): line[13:] for line in result.stderr.splitlines()}
    assert plan["journal"] == str(cli.journals()[0])
    assert plan["of"].startswith("expire: user 42, ")
    assert plan["sessions"] == "2: 2 live, 0 expired by now"
    assert sorted(plan["samples"].split(", ")) == sorted([short_id(ANA), short_id(PHONE)])
    assert (result.counts, result.code) == ({"would-restore": 2}, 0)


# -- journal list ----------------------------------------------------------------------------------


def test_journal_list_names_every_run_newest_first(cli: Cli, ended: Engine) -> None:
    cli("expire", BEN, "-b", ended.url, "--yes")
    result = cli("journal", "list", "-o", "jsonl")
    items = result.json_lines()
    assert [(i["command"], i["query"], i["sessions"], i["complete"]) for i in items] == [
        ("expire", "1 named session", 1, True),
        ("expire", "user 42", 2, True),
    ]
    assert [item["journal"] for item in items] == [str(p) for p in reversed(cli.journals())]
    assert (result.stderr, result.code) == ("", 0)


def test_the_paths_of_journal_list_are_for_restore(cli: Cli, ended: Engine) -> None:
    (path,) = cli("journal", "list", "-o", "name").stdout.split()
    result = restore(cli, ended, path)
    assert (result.counts, result.code) == ({"restored": 2}, 0)
    assert path in result.stderr


def test_a_run_that_died_is_not_complete(cli: Cli, torn: SqliteEngine) -> None:
    result = cli("journal", "list", "-o", "jsonl")
    assert (result.json_lines()[0]["complete"], result.stderr, result.code) == (False, "", 0)


def test_a_damaged_journal_is_an_item_with_a_problem(cli: Cli, ended: Engine) -> None:
    cli.journals()[0].write_bytes(b"noise\n")
    result = cli("journal", "list", "-o", "json")
    (item,) = result.json()["items"]
    assert item["problem"]["code"] == "journal.failed"
    assert (result.stderr, result.code) == ("", 0)


def test_no_journal_is_an_empty_list(cli: Cli) -> None:
    result = cli("journal", "list", "-o", "json")
    assert (result.json()["items"], result.stderr, result.code) == ([], "", 0)


def test_journal_list_at_a_terminal_shows_whole_paths(cli: Cli, ended: Engine) -> None:
    result = cli("journal", "list", "--no-color", terminals=TERMINAL)
    assert str(cli.journals()[0]) in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_the_configuration_says_where_journals_are(cli: Cli, shop: SqliteEngine) -> None:
    place = cli.home / "undo"
    cli.user_config(f'[backends.web]\nurl = "{shop.url}"\n[journal]\ndirectory = "{place}"\n')
    save(shop, ANA, 42)
    result = cli("expire", ANA, "--yes", "-o", "json")
    assert result.json()["summary"]["journal"].startswith(f"{place}/")
    assert (place.stat().st_mode & 0o777, result.code) == (0o700, 0)
    assert "Undo" in result.stderr


def test_a_journal_is_for_its_owner_only(cli: Cli, ended: Engine) -> None:
    (path,) = cli.journals()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_journal_is_text_that_ordinary_tools_read(cli: Cli, ended: Engine) -> None:
    lines = cli.journals()[0].read_bytes().splitlines()
    assert all(line.isascii() for line in lines)
    kinds = [json.loads(line.partition(b" ")[2])["kind"] for line in lines]
    assert kinds == ["head", "page", "done", "end"]
