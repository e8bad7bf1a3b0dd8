"""`copy`: layouts converted, ends kept, conflicts settled, nothing lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.text import short_id
from tests.cli.test_hostile_output import assert_harmless, fill_with_corpus
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine, with_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engines import Engine, RedisEngine
    from tests.support.run import Result

ANA, BEN, OLD = sid("a"), sid("b"), sid("o")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "target.db")
    yield engine
    engine.client.close()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "files").mkdir()
    return with_layout(f"file://{tmp_path}/files", "session-file-store")


def there(cli: Cli, url: str) -> dict[str, dict[str, Any]]:
    return {
        item["sid"]: item for item in cli("list", "-b", url, "--data", "-o", "jsonl").json_lines()
    }


def copy(cli: Cli, source: str, target: str, *more: str) -> Result:
    return cli("copy", "-b", source, "--to", target, "--yes", *more)


# -- what arrives ----------------------------------------------------------------------------------


def test_a_value_goes_over_to_the_byte_with_its_end(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine
) -> None:
    raw = stored(42)[:-1] + b',"n":1.50,"big":12345678901234567890,"t":"\xc3\xa7 \\u2028"}'
    ends = now_ms() + HOUR_MS + 123
    shop.save(ANA.encode(), raw, ends)
    result = copy(cli, shop.url, cache.url)
    assert cache.client.get(f"sess:{ANA}") == raw
    assert cache.client.pexpiretime(f"sess:{ANA}") == ends
    assert ("Copied 1 session." in result.stderr, result.counts, result.code) == (
        True, {"copied": 1}, 0,
    )  # fmt: skip


def test_every_store_of_a_library_takes_the_others_sessions(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine, folder: str, target: SqliteEngine
) -> None:
    """Round and back: the flags of the cookie and its first max age are those of the beginning."""
    raw = stored(42, cart=["tea"]).replace(b'"path":"/"', b'"path":"/shop","sameSite":"lax"')
    ends = now_ms() + HOUR_MS // 2
    shop.save(ANA.encode(), raw, ends)
    for source, to in ((shop.url, folder), (folder, cache.url), (cache.url, target.url)):
        assert copy(cli, source, to).counts == {"copied": 1}
    assert target.everything() == {ANA.encode(): (raw, ends)}


def test_between_libraries_the_data_goes_over(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine
) -> None:
    save(shop, ANA, 42, cart=["tea"])
    koa = cache.url.replace("layout=connect-redis", "layout=koa-session&prefix=koa:")
    result = copy(cli, shop.url, koa)
    assert (result.counts, result.code) == ({"failed": 1}, 5)  # the id has to have the prefix
    name = f"koa:{ANA}"
    save(shop, name, 42, cart=["tea"])
    assert copy(cli, shop.url, koa).counts == {"copied": 1, "failed": 1}
    assert there(cli, koa)[name]["data"] == {"passport": {"user": 42}, "cart": ["tea"]}


def test_expired_sessions_stay_behind_and_are_counted(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    save(shop, OLD, 42, left_ms=-1)
    result = copy(cli, shop.url, target.url)
    assert set(target.everything()) == {ANA.encode()}
    assert ("(1 expired, skipped)" in result.stderr, result.code) == (True, 0)


def test_a_query_chooses(cli: Cli, shop: SqliteEngine, target: SqliteEngine) -> None:
    save(shop, ANA, 42)
    save(shop, BEN, 7)
    assert copy(cli, shop.url, target.url, "--user", "42").counts == {"copied": 1}
    assert set(target.everything()) == {ANA.encode()}


def test_no_end_stays_none_where_the_target_can_say_it(
    cli: Cli, cache: RedisEngine, shop: SqliteEngine
) -> None:
    cache.save(ANA.encode(), stored(42, left_ms=None), None)
    cache.save(BEN.encode(), stored(42, left_ms=-HOUR_MS), None)  # past by its cookie's date only
    other = cache.url.replace("/0?", "/1?")
    cache.client.execute_command("SELECT", 1)
    cache.client.execute_command("FLUSHDB")
    assert copy(cli, cache.url, other).counts == {"copied": 2}
    assert [cache.client.pttl(f"sess:{name}") for name in (ANA, BEN)] == [-1, -1]
    cache.client.execute_command("SELECT", 0)
    result = copy(cli, cache.url, shop.url)
    assert "sessions without an end get 1d: connect-sqlite3 keeps none without" in result.stderr
    ends = [end for _, end in shop.everything().values()]
    assert all(abs(end - now_ms() - 24 * HOUR_MS) < 60_000 for end in ends)
    assert copy(cli, cache.url, shop.url).counts == {"present": 2}


def test_what_cannot_be_written_there_fails_in_words_and_the_rest_goes_on(
    cli: Cli, shop: SqliteEngine, folder: str
) -> None:
    save(shop, ANA, 42)
    save(shop, "../etc/passwd", 42)
    save(shop, "with blank", 42)
    shop.save(b"corrupt", b'{"cookie":', now_ms() + HOUR_MS)
    shop.save(b"endless", stored(42), None)
    result = copy(cli, shop.url, folder, "-o", "jsonl")
    told = {one["sid"]: (one["outcome"], one["reason"]) for one in result.json_lines()[:-1]}
    assert told[ANA] == ("copied", None)
    assert told["../etc/passwd"] == told["with blank"] == (
        "failed", "no file can be named after this id",
    )  # fmt: skip
    assert told["endless"][1] == "its end cannot be read, so nobody knows how long it lives"
    assert told["corrupt"][0] == "failed"
    assert (result.json_lines()[-1]["summary"]["failed"], result.code) == (4, 5)


def test_an_encrypted_target_encrypts(cli: Cli, shop: SqliteEngine, tmp_path: Path) -> None:
    save(shop, ANA, 42, cart=["tea"])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    cli.config(
        "".join(
            f'[backends.{name}]\nurl = "file://{tmp_path}/{name}"\nlayout = "session-file-store"\n'
            f'store_secrets = ["{name} Secret-42 of the store"]\n'
            for name in ("one", "two")
        )
    )
    assert copy(cli, shop.url, "one").counts == {"copied": 1}
    assert copy(cli, "one", "two").counts == {"copied": 1}
    for name in ("one", "two"):
        (file,) = (tmp_path / name).iterdir()
        assert b"tea" not in file.read_bytes()
        assert there(cli, name)[ANA]["data"]["cart"] == ["tea"]
    assert copy(cli, "one", "two").counts == {"present": 1}


# -- conflicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "user", "outcome"),
    [("skip", "7", "kept"), ("overwrite", "42", "replaced"), ("newer", "7", "kept")],
)
def test_what_the_target_has_already(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine, word: str, user: str, outcome: str
) -> None:
    save(shop, ANA, 42)
    save(target, ANA, 7, left_ms=2 * HOUR_MS)
    result = copy(cli, shop.url, target.url, "--conflict", word)
    assert (there(cli, target.url)[ANA]["user"], result.counts) == (user, {outcome: 1})
    assert result.code == 0


def test_the_one_that_ends_later_is_the_newer_one(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42, left_ms=2 * HOUR_MS)
    save(target, ANA, 7)
    assert copy(cli, shop.url, target.url, "--conflict", "newer").counts == {"replaced": 1}


def test_one_that_is_over_in_the_target_is_as_good_as_absent(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    save(target, ANA, 7, left_ms=-HOUR_MS)
    assert copy(cli, shop.url, target.url).counts == {"replaced": 1}


def test_what_was_replaced_can_be_restored(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    save(target, ANA, 7)
    before = target.everything()
    result = copy(cli, shop.url, target.url, "--conflict", "overwrite", "-o", "json")
    (journal,) = cli.journals()
    assert result.json()["summary"]["journal"] == str(journal)
    assert "Undo: sessctl restore " in result.stderr
    assert cli("restore", journal, "-b", target.url, "--yes").counts == {"restored": 1}
    assert target.everything() == before


def test_running_it_again_goes_on(cli: Cli, shop: SqliteEngine, target: SqliteEngine) -> None:
    fill(shop, "m", 20)
    assert copy(cli, shop.url, target.url).counts == {"copied": 20}
    for number in range(7):
        target.drop(sid("m", number).encode())
    assert copy(cli, shop.url, target.url).counts == {"copied": 7, "present": 13}
    assert len(target.everything()) == 20


# -- move ------------------------------------------------------------------------------------------


def test_move_ends_at_the_source_what_stands_in_the_target(
    cli: Cli, store: Engine, target: SqliteEngine
) -> None:
    save(store, ANA, 42)
    save(store, BEN, 7)
    save(target, BEN, 8)  # another one: it stays at both
    before = store.everything()
    result = copy(cli, store.url, target.url, "--move", "-o", "jsonl")
    told = {one["sid"]: one["outcome"] for one in result.json_lines()[:-1]}
    assert told == {ANA: "moved", BEN: "kept"}
    assert [key.removeprefix(b"sess:") for key in store.everything()] == [BEN.encode()]
    journal = result.json_lines()[-1]["summary"]["journal"]
    assert cli("restore", journal, "-b", store.url, "--yes").counts == {"restored": 1}
    assert store.everything() == before


def test_what_an_earlier_copy_brought_over_moves_too(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    copy(cli, shop.url, target.url)
    assert copy(cli, shop.url, target.url, "--move").counts == {"moved": 1}
    assert shop.everything() == {}


def test_a_move_within_one_store_by_two_names_ends_nobody(cli: Cli, cache: RedisEngine) -> None:
    """Each session is found to be in the target; ending it at the source would end it for good."""
    for name in (ANA, BEN):
        save(cache, name, 42)
    before = cache.everything()
    result = copy(cli, cache.url.replace("127.0.0.1", "localhost"), cache.url, "--move")
    assert "they are one store by two names" in result.stderr
    assert (result.code, cache.everything()) == (4, before)


def test_a_copy_to_keys_within_the_source_is_refused(cli: Cli, cache: RedisEngine) -> None:
    """Its copies would be sessions of the source, to be copied again, and again."""
    save(cache, ANA, 42)
    result = copy(cli, cache.url, f"{cache.url}&prefix=sess:new:")
    assert (result.code, len(cache.everything())) == (2, 1)
    assert "keys of the target, 'sess:new:...', are keys of the source, too" in result.stderr
    assert copy(cli, cache.url, f"{cache.url}&prefix=new:").counts == {"copied": 1}


# -- plan, question, guards ------------------------------------------------------------------------


def test_a_dry_run_says_what_would_become_of_each_and_writes_nothing(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    save(shop, BEN, 7)
    save(target, BEN, 8)
    both = shop.everything(), target.everything()
    result = cli("copy", "-b", shop.url, "--to", target.url, "-n", "--conflict", "overwrite")
    assert result.counts == {"would-copy": 1, "would-replace": 1}
    moved = cli("copy", "-b", shop.url, "--to", target.url, "-n", "--move")
    assert moved.counts == {"would-move": 1, "kept": 1}
    assert "Nothing was changed." in result.stderr
    assert ((shop.everything(), target.everything()), cli.journals()) == (both, [])


def test_the_question_names_both(cli: Cli, shop: SqliteEngine, target: SqliteEngine) -> None:
    save(shop, ANA, 42)
    words = ("copy", "-b", shop.url, "--to", target.url)
    no = cli(*words, stdin="n\n", terminals=TERMINAL)
    assert "Copy 1 session from shop.db to target.db? [y/N]" in no.stderr
    nobody = cli(*words)
    assert (no.code, nobody.code, target.everything()) == (4, 4, {})
    assert ("--yes says that you mean it" in nobody.stderr, short_id(ANA) in no.stderr) == (
        True,
        True,
    )
    yes = cli(*words, stdin="y\n", terminals=TERMINAL)
    assert (yes.code, set(target.everything())) == (0, {ANA.encode()})


@pytest.mark.parametrize("move", [False, True])
def test_a_protected_side_wants_its_name(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine, *, move: bool
) -> None:
    save(shop, ANA, 42)
    cli.config(
        f'[backends.one]\nurl = "{shop.url}"\nprotected = {"true" if move else "false"}\n'
        f'[backends.two]\nurl = "{target.url}"\nprotected = {"false" if move else "true"}\n'
    )
    words = ("copy", "-b", "one", "--to", "two", "--yes", *(["--move"] if move else []))
    assert (cli(*words).code, target.everything()) == (4, {})
    assert cli(*words, "--confirm", "one" if move else "two").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "{shop}"], "the source and the target are one store"),
        (["--to", "{target}", "--conflict", "ask"], "no way 'ask' to settle a conflict"),
        (["--to", "nowhere"], "nowhere"),
        ([], "--to"),
    ],
)
def test_wrong_use(
    cli: Cli, shop: SqliteEngine, target: SqliteEngine, words: list[str], said: str
) -> None:
    given = [word.format(shop=shop.url, target=target.url) for word in words]
    result = cli("copy", "-b", shop.url, *given, "--yes")
    assert (result.stdout, result.code, said in result.stderr) == ("", 2, True)


def test_the_wrong_store_is_not_copied(cli: Cli, shop: SqliteEngine, target: SqliteEngine) -> None:
    shop.save(b"x", b'{"no":"session"}', now_ms() + HOUR_MS)
    result = copy(cli, shop.url, target.url)
    assert (result.code, target.everything()) == (4, {})
    assert "--force=wrong-store" in result.stderr


# -- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["json"], ["tsv", "--redact"], ["table"]], ids=" ".join)
def test_the_corpus_is_copied_and_told_harmlessly(
    cli: Cli, shop: SqliteEngine, folder: str, words: list[str]
) -> None:
    fill_with_corpus(shop)
    result = copy(cli, shop.url, folder, "-o", *words)
    assert_harmless(result, layout="\n\t" if words[0] == "tsv" else "\n")
    assert result.code == 5
    if words[0] == "json":
        files = list(Path(folder[7:].split("?")[0]).iterdir())
        assert result.json()["summary"]["copied"] == len(files)
    if "--redact" in words:
        ids = [line.split("\t")[0] for line in result.stdout.splitlines()[1:]]
        assert all("~" in name for name in ids)


def test_errors_are_json_where_json_is_wanted(cli: Cli, shop: SqliteEngine) -> None:
    result = copy(cli, shop.url, "redis://127.0.0.1:1/0?layout=connect-redis", "-o", "json")
    assert (json.loads(result.stderr)["error"]["code"], result.code) == ("store.unreachable", 3)
