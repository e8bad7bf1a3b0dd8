"""`--journal`, `--no-journal` and what a run writes down of the sessions that it ends."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal
from tests.support.cli import HOUR_MS, Cli, fill, save, sid, stored

if TYPE_CHECKING:
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
        (["--journal-key-file", "key"], 4, "cannot encrypt a journal"),
    ],
)
def test_nothing_happens_when_the_journal_is_asked_for_wrongly(
    cli: Cli, shop: SqliteEngine, command: list[str], words: list[str], code: int, said: str
) -> None:
    save(shop, ANA, 42, left_ms=-HOUR_MS)
    result = cli(*command, *words, "-b", shop.url, "--yes")
    assert (len(shop.everything()), cli.journals()) == (1, [])
    assert (result.stdout, said in result.stderr, result.code) == ("", True, code)
