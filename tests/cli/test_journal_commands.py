"""`sessctl journal show|verify|prune`, and the journals that go by themselves."""

from __future__ import annotations

import json
import os
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal, reopen
from sessctl.admin.journal.line import digest
from sessctl.text import short_id
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, save, sid, stored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine, SqliteEngine

ANA, PHONE, OLD = sid("a"), sid("p"), sid("o")
DAY_S = 86_400


@pytest.fixture
def journal(cli: Cli, shop: SqliteEngine) -> Path:
    """Of a run that ended Ana's two sessions."""
    save(shop, ANA, 42, secret="tango")
    save(shop, PHONE, 42)
    assert cli("expire", "--user", "42", "-b", shop.url, "--yes").code == 0
    return cli.journals()[0]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def aged(path: Path, days: float, *, name: str | None = None) -> Path:
    """The journal as if its last line had been written so long ago."""
    then = time.time() - days * DAY_S
    stamp = time.strftime("%Y%m%dT%H%M%S.000000Z", time.gmtime(then))
    moved = path.rename(path.with_name(name or f"{stamp}-expire-shop-{path.name[-16:]}"))
    os.utime(moved, (then, then))
    return moved


# -- show ------------------------------------------------------------------------------------------


def test_show_tells_the_run_and_its_sessions(cli: Cli, journal: Path) -> None:
    result = cli("journal", "show", journal, "--no-color", terminals=TERMINAL)
    rows = {line[2:12].strip(): line[13:] for line in result.stdout.splitlines()}
    assert result.stdout.startswith(f"journal {journal}\n")
    assert rows["of"] == "expire: user 42"
    assert rows["sessions"].startswith("2 sessions in 1 page, ")
    assert (rows["outcomes"], rows["ended"], rows["keeps"]) == (
        "2 deleted",
        "yes",
        "whole sessions",
    )
    assert f"{short_id(ANA)}  deleted  1" in result.stdout
    assert (ANA in result.stdout, "tango" in result.stdout) == (False, False)
    assert (result.stderr, result.code) == ("", 0)


def test_show_gives_programs_whole_ids(cli: Cli, journal: Path) -> None:
    document = cli("journal", "show", journal, "-o", "json").json()
    assert document["kind"] == "JournalSessionList"
    assert sorted(document["items"], key=lambda item: item["sid"]) == [
        {"sid": ANA, "outcome": "deleted", "page": 1, "digest": None},
        {"sid": PHONE, "outcome": "deleted", "page": 1, "digest": None},
    ]
    summary = document["summary"]
    assert (summary["command"], summary["sessions"], summary["complete"]) == ("expire", 2, True)
    assert (summary["counts"], summary["keep"], summary["notes"]) == ({"deleted": 2}, "full", [])
    *items, last = cli("journal", "show", journal, "-o", "jsonl").json_lines()
    assert (items, list(last)) == (document["items"], ["summary"])
    assert "tango" not in json.dumps(document)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-o", "name"], f"{ANA}\n"),
        ([], f"sid\toutcome\tpage\tdigest\n{ANA}\tdeleted\t1\t\n"),
        (["-o", "csv", "--fields", "outcome,sid"], f"outcome,sid\ndeleted,{ANA}\n"),
        (["--redact", "-o", "name"], f"{short_id(ANA)}\n"),
    ],
)
def test_show_in_every_format(cli: Cli, shop: SqliteEngine, words: list[str], text: str) -> None:
    save(shop, ANA, 42)
    cli("expire", ANA, "-b", shop.url, "--yes")
    result = cli("journal", "show", cli.journals()[0], *words)
    assert (result.stdout, result.stderr, result.code) == (text, "", 0)


def test_show_has_the_digests_of_an_erasure(cli: Cli, shop: SqliteEngine) -> None:
    raw = stored(42)
    shop.save(ANA.encode(), raw, 4_000_000_000_000)
    cli("expire", ANA, "-b", shop.url, "--yes", "--journal=ids")
    (item, _) = cli("journal", "show", cli.journals()[0], "-o", "jsonl").json_lines()
    assert item["digest"] == sha256(raw).hexdigest()


def test_show_names_a_run_that_died(cli: Cli, journal: Path) -> None:
    journal.write_bytes(b"".join(lines_of(journal)[:2]) + b"half a li")
    result = cli("journal", "show", journal, "-o", "json")
    assert {item["outcome"] for item in result.json()["items"]} == {"uncertain"}
    summary = result.json()["summary"]
    assert (summary["complete"], summary["counts"]) == (False, {"uncertain": 2})
    assert "torn" in summary["notes"][0]
    block = cli("journal", "show", journal, "--no-color", terminals=TERMINAL).stdout
    assert "  ended      no: it was interrupted\n" in block


def forged(path: Path, number: int, **more: object) -> None:
    """Rewrite a line as somebody would who knows the format: checksums and chain are right."""
    raw, previous = b"", ""
    for place, line in enumerate(lines_of(path), 1):
        body = {**json.loads(line[9:]), **(more if place == number else {}), "prev": previous}
        payload = json.dumps(body, separators=(",", ":")).encode()
        written = b"%08x %b\n" % (zlib.crc32(payload), payload)
        raw, previous = raw + written, digest(written)
    path.write_bytes(raw)


@pytest.mark.parametrize("terminals", [TERMINAL, (False, False, False)])
def test_a_hostile_head_reaches_no_terminal_raw(
    cli: Cli, journal: Path, terminals: tuple[bool, bool, bool]
) -> None:
    forged(
        journal, 1, query="\x1b]0;x\x07\u202e", command=["\x1b"], backend={"a": "\x9b"}, store={}
    )
    for words in (["show", journal], ["list"], ["verify", journal]):
        result = cli("journal", *words, "--no-color", terminals=terminals)
        assert not set(result.stdout + result.stderr) & set("\x1b\x07\x9b\u202e")
        assert result.code == 0


@pytest.mark.parametrize(
    "change",
    [
        {"z": "bm90IHpsaWI="}, {"z": 5}, {"count": 9}, {"count": "2"}, {"n": None}, {"kind": 7},
        {"z": "eJyrVkrLz1eyUkpKLFKqBQAtfQUY"}, {"z": "é"},
    ],
)  # fmt: skip
def test_a_page_that_makes_no_sense_is_damage(cli: Cli, journal: Path, change: dict) -> None:
    forged(journal, 2, **change)
    for words, code in ((["verify", journal], 1), (["show", journal], 6)):
        result = cli("journal", *words)
        assert (result.code, "line 2" in result.stdout + result.stderr) == (code, True)


@pytest.mark.parametrize("name", ["nowhere.journal", "."])
def test_show_of_what_is_no_file_names_it(cli: Cli, name: str) -> None:
    result = cli("journal", "show", name)
    assert (result.stdout, result.code) == ("", 6)
    assert f"cannot read {name} (" in result.stderr


# -- verify ----------------------------------------------------------------------------------------


def test_a_whole_journal_is_zero(cli: Cli, journal: Path) -> None:
    result = cli("journal", "verify", journal, "-o", "json")
    assert result.json()["items"] == [
        {
            "journal": str(journal), "whole": True, "complete": True, "sessions": 2, "pages": 1,
            "notes": [], "problem": None,
        }
    ]  # fmt: skip
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("damage", ["flipped", "missing", "swapped", "last missing"])
def test_a_damaged_journal_is_one_and_names_the_line(cli: Cli, journal: Path, damage: str) -> None:
    lines = lines_of(journal)
    if damage == "flipped":
        lines[1] = lines[1].replace(b'"z"', b'"Z"')
    elif damage == "missing":
        del lines[1]
    elif damage == "last missing":
        del lines[-2]  # the line behind it is whole, and does not fit
    else:
        lines[1], lines[2] = lines[2], lines[1]
    journal.write_bytes(b"".join(lines))
    result = cli("journal", "verify", journal, "-o", "jsonl")
    (item,) = result.json_lines()
    line = 3 if damage == "last missing" else 2
    why = "wrong checksum" if damage == "flipped" else "missing or was changed"
    assert (item["whole"], result.code) == (False, 1)
    assert item["problem"]["message"].startswith(f"line {line} is damaged (")
    assert why in item["problem"]["message"]


@pytest.mark.parametrize("cut", [1, 20])
def test_a_torn_last_line_is_a_note(cli: Cli, journal: Path, cut: int) -> None:
    journal.write_bytes(journal.read_bytes()[:-cut])
    result = cli("journal", "verify", journal, "-o", "jsonl")
    (item,) = result.json_lines()
    assert (item["whole"], item["complete"], item["problem"], result.code) == (True, False, None, 0)
    assert "the last line is torn and ignored" in item["notes"][0]


def test_every_bit_of_a_journal_counts(cli: Cli, journal: Path) -> None:
    """Any byte before the last line, changed in any way, is found."""
    whole = journal.read_bytes()
    end = whole.rindex(b"\n", 0, -1)
    for place in range(0, end, 37):
        journal.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert cli("journal", "verify", journal).code == 1, place


def test_without_a_path_all_are_checked(cli: Cli, shop: SqliteEngine, journal: Path) -> None:
    save(shop, OLD, 1)
    cli("expire", OLD, "-b", shop.url, "--yes")
    assert cli("journal", "verify", "-o", "name").stdout.split() == [
        str(path) for path in reversed(cli.journals())
    ]
    journal.write_bytes(b"noise\n" + journal.read_bytes())
    result = cli("journal", "verify", "-o", "jsonl")
    assert [item["whole"] for item in result.json_lines()] == [True, False]
    assert result.code == 1


def test_what_cannot_be_read_is_not_called_damaged(cli: Cli, journal: Path) -> None:
    result = cli("journal", "verify", journal, "nowhere.journal", "-o", "jsonl")
    assert [item["whole"] for item in result.json_lines()] == [True, None]
    assert result.code == 6


def test_verify_at_a_terminal(cli: Cli, journal: Path) -> None:
    result = cli("journal", "verify", "--no-color", terminals=TERMINAL)
    header, row = result.stdout.splitlines()
    assert header.split() == ["WHOLE", "COMPLETE", "SESSIONS", "JOURNAL", "PROBLEM", "NOTES"]
    assert row.split() == ["yes", "yes", "2", str(journal)]
    assert (result.stderr, result.code) == ("", 0)


# -- list ------------------------------------------------------------------------------------------


def test_list_tells_size_age_and_what_is_kept(cli: Cli, journal: Path) -> None:
    (item,) = cli("journal", "list", "-o", "jsonl").json_lines()
    assert (item["keep"], item["complete"], item["problem"]) == ("full", True, None)
    assert item["size_bytes"] == journal.stat().st_size
    assert 0 <= item["age_s"] < 600
    table = cli("journal", "list", "--no-color", terminals=TERMINAL).stdout
    assert {"AGE_S", "SIZE_BYTES", "KEEP", "COMPLETE"} <= set(table.splitlines()[0].split())


def test_a_link_is_no_journal(cli: Cli, journal: Path) -> None:
    (journal.parent / "x.journal").symlink_to(journal)
    (journal.parent / "y.journal").symlink_to("nowhere")
    assert cli("journal", "list", "-o", "name").stdout.split() == [str(journal)]


# -- prune -----------------------------------------------------------------------------------------


def test_prune_removes_the_old_ones_only(cli: Cli, shop: SqliteEngine, journal: Path) -> None:
    old = aged(journal, 31)
    save(shop, OLD, 1)
    cli("--config", no_pruning(cli), "expire", OLD, "-b", shop.url, "--yes")
    new = cli.journals()[-1]
    result = cli("journal", "prune", "--older-than", "30d", "--yes", "-o", "jsonl")
    (item,) = result.json_lines()
    assert (item["journal"], item["outcome"]) == (str(old), "removed")
    assert (cli.journals(), result.code) == ([new], 0)
    assert "Removed 1 journal." in result.stderr


def no_pruning(cli: Cli) -> Path:
    return cli.config('[journal]\nkeep = "36500d"\n', "keep.toml")


@pytest.mark.parametrize("days", [29, 31])
def test_prune_keeps_to_the_configuration(cli: Cli, journal: Path, days: int) -> None:
    aged(journal, days)
    assert cli("journal", "prune", "--yes").code == 0
    assert len(cli.journals()) == (days == 29)
    cli.user_config('[journal]\nkeep = "7d"\n')
    assert cli("journal", "prune", "--yes").code == 0
    assert cli.journals() == []


def test_prune_asks(cli: Cli, journal: Path) -> None:
    aged(journal, 31)
    for typed, code, left in (("n\n", 4, 1), ("y\n", 0, 0)):
        result = cli("journal", "prune", "--no-color", terminals=TERMINAL, stdin=typed)
        assert "Remove 1 journal? [y/N] " in result.stderr
        assert (len(cli.journals()), result.code) == (left, code)
    assert result.stdout == "Removed 1 journal.\n"


def test_prune_without_a_terminal_needs_yes(cli: Cli, journal: Path) -> None:
    aged(journal, 31)
    result = cli("journal", "prune")
    assert (len(cli.journals()), result.stdout, result.code) == (1, "", 4)
    assert "--yes" in result.stderr


def test_prune_of_nothing_asks_nobody(cli: Cli, journal: Path) -> None:
    result = cli("journal", "prune", "-o", "json")
    assert (result.json()["items"], len(cli.journals()), result.code) == ([], 1, 0)
    assert "Removed 0 journals." in result.stderr


def test_a_dry_run_prunes_nothing(cli: Cli, journal: Path) -> None:
    old = aged(journal, 31)
    result = cli("journal", "prune", "--dry-run", "-o", "jsonl")
    assert (result.json_lines()[0]["outcome"], old.exists()) == ("would-remove", True)
    assert ("Would remove 1 journal. Nothing was changed." in result.stderr, result.code) == (
        True, 0,
    )  # fmt: skip


def test_prune_takes_nothing_but_journals(cli: Cli, journal: Path) -> None:
    folder, outside = journal.parent, cli.home / "outside.journal"
    outside.write_bytes(journal.read_bytes())
    aged(journal, 31)
    (folder / "notes.txt").write_text("mine")
    (folder / "old.journal").mkdir()
    (folder / "link.journal").symlink_to(outside)
    for name in ("notes.txt", "old.journal", "link.journal"):
        os.utime(folder / name, (0, 0), follow_symlinks=False)
    os.utime(outside, (0, 0))
    assert cli("journal", "prune", "--older-than", "1d", "--yes").code == 0
    assert sorted(p.name for p in folder.iterdir()) == ["link.journal", "notes.txt", "old.journal"]
    assert outside.exists()


@pytest.mark.parametrize("young", ["name", "date"])
def test_one_sign_of_youth_is_enough(cli: Cli, journal: Path, young: str) -> None:
    """A resumed journal has an old name; a copied one may have an old date."""
    if young == "name":
        os.utime(journal, (0, 0))
    else:
        os.utime(aged(journal, 31))
    assert cli("journal", "prune", "--yes").code == 0
    assert len(cli.journals()) == 1


def test_a_journal_that_is_being_written_stays(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "o", 3, left_ms=-HOUR_MS)
    cli("purge", "--expired", "-b", shop.url, "--max-delete", "1")
    path = cli.journals()[0]
    with shop.open() as store:
        writer = reopen(open_journal(path), store)
        old = aged(path, 31)
        result = cli("journal", "prune", "--yes", "-o", "jsonl")
        writer.close()
    assert (result.json_lines()[0]["outcome"], old.exists(), result.code) == ("left", True, 0)


@pytest.mark.parametrize("text", ["", "30x", "soon"])
def test_prune_wants_a_duration(cli: Cli, journal: Path, text: str) -> None:
    aged(journal, 31)
    result = cli("journal", "prune", "--older-than", text, "--yes")
    assert (len(cli.journals()), result.stdout, result.code) == (1, "", 2)
    assert "is not a duration" in result.stderr


# -- by themselves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["expire", "purge", "restore"])
def test_the_next_destructive_run_removes_old_ones_and_says_so(
    cli: Cli, store: Engine, command: str
) -> None:
    save(store, ANA, 42)
    cli("expire", ANA, "-b", store.url, "--yes")
    old = aged(cli.journals()[0], 31)
    save(store, PHONE, 42)
    if command == "restore":
        cli("--config", no_pruning(cli), "expire", PHONE, "-b", store.url, "--yes")
        words = ["restore", "--last"]
    else:
        words = {"expire": ["expire", PHONE], "purge": ["purge", "--user", "42"]}[command]
    dry = cli(*words, "-b", store.url, "--dry-run")
    assert (old.exists(), "removed" in dry.stderr, dry.code) == (True, False, 0)
    result = cli(*words, "-b", store.url, "--yes", "-o", "json")
    said = f"removed 1 journal older than 30d ({old.parent})"
    assert (old.exists(), len(cli.journals()), result.code) == (False, 1, 0)
    assert result.stderr.count(f"note: {said}\n") == 1
    assert said in result.json()["summary"]["notes"]


def test_a_younger_one_stays_and_nothing_is_said(
    cli: Cli, shop: SqliteEngine, journal: Path
) -> None:
    aged(journal, 29)
    save(shop, OLD, 1)
    result = cli("expire", OLD, "-b", shop.url, "--yes")
    assert (len(cli.journals()), "removed" in result.stderr, result.code) == (2, False, 0)


def test_the_journal_that_is_restored_stays(cli: Cli, shop: SqliteEngine, journal: Path) -> None:
    lines = lines_of(journal)
    old = aged(journal, 31)
    result = cli("restore", old, "-b", shop.url, "--yes")
    assert (old.read_bytes().splitlines(keepends=True), result.counts) == (lines, {"restored": 2})
    assert "removed" not in result.stderr


def test_a_run_that_is_refused_removes_nothing(cli: Cli, shop: SqliteEngine, journal: Path) -> None:
    old = aged(journal, 31)
    save(shop, OLD, 1)
    assert cli("expire", OLD, "-b", shop.url).code == 4
    assert old.exists()
