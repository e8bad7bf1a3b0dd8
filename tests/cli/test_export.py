"""`export` and `import`: whole sessions as lines of JSON, and back into any store."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.core.signing import TimestampSigner

from sessctl import export_sessions, import_sessions
from sessctl.cli.items import SESSION_KEYS
from sessctl.serializers.django import STORED
from tests.cli.test_hostile_output import assert_harmless, fill_with_corpus
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, now_ms, save, sid, stored
from tests.support.engines import FilesEngine, SqliteEngine, with_layout
from tests.support.load_vectors import load_sqlite
from tests.support.vectors import VECTORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import RedisEngine
    from tests.support.run import Result

ANA, BEN, OLD = sid("a"), sid("b"), sid("o")


@pytest.fixture
def back(tmp_path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "back.db")
    yield engine
    engine.client.close()


def put(cli: Cli, url: str, *more: str, stdin: str = "") -> Result:
    name = "-" if stdin else "sessions.jsonl"
    return cli("import", name, "-b", url, "--yes", *more, stdin=stdin)


def export(cli: Cli, url: str) -> list[dict[str, Any]]:
    """To `sessions.jsonl`; its items."""
    result = cli("export", "-b", url, "--out-file", "sessions.jsonl")
    assert (result.stdout, result.code) == ("", 0)
    return [json.loads(line) for line in (cli.home / "sessions.jsonl").read_bytes().splitlines()]


def test_an_export_is_private_and_whole(cli: Cli, shop: SqliteEngine) -> None:
    raw = stored(42, token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl")
    shop.save(ANA.encode(), raw, now_ms() + HOUR_MS)
    (item,) = export(cli, shop.url)
    assert stat.S_IMODE((cli.home / "sessions.jsonl").stat().st_mode) == 0o600
    assert tuple(item) == SESSION_KEYS
    assert (item["sid"], item["extra"]["raw"]) == (ANA, raw.decode())
    assert item["data"]["token"].startswith("eyJ")
    piped = cli("export", "-b", shop.url, "--user", "42")
    assert (len(piped.json_lines()), piped.stderr, piped.code) == (1, "", 0)
    assert cli("export", "-b", shop.url, "-o", "csv").code == 2


def test_round_trip_over_four_engines(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine, back: SqliteEngine, tmp_path: Path
) -> None:
    """SQLite, Redis, files, Redis with another library's prefix, SQLite: the same to the byte."""
    texts = {"t": 'çay \u2028 \\ " \x7f', "n": [1.5, 10**20, None, {"": []}]}
    fill(shop, "s", 3)
    shop.save(ANA.encode(), stored(42, **texts), now_ms() + HOUR_MS + 7)
    (tmp_path / "files").mkdir()
    before = shop.everything()
    chain = [
        cache.url,
        with_layout(f"file://{tmp_path}/files", "session-file-store"),
        with_layout(cache.url.partition("?")[0].replace("/0", "/1"), "connect-redis")
        + "&prefix=x:",
        back.url,
    ]
    source = shop.url
    for target in chain:
        export(cli, source)
        result = put(cli, target)
        assert (result.counts, result.code) == ({"copied": 4}, 0), result.stderr
        source = target
    assert back.everything() == before


def test_a_pipe_is_imported_as_a_file_is(
    cli: Cli, shop: SqliteEngine, back: SqliteEngine, tmp_path: Path
) -> None:
    """`sessctl import <(ssh old sessctl export)`: it cannot be read twice."""
    save(shop, sid("a"), 42)
    exported = cli("export", "-b", shop.url).stdout.encode()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(exported,))
    writer.start()
    result = cli("import", pipe, "-b", back.url, "--yes")
    writer.join()
    assert (result.counts, back.everything()) == ({"copied": 1}, shop.everything())


def test_what_list_prints_can_be_imported(cli: Cli, shop: SqliteEngine, back: SqliteEngine) -> None:
    raw = stored(42, cart=["tea", 1.5])
    shop.save(ANA.encode(), raw, now_ms() + HOUR_MS)
    listed = cli("list", "-b", shop.url, "--data", "-o", "jsonl").stdout
    assert put(cli, back.url, stdin=listed).counts == {"copied": 1}
    assert back.everything() == shop.everything()
    bare = cli("list", "-b", shop.url, "-o", "jsonl").stdout
    result = put(cli, back.url, stdin=bare)
    assert (result.code, "`list` gives it with --data" in result.stderr) == (7, True)


def test_conflicts_are_settled_as_in_a_copy(
    cli: Cli, shop: SqliteEngine, back: SqliteEngine
) -> None:
    save(shop, ANA, 42)
    save(shop, OLD, 42, left_ms=-HOUR_MS)
    save(back, ANA, 7)
    export(cli, shop.url)
    before = back.everything()
    assert put(cli, back.url).counts == {"kept": 1, "lapsed": 1}
    dry = put(cli, back.url, "--conflict", "overwrite", "--dry-run")
    assert (dry.counts, back.everything()) == ({"would-replace": 1, "lapsed": 1}, before)
    assert put(cli, back.url, "--conflict", "overwrite").counts == {"replaced": 1, "lapsed": 1}
    assert cli("restore", "--last", "-b", back.url, "--yes").counts == {"restored": 1}
    assert back.everything() == before


def test_the_question(cli: Cli, shop: SqliteEngine, back: SqliteEngine) -> None:
    save(shop, ANA, 42)
    export(cli, shop.url)
    words = ("import", "sessions.jsonl", "-b", back.url)
    no = cli(*words, stdin="n\n", terminals=TERMINAL)
    assert ("Import 1 session into back.db? [y/N]" in no.stderr, no.code) == (True, 4)
    assert cli(*words).code == 4
    assert (cli(*words, stdin="y\n", terminals=TERMINAL).code, set(back.everything())) == (
        0, {ANA.encode()},
    )  # fmt: skip


BAD = [
    (b"nonsense", "not JSON"),
    (b"[1]", "not the item of a session"),
    (b"{}", "it has no session id"),
    (b'{"sid":"x","layout":"os:system"}', "of a layout that is not known here"),
    (b'{"sid":"x","layout":["connect-redis"]}', "of a layout that is not known here"),
    (b'{"sid":"\\ud800","layout":"connect-redis","data":{}}', "its id is no text"),
    (b'{"sid":"abcdef~012345","layout":"connect-redis","data":{}}', "its id is shortened"),
    (b'{"sid":"x","layout":"connect-redis","extra":{"raw_b64":"%"}}', "base64 in it is damaged"),
    (b'{"sid":"x","layout":"connect-redis","data":{},"extra":7}', "its end cannot be read"),
    (b'{"sid":"x","layout":"connect-redis","data":[],"state":"active"}', "it has no data"),
    (b'{"sid":"x","layout":"connect-redis","extra":{"raw":"{","serializer":"yaml"}}', "form"),
    (b'{"sid":"x","a":' + b"[" * 100_000, "deep"),
    (b"\xff\xfe", "not UTF-8"),
    (b'{"sid":"x\x00\x1b[31m', "not JSON"),
]


def test_a_bad_line_stops_no_other(cli: Cli, shop: SqliteEngine, back: SqliteEngine) -> None:
    save(shop, ANA, 42)
    save(shop, BEN, 42)
    export(cli, shop.url)
    path = cli.home / "sessions.jsonl"
    first, last = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, *(line for line, _ in BAD), b"", last, last]))
    result = put(cli, back.url, "-o", "jsonl")
    told = result.json_lines()
    failed = [one["reason"] for one in told if one.get("outcome") == "failed"]
    assert len(failed) == len(BAD), result.stderr
    for _, reason in BAD:
        assert any(reason in one for one in failed), (reason, failed)
    assert (told[-1]["summary"]["copied"], told[-1]["summary"]["present"], result.code) == (2, 1, 5)
    assert set(back.everything()) == {ANA.encode(), BEN.encode()}
    assert_harmless(result)


def test_a_line_without_end_is_read_in_pieces(
    cli: Cli, shop: SqliteEngine, back: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(shop, ANA, 42)
    export(cli, shop.url)
    good = (cli.home / "sessions.jsonl").read_bytes()
    monkeypatch.setattr("sessctl.admin.portable.MAX_LINE", 2_000)
    (cli.home / "sessions.jsonl").write_bytes(b"x" * 9_999 + b"\n" + good)
    result = put(cli, back.url, "-o", "jsonl")
    assert result.json_lines()[0]["reason"].startswith("line 1: longer than")
    assert (set(back.everything()), result.code) == ({ANA.encode()}, 5)


def test_redacted_exports_do_not_come_back(
    cli: Cli, shop: SqliteEngine, back: SqliteEngine
) -> None:
    save(shop, ANA, 42, token="a secret")
    result = cli("export", "-b", shop.url, "--redact")
    assert ("a secret" in result.stdout, ANA in result.stdout) == (False, False)
    again = put(cli, back.url, "-o", "json", stdin=result.stdout)
    assert (again.json()["summary"]["failed"], again.code, back.everything()) == (1, 7, {})
    assert "no line of it is a session" in again.stderr


def test_the_corpus_goes_out_and_comes_back(
    cli: Cli, shop: SqliteEngine, back: SqliteEngine
) -> None:
    fill_with_corpus(shop)
    items = export(cli, shop.url)
    shown = cli("export", "-b", shop.url, terminals=TERMINAL)
    assert_harmless(shown, layout="\n\x1b")
    result = put(cli, back.url, "-o", "json")
    assert_harmless(result)
    summary = result.json()["summary"]
    assert summary["copied"] + summary["failed"] == len(items)
    there = back.everything()
    assert {k: v for k, v in shop.everything().items() if k in there} == there
    assert summary["copied"] == len(there)


def test_a_missing_file(cli: Cli, back: SqliteEngine) -> None:
    result = put(cli, back.url)
    assert (result.stdout, result.code) == ("", 2)
    assert "cannot read sessions.jsonl (no such file or directory)" in result.stderr


def test_the_library_in_five_lines(shop: SqliteEngine, tmp_path: Path) -> None:
    save(shop, ANA, 42)
    files = FilesEngine(tmp_path / "files")
    with open(tmp_path / "out", "w+b") as file, shop.open() as store:
        assert export_sessions(store, file) == 1
        with files.open(write=True) as target:
            done = import_sessions(file, target, journals=tmp_path / "journals")
    assert (done.counts, done.complete) == ({"copied": 1}, True)


DJANGO_KEY = "correct horse battery staple"
DJANGO = TimestampSigner(key=DJANGO_KEY, salt=STORED, fallback_keys=[])


@pytest.fixture
def tables(cli: Cli, tmp_path: Path) -> Path:
    """Two tables of Django, the second one empty, as backends `old` and `new`; `keyless` is the
    second one without its secret."""
    found = json.loads((VECTORS / "stores" / "django-db.json").read_bytes())["raw"]
    load_sqlite(tmp_path / "old", found)
    load_sqlite(tmp_path / "new", found)
    with closing(sqlite3.connect(tmp_path / "new")) as db, db:
        db.execute("DELETE FROM django_session")
    secret = f'store_secrets = ["{DJANGO_KEY}"]\n'
    places = {"old": ("old", ""), "new": ("new", secret), "keyless": ("new", "")}
    cli.config(
        "".join(
            f'[backends.{name}]\nurl = "sqlite:///{tmp_path / file}"\nlayout = "django-db"\n{more}'
            for name, (file, more) in places.items()
        )
    )
    return tmp_path


@pytest.mark.parametrize(
    ("words", "target", "is_stored"),
    [
        (["export", "--all"], "keyless", True),  # the text as Django signed it
        (["export", "--all"], "new", True),
        (["list", "--data", "-o", "jsonl"], "new", True),
        (["list", "--data", "-o", "jsonl"], "keyless", False),
    ],
)
def test_what_django_signed_comes_back_signed_or_not_at_all(
    cli: Cli, tables: Path, words: list[str], target: str, *, is_stored: bool
) -> None:
    with closing(sqlite3.connect(tables / "old")) as db, db:
        db.execute("DELETE FROM django_session")
        row = ("a" * 32, DJANGO.sign_object({"_auth_user_id": "7"}), "2031-01-01 00:00:00")
        db.execute("INSERT INTO django_session VALUES (?, ?, ?)", row)
    lines = cli(*words, "-b", "old").stdout
    result = cli("import", "-", "-b", target, "--yes", stdin=lines)
    assert result.counts == ({"copied": 1} if is_stored else {"failed": 1}), result.stderr
    with closing(sqlite3.connect(tables / "new")) as db:
        texts = [text for (text,) in db.execute("SELECT session_data FROM django_session")]
    read = [DJANGO.unsign_object(text) for text in texts]
    assert read == ([{"_auth_user_id": "7"}] if is_stored else [])
    assert is_stored or "cannot be signed" in result.stderr
