"""`expire` and `purge`: plan, question, guards, journal, outcomes, the way back."""

from __future__ import annotations

import json
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.text import short_id
from tests.support.cli import (
    DAY_MS,
    HOUR_MS,
    TERMINAL,
    Cli,
    fill,
    now_ms,
    save,
    sid,
    stored,
    wait_for_journal,
)
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.engines import Engine, RedisEngine, SqliteEngine
    from tests.support.run import Result

ANA, PHONE, BEN, OLD, OLDER = sid("a"), sid("p"), sid("b"), sid("o"), sid("q")
PURGE = ("purge", "--expired")


@pytest.fixture
def five(shop: SqliteEngine) -> SqliteEngine:
    """Ana on two devices, Ben, and two sessions that ended."""
    save(shop, ANA, 42)
    save(shop, PHONE, 42)
    save(shop, BEN, "u-7")
    save(shop, OLD, 42, left_ms=-HOUR_MS)
    save(shop, OLDER, left_ms=-DAY_MS)
    return shop


def there(engine: Engine) -> set[str]:
    return {key.decode().removeprefix("sess:") for key in engine.everything()}


# -- what goes and what stays ----------------------------------------------------------------------


def test_expire_ends_the_named_session_only(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    save(store, BEN, "u-7")
    result = cli("expire", ANA, "-b", store.url, "--yes")
    assert there(store) == {BEN}
    assert result.stdout == f"sid\toutcome\treason\n{ANA}\tdeleted\t\n"
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_expire_of_a_user_ends_all_of_theirs(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", "--user", "42", "-b", five.url, "--yes", "-o", "name")
    assert there(five) == {BEN, OLDER}
    assert sorted(result.stdout.split()) == sorted([ANA, OLD, PHONE])
    assert ("Ended 3 sessions." in result.stderr, result.code) == (True, 0)


def test_purge_expired_ends_the_expired_only(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url)
    assert there(five) == {ANA, PHONE, BEN}
    assert result.counts == {"deleted": 2}
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (["--user", "42"], {BEN, OLDER}),
        (["--user", "42", "--active"], {BEN, OLD, OLDER}),
        (["--user", "42", "--expired"], {ANA, PHONE, BEN, OLDER}),
        (["--all"], set()),
        (["--expires-within", "2h"], {OLD, OLDER}),
        (["--expired", "--grace", "2h"], {ANA, PHONE, BEN, OLD}),
        (["--larger-than", "8KiB"], {ANA, PHONE, BEN, OLD, OLDER}),
    ],
)
def test_purge_by_query(cli: Cli, five: SqliteEngine, query: list[str], left: set[str]) -> None:
    result = cli("purge", *query, "-b", five.url, "--yes")
    assert there(five) == left
    assert result.counts == ({"deleted": 5 - len(left)} if len(left) < 5 else {})
    assert (f"Ended {5 - len(left)} session" in result.stderr, result.code) == (True, 0)


def test_a_session_that_ended_within_the_grace_stays(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, OLD, left_ms=-30_000)
    result = cli(*PURGE, "-b", shop.url)
    assert there(shop) == {OLD}
    assert ("Ended 0 sessions." in result.stderr, result.code) == (True, 0)


def test_an_end_that_cannot_be_read_is_not_expired(cli: Cli, five: SqliteEngine) -> None:
    five.save(sid("u").encode(), stored(1, left_ms=-DAY_MS), None)
    result = cli(*PURGE, "-b", five.url)
    assert there(five) == {ANA, PHONE, BEN, sid("u")}
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


def test_a_key_past_by_its_cookie_date_only_is_counted_and_left(
    cli: Cli, cache: RedisEngine
) -> None:
    cache.save(OLD.encode(), stored(1, left_ms=-HOUR_MS), None)
    result = cli(*PURGE, "-b", cache.url)
    assert there(cache) == {OLD}
    assert "1 past by cookie date only (--force=no-ttl takes them)" in result.stderr
    assert result.code == 0


def test_force_no_ttl_takes_them(cli: Cli, cache: RedisEngine) -> None:
    cache.save(OLD.encode(), stored(1, left_ms=-HOUR_MS), None)
    result = cli(*PURGE, "-b", cache.url, "--force", "no-ttl", "--yes")
    assert there(cache) == set()
    assert "1 by cookie date only" in result.stderr
    assert result.code == 0


def test_the_configuration_can_say_that_cookie_dates_count(cli: Cli, cache: RedisEngine) -> None:
    cache.save(OLD.encode(), stored(1, left_ms=-HOUR_MS), None)
    cli.config(f'[backends.web]\nurl = "{cache.url}"\nno_ttl = "cookie-date"\n')
    result = cli(*PURGE)
    assert there(cache) == set()
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_a_store_that_expires_by_itself_says_so(cli: Cli, cache: RedisEngine) -> None:
    save(cache, ANA, 1)
    result = cli(*PURGE, "-b", cache.url)
    assert "note: redis removes expired sessions by itself" in result.stderr
    assert result.code == 0


def test_expire_of_an_unknown_id_is_a_no(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", sid("x"), "-b", five.url, "--yes")
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 1)
    assert result.stderr.startswith(f"sessctl: error: no session {short_id(sid('x'))}\n")


def test_expire_of_a_user_without_sessions_is_a_no(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", "--user", "nobody", "-b", five.url, "--yes")
    assert (result.stdout, result.code) == ("", 1)
    assert "user nobody has no session" in result.stderr


def test_expire_of_a_known_and_an_unknown_id_ends_the_known(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", sid("x"), ANA, "-b", five.url, "--yes", "-o", "jsonl")
    assert there(five) == {PHONE, BEN, OLD, OLDER}
    assert [(i["sid"], i["outcome"]) for i in result.json_lines()[:-1]] == [
        (sid("x"), "gone"),
        (ANA, "deleted"),
    ]
    assert ("1 already gone" in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize("given", [short_id(ANA), ANA[:20]])
def test_nothing_is_destroyed_by_a_short_form(cli: Cli, five: SqliteEngine, given: str) -> None:
    result = cli("expire", given, "-b", five.url, "--yes")
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 1)
    assert ("no session" in result.stderr) != ("~" in given)
    assert (f"sessctl show '{given}' -o name prints it" in result.stderr) == ("~" in given)


def test_a_listing_can_be_piped_into_expire(cli: Cli, five: SqliteEngine) -> None:
    listed = cli("list", "--user", "42", "-b", five.url, "-o", "name").stdout_bytes
    result = cli("expire", "-", "-b", five.url, "--yes", stdin=listed)
    assert there(five) == {BEN, OLDER}
    assert (len(result.stdout.splitlines()), result.code) == (4, 0)
    assert "Ended 3 sessions." in result.stderr


def test_rm_is_expire(cli: Cli, five: SqliteEngine) -> None:
    result = cli("rm", ANA, "-b", five.url, "--yes")
    assert there(five) == {PHONE, BEN, OLD, OLDER}
    assert (ANA in result.stdout, "Ended 1 session." in result.stderr, result.code) == (
        True, True, 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["expire"], "name sessions or a user"),
        (["expire", ANA, "--user", "42"], "not both"),
        (["purge"], "purge needs a query"),
        (["purge", "--expired", "--active"], "both expired and active"),
        (["purge", "--older-than", "7d"], "does not store when a session was created"),
        (["purge", "--expired", "--grace", "soon"], "soon"),
        (["purge", "--all", "--force", "everything"], "no guard 'everything'"),
        (["expire", "--all-backends", ANA], "several backends go with --user"),
    ],
)
def test_wrong_use_changes_nothing(
    cli: Cli, five: SqliteEngine, words: list[str], message: str
) -> None:
    result = cli(*words, "-b", five.url, "--yes")
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 2)
    assert message in result.stderr


def test_purge_without_a_query_names_expired_and_all(cli: Cli, five: SqliteEngine) -> None:
    result = cli("purge", "-b", five.url, "--yes")
    assert (result.stdout, result.code) == ("", 2)
    assert "--expired" in result.stderr
    assert "--all" in result.stderr


# -- the plan --------------------------------------------------------------------------------------


def test_the_plan_says_where_what_how_many_and_the_way_back(cli: Cli, five: SqliteEngine) -> None:
    cli.config(f'[backends.web]\nurl = "{five.url}"\n')
    result = cli("expire", "--user", "42", "--dry-run")
    plan = {line[2:12].strip(): line[13:] for line in result.stderr.splitlines()}
    assert plan["backend"] == f"web (sqlite {five.path})"
    assert plan["where"] == "sessions"
    assert plan["query"] == "user 42"
    assert plan["sessions"] == "3 of 5 (60%), 2 live"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:]{8}Z to \d{4}-\d\d-\d\d [\d:]{8}Z", plan["expiry"])
    assert plan["samples"].split(", ") == [short_id(s) for s in sorted([ANA, OLD, PHONE])]
    assert plan["undo"].startswith("journal of about ")
    assert result.code == 0


def test_the_plan_of_redis_names_database_and_prefix(cli: Cli, cache: RedisEngine) -> None:
    save(cache, ANA, 42)
    result = cli("expire", ANA, "-b", cache.url, "--dry-run")
    assert "  where      database 0, sess:\n" in result.stderr
    assert (result.stdout.startswith("sid\t"), result.code) == (True, 0)


@pytest.mark.parametrize("words", [["expire", ANA], ["expire", "--user", "42"], ["purge", "--all"]])
def test_a_dry_run_changes_nothing_and_leaves_no_journal(
    cli: Cli, store: Engine, words: list[str]
) -> None:
    save(store, ANA, 42)
    before = store.everything()
    result = cli(*words, "-b", store.url, "--dry-run", "-o", "jsonl")
    assert store.everything() == before
    assert cli.journals() == []
    summary = result.json_lines()[-1]["summary"]
    assert (summary["would-delete"], summary["dry_run"], summary["journal"]) == (1, True, None)
    assert ("Would end 1 session." in result.stderr, result.code) == (True, 0)


def test_a_dry_run_sends_redis_no_write(cli: Cli, cache: RedisEngine) -> None:
    save(cache, ANA, 42)
    cache.client.config_resetstat()
    result = cli("purge", "--all", "-b", cache.url, "--dry-run")
    sent = {name.removeprefix("cmdstat_") for name in cache.client.info("commandstats")}
    assert sent <= {
        *("scan", "mget", "pexpiretime", "time", "dbsize", "type", "ping", "select", "hello"),
        *("auth", "client|setname", "client|setinfo", "config|resetstat", "info", "role"),
    }
    assert ("Would end 1 session." in result.stderr, result.code) == (True, 0)


def test_a_dry_run_does_not_touch_the_file(cli: Cli, five: SqliteEngine) -> None:
    folder = five.path.parent
    five.client.close()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
    result = cli("purge", "--all", "-b", five.url, "--dry-run")
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
    assert after == before
    assert ("Would end 5 sessions." in result.stderr, result.code) == (True, 0)


def test_a_dry_run_needs_no_confirmation(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", "--user", "42", "-b", five.url, "-n")
    assert ("Would end 3 sessions." in result.stderr, result.code) == (True, 0)
    assert result.stdout == "sid\toutcome\treason\n"


def test_quiet_leaves_the_plan_out(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url, "-q")
    assert "backend" not in result.stderr
    assert (result.counts, result.code) == ({"deleted": 2}, 0)


# -- the question ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["y", "Y", "yes"])
def test_a_yes_at_a_terminal_goes_on(sessctl_tty: Any, five: SqliteEngine, answer: str) -> None:
    result = sessctl_tty("expire", ANA, "-b", five.url, say=[(b"[y/N] ", answer.encode() + b"\r")])
    assert there(five) == {PHONE, BEN, OLD, OLDER}
    assert (b"End 1 session in shop.db? [y/N] " in result.screen, result.code) == (True, 0)


@pytest.mark.parametrize("answer", [b"n\r", b"\r", b"yep\r", b"shop.db\r", b"\x04"])
def test_anything_else_changes_nothing(sessctl_tty: Any, five: SqliteEngine, answer: bytes) -> None:
    result = sessctl_tty(*PURGE, "-b", five.url, say=[(b"[y/N] ", answer)])
    assert len(there(five)) == 5
    assert (b"not confirmed, nothing was changed" in result.screen, result.code) == (True, 4)


def test_ctrl_c_at_the_question_changes_nothing(sessctl_tty: Any, five: SqliteEngine) -> None:
    result = sessctl_tty("expire", ANA, "-b", five.url, say=[(b"[y/N] ", b"\x03")])
    assert len(there(five)) == 5
    assert (b"Traceback" in result.screen, result.code) == (False, 130)


@pytest.mark.parametrize(("typed", "code", "left"), [(b"shop.db", 0, 0), (b"y", 4, 101)])
def test_above_a_hundred_live_sessions_the_name_has_to_be_typed(
    sessctl_tty: Any, shop: SqliteEngine, typed: bytes, code: int, left: int
) -> None:
    fill(shop, "a", 101)
    result = sessctl_tty(
        *("purge", "--all", "--force", "share", "-b", shop.url),
        say=[(b"Type shop.db to go on: ", typed + b"\r")],
    )
    assert (len(there(shop)), result.code) == (left, code)
    assert b"[y/N]" not in result.screen


def test_a_hundred_live_sessions_are_a_yes_or_no(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 100)
    result = cli("purge", "--all", "-b", shop.url, terminals=TERMINAL, stdin="n\n")
    assert "[y/N]" in result.stderr
    assert (result.stdout, result.code) == ("", 4)


@pytest.mark.parametrize("words", [["expire", ANA], ["purge", "--user", "42"], ["purge", "--all"]])
@pytest.mark.parametrize("how", [[], ["--no-input"]])
def test_without_a_terminal_and_without_yes_it_is_refused(
    cli: Cli, five: SqliteEngine, words: list[str], how: list[str]
) -> None:
    terminals = TERMINAL if how else (False, False, False)
    result = cli(*words, *how, "-b", five.url, terminals=terminals)
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 4)
    assert "--yes says that you mean it" in result.stderr


def test_purge_expired_in_a_pipe_needs_no_answer(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url)
    assert (result.counts, result.code) == ({"deleted": 2}, 0)
    assert "[y/N]" not in result.stderr


def test_purge_expired_in_a_pipe_without_a_journal_needs_one(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "--no-journal", "-b", five.url)
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 4)
    assert "--yes" in result.stderr


def test_nothing_to_end_needs_no_answer(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("purge", "--all", "-b", shop.url)
    assert (result.stdout.startswith("outcome"), result.code) == (True, 0)
    assert "Ended 0 sessions." in result.stderr


@pytest.fixture
def protected(cli: Cli, five: SqliteEngine) -> SqliteEngine:
    cli.config(f'[backends.prod]\nurl = "{five.url}"\nprotected = true\n')
    return five


@pytest.mark.parametrize("words", [["expire", ANA], ["purge", "--expired"], ["purge", "--all"]])
@pytest.mark.parametrize("how", [[], ["--yes"]])
def test_a_protected_backend_is_not_confirmed_by_yes(
    cli: Cli, protected: SqliteEngine, words: list[str], how: list[str]
) -> None:
    result = cli(*words, *how)
    assert len(there(protected)) == 5
    assert (result.stdout, result.code) == ("", 4)
    assert "--confirm prod" in result.stderr


def test_a_protected_backend_is_confirmed_by_its_name(cli: Cli, protected: SqliteEngine) -> None:
    result = cli("expire", ANA, "--confirm", "prod")
    assert there(protected) == {PHONE, BEN, OLD, OLDER}
    assert (ANA in result.stdout, "Ended 1 session." in result.stderr, result.code) == (
        True, True, 0,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["dev", "PROD", "shop.db"])
def test_another_name_confirms_nothing(cli: Cli, protected: SqliteEngine, name: str) -> None:
    result = cli("expire", ANA, "--confirm", name)
    assert len(there(protected)) == 5
    assert (result.stdout, result.code) == ("", 4)
    assert "the backend is 'prod'" in result.stderr


def test_a_protected_backend_asks_for_its_name_at_a_terminal(
    cli: Cli, protected: SqliteEngine
) -> None:
    result = cli("expire", ANA, "--yes", terminals=TERMINAL, stdin="prod\n")
    assert there(protected) == {PHONE, BEN, OLD, OLDER}
    assert "Type prod to go on: " in result.stderr
    assert ("Ended 1 session." in result.stdout, result.code) == (True, 0)


def test_a_read_only_backend_is_never_changed(cli: Cli, five: SqliteEngine) -> None:
    cli.config(f'[backends.copy]\nurl = "{five.url}"\nread_only = true\n')
    result = cli("expire", ANA, "--yes")
    assert len(there(five)) == 5
    assert (result.stdout, result.code) == ("", 4)
    assert "this backend is read-only" in result.stderr


# -- guards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [["--yes"], ["--confirm", "shop.db"]])
def test_a_large_share_of_live_sessions_is_refused(
    cli: Cli, shop: SqliteEngine, how: list[str]
) -> None:
    fill(shop, "a", 101)
    result = cli("purge", "--all", "-b", shop.url, *how)
    assert len(there(shop)) == 101
    assert (result.stdout, result.code) == ("", 4)
    assert "101 live sessions would end, 100% of the store" in result.stderr
    assert "--force=share" in result.stderr


@pytest.mark.parametrize("lift", [["--force=share"], ["--max-delete", "101"]])
def test_a_guard_is_lifted_by_its_own_word(cli: Cli, shop: SqliteEngine, lift: list[str]) -> None:
    fill(shop, "a", 101)
    result = cli("purge", "--all", "-b", shop.url, "--yes", *lift)
    assert there(shop) == set()
    assert (result.counts, result.code) == ({"deleted": 101}, 0)
    assert "Ended 101 sessions." in result.stderr


def test_a_guard_is_not_lifted_by_another_one_s_word(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 101)
    result = cli("purge", "--all", "-b", shop.url, "--yes", "--force=wrong-store")
    assert (len(there(shop)), result.stdout, result.code) == (101, "", 4)
    assert "--force=share" in result.stderr


def test_a_guard_has_its_own_code(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 101)
    result = cli("purge", "--all", "-b", shop.url, "--yes", "-o", "jsonl")
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (error["code"], error["exit"]) == ("refused.share", 4)
    assert (result.stdout, result.code) == ("", 4)


def test_named_sessions_are_no_share(cli: Cli, shop: SqliteEngine) -> None:
    names = fill(shop, "a", 101)
    result = cli("expire", "-", "-b", shop.url, "--yes", stdin="\n".join(names))
    assert there(shop) == set()
    assert (len(result.stdout.splitlines()), result.code) == (102, 0)
    assert "Ended 101 sessions." in result.stderr


@pytest.mark.parametrize(("force", "code"), [([], 4), (["--force=wrong-store"], 0)])
def test_a_store_that_holds_something_else_is_refused(
    cli: Cli, shop: SqliteEngine, force: list[str], code: int
) -> None:
    for number in range(5):
        shop.save(sid("a", number).encode(), b'{"price": 1}', now_ms() - DAY_MS)
    result = cli(*PURGE, "-b", shop.url, "--yes", *force)
    assert (len(there(shop)), result.code) == (5 if code else 0, code)
    assert ("is a connect-sqlite3 session" in result.stderr) == bool(code)


@pytest.mark.parametrize(("force", "code"), [([], 4), (["--force=cascade"], 0)])
def test_a_delete_trigger_is_refused(
    cli: Cli, five: SqliteEngine, force: list[str], code: int
) -> None:
    five.client.execute(
        "CREATE TRIGGER gone AFTER DELETE ON sessions BEGIN SELECT raise(IGNORE); END"
    )
    result = cli(*PURGE, "-b", five.url, "--yes", *force)
    assert (len(there(five)), result.code) == (5 if code else 3, code)
    assert ("trigger gone" in result.stderr) == bool(code)


@pytest.mark.parametrize(("expected", "code"), [("1", 4), ("2", 0), ("100", 0)])
def test_expect_refuses_a_count_that_has_grown(
    cli: Cli, five: SqliteEngine, expected: str, code: int
) -> None:
    result = cli(*PURGE, "-b", five.url, "--expect", expected)
    assert (len(there(five)), result.code) == (5 if code else 3, code)
    assert ("more than the 1 expected" in result.stderr) == bool(code)


def test_max_delete_stops_and_says_how_to_go_on(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "o", 30, left_ms=-HOUR_MS)
    result = cli(*PURGE, "-b", shop.url, "--max-delete", "12")
    assert len(there(shop)) == 18
    assert (result.counts, result.code) == ({"deleted": 12}, 5)
    assert (
        "stopped: --max-delete 12 is reached; to go on: "
        f"sessctl purge --resume {cli.journals()[0]} --max-delete 12 -b '{shop.url}'\n"
    ) in result.stderr


def test_max_delete_that_suffices_is_no_stop(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url, "--max-delete", "2")
    assert (result.counts, result.code) == ({"deleted": 2}, 0)
    assert "stopped" not in result.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["purge", "--expired", "--no-journal", "--yes"], 0),
        (["expire", ANA, "--no-journal", "--yes"], 4),
        (["purge", "--user", "42", "--no-journal", "--yes"], 4),
        (["expire", ANA, "--no-journal", "--yes", "--force=journal"], 0),
    ],
)
def test_without_a_journal_only_expired_ones_go_or_by_force(
    cli: Cli, five: SqliteEngine, words: list[str], code: int
) -> None:
    result = cli(*words, "-b", five.url)
    assert (len(there(five)) == 5, result.code) == (code == 4, code)
    assert ("could not be brought back" in result.stderr) == (code == 4)
    assert cli.journals() == []


# -- renewed meanwhile -----------------------------------------------------------------------------


@pytest.fixture
def renew_between(five: SqliteEngine, sessctl: Any, home: Path) -> Callable[..., Result]:
    """Run a command and renew a session between its reading and its deleting.

    The store is locked for writing; the run reads, writes its journal and waits for the lock.
    """

    def run(name: str, *words: str) -> Result:
        five.client.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(sessctl, *words, "-b", five.url)
            wait_for_journal(home)
            five.touch(name.encode(), now_ms() + DAY_MS)
            five.client.execute("COMMIT")
            return running.result()

    return run


def test_an_expired_session_that_is_renewed_meanwhile_survives_a_purge(
    five: SqliteEngine, renew_between: Callable[..., Result]
) -> None:
    result = renew_between(OLD, "purge", "--expired", "-o", "jsonl")
    assert there(five) == {ANA, PHONE, BEN, OLD}
    assert {i["sid"]: i["outcome"] for i in result.json_lines()[:-1]} == {
        OLD: "changed",
        OLDER: "deleted",
    }
    assert "Ended 1 session (1 renewed meanwhile, left alone)." in result.stderr
    assert result.code == 0


def test_a_person_who_keeps_clicking_is_logged_out_all_the_same(
    five: SqliteEngine, renew_between: Callable[..., Result]
) -> None:
    result = renew_between(ANA, "expire", ANA, "--yes")
    assert there(five) == {PHONE, BEN, OLD, OLDER}
    assert (f"{ANA}\tdeleted\t" in result.stdout, result.code) == (True, 0)
    assert "Ended 1 session." in result.stderr


# -- what is printed -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["expire", "--user", "42", "--yes"], ["purge", "--expired"]])
def test_jsonl_ends_with_the_summary(cli: Cli, five: SqliteEngine, command: list[str]) -> None:
    result = cli(*command, "-b", five.url, "-o", "jsonl")
    *items, last = result.json_lines()
    assert [list(item) for item in items] == [["sid", "outcome", "reason"]] * len(items)
    summary = last["summary"]
    assert list(summary) == [
        *("deleted", "gone", "changed", "failed", "unconfirmed"),
        *("complete", "journal", "dry_run", "elapsed_s", "notes"),
    ]
    assert (summary["deleted"], summary["complete"], summary["dry_run"]) == (
        len(items), True, False,
    )  # fmt: skip
    assert summary["journal"] == str(cli.journals()[0])
    assert result.code == 0
    assert "Ended" in result.stderr


def test_json_is_one_document_with_the_summary(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", ANA, "-b", five.url, "--yes", "-o", "json")
    document = result.json()
    assert (document["schema"], document["kind"]) == ("sessctl/v1", "OutcomeList")
    assert document["items"] == [{"sid": ANA, "outcome": "deleted", "reason": None}]
    assert document["summary"]["deleted"] == 1
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("csv", f"sid,outcome,reason\n{ANA},deleted,\n"),
        ("tsv", f"sid\toutcome\treason\n{ANA}\tdeleted\t\n"),
        ("name", f"{ANA}\n"),
    ],
)
def test_outcomes_in_other_formats(cli: Cli, five: SqliteEngine, output: str, text: str) -> None:
    result = cli("expire", ANA, "-b", five.url, "--yes", "-o", output)
    assert (result.stdout, result.code) == (text, 0)
    assert "Ended 1 session." in result.stderr


def test_people_get_one_sentence_on_stdout(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", ANA, "-b", five.url, "--yes", "--no-color", terminals=TERMINAL)
    assert re.fullmatch(r"Ended 1 session\. Undo: sessctl restore --last .*\n", result.stdout)
    assert ("samples" in result.stderr, result.code) == (True, 0)


def test_redact_shortens_outcomes(cli: Cli, five: SqliteEngine) -> None:
    result = cli("expire", ANA, "-b", five.url, "--yes", "-o", "jsonl", "--redact")
    assert result.json_lines()[0]["sid"] == short_id(ANA)
    assert ANA not in result.stdout + result.stderr
    assert result.code == 0


def test_verbose_names_the_journal(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url, "-v")
    assert f"journal: {cli.journals()[0]} (2 sessions, " in result.stderr
    assert (result.counts, result.code) == ({"deleted": 2}, 0)


def undo_words(result: Result) -> list[str]:
    (hint,) = re.findall(r"Undo: sessctl (.*)", result.stderr)
    return shlex.split(hint)


@pytest.mark.parametrize("words", [["expire", ANA, "--yes"], ["purge", "--expired"]])
@pytest.mark.parametrize("how", ["-b URL", "-b name", "--config", "environment"])
def test_the_undo_that_is_printed_undoes(
    cli: Cli, five: SqliteEngine, words: list[str], how: str
) -> None:
    before, env, given = five.everything(), {}, list[str]()
    if how == "-b URL":
        given = ["-b", five.url]
    elif how == "environment":
        env = {"SESSCTL_BACKEND": five.url}
    else:
        two = f'[backends.web]\nurl = "{five.url}"\n[backends.x]\nurl = "redis://127.0.0.1:1"\n'
        path = cli.config(two, "sessctl.toml" if how == "-b name" else "other.toml")
        given = ["-b", "web"] if how == "-b name" else ["-b", "web", "--config", str(path)]
    ended = cli(*words, *given, env=env)
    assert five.everything() != before
    result = cli(*undo_words(ended), "--yes", env=env)
    assert five.everything() == before
    assert (result.stdout.startswith("outcome\tcount\nrestored\t"), result.code) == (True, 0)
    assert "Restored" in result.stderr


# -- several backends ------------------------------------------------------------------------------


@pytest.fixture
def both(cli: Cli, five: SqliteEngine, cache: RedisEngine) -> RedisEngine:
    """Two backends of one company: `web` with the five sessions, and `api`."""
    save(cache, sid("s"), 1)
    cli.config(f'[backends.web]\nurl = "{five.url}"\n[backends.api]\nurl = "{cache.url}"\n')
    return cache


EVERYWHERE = ("expire", "--user", "42", "--all-backends", "--yes")


def test_a_user_is_ended_in_every_backend(cli: Cli, five: SqliteEngine, both: RedisEngine) -> None:
    save(both, sid("r"), 42)
    result = cli(*EVERYWHERE, "-o", "json")
    assert (there(five), there(both)) == ({BEN, OLDER}, {sid("s")})
    document = result.json()  # one document, however many backends
    assert {item["sid"] for item in document["items"]} == {ANA, PHONE, OLD, sid("r")}
    assert document["summary"]["deleted"] == 4
    assert document["summary"]["journals"] == [str(path) for path in cli.journals()]
    assert ("Ended 3 sessions." in result.stderr, result.code) == (True, 0)
    assert "Ended 1 session. Undo: sessctl restore --last -b api\n" in result.stderr


def test_each_of_them_is_undone_by_its_own_line(
    cli: Cli, five: SqliteEngine, both: RedisEngine
) -> None:
    save(both, sid("r"), 42)
    before = five.everything(), both.everything()
    ended = cli(*EVERYWHERE)
    hints = re.findall(r"Undo: sessctl (.*)", ended.stderr)
    assert len(hints) == 2
    for hint in hints:
        assert cli(*shlex.split(hint), "--lapsed", "--yes").code == 0
    assert (five.everything(), both.everything()) == before


def test_an_empty_backend_is_no_failure_when_all_are_meant(
    cli: Cli, five: SqliteEngine, both: RedisEngine
) -> None:
    result = cli(*EVERYWHERE, "-o", "tsv")
    assert there(five) == {BEN, OLDER}
    assert (result.stdout.count("sid\toutcome"), len(result.stdout.splitlines())) == (1, 4)
    assert ("note: api: user 42 has no session" in result.stderr, result.code) == (True, 0)


def test_a_user_without_a_session_anywhere_is_a_no(cli: Cli, both: RedisEngine) -> None:
    result = cli("expire", "--user", "nobody", "--all-backends", "--yes", "-o", "json")
    assert (result.json()["items"], result.code) == ([], 1)
    assert "user nobody has no session in 2 backends" in result.stderr


def test_a_backend_that_cannot_be_reached_does_not_spare_the_others(
    cli: Cli, five: SqliteEngine, both: RedisEngine
) -> None:
    cli.config(
        f'[backends.gone]\nurl = "sqlite:////nowhere.db"\n'
        f'[backends.kept]\nurl = "{both.url}"\nread_only = true\n'
        f'[backends.web]\nurl = "{five.url}"\n'
    )
    save(both, sid("r"), 42)
    result = cli(*EVERYWHERE)
    assert there(five) == {BEN, OLDER}
    assert sid("r") in there(both)
    assert "/nowhere.db does not exist" in result.stderr
    assert "this backend is read-only" in result.stderr
    assert ("Ended 3 sessions." in result.stderr, result.code) == (True, 5)


@pytest.mark.parametrize("guard", ["no-ttl", "share"])
def test_force_in_a_pipe_wants_a_yes(cli: Cli, five: SqliteEngine, guard: str) -> None:
    """The exception for cron is for the plain sentence; who lifts a guard says yes as well."""
    result = cli(*PURGE, "-b", five.url, "--force", guard)
    assert (len(there(five)), result.stdout, result.code) == (5, "", 4)
    assert "--yes" in result.stderr


def test_a_pipe_gets_a_count_for_every_outcome(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url)
    assert result.stdout == (
        "outcome\tcount\ndeleted\t2\ngone\t0\nchanged\t0\nfailed\t0\nunconfirmed\t0\n"
    )
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


# -- pace ------------------------------------------------------------------------------------------


def test_a_time_limit_stops_between_pages(cli: Cli, store: Engine) -> None:
    fill(store, "a", 1200)
    words = ("purge", "--all", "--yes", "--max-delete", "5000", "-b", store.url)
    result = cli(*words, "--run-time", "1ms")
    assert (result.counts, len(there(store)), result.code) == ({"deleted": 500}, 700, 5)
    again = f"sessctl purge --resume {cli.journals()[0]} --max-delete 5000 -b '{store.url}'\n"
    assert f"stopped: --run-time 1ms is over; to go on: {again}" in result.stderr
    assert cli(*words, "--run-time", "10m").counts == {"deleted": 700}


def test_a_pause_file_pauses_and_gives_up(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 600)
    (cli.home / "pause").touch()
    words = ("purge", "--all", "--yes", "--max-delete", "5000", "-b", shop.url)
    result = cli(*words, "--pause-file", cli.home / "pause", "--max-pause", "300ms")
    assert (result.counts, result.code) == ({"deleted": 500}, 5)
    assert f"note: paused: {cli.home}/pause exists" in result.stderr
    assert "stopped: paused for 300ms" in result.stderr


def test_recheck_counts_what_came_back(cli: Cli, five: SqliteEngine) -> None:
    result = cli(*PURGE, "-b", five.url, "--recheck", "0s")
    assert result.stdout.endswith("unconfirmed\t0\nre-created\t0\n")
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recheck", "1s", "--no-journal"], "--recheck reads the journal"),
        (["--rate", "0"], "--rate"),
        (["--nice", "-1"], "--nice"),
        (["--max-lag", "soon"], "'soon' is not a duration"),
        (["--lag-from", "redis://127.0.0.1:1/0"], "--lag-from takes MySQL"),
    ],
)
def test_wrong_words_for_the_pace_change_nothing(
    cli: Cli, five: SqliteEngine, words: list[str], message: str
) -> None:
    result = cli(*PURGE, "-b", five.url, *words)
    assert (len(there(five)), result.stdout, result.code) == (5, "", 2)
    assert message in result.stderr


def wait_for_lag(cache: RedisEngine, seconds: int) -> None:
    """Wait until the primary has a replica that last answered so long ago."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if cache.client.info("replication").get("slave0", {}).get("lag", -1) >= seconds:
            return
        time.sleep(0.1)
    raise TimeoutError("the primary has no such replica")


def test_a_stopped_replica_pauses_the_purge_until_it_goes_on(
    sessctl: Any, cache: RedisEngine, home: Path
) -> None:
    fill(cache, "a", 3000)
    follow = [f"replicaof 127.0.0.1 {cache.server.port}"]
    words = ("purge", "--all", "--yes", "--max-delete", "5000", "-b", cache.url)
    with RedisServer(settings=follow) as replica, ThreadPoolExecutor(1) as pool:
        wait_for_lag(cache, 0)
        replica.pause()
        wait_for_lag(cache, 3)
        run = pool.submit(sessctl, *words)
        wait_for_journal(home)
        time.sleep(1.5)
        left = len(there(cache))
        time.sleep(0.5)
        assert len(there(cache)) == left >= 2000  # a page or two, and no more
        replica.resume()
        result = run.result()
    assert (result.counts, result.code, there(cache)) == ({"deleted": 3000}, 0, set())
    assert "paused: replica 127.0.0.1:" in result.stderr
