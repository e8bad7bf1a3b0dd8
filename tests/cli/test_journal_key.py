"""`--journal-key-file`: journals that only the owner of a file reads."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import (
    copy_sessions,
    export_sessions,
    import_sessions,
    open_store,
    restore,
    set_data,
    touch,
)
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, save, sid
from tests.support.engines import SqliteEngine

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.engines import Engine

ANA, OLD = sid("a"), sid("o")
CANARY = "canary-data-71"


@pytest.fixture
def key(cli: Cli) -> Path:
    return new_key(cli.home / "journal.key")


def new_key(path: Path) -> Path:
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


@pytest.fixture
def journal(cli: Cli, shop: SqliteEngine, key: Path) -> Path:
    """What an encrypted run has left; the store is empty."""
    save(shop, ANA, "user-71", note=CANARY)
    done = cli("expire", "--user", "user-71", "--yes", "--journal-key-file", key, "-b", shop.url)
    assert done.code == 0, done.stderr
    (path,) = cli.journals()
    return path


@pytest.mark.parametrize("words", [["expire", "--user", "user-71"], ["purge", "--all"]])
def test_a_run_and_its_undo(cli: Cli, store: Engine, key: Path, words: list[str]) -> None:
    save(store, ANA, "user-71", note=CANARY)
    before = store.everything()
    done = cli(*words, "--yes", "--journal-key-file", key, "-b", store.url)
    (path,) = cli.journals()
    raw = path.read_bytes()
    assert (store.everything(), done.code) == ({}, 0)
    assert "encrypted\n" in done.stderr
    assert f"--journal-key-file {key}" in done.stderr  # in the way back
    assert [word for word in (ANA, CANARY, "user-71") if word.encode() in raw] == []
    back = cli("restore", "--last", "--yes", "--journal-key-file", key, "-b", store.url)
    assert (store.everything() == before, back.code) == (True, 0)


def _set(store: Store, other: Store, **how: Any) -> Path | None:
    return set_data(store, ANA, {"note": "new"}, **how).summary.journal


def _touch(store: Store, other: Store, **how: Any) -> Path | None:
    return touch(store, [ANA], ttl=timedelta(days=3), **how).summary.journal


def _move(store: Store, other: Store, **how: Any) -> Path | None:
    return copy_sessions(store, other, move=True, **how).source_journal


def _import(store: Store, other: Store, **how: Any) -> Path | None:
    file = BytesIO()
    export_sessions(store, file)
    file = BytesIO(file.getvalue().replace(CANARY.encode(), b"new"))
    return import_sessions(file, store, conflict="overwrite", **how).target_journal


@pytest.mark.parametrize("change", [_set, _touch, _move, _import])
def test_what_a_program_changes_is_encrypted_too(
    shop: SqliteEngine, tmp_path: Path, key: Path, change: Any
) -> None:
    save(shop, ANA, "user-71", note=CANARY)
    before = shop.everything()
    other = SqliteEngine(tmp_path / "other.db")
    with open_store(shop.url, write=True) as store, open_store(other.url, write=True) as target:
        path = change(store, target, journals=tmp_path / "journals", key_file=key)
        assert (shop.everything() == before, CANARY.encode() in path.read_bytes()) == (False, False)
        assert restore(store, path, key_file=key).counts == {"restored": 1}
    assert shop.everything() == before
    other.client.close()


@pytest.mark.parametrize("words", [["expire", ANA], ["purge", "--all"]])
def test_a_dry_run_says_so_and_writes_nothing(
    cli: Cli, shop: SqliteEngine, key: Path, words: list[str]
) -> None:
    save(shop, ANA, 42)
    done = cli(*words, "--dry-run", "--journal-key-file", key, "-b", shop.url)
    assert (len(shop.everything()), cli.journals(), done.code) == (1, [], 0)
    assert ", encrypted\n" in done.stderr


@pytest.mark.parametrize("words", [["expire", ANA], ["purge", "--all"], ["expire", ANA, "-n"]])
@pytest.mark.parametrize(
    ("mode", "size", "message"),
    [(0o644, 32, "others may read or change"), (0o600, 16, "32 bytes at the least, not 16")],
)
def test_a_key_that_will_not_do_changes_nothing(
    cli: Cli, shop: SqliteEngine, key: Path, words: list[str], mode: int, size: int, message: str
) -> None:
    save(shop, ANA, 42)
    key.write_bytes(b"x" * size)
    key.chmod(mode)
    done = cli(*words, "--yes", "--journal-key-file", key, "-b", shop.url)
    assert (len(shop.everything()), cli.journals(), done.stdout, done.code) == (1, [], "", 2)
    assert message in done.stderr


def test_encryption_and_no_journal_are_not_both(cli: Cli, shop: SqliteEngine, key: Path) -> None:
    save(shop, OLD, 1, left_ms=-HOUR_MS)
    done = cli("purge", "--expired", "--no-journal", "--journal-key-file", key, "-b", shop.url)
    assert (len(shop.everything()), done.stdout, done.code) == (1, "", 2)


@pytest.mark.parametrize("last", [True, False])
def test_without_the_key_nothing_comes_back(
    cli: Cli, shop: SqliteEngine, journal: Path, last: bool
) -> None:
    done = cli("restore", "--last" if last else journal, "--yes", "-b", shop.url)
    assert (shop.everything(), done.stdout, done.code) == ({}, "", 2)
    assert f"the journal {journal} is encrypted" in done.stderr
    assert "hint: --journal-key-file PATH" in done.stderr


def test_the_newest_is_not_passed_over_for_one_that_can_be_read(
    cli: Cli, shop: SqliteEngine, key: Path
) -> None:
    save(shop, ANA, 1)
    save(shop, OLD, 2)
    cli("expire", ANA, "--yes", "-b", shop.url)
    cli("expire", OLD, "--yes", "--journal-key-file", key, "-b", shop.url)
    done = cli("restore", "--last", "--yes", "-b", shop.url)
    assert (shop.everything(), done.code) == ({}, 2)


def test_another_key_brings_nothing_back(cli: Cli, shop: SqliteEngine, journal: Path) -> None:
    other = new_key(cli.home / "other.key")
    done = cli("restore", journal, "--yes", "--journal-key-file", other, "-b", shop.url)
    assert (shop.everything(), done.stdout, done.code) == ({}, "", 2)
    assert f"this key does not open {journal}" in done.stderr


def test_the_key_does_no_harm_to_a_plain_journal(cli: Cli, shop: SqliteEngine, key: Path) -> None:
    save(shop, ANA, 1)
    cli("expire", ANA, "--yes", "-b", shop.url)
    assert cli("restore", "--last", "--yes", "--journal-key-file", key, "-b", shop.url).code == 0
    assert len(shop.everything()) == 1


def test_recheck_reads_what_it_has_encrypted(cli: Cli, shop: SqliteEngine, key: Path) -> None:
    names = fill(shop, "a", 3)
    done = cli("expire", *names, "--yes", "--recheck", "10ms", "--journal-key-file", key,
               "-o", "json", "-b", shop.url)  # fmt: skip
    assert (done.json()["summary"]["deleted"], done.code) == (3, 0)


# -- looking at it ---------------------------------------------------------------------------------


def test_the_list_shows_what_is_open_and_with_the_key_the_rest(
    cli: Cli, journal: Path, key: Path
) -> None:
    (closed,) = cli("journal", "list", "-o", "json").json()["items"]
    (opened,) = cli("journal", "list", "-o", "json", "--journal-key-file", key).json()["items"]
    assert (closed["encrypted"], closed["command"], closed["problem"]) == (True, "expire", None)
    assert (closed["query"], closed["sessions"], closed["complete"]) == (None, None, None)
    assert ("user-71" in opened["query"], opened["sessions"], opened["complete"]) == (
        True, 1, True,
    )  # fmt: skip
    shown = cli("journal", "list", terminals=TERMINAL)
    assert ("full, encrypted" in shown.stdout, "user-71" in shown.stdout) == (True, False)


def test_show_needs_the_key(cli: Cli, journal: Path, key: Path) -> None:
    closed = cli("journal", "show", journal)
    assert (closed.stdout, closed.code, "is encrypted" in closed.stderr) == ("", 2, True)
    opened = cli("journal", "show", journal, "-o", "json", "--journal-key-file", key).json()
    assert [one["sid"] for one in opened["items"]] == [ANA]
    assert opened["summary"]["encrypted"] is True
    shown = cli("journal", "show", journal, "--journal-key-file", key, terminals=TERMINAL)
    assert "whole sessions, encrypted" in shown.stdout


def test_verify_without_the_key_says_what_it_can(cli: Cli, journal: Path, key: Path) -> None:
    closed = cli("journal", "verify", "-o", "json")
    (item,) = closed.json()["items"]
    assert (item["whole"], item["sessions"], item["problem"], closed.code) == (True, None, None, 0)
    assert "encrypted: 4 lines follow each other" in item["notes"][0]
    opened = cli("journal", "verify", "-o", "json", "--journal-key-file", key)
    (item,) = opened.json()["items"]
    assert (item["whole"], item["complete"], item["sessions"], item["notes"]) == (True, True, 1, [])


@pytest.mark.parametrize("with_key", [True, False])
def test_verify_finds_damage(cli: Cli, journal: Path, key: Path, with_key: bool) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"box":"', b'"box":"A')
    journal.write_bytes(b"".join(lines))
    words = ["--journal-key-file", key] if with_key else []
    done = cli("journal", "verify", "-o", "json", *words)
    (item,) = done.json()["items"]
    assert (item["whole"], done.code) == (False, 1)
    assert "line 2 is damaged (wrong checksum)" in item["problem"]["message"]


def test_verify_with_another_key_did_not_find_out(cli: Cli, journal: Path) -> None:
    other = new_key(cli.home / "other.key")
    done = cli("journal", "verify", "-o", "json", "--journal-key-file", other)
    (item,) = done.json()["items"]
    assert (item["whole"], done.code) == (None, 6)
    assert "this key does not open" in item["problem"]["message"]


# -- going on --------------------------------------------------------------------------------------


@pytest.fixture
def stopped(cli: Cli, shop: SqliteEngine, key: Path) -> Path:
    """The journal of a purge that was stopped at its ceiling."""
    fill(shop, "a", 900)
    done = cli("purge", "--all", "--max-delete", "500", "--confirm", "shop.db",
               "--journal-key-file", key, "-b", shop.url)  # fmt: skip
    assert (len(shop.everything()), done.code) == (400, 5), done.stderr
    assert f"--journal-key-file {key}" in done.stderr
    (path,) = cli.journals()
    return path


def test_a_purge_goes_on_encrypted_and_comes_back_whole(
    cli: Cli, shop: SqliteEngine, key: Path, stopped: Path
) -> None:
    words = ["purge", "--resume", stopped, "--max-delete", "2000", "--confirm", "shop.db"]
    refused = cli(*words, "-b", shop.url)
    assert (refused.code, len(shop.everything())) == (2, 400)
    assert "is encrypted" in refused.stderr
    done = cli(*words, "--journal-key-file", key, "-b", shop.url)
    assert (len(shop.everything()), done.code) == (0, 0), done.stderr
    kinds = [json.loads(one[9:])["kind"] for one in stopped.read_bytes().splitlines()]
    assert (kinds[0], kinds.count("segment"), set(kinds)) == (
        "head", 1, {"head", "segment", "sealed"},
    )  # fmt: skip
    back = cli("restore", stopped, "--confirm", "shop.db", "--journal-key-file", key,
               "-b", shop.url)  # fmt: skip
    assert (len(shop.everything()), back.code) == (900, 0), back.stderr


def test_a_plain_purge_does_not_go_on_encrypted(cli: Cli, shop: SqliteEngine, key: Path) -> None:
    fill(shop, "a", 600)
    cli("purge", "--all", "--max-delete", "500", "--confirm", "shop.db", "-b", shop.url)
    (path,) = cli.journals()
    done = cli("purge", "--resume", path, "--max-delete", "2000", "--confirm", "shop.db",
               "--journal-key-file", key, "-b", shop.url)  # fmt: skip
    assert (len(shop.everything()), done.code) == (100, 4)
    assert "is not encrypted" in done.stderr
