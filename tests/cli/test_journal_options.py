"""`--journal`, `--no-journal` and what a run writes down of the sessions that it ends."""

from __future__ import annotations

import random
import re
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal, space
from tests.support.cli import DAY_MS, HOUR_MS, Cli, fill, now_ms, save, sid, stored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine, SqliteEngine

ANA, OLD = sid("a"), sid("o")


# -- ids only --------------------------------------------------------------------------------------


def test_ids_only_keeps_ids_and_digests(cli: Cli, store: Engine) -> None:
    raw = stored(42, secret="a-name-to-forget")
    store.save(ANA.encode(), raw, 4_000_000_000_000)
    result = cli("expire", ANA, "-b", store.url, "--yes", "--journal=ids")
    (page,) = open_journal(cli.journals()[0]).pages()
    assert page.sessions == [{"sid": ANA, "digest": sha256(raw).hexdigest()}]
    assert (store.everything(), result.code) == ({}, 0)
    assert "undo       none (--journal=ids keeps ids and digests only)\n" in result.stderr
    assert "No undo: the journal keeps ids and digests only." in result.stderr


@pytest.mark.parametrize("words", [["expire", ANA], ["purge", "--user", "42"]])
def test_ids_only_needs_no_force(cli: Cli, shop: SqliteEngine, words: list[str]) -> None:
    """An erasure request is about live sessions."""
    save(shop, ANA, 42)
    result = cli(*words, "-b", shop.url, "--yes", "--journal", "ids")
    assert (shop.everything(), "restore" in result.stderr, result.code) == ({}, False, 0)


@pytest.mark.parametrize("last", [True, False])
def test_there_is_nothing_to_bring_back_from_ids(cli: Cli, shop: SqliteEngine, last: bool) -> None:
    save(shop, ANA, 42)
    cli("expire", ANA, "-b", shop.url, "--yes", "--journal=ids")
    (path,) = cli.journals()
    result = cli("restore", "--last" if last else path, "-b", shop.url, "--yes")
    assert (shop.everything(), result.stdout, result.code) == ({}, "", 4)
    assert f"nothing can be brought back from {path}: it keeps ids" in result.stderr
    assert "sessctl journal show" in result.stderr


def test_cron_is_not_without_a_way_back(cli: Cli, shop: SqliteEngine) -> None:
    """Nobody is asked only where the run can be undone."""
    save(shop, OLD, 1, left_ms=-HOUR_MS)
    result = cli("purge", "--expired", "-b", shop.url, "--journal=ids")
    assert (len(shop.everything()), result.code) == (1, 4)
    assert "--yes" in result.stderr
    assert cli("purge", "--expired", "-b", shop.url, "--journal=full").code == 0


def test_ids_only_is_small(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 90)
    cli("expire", "-", "-b", shop.url, "--yes", "--journal=ids",
        stdin="\n".join(sid("a", n) for n in range(90)))  # fmt: skip
    assert cli.journals()[0].stat().st_size < 90 * 100


# -- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["purge", "--expired"], ["expire", ANA]])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--journal=id"], 2, "did you mean 'ids'?"),
        (["--journal", ""], 2, "no kind of journal ''"),
        (["--journal=ids", "--no-journal"], 2, "give --journal or --no-journal, not both"),
        (["--journal-key-file", "no-key"], 2, "cannot read the journal key no-key"),
        (["--journal-key-file="], 2, "--journal-key-file is empty"),
    ],
)
def test_nothing_happens_when_the_journal_is_asked_for_wrongly(
    cli: Cli, shop: SqliteEngine, command: list[str], words: list[str], code: int, said: str
) -> None:
    save(shop, ANA, 42, left_ms=-HOUR_MS)
    result = cli(*command, *words, "-b", shop.url, "--yes")
    assert (len(shop.everything()), cli.journals()) == (1, [])
    assert (result.stdout, said in result.stderr, result.code) == ("", True, code)


# -- room ------------------------------------------------------------------------------------------


class Disk(SimpleNamespace):
    """What `statvfs` says of a disk with so many bytes free, and then `later`."""

    def __init__(self, free: int, *later: int) -> None:
        super().__init__(f_blocks=10**9, f_frsize=1, f_bavail=free)
        self.later = list(later)

    def __call__(self, _: Path) -> SimpleNamespace:
        found = SimpleNamespace(**vars(self))
        if self.later:
            self.f_bavail = self.later.pop(0)
        return found


@pytest.fixture
def stale(shop: SqliteEngine) -> SqliteEngine:
    """A thousand sessions and more that ended, and one that did not: else a zone is doubted."""
    fill(shop, "o", 1200, left_ms=-HOUR_MS)
    save(shop, ANA, 42)
    return shop


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_the_plan_states_about_the_real_size(cli: Cli, store: Engine, size: int) -> None:
    rng = random.Random(size)
    for number in range(300):
        raw = stored(number, left_ms=DAY_MS, csrf=rng.randbytes(12 + size // 2).hex())
        store.save(rng.randbytes(16).hex().encode(), raw, now_ms() + DAY_MS)
    said = cli("purge", "--all", "-b", store.url, "--yes", "--force=share").stderr
    amount, unit = re.search(r"journal of about ([\d.]+) (B|KiB)", said).groups()
    planned = float(amount) * {"B": 1, "KiB": 1024}[unit]
    assert planned / 1.15 < cli.journals()[0].stat().st_size < planned * 1.15


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("command", ["purge", "expire"])
def test_a_journal_of_more_than_half_the_free_space_is_refused(
    cli: Cli, stale: SqliteEngine, monkeypatch: pytest.MonkeyPatch, command: str, dry: bool
) -> None:
    monkeypatch.setattr("os.statvfs", Disk(3000))
    words = ["purge", "--expired"] if command == "purge" else ["expire", "-"]
    names = "\n".join(sid("o", number) for number in range(1200))
    result = cli(
        *words, "-b", stale.url, "--dry-run" if dry else "--yes",
        stdin=names if command == "expire" else "",
    )  # fmt: skip
    assert (len(stale.everything()), cli.journals()) == (1201, [])
    assert "more than half of the 2.9 KiB free" in result.stderr
    assert ("--journal=ids" in result.stderr, "--no-journal" in result.stderr) == (True, True)
    assert (result.stdout, result.code) == ("", 4)


def test_a_journal_above_the_limit_is_refused_on_any_disk(
    cli: Cli, stale: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "MAX_BYTES", 4096)
    result = cli("purge", "--expired", "-b", stale.url)
    assert (len(stale.everything()), cli.journals(), result.code) == (1201, [], 4)
    assert "more than 4.0 KiB" in result.stderr


@pytest.mark.parametrize("words", [["--journal=ids"], ["--no-journal"]])
def test_what_the_refusal_names_is_not_refused(
    cli: Cli, stale: SqliteEngine, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(space, "MAX_BYTES", 4096)
    result = cli("purge", "--expired", "-b", stale.url, "--yes", *words)
    assert (set(stale.everything()), result.code) == ({ANA.encode()}, 0)
    assert "Ended 1,200 sessions." in result.stderr


@pytest.mark.parametrize("words", [[], ["--journal=ids"]])
def test_a_disk_that_fills_up_stops_before_the_page(
    cli: Cli, stale: SqliteEngine, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Room at the start and for two pages; nothing of the third may go."""
    room = [10**9] * (2 if words else 3)
    monkeypatch.setattr("os.statvfs", Disk(*room, 1000))
    result = cli("purge", "--expired", "-b", stale.url, "--yes", *words)
    monkeypatch.undo()
    assert (len(stale.everything()), result.code) == (201, 6)
    assert "no room for the next page of the journal" in result.stderr
    if not words:
        monkeypatch.chdir(cli.home)
        back = cli("restore", "--last", "--lapsed", "-b", stale.url, "--yes")
        assert (len(stale.everything()), back.code) == (1201, 0)


def test_a_file_system_that_says_nothing_is_no_reason_to_refuse(
    cli: Cli, stale: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Disk(0)
    silent.f_blocks = 0
    monkeypatch.setattr("os.statvfs", silent)
    assert cli("purge", "--expired", "-b", stale.url).code == 0
    assert set(stale.everything()) == {ANA.encode()}
