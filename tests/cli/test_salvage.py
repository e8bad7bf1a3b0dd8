"""`restore` from a damaged journal: nothing, or with `--salvage` what is left, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal
from tests.support.cli import Cli, fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine, SqliteEngine
    from tests.support.run import Result

# head, page 1, done 1, page 2, done 2, page 3, done 3, end
HEAD, PAGE_1, DONE_1, PAGE_2, DONE_2, PAGE_3, DONE_3, END = range(8)


@pytest.fixture
def purged(cli: Cli, shop: SqliteEngine) -> SqliteEngine:
    """1,200 sessions were ended, in pages of 500, 500 and 200."""
    fill(shop, "a", 1200)
    words = ["purge", "--all", "--yes", "--max-delete", "5000"]
    assert cli(*words, "-b", shop.url).code == 0
    return shop


def spoil(path: Path, *places: int) -> None:
    """Flip a bit in these lines."""
    lines = path.read_bytes().splitlines(keepends=True)
    for place in places:
        line = lines[place]
        lines[place] = line[:30] + bytes([line[30] ^ 1]) + line[31:]
    path.write_bytes(b"".join(lines))


def salvage(cli: Cli, store: Engine, *words: str) -> Result:
    confirm = ["--confirm", "shop.db"]
    return cli("restore", "--last", "-b", store.url, *confirm, "--salvage", *words)


@pytest.mark.parametrize("place", [PAGE_1, DONE_1, PAGE_2, PAGE_3, DONE_3])
def test_without_the_word_nothing_is_written(cli: Cli, purged: SqliteEngine, place: int) -> None:
    (path,) = cli.journals()
    spoil(path, place)
    result = cli("restore", "--last", "-b", purged.url, "--confirm", "shop.db")
    assert (purged.everything(), result.stdout, result.code) == ({}, "", 6)
    assert f"line {place + 1} of {path} is damaged (wrong checksum)" in result.stderr
    assert "--salvage" in result.stderr


def test_what_is_left_comes_back_and_the_loss_is_told(cli: Cli, purged: SqliteEngine) -> None:
    spoil(cli.journals()[0], PAGE_2)
    result = salvage(cli, purged, "-o", "json")
    summary = result.json()["summary"]
    assert (len(purged.everything()), summary["restored"]) == (700, 700)
    assert (summary["complete"], result.code) == (False, 5)
    (note,) = summary["notes"]
    assert note == (
        "the journal is damaged: 1 line was damaged (first: line 4, wrong checksum), "
        "at least 1 page of sessions lost"
    )
    assert note in result.stderr
    assert "Restored 700 sessions. Not all that the journal held: it is damaged." in result.stderr


def test_a_page_without_its_outcome_is_uncertain(cli: Cli, purged: SqliteEngine) -> None:
    spoil(cli.journals()[0], DONE_1)
    result = salvage(cli, purged)
    assert (len(purged.everything()), result.code) == (1200, 5)
    assert "500 of them uncertain" in result.stderr
    assert "no page is known to be lost" in result.stderr


def test_certain_only_leaves_it(cli: Cli, purged: SqliteEngine) -> None:
    spoil(cli.journals()[0], DONE_1)
    assert salvage(cli, purged, "--certain-only").code == 5
    assert len(purged.everything()) == 700


def test_several_losses_are_counted(cli: Cli, purged: SqliteEngine) -> None:
    spoil(cli.journals()[0], PAGE_1, PAGE_3)
    result = salvage(cli, purged)
    assert (result.counts, result.code) == ({"restored": 500}, 5)
    assert "2 lines were damaged (first: line 2, " in result.stderr
    assert "at least 2 pages of sessions lost" in result.stderr


def test_a_line_that_was_taken_out_is_noticed(cli: Cli, purged: SqliteEngine) -> None:
    (path,) = cli.journals()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:PAGE_2] + lines[PAGE_3:]))  # page 2 and its outcome
    result = salvage(cli, purged)
    assert (result.counts, result.code) == ({"restored": 700}, 5)
    assert "the line before it is missing or was changed" in result.stderr
    assert "at least 1 page of sessions lost" in result.stderr


def test_a_dry_run_tells_the_loss_too(cli: Cli, purged: SqliteEngine) -> None:
    spoil(cli.journals()[0], PAGE_2)
    result = salvage(cli, purged, "--dry-run", "-o", "json")
    assert (purged.everything(), result.code) == ({}, 0)
    assert result.json()["summary"]["would-restore"] == 700
    assert result.json()["summary"]["complete"] is False
    assert "at least 1 page" in result.stderr


def test_without_a_head_nobody_knows_whose_they_are(cli: Cli, purged: SqliteEngine) -> None:
    (path,) = cli.journals()
    spoil(path, HEAD)
    result = cli("restore", path, "-b", purged.url, "--confirm", "shop.db", "--salvage")
    assert (purged.everything(), result.stdout, result.code) == ({}, "", 6)


def test_a_whole_journal_is_restored_as_ever(cli: Cli, purged: SqliteEngine) -> None:
    result = salvage(cli, purged)
    assert (result.counts, result.code) == ({"restored": 1200}, 0)
    assert "damaged" not in result.stderr


def test_a_byte_that_splits_a_line_loses_that_line_only(cli: Cli, purged: SqliteEngine) -> None:
    (path,) = cli.journals()
    lines = path.read_bytes().splitlines(keepends=True)
    lines[PAGE_2] = lines[PAGE_2][:50] + b"\n" + lines[PAGE_2][51:]
    path.write_bytes(b"".join(lines))
    result = salvage(cli, purged)
    assert (result.counts, result.code) == ({"restored": 700}, 5)
    assert open_journal(path, salvage=True).summary().lost_pages == 1
