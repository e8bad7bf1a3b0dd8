"""The Express peer behaves like the applications it stands for; no sessctl in here.

When a proof against the peer fails, this file tells whether the peer or sessctl is to blame.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from redis import Redis

from tests.support.express import ExpressApp
from tests.support.mariadb import MariaServer
from tests.support.npm import PEERS, express_modules, program
from tests.support.postgres import PostgresServer
from tests.support.servers import RedisServer
from tests.support.sql_engines import MariaEngine, PostgresEngine

# What the other tests rely on; it changes only when a library or the peer does.
pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from pathlib import Path

Factory = Callable[..., ExpressApp]


@pytest.fixture(params=["redis", "sqlite", "postgres", "mysql"])
def express(request: pytest.FixtureRequest) -> Factory:
    """The same promises on every store."""
    factory: Factory = request.getfixturevalue(f"express_{request.param}")
    return factory


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.mark.parametrize("user", [7, "ana", "64b7f0c2a1", {"id": 1, "role": "admin"}])
def test_login_is_remembered_until_logout(express: Factory, user: Any) -> None:
    browser = express().browser()
    assert browser.get("/me").json["user"] is None
    assert browser.post("/login", {"user": user}).json["user"] == user
    assert browser.get("/me").json["user"] == user
    assert browser.get("/session").json["passport"] == {"user": user}
    assert browser.post("/logout").status == 200
    assert browser.get("/me").json["user"] is None


def test_login_changes_the_session_id(express: Factory) -> None:
    """Passport regenerates the session, so an old cookie is worth nothing."""
    browser = express().browser()
    browser.get("/views")
    before = browser.get("/touch").json["sid"]
    browser.post("/login", {"user": 1})
    assert browser.get("/touch").json["sid"] != before


def test_views_cart_and_flash(express: Factory) -> None:
    browser = express().browser()
    assert [browser.get("/views").json["views"] for _ in range(3)] == [1, 2, 3]
    browser.post("/cart", {"item": "apple", "qty": 2})
    browser.post("/cart", {"item": "çay", "qty": 1})
    assert browser.get("/cart").json["cart"] == [
        {"item": "apple", "qty": 2},
        {"item": "çay", "qty": 1},
    ]
    browser.post("/flash", {"type": "info", "message": "Saved"})
    assert browser.get("/flash").json["flash"] == {"info": ["Saved"]}
    assert browser.get("/flash").json["flash"] == {}
    browser.post("/data", {"theme": "dark", "cookie": "ignored"})
    assert browser.get("/session").json["theme"] == "dark"


def test_cookie_outlives_the_app(express: Factory) -> None:
    """The store, not the process, holds the session: a restarted app takes the cookie again."""
    first, second = express(), express()
    browser, other = first.browser(), second.browser()
    browser.get("/views")
    first.stop()
    other.cookies = browser.cookies
    assert other.get("/views").json["views"] == 2


def test_cookie_is_signed_by_the_first_secret_and_taken_by_all(express: Factory) -> None:
    old, new = express(secrets=["old"]), express(secrets=["new", "old"])
    browser = old.browser()
    browser.get("/views")
    sid, _, signature = unquote(browser.cookie()).removeprefix("s:").rpartition(".")
    mac = hmac.digest(b"old", sid.encode(), hashlib.sha256)
    assert signature == b64encode(mac).decode().rstrip("=")
    browser.port = new.port
    assert browser.get("/views").json["views"] == 2


def test_forged_cookie_gets_a_new_session(express: Factory) -> None:
    browser = express().browser()
    browser.get("/views")
    browser.cookies["connect.sid"] = browser.cookie()[:-3] + "AAA"
    assert browser.get("/views").json["views"] == 1


def test_options_reach_express_session(express: Factory) -> None:
    browser = express(name="app.sid", cookie={"maxAge": 60_000, "sameSite": "lax"}).browser()
    line = browser.get("/views").set_cookie[0]
    assert line.startswith("app.sid=s%3A")
    assert "SameSite=Lax" in line
    # express-session reads its clock twice while it makes a cookie: 1 ms may go.
    assert 59_990 <= browser.get("/session").json["cookie"]["originalMaxAge"] <= 60_000
    answer = browser.post("/maxage", {"ms": None})
    assert answer.json["cookie"]["expires"] is None


def test_redis_key_and_ttl(express_redis: Factory, redis: Redis) -> None:
    browser = express_redis(prefix="shop:", cookie={"maxAge": 100_000}).browser()
    browser.post("/login", {"user": 7})
    sid = browser.get("/me").json["sid"]
    assert redis.keys("*") == [f"shop:{sid}"]
    assert 90 < int(redis.ttl(f"shop:{sid}")) <= 100
    assert json.loads(str(redis.get(f"shop:{sid}")))["passport"] == {"user": 7}


@pytest.mark.parametrize(
    ("options", "ttl_s"), [({}, 86400), ({"ttl": 50}, 50), ({"disableTTL": True}, -1)]
)
def test_redis_ttl_without_cookie_expiry(
    express_redis: Factory, redis: Redis, options: dict[str, Any], ttl_s: int
) -> None:
    browser = express_redis(**options).browser()
    browser.get("/views")
    sid = browser.get("/me").json["sid"]
    assert ttl_s - 5 <= int(redis.ttl(f"sess:{sid}")) <= ttl_s


@pytest.mark.parametrize("wal", [False, True])
def test_sqlite_row(express_sqlite: Factory, sqlite_path: Path, wal: bool) -> None:
    browser = express_sqlite(table="web", concurrentDb=wal, cookie={"maxAge": 100_000}).browser()
    browser.get("/views")
    sid = browser.get("/me").json["sid"]
    with closing(sqlite3.connect(sqlite_path)) as db:
        rows = db.execute("SELECT sid, typeof(expired), expired, sess FROM web").fetchall()
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    # npm's sqlite3 binds what exceeds 32 bits as a float, so these milliseconds are REAL.
    assert [row[:2] for row in rows] == [(sid, "real")]
    assert 90_000 < rows[0][2] - time.time() * 1000 <= 100_000
    assert json.loads(rows[0][3])["views"] == 1
    assert mode == ("wal" if wal else "delete")


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_postgres_row(
    express_postgres: Factory, postgres_server: PostgresServer, zone: str | None
) -> None:
    """`expire` is what a clock on the wall of the connection's zone shows."""
    if zone:
        postgres_server.query(f"ALTER DATABASE shop SET timezone = '{zone}'")
    browser = express_postgres(table="web", cookie={"maxAge": 100_000}).browser()
    browser.get("/views")
    sid = browser.get("/me").json["sid"]
    rows = postgres_server.query(
        "SELECT sid, sess->>'views', pg_typeof(sess)::text, pg_typeof(expire)::text,"
        " extract(epoch from expire::timestamptz) - extract(epoch from now()),"
        " extract(microseconds from expire)::int % 1000000 FROM web"
    )
    assert [row[:4] for row in rows] == [(sid, "1", "json", "timestamp without time zone")]
    assert 90 < rows[0][4] <= 101
    assert rows[0][5] == 0  # whole seconds, rounded up


def test_mysql_row(express_mysql: Factory, maria_server: MariaServer) -> None:
    browser = express_mysql(
        table="web", columnNames={"session_id": "id", "data": "body"}, cookie={"maxAge": 100_000}
    ).browser()
    browser.get("/views")
    sid = browser.get("/me").json["sid"]
    ((id_, left_s, body),) = maria_server.query(
        "SELECT id, CAST(expires AS SIGNED) - UNIX_TIMESTAMP(), body FROM web"
    )
    assert id_ == sid
    assert 90 < left_s <= 101
    assert json.loads(body)["views"] == 1


@pytest.mark.parametrize(
    ("path", "disable", "moves"),
    [("/touch", None, True), ("/views", None, True), ("/touch", True, False)],
)
def test_postgres_touch_moves_the_column_only(
    express_postgres: Factory,
    postgres_server: PostgresServer,
    path: str,
    disable: bool | None,
    moves: bool,
) -> None:
    """The date in the value stays what it was at the session's birth.

    A session that a request saves by itself (`/views`) is written with the date it was read with;
    only afterwards does express-session move it on, and that is a touch.
    """
    browser = express_postgres(cookie={"maxAge": 100_000}, disableTouch=disable).browser()
    browser.get("/views")
    postgres_server.query("UPDATE session SET expire = expire - interval '20 seconds'")
    look = "SELECT expire, sess->'cookie'->>'expires' FROM session"
    ((expire, inner),) = postgres_server.query(look)
    browser.get(path)
    ((later, inner_later),) = postgres_server.query(look)
    assert (later > expire, inner_later) == (moves, inner)


@pytest.mark.parametrize(
    ("path", "disable", "moves"),
    [("/touch", None, True), ("/views", None, True), ("/touch", True, False)],
)
def test_mysql_touch_moves_the_column_only(
    express_mysql: Factory, maria_server: MariaServer, path: str, disable: bool | None, moves: bool
) -> None:
    browser = express_mysql(cookie={"maxAge": 100_000}, disableTouch=disable).browser()
    browser.get("/views")
    maria_server.query("UPDATE sessions SET expires = expires - 20")
    look = "SELECT expires, JSON_VALUE(data, '$.cookie.expires') FROM sessions"
    ((expires, inner),) = maria_server.query(look)
    browser.get(path)
    ((later, inner_later),) = maria_server.query(look)
    assert (later > expires, inner_later) == (moves, inner)


def test_postgres_expired_row_is_not_read_and_stays(
    express_postgres: Factory, postgres_server: PostgresServer
) -> None:
    browser = express_postgres().browser()
    browser.get("/views")
    postgres_server.query("UPDATE session SET expire = now() - interval '2 seconds'")
    assert browser.get("/session").json.get("views") is None
    assert postgres_server.query("SELECT count(*) FROM session") == [(1,)]


def test_mysql_expired_row_is_not_read_and_stays(
    express_mysql: Factory, maria_server: MariaServer
) -> None:
    browser = express_mysql().browser()
    browser.get("/views")
    maria_server.query("UPDATE sessions SET expires = UNIX_TIMESTAMP() - 2")
    assert browser.get("/session").json.get("views") is None
    assert maria_server.query("SELECT count(*) FROM sessions") == [(1,)]


@pytest.mark.parametrize("ttl_s", [None, 50])
def test_sql_ttl_without_cookie_expiry(
    express_postgres: Factory,
    postgres_server: PostgresServer,
    express_mysql: Factory,
    maria_server: MariaServer,
    ttl_s: int | None,
) -> None:
    express_postgres(ttl=ttl_s).browser().get("/views")
    express_mysql(expiration=ttl_s and ttl_s * 1000).browser().get("/views")
    look = "SELECT extract(epoch from expire::timestamptz) - extract(epoch from now()) FROM session"
    ((postgres_left_s,),) = postgres_server.query(look)
    ((mysql_left_s,),) = maria_server.query("SELECT expires - UNIX_TIMESTAMP() FROM sessions")
    expected = ttl_s or 86400
    assert expected - 10 < postgres_left_s <= expected + 1
    assert expected - 10 < mysql_left_s <= expected + 1


def test_sql_over_tls() -> None:
    with (
        PostgresServer(tls=True) as server,
        ExpressApp(store="pg", pgUrl=server.url, pgCa=str(server.ca_file), secrets=["x"]) as app,
    ):
        assert app.browser().get("/views").json == {"views": 1}
    with (
        MariaServer(tls=True) as maria,
        ExpressApp(
            store="mysql", mysqlUrl=maria.url, mysqlCa=str(maria.ca_file), secrets=["x"]
        ) as app,
    ):
        assert app.browser().get("/views").json == {"views": 1}


@pytest.mark.parametrize(
    ("kind", "store", "url"),
    [(PostgresServer, "pg", "pgUrl"), (MariaServer, "mysql", "mysqlUrl")],
    ids=["postgres", "mysql"],
)
def test_dead_sql_server_is_500_and_a_new_one_is_taken(
    kind: type[PostgresServer | MariaServer], store: str, url: str
) -> None:
    with kind() as server, ExpressApp(store=store, secrets=["x"], **{url: server.url}) as app:
        browser = app.browser()
        browser.get("/views")
        server.kill()
        answer = browser.get("/views")
        assert answer.status == 500
        assert answer.json["error"]
        server.restart()
        assert browser.get("/views").json == {"views": 2}


@pytest.mark.parametrize(("change", "survives"), [("yes", True), ("no", False)])
def test_request_in_flight_brings_a_deleted_session_back(
    express_redis: Factory, redis: Redis, change: str, survives: bool
) -> None:
    """The race that an admin tool has to tell its users about."""
    browser = express_redis().browser()
    browser.get("/views")
    slow = Thread(target=browser.get, args=[f"/slow?ms=600&change={change}"])
    slow.start()
    time.sleep(0.2)  # nothing outside the app shows that it has loaded the session
    redis.flushall()
    slow.join()
    assert len(redis.keys("*")) == survives


def test_store_errors_are_500(express_sqlite: Factory, sqlite_path: Path) -> None:
    app = express_sqlite()
    browser = app.browser()
    browser.get("/views")
    with closing(sqlite3.connect(sqlite_path)) as db:
        db.execute("DROP TABLE sessions")
    answer = browser.get("/views")
    assert (answer.status, answer.json) == (500, {"error": "SQLITE_ERROR: no such table: sessions"})


def test_dead_redis_is_500_at_once() -> None:
    with (
        RedisServer() as server,
        ExpressApp(store="redis", redisUrl=server.url, secrets=["x"]) as app,
    ):
        browser = app.browser()
        browser.get("/views")
        server.kill()
        answer = browser.get("/views")
    assert answer.status == 500
    assert answer.json["error"]


@pytest.mark.parametrize(
    "options",
    [{"password": "p w/@:%"}, {"tls": True}, {"tls": True, "password": "x"}],
    ids=["password", "tls", "tls-password"],
)
def test_redis_with_password_and_tls(options: dict[str, Any]) -> None:
    with RedisServer(**options) as server:
        ca = str(server.ca_file) if server.tls else None
        with ExpressApp(store="redis", redisUrl=server.url, redisCa=ca, secrets=["x"]) as app:
            assert app.browser().get("/views").json == {"views": 1}
        assert server.cli("DBSIZE") == "1"


def test_redis_users_and_socket() -> None:
    reader = "user reader on >pw ~sess:* +@read +@connection"
    with (
        RedisServer(acl=[reader], unixsocket=True) as server,
        Redis.from_url(server.url_for("reader", "pw"), decode_responses=True) as client,
    ):
        server.cli("SET", "sess:a", "1")
        assert client.get("sess:a") == "1"
        with pytest.raises(Exception, match="no permissions"):
            client.delete("sess:a")


def test_app_ends_with_its_stdin(express_redis: Factory) -> None:
    app = express_redis()
    assert app._process.stdin is not None
    app._process.stdin.close()
    assert app._process.wait(timeout=10) == 0


@pytest.mark.parametrize(("action", "left"), [("list", 3), ("purge", 2)])
def test_all_js_lists_and_purges(redis_url: str, redis: Redis, action: str, left: int) -> None:
    for sid, expires in [("a", None), ("b", "2001-01-01T00:00:00.000Z"), ("c", "2999-01-01")]:
        redis.set(f"sess:{sid}", json.dumps({"cookie": {"expires": expires}}))
    done = subprocess.run(
        [program("node"), str(PEERS / "express" / "all.js"), action, redis_url],
        env={**os.environ, "NODE_PATH": str(express_modules())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(redis.keys("*")) == left
    assert len(done.stdout.splitlines()) == (3 if action == "list" else 0)
    report = json.loads(done.stderr.splitlines()[-1])
    assert (report["sessions"], report["destroyed"]) == (3, 3 - left)
    assert report["rss_bytes"] > 1_000_000


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_sql_engines_of_the_tests_write_what_the_libraries_write(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """The app reads, renews and destroys a session that `tests.support.sql_engines` has written."""
    express = request.getfixturevalue(f"express_{kind}")
    engine: PostgresEngine | MariaEngine
    if kind == "postgres":
        engine = PostgresEngine(request.getfixturevalue("postgres_server"))
    else:
        engine = MariaEngine(request.getfixturevalue("maria_server"))
    with closing(engine.client):
        browser = express(cookie={"maxAge": 100_000}).browser()
        browser.get("/views")
        ((sid, (raw, expiry)),) = engine.everything().items()
        ends_ms = int(time.time() * 1000) + 50_000
        engine.drop(sid)
        assert engine.everything() == {}
        engine.save(sid, raw.replace(b'"views":1', b'"views":41'), ends_ms)
        ((_, moved),) = engine.everything().values()
        assert moved < expiry
        assert browser.get("/views").json == {"views": 42}
        ((_, renewed),) = engine.everything().values()
        assert renewed >= expiry
        engine.touch(sid, 1000)
        assert browser.get("/views").json == {"views": 1}
        assert sid in engine.everything()
