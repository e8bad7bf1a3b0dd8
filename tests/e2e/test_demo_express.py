"""The demo's session middleware decides as express-session does, and shares its stores.

The same requests go to the real Express peer and to ours. Compared are every `Set-Cookie` line,
what the handler saw, and what stands in the store after each request: written anew, only moved, or
left alone. Ids, signatures and clocks are the only things that may differ.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from sessctl import open_store, sign_cookie, verify_cookie
from sessctl.demo.express.stores import MemoryStore, RedisStore, SqliteStore
from sessctl.session import Query
from tests.support.acts import ActsApp
from tests.support.cli import HOUR_MS
from tests.support.engines import with_layout
from tests.support.express import ExpressApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.express import Browser

    App = ExpressApp | ActsApp
    Act = list[Any]

SECRETS = ["keyboard cat"]


class Observer:
    """One app with its SQLite file; says what a request did, in words without ids and clocks."""

    def __init__(self, app: App, database: Path | None) -> None:
        self.browser = app.browser()
        self._database = database
        self._names: dict[str, str] = {}
        self._rows: dict[str, tuple[int, float]] = {}

    def act(self, acts: list[Act], path: str = "/act") -> dict[str, Any]:
        answer = self.browser.post(path, acts)
        seen = answer.json
        return {
            "status": answer.status,
            "sid": self._name(seen["sid"]),
            "data": seen["data"],
            "cookies": [self._line(line) for line in answer.set_cookie],
            "store": self._stored(),
        }

    def _name(self, sid: str | None) -> str | None:
        return None if sid is None else self._names.setdefault(sid, f"sid {len(self._names) + 1}")

    def _line(self, line: str) -> str:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        sid = unquote(value).removeprefix("s:").rpartition(".")[0]
        return "; ".join([f"{name}={self._name(sid)}", *map(_without_clock, attributes)])

    def _stored(self) -> dict[str | None, Any]:
        """Each row: the data, the cookie, and whether it was written, moved or left."""
        if self._database is None:
            return {}
        with closing(sqlite3.connect(self._database)) as db:
            rows = db.execute("SELECT rowid, sid, expired, sess FROM sessions").fetchall()
        found = {}
        for rowid, sid, expired, text in rows:
            before = self._rows.get(sid, (0, 0.0))
            data = json.loads(text)
            cookie = data.pop("cookie")
            cookie["expires"] = _left_s(cookie["expires"])
            if cookie["originalMaxAge"] is not None:  # node reads its clock twice: 1 ms may go
                cookie["originalMaxAge"] = round(cookie["originalMaxAge"], -3)
            what = "left" if before == (rowid, expired) else "moved"
            if before[0] != rowid:
                what = "written"
            left_s = _rounded(expired / 1000 - time.time())
            # The row's number tells how often it was written: each time takes the next one.
            found[self._name(sid)] = (what, rowid, left_s, list(cookie.items()), data)
            self._rows[sid] = (rowid, expired)
        return found


def _without_clock(attribute: str) -> str:
    name, _, value = attribute.partition("=")
    if name != "Expires":
        return attribute
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", value)
    return f"Expires in {_rounded(parsedate_to_datetime(value).timestamp() - time.time())}"


def _left_s(text: str | None) -> int | None:
    if text is None:
        return None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return _rounded(datetime.fromisoformat(text).timestamp() - datetime.now(UTC).timestamp())


def _rounded(seconds: float) -> int:
    """To five minutes: a busy machine may take long, and the ages in use are hours."""
    return round(seconds / 300) * 300


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Callable[..., tuple[Observer, Observer]]]:
    """Start Express and ours with the same options, each on an SQLite file of its own."""
    with ExitStack() as running:

        def start(**options: Any) -> tuple[Observer, Observer]:
            options = {"secrets": SECRETS, **options}
            where = {"dir": str(tmp_path), "db": "theirs"}
            theirs = running.enter_context(ExpressApp(store="sqlite3", **where, **options))
            store = SqliteStore(tmp_path / "ours")
            ours = running.enter_context(ActsApp(store, **options))
            return Observer(theirs, tmp_path / "theirs"), Observer(ours, tmp_path / "ours")

        yield start


def assert_alike(pair: tuple[Observer, Observer], script: list[list[Act]]) -> None:
    theirs, ours = pair
    for number, acts in enumerate(script, 1):
        expected = theirs.act(acts)
        assert ours.act(acts) == expected, f"request {number} of {script}"


# Every act on a new session and on a stored one, alone and with a change before or after it.
SCRIPT: list[list[Act]] = [
    [],
    [["set", "views", 1]],
    [],
    [["set", "views", 1]],
    [["set", "views", 2], ["save"]],
    [["save"], ["set", "views", 3]],
    [["save"]],
    [["touch"]],
    [["maxAge", 2 * HOUR_MS]],
    [["maxAge", 2 * HOUR_MS], ["set", "views", 4]],
    [],
    [["maxAge", None], ["set", "views", 5]],
    [],
    [["set", "gone", True], ["reload"]],
    [["reload"], ["set", "views", 6]],
    [["set", "views", 7], ["delete", "views"]],
    [["regenerate"]],
    [["set", "cart", [{"item": "tea", "price": 7.9}]], ["regenerate"]],
    [["regenerate"], ["set", "user", {"name": "Søren \u2028 \U0001f375"}]],
    [["regenerate"], ["set", "a", 1], ["save"], ["set", "b", 2]],
    [["regenerate"], ["save"], ["reload"], ["save"]],
    [["unset"]],
    [],
    [["set", "views", 8]],
    [["destroy"]],
    [],
    [["set", "views", 9]],
    [["save"], ["destroy"]],
    [["save"]],
    [["destroy"]],
    [["regenerate"], ["destroy"]],
    [["set", "views", 10], ["save"]],
    [["regenerate"], ["set", "views", 11], ["save"]],
]

SWITCHES = list(product([False, True], [False, True], [False, True], [None, HOUR_MS]))


@pytest.mark.parametrize(
    ("resave", "uninitialized", "rolling", "age"),
    SWITCHES,
    ids=[
        "-".join(
            word
            for word, is_on in zip(
                ("resave", "uninitialized", "rolling", "age"), given, strict=True
            )
            if is_on
        )
        or "none"
        for given in SWITCHES
    ],
)
def test_every_switch_decides_alike(
    pair: Any, resave: bool, uninitialized: bool, rolling: bool, age: int | None
) -> None:
    options = {"resave": resave, "saveUninitialized": uninitialized, "rolling": rolling}
    cookie = {} if age is None else {"maxAge": age}
    unset = "destroy" if resave is rolling else None  # both, without twice the runs
    chance = random.Random(f"{resave} {uninitialized} {rolling} {age}")
    by_chance = [chance.choices(_PALETTE, k=chance.randrange(4)) for _ in range(30)]
    assert_alike(pair(**options, cookie=cookie, unset=unset), SCRIPT + by_chance)


_PALETTE: list[Act] = [
    ["set", "views", 1],
    ["set", "views", 2],
    ["set", "name", "Mara"],
    ["delete", "views"],
    ["save"],
    ["touch"],
    ["regenerate"],
    ["destroy"],
    ["unset"],
    ["maxAge", HOUR_MS],
    ["maxAge", None],
]

COOKIES: list[dict[str, Any]] = [
    {"httpOnly": False, "path": "/", "sameSite": True},
    {"sameSite": "lax", "domain": "shop.example", "priority": "high"},
    {"sameSite": "none", "partitioned": True, "maxAge": HOUR_MS},
    {"sameSite": False, "secure": False},
    {"secure": True},
    {"secure": "auto", "sameSite": "auto"},
]


@pytest.mark.parametrize("cookie", COOKIES, ids=lambda cookie: " ".join(cookie))
def test_every_attribute_is_written_alike(pair: Any, cookie: dict[str, Any]) -> None:
    script: list[list[Act]] = [[["set", "a", 1]], [], [["set", "a", 2]], [["regenerate"]]]
    assert_alike(pair(cookie=cookie, rolling=True), script)


def test_outside_of_the_cookie_s_path_there_is_no_session(pair: Any) -> None:
    theirs, ours = pair(cookie={"path": "/shop"})
    for path in ("/act", "/shop/act", "/act", "/shop/act"):
        assert ours.act([["set", "a", 1]], path) == theirs.act([["set", "a", 1]], path)


def test_a_cookie_of_another_name(pair: Any) -> None:
    assert_alike(pair(name="shop.sid"), [[["set", "a", 1]], [], [["set", "a", 2]]])


FORGED: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "in quotes": lambda value: f'"{value}"',
    "decoded": unquote,
    "encoded twice": lambda value: value.replace("%", "%25"),
    "another signature": lambda value: value[:-3] + "abc",
    "no signature": lambda value: value.partition(".")[0],
    "no mark": lambda value: value.removeprefix("s%3A"),
    "with a blank": lambda value: f" {value} ",
    "padded": lambda value: value + "%3D",
    "empty": lambda value: "",
    "bad escape": lambda value: value + "%zz",
    "twice, good first": lambda value: f"{value}; connect.sid=x",
    "twice, bad first": lambda value: f"x; connect.sid={value}",
    "after rubbish": lambda value: f"; =; a; b=1; connect.sid={value}",
}


@pytest.mark.parametrize("how", FORGED)
def test_a_cookie_is_believed_alike(pair: Any, how: str) -> None:
    theirs, ours = pair()
    for one in (theirs, ours):
        one.act([["set", "views", 1]])
        one.browser.cookies["connect.sid"] = FORGED[how](one.browser.cookies["connect.sid"])
        if how == "after rubbish":
            value = one.browser.cookies.pop("connect.sid")
            one.browser.cookies["x"] = value
    assert_alike((theirs, ours), [[["set", "more", 1]]])


def test_a_retired_secret_still_verifies_and_no_longer_signs(pair: Any) -> None:
    theirs, ours = pair(secrets=["new", "old"])
    for one in (theirs, ours):
        one.act([["set", "views", 1]])
        value = one.browser.cookies["connect.sid"]
        assert verify_cookie(value, ["new", "old"]).key_index == 0
        sid = unquote(value)[2:].rpartition(".")[0]
        one.browser.cookies["connect.sid"] = sign_cookie(sid, "old")[0].value
    assert_alike((theirs, ours), [[], [["set", "views", 2]]])


def test_keys_that_every_javascript_object_has_are_left_out(pair: Any, tmp_path: Path) -> None:
    theirs, ours = pair(cookie={"maxAge": HOUR_MS})
    for one in (theirs, ours):
        one.act([["set", "views", 1]])
    for name in ("theirs", "ours"):
        with closing(sqlite3.connect(tmp_path / name)) as db, db:
            db.execute("""UPDATE sessions SET sess = replace(sess, '"views"', '"id":5,"views"')""")
            db.execute("""UPDATE sessions SET sess = replace(sess, '"views"', '"touch":1,"v"')""")
    assert_alike((theirs, ours), [[], [], [["set", "v", 2]], []])


def test_a_session_that_is_over_is_replaced_alike(pair: Any) -> None:
    theirs, ours = pair(cookie={"maxAge": 1000})
    for one in (theirs, ours):
        one.act([["set", "views", 1]])
    time.sleep(1.1)  # both apps judge by the clock, and neither takes another one
    assert_alike((theirs, ours), [[], [["set", "views", 1]]])


@pytest.mark.parametrize("rolling", [False, True], ids=["still", "rolling"])
def test_the_memory_store_answers_alike(rolling: bool) -> None:
    options: dict[str, Any] = {
        "secrets": SECRETS, "rolling": rolling, "cookie": {"maxAge": HOUR_MS},
    }  # fmt: skip
    with (
        ExpressApp(store="memory", **options) as theirs,
        ActsApp(MemoryStore(), **options) as ours,
    ):
        assert_alike((Observer(theirs, None), Observer(ours, None)), SCRIPT)


# -- one store, two apps ---------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis"])
def shared(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str
) -> Iterator[tuple[ExpressApp, ActsApp, str]]:
    """Express and ours on the same store with the same secret; and the store's URL."""
    options: dict[str, Any] = {"secrets": SECRETS, "cookie": {"maxAge": HOUR_MS}}
    store: SqliteStore | RedisStore
    if request.param == "sqlite":
        where = {"store": "sqlite3", "dir": str(tmp_path), "db": "both"}
        path = tmp_path / "both"
        store, url = SqliteStore(path), with_layout(f"sqlite:///{path}", "connect-sqlite3")
    else:
        where = {"store": "redis", "redisUrl": redis_url}
        store, url = RedisStore(redis_url), with_layout(redis_url, "connect-redis")
    with ExpressApp(**where, **options) as theirs, ActsApp(store, **options) as ours:
        yield theirs, ours, url
    store.close()


def _moved(browser: Browser, app: App) -> Browser:
    """The same cookies, sent to the other app."""
    other = app.browser()
    other.cookies = browser.cookies
    return other


def test_a_session_goes_on_in_the_other_app(shared: tuple[ExpressApp, ActsApp, str]) -> None:
    theirs, ours, url = shared
    for first, second in ((theirs, ours), (ours, theirs)):
        here = first.browser()
        there = _moved(here, second)
        made = here.post("/act", [["set", "cart", ["tea"]]]).json
        assert there.post("/act", [["set", "name", "Søren"]]).json["sid"] == made["sid"]
        assert here.post("/act", []).json == {
            "sid": made["sid"],
            "data": {"cart": ["tea"], "name": "Søren"},
        }
        there.post("/act", [["destroy"]])
        assert here.post("/act", []).json["data"] == {}
    with open_store(url) as store:
        assert store.count(Query()) == 0


def test_a_visit_moves_the_end_whoever_wrote_it(shared: tuple[ExpressApp, ActsApp, str]) -> None:
    theirs, ours, url = shared
    for first, second in ((theirs, ours), (ours, theirs)):
        here = first.browser()
        sid = here.post("/act", [["set", "a", 1], ["maxAge", HOUR_MS]]).json["sid"]
        with open_store(url, write=True) as store:
            (session,) = store.get([sid])
            soon_ms = store.now_ms() + 60_000
            assert store.set_expiry([session], soon_ms)[0].outcome == "stored"
            _moved(here, second).post("/act", [])
            (session,) = store.get([sid])
            assert session.expires_ms > soon_ms + HOUR_MS // 2


def test_sessctl_reads_what_either_wrote(shared: tuple[ExpressApp, ActsApp, str]) -> None:
    theirs, ours, url = shared
    sids = {}
    for user, app in ((42, theirs), (7, ours)):
        answer = app.browser().post("/act", [["set", "passport", {"user": user}]])
        sids[answer.json["sid"]] = str(user)
    with open_store(url) as store:
        found = {session.sid: session for session in store.scan(Query())}
        assert {sid: session.user for sid, session in found.items()} == sids
        ends = [session.expires_at for session in found.values()]
    assert all(one is not None for one in ends)
    first, second = (one.timestamp() for one in ends if one is not None)
    assert abs(first - second) < 60
