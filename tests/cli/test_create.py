"""`create`: a session that is there, and the cookie that leads to it."""

from __future__ import annotations

import re
from http.cookiejar import MozillaCookieJar
from typing import TYPE_CHECKING

import pytest

from sessctl import Query, open_store, verify_cookie
from tests.support.cli import TERMINAL, now_ms, save, sid, stored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli
    from tests.support.engines import Engine, SqliteEngine
    from tests.support.run import Result

SECRET = "tortoise-and-hare-81"
ENV = {"APP_SECRET": SECRET}
A = sid("a")


def create(cli: Cli, engine: Engine, *words: str | Path, stdin: str = "") -> Result:
    secret = ("--secret-from", "env:APP_SECRET")
    return cli("create", *words, *secret, "-b", engine.url, stdin=stdin, env=ENV)


def listed(cli: Cli, engine: Engine) -> list[dict]:
    return cli("list", "--data", "-o", "jsonl", "-b", engine.url).json_lines()


@pytest.mark.parametrize(
    ("words", "data", "user"),
    [
        (['{"userId": 42}'], {"userId": 42}, "42"),
        (["userId:=42", "cart.sku=A7"], {"userId": 42, "cart": {"sku": "A7"}}, "42"),
        (["--user", "42"], {"passport": {"user": "42"}}, "42"),
        (["theme=dark", "--user", "ana"], {"theme": "dark", "passport": {"user": "ana"}}, "ana"),
        (["-"], {"from": "stdin"}, None),
    ],
)
def test_data_in_every_spelling(
    cli: Cli, store: Engine, words: list[str], data: dict, user: str | None
) -> None:
    result = create(cli, store, *words, stdin='{"from": "stdin"}')
    (item,) = listed(cli, store)
    assert (item["data"], item["user"], result.code) == (data, user, 0)
    assert re.fullmatch(r"[\w-]{32}", item["sid"])
    verdict = verify_cookie(result.stdout.rstrip("\n"), SECRET)
    assert (verdict.valid, verdict.decoded.sid) == (True, item["sid"])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('{"userId": 7}', {"userId": 42}),
        ('{"uid": "7"}', {"uid": "42"}),
        ('{"user": {"name": "bo", "id": 7}}', {"user": {"id": 42}}),
        ('{"cart": []}', {"passport": {"user": "42"}}),
    ],
)
def test_the_user_stands_where_other_sessions_have_theirs(
    cli: Cli, shop: SqliteEngine, theirs: str, ours: dict
) -> None:
    create(cli, shop, theirs, "--sid", A)
    create(cli, shop, "--user", "42")
    (made,) = [item for item in listed(cli, shop) if item["sid"] != A]
    assert (made["data"], made["user"]) == (ours, "42")


def test_it_is_written_as_the_library_writes_it(cli: Cli, shop: SqliteEngine) -> None:
    """Without a lifetime for the browser's session, with one to the instant."""
    create(cli, shop, "a=b", "--sid", A)
    assert shop.everything()[A.encode()][0] == (
        b'{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"a":"b"}'
    )
    (item,) = listed(cli, shop)
    assert 86_300 < item["ttl_s"] <= 86_400
    create(cli, shop, "a=b", "--sid", "other", "--ttl", "2h")
    (other,) = [one for one in listed(cli, shop) if one["sid"] == "other"]
    cookie = other["extra"]["cookie"]
    assert (cookie["originalMaxAge"], cookie["expires"]) == (7_200_000, other["expires_at"])


def test_the_item_is_a_session_with_its_cookies(cli: Cli, store: Engine) -> None:
    result = create(cli, store, "--user", "42", "-o", "json")
    document = result.json()
    (item,) = document["items"]
    (seen,) = listed(cli, store)
    cookies = item.pop("cookies")
    assert document["kind"] == "SessionList"
    assert {**item, "ttl_s": 0, "backend": ""} == {**seen, "ttl_s": 0, "backend": ""}
    assert list(item) == list(seen)
    assert [one["name"] for one in cookies] == ["connect.sid"]
    assert verify_cookie(cookies[0]["value"], SECRET).decoded.sid == item["sid"]


def test_forms_for_the_next_tool(cli: Cli, shop: SqliteEngine, tmp_path: Path) -> None:
    header = create(cli, shop, "a=1", "-o", "header").stdout
    assert header.startswith("Cookie: connect.sid=s%3A")
    assert create(cli, shop, "a=1", "-o", "curl").stdout.startswith("curl --cookie connect.sid=")
    name = create(cli, shop, "a=1", "-o", "name").stdout.rstrip()
    assert name in {one["sid"] for one in listed(cli, shop)}
    (cookie,) = create(cli, shop, "a=1", "-o", "playwright", "--ttl", "1h").json()["cookies"]
    assert abs(cookie["expires"] - now_ms() / 1000 - 3600) < 30
    target = tmp_path / "cookies.txt"
    create(cli, shop, "a=1", "--ttl", "1h", "-o", "cookies-txt", "--out-file", target)
    jar = MozillaCookieJar(target)
    jar.load()
    assert [one.name for one in jar] == ["connect.sid"]


def test_an_id_that_is_taken_stays_as_it_is(cli: Cli, store: Engine) -> None:
    save(store, A, 42)
    before = store.everything()
    for words in (["x=y"], ["--user", "42"]):
        result = create(cli, store, *words, "--sid", A)
        assert (result.stdout, result.code) == ("", 4)
        assert "already" in result.stderr
        assert A not in result.stderr
    assert store.everything() == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "no data for the session"),
        (["[1]"], "is not KEY=VALUE"),
        (["{oops"], "the data is not JSON"),
        (['{"cookie": {}}'], "'cookie' belongs to connect-sqlite3"),
        (['{"a": {"__bytes__": "AA=="}}'], "JSON has no place for __bytes__"),
        (['{"a": NaN}'], "the data is not JSON"),
        (["a=1", "--name", "x y;"], "cannot be a cookie's name"),
        (["a=1", "-o", "selenium"], "playwright"),
    ],
)
def test_wrong_use_writes_nothing(
    cli: Cli, shop: SqliteEngine, words: list[str], what: str
) -> None:
    result = create(cli, shop, *words)
    assert (result.stdout, result.code) == ("", 2)
    assert what in result.stderr
    assert shop.everything() == {}


def test_without_a_secret_nothing_is_written(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("create", "a=1", "-b", shop.url)
    assert (result.stdout, result.code) == ("", 2)
    assert "no secret to sign with" in result.stderr
    assert "--secret-from env:NAME" in result.stderr
    assert shop.everything() == {}


def test_a_dry_run_shows_the_plan(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42)
    before = shop.everything()
    result = create(cli, shop, "--user", "42", "--dry-run")
    assert (result.stdout, result.code) == ("", 0)
    assert "Would create 1 session. Nothing was changed." in result.stderr
    assert shop.everything() == before


def test_a_store_of_something_else_is_refused(cli: Cli, cache: Engine) -> None:
    cache.save(b"x", b'{"job":1}', now_ms() + 60_000)
    refused = create(cli, cache, "a=1")
    assert ("--force=wrong-store" in refused.stderr, refused.code) == (True, 4)
    assert create(cli, cache, "a=1", "--force=wrong-store").code == 0


def test_koa_and_fastify_have_ids_and_dates_of_their_own(cli: Cli, cache: Engine) -> None:
    url = cache.url.replace("connect-redis", "koa-session") + "&prefix=app:"
    koa = cli("create", "--user", "42", "-o", "json", "--secret", "x" * 32, "-b", url).json()
    (item,) = koa["items"]
    assert re.fullmatch(r"app:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", item["sid"])
    assert item["extra"]["_maxAge"] == 86_400_000
    ends = cache.client.pexpiretime(item["sid"])
    assert ends - item["extra"]["_expire"] == 10_000  # the key outlives its session
    assert [one["name"] for one in item["cookies"]] == ["koa.sess", "koa.sess.sig"]
    url = cache.url.replace("connect-redis", "fastify-session")
    fastify = cli("create", "--user", "42", "-o", "json", "--secret", "x" * 32, "-b", url).json()
    (item,) = fastify["items"]
    assert item["extra"]["cookie"]["originalMaxAge"] is None
    assert [one["name"] for one in item["cookies"]] == ["sessionId"]


def test_redacted_it_gives_no_login_away(cli: Cli, shop: SqliteEngine) -> None:
    result = create(cli, shop, "--user", "42", "-o", "json", "--redact")
    (item,) = result.json()["items"]
    assert item["cookies"] == [{"name": "connect.sid", "value": "***"}]
    with open_store(shop.url) as opened:
        (made,) = opened.scan(Query())
    assert made.sid not in result.stdout + result.stderr


def test_a_person_at_a_terminal_is_told_whose_it_is(cli: Cli, shop: SqliteEngine) -> None:
    shop.save(A.encode(), stored(1), now_ms() + 60_000)
    result = cli("create", "--user", "4\x1b[2J2", "--secret", SECRET, "-b", shop.url,
                 terminals=TERMINAL)  # fmt: skip
    assert "\\x1b[2J" in result.stderr
    assert "\x1b[2J" not in result.stdout + result.stderr
    assert verify_cookie(result.stdout.rstrip("\n"), SECRET).valid
