"""The demo shop over HTTP: each way to remember does what its lesson says, and nothing leaks."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from http.client import HTTPConnection
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import open_store
from sessctl.demo.options import ShopOptions, shop_options
from sessctl.demo.server import RunningShop
from sessctl.errors import StoreUnreachable, UsageError
from sessctl.session import Query
from tests.support.express import Browser
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., RunningShop]

MARA = {"username": "mara", "password": "tea"}
PAGES = (
    *("/", "/login", "/account", "/cart", "/views", "/plain", "/signed", "/flash", "/count"),
    *("/session", "/sent", "/storage", "/stateless", "/nowhere"),
)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"


@pytest.fixture
def open_shop() -> Iterator[Open]:
    """Open shops, each with the options given; all are closed at the end."""
    shops: list[RunningShop] = []

    def start(*, store: str = "memory", signers: Any = (), **options: Any) -> RunningShop:
        shops.append(RunningShop(ShopOptions(**options), store=store, signers=signers))
        return shops[-1]

    yield start
    for shop in shops:
        shop.stop()


@pytest.fixture(params=["session", "cookie"])
def shop(request: pytest.FixtureRequest, open_shop: Open) -> RunningShop:
    """One that keeps sessions in its memory, and one that keeps them in the cookie."""
    return open_shop(keep=request.param)


def visitor(shop: RunningShop, of: Browser | None = None) -> Browser:
    """A new browser, with a copy of another one's cookies if one is given."""
    browser = Browser(shop.port)
    browser.cookies = dict(of.cookies) if of else {}
    return browser


def name_of(browser: Browser) -> str | None:
    answer = browser.get("/account.json")
    assert answer.status == (200 if answer.json["name"] else 401)
    return str(answer.json["name"]) if answer.json["name"] else None


# -- who is it -------------------------------------------------------------------------------------


def test_who_logs_in_is_known_until_logging_out(shop: RunningShop) -> None:
    browser, other = visitor(shop), visitor(shop)
    assert name_of(browser) is None
    assert browser.post("/login", MARA).status == 302
    assert (name_of(browser), name_of(other)) == ("Mara", None)
    assert browser.post("/logout").status == 302
    assert name_of(browser) is None


@pytest.mark.parametrize("password", ["", "Tea", "coffee", "tea\0"])
def test_another_password_is_refused(shop: RunningShop, password: str) -> None:
    browser = visitor(shop)
    assert browser.post("/login", {**MARA, "password": password}).status == 401
    assert name_of(browser) is None


def test_login_gives_a_new_id_and_keeps_the_cart(open_shop: Open) -> None:
    browser = visitor(open_shop())
    browser.post("/cart", {"sku": "MUG-BLUE-L"})
    planted = browser.cookie()
    browser.post("/login", MARA)
    assert browser.cookie() != planted
    assert browser.get("/cart.json").json["count"] == 1


@pytest.mark.parametrize("regenerate", [True, False], ids=["mended", "vulnerable"])
def test_a_planted_id_is_logged_in_where_login_keeps_the_id(
    open_shop: Open, regenerate: bool
) -> None:
    shop = open_shop(regenerate=regenerate)
    victim = visitor(shop)
    victim.get("/views")
    attacker = visitor(shop, of=victim)
    victim.post("/login", MARA)
    assert (name_of(victim), name_of(attacker)) == ("Mara", None if regenerate else "Mara")


def test_a_copied_cookie_dies_with_the_session_and_lives_on_where_it_is_the_session(
    shop: RunningShop,
) -> None:
    browser = visitor(shop)
    browser.post("/login", MARA)
    copy = visitor(shop, of=browser)
    browser.post("/logout")
    assert name_of(copy) == ("Mara" if shop.options.keep == "cookie" else None)


# -- what is remembered ----------------------------------------------------------------------------


def test_a_cart_fills_and_is_emptied(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.post("/cart", {"sku": "TEA-ASSAM-250", "qty": "2"})
    browser.post("/cart", {"sku": "MUG-BLUE-L"})
    seen = browser.get("/cart.json").json
    assert (seen["count"], seen["total"]) == (2, 2 * 790 + 1600)
    browser.post("/cart/clear")
    assert browser.get("/cart.json").json["items"] == []


def test_a_flash_message_is_shown_once(shop: RunningShop) -> None:
    browser = visitor(shop)
    answer = browser.post("/flash", {"message": "Saved."})
    assert answer.status == 302
    assert [browser.get("/flash.json").json["flash"] for _ in range(2)] == [["Saved."], []]


@pytest.mark.parametrize("path", ["/views.json", "/plain.json", "/signed.json"])
def test_a_counter_counts_for_each_browser(shop: RunningShop, path: str) -> None:
    first, second = visitor(shop), visitor(shop)
    assert [first.get(path).json["views"] for _ in range(3)] == [1, 2, 3]
    assert second.get(path).json["views"] == 1


def test_a_plain_cookie_is_believed(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.cookies["plain_views"] = "1000"
    assert browser.get("/plain.json").json["views"] == 1001


def test_a_signed_cookie_is_not(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.get("/signed.json")
    browser.cookies["signed_views"] = browser.cookies["signed_views"].replace("1.", "1000.", 1)
    seen = browser.get("/signed.json").json
    assert (seen["views"], "signature was wrong" in seen["note"]) == (1, True)


def test_earlier_state_comes_back_only_where_the_cookie_holds_it(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.get("/views.json")
    early = visitor(shop, of=browser)
    browser.get("/views.json")
    assert early.get("/views.json").json["views"] == (2 if shop.options.keep == "cookie" else 3)


def test_a_changed_payload_is_no_session(open_shop: Open) -> None:
    browser = visitor(open_shop(keep="cookie"))
    browser.post("/login", MARA)
    value = browser.cookies["session"]
    browser.cookies["session"] = value[:8] + ("A" if value[8] != "A" else "B") + value[9:]
    assert name_of(browser) is None


def test_parallel_requests_lose_counts(open_shop: Open) -> None:
    shop = open_shop()
    browser = visitor(shop)
    browser.post("/count", {"wait": 0})
    together = Barrier(8)

    def add() -> int:
        together.wait(timeout=30)
        return visitor(shop, of=browser).post("/count", {"wait": 500}).status

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(add) for _ in range(8)]
    assert [answer.result() for answer in answers] == [302] * 8
    assert 2 <= browser.get("/count.json").json["count"] < 9


def test_nothing_is_remembered_on_the_stateless_page(shop: RunningShop) -> None:
    browser = visitor(shop)
    first, second = browser.get("/stateless.json"), browser.get("/stateless.json")
    assert first.set_cookie == second.set_cookie == []
    assert first.json["token"] != second.json["token"]


# -- how long --------------------------------------------------------------------------------------


def test_a_session_ends_with_its_max_age(open_shop: Open) -> None:
    browser = visitor(open_shop(max_age_ms=700))
    browser.post("/login", MARA)
    assert name_of(browser) == "Mara"
    time.sleep(0.8)
    assert name_of(browser) is None


@pytest.mark.parametrize("rolling", [False, True])
def test_a_rolling_session_sets_its_cookie_each_time(open_shop: Open, rolling: bool) -> None:
    browser = visitor(open_shop(rolling=rolling, max_age_ms=60_000))
    browser.post("/flash", {})
    browser.get("/flash")
    answers = [browser.get("/cart.json") for _ in range(3)]
    assert [len(answer.set_cookie) for answer in answers] == [int(rolling)] * 3


def test_a_visit_alone_makes_a_session_only_where_it_was_asked_for(open_shop: Open) -> None:
    careful, eager = open_shop(), open_shop(save_uninitialized=True)
    assert visitor(careful).get("/").set_cookie == []
    assert len(visitor(eager).get("/").set_cookie) == 1


# -- restarts and instances ------------------------------------------------------------------------


def test_a_restart_empties_the_memory_and_not_the_file(open_shop: Open, tmp_path: Path) -> None:
    for store, after in (("memory", None), (f"sqlite:///{tmp_path / 'shop.db'}", "Mara")):
        shop = open_shop(store=store)
        browser = visitor(shop)
        browser.post("/login", MARA)
        port = shop.port
        shop.restart()
        assert shop.port == port
        assert name_of(browser) == after


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_two_instances_agree_where_they_share_a_store(
    open_shop: Open, kind: str, tmp_path: Path, redis_url: str
) -> None:
    store = {"sqlite": f"sqlite:///{tmp_path / 'shop.db'}", "redis": redis_url}.get(kind, kind)
    a, b = (open_shop(store=store, signers=["one for both"], name=name) for name in "ab")
    browser = visitor(a)
    browser.post("/login", MARA)
    assert name_of(visitor(b, of=browser)) == (None if kind == "memory" else "Mara")
    assert [visitor(one).get("/.json").json["instance"] for one in (a, b)] == ["a", "b"]


def test_a_retired_secret_still_opens_the_session(open_shop: Open, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'shop.db'}"
    browser = visitor(open_shop(store=store, signers=["old"]))
    browser.post("/login", MARA)
    rotated = open_shop(store=store, signers=["new", "old"])
    forgotten = open_shop(store=store, signers=["new"])
    found = [name_of(visitor(shop, of=browser)) for shop in (rotated, forgotten)]
    assert found == ["Mara", None]


def test_sessctl_lists_what_the_shop_wrote(open_shop: Open, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    browser = visitor(open_shop(store=url))
    browser.post("/login", MARA)
    browser.get("/account.json")
    with open_store(url, "connect-sqlite3") as store:
        (session,) = store.scan(Query())
    assert (session.user, session.data["name"]) == ("42", "Mara")
    assert (tmp_path / "shop.db").stat().st_mode & 0o077 == 0


def test_a_store_that_is_down_is_said_and_nothing_breaks(open_shop: Open) -> None:
    with RedisServer() as redis:
        browser = visitor(open_shop(store=redis.url))
        browser.post("/login", MARA)
        redis.kill()
        answer = browser.get("/account.json")
        assert (answer.status, answer.set_cookie) == (503, [])
        assert "redis" in answer.json["error"]
        assert "<h1>503 Service Unavailable</h1>" in browser.get("/account").json


def test_a_row_that_no_middleware_wrote_is_an_error_of_its_own(
    open_shop: Open, tmp_path: Path
) -> None:
    shop = open_shop(store=f"sqlite:///{tmp_path / 'shop.db'}")
    browser = visitor(shop)
    browser.post("/login", MARA)
    for text in ("{}", "[1]", "{", '{"cookie":5}'):
        with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
            db.execute("UPDATE sessions SET sess = ?", [text])
        assert browser.get("/account.json").status == 500


# -- pages -----------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, and whether each that was opened was closed in turn."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def fetch(
    shop: RunningShop, path: str, method: str = "GET", **headers: str
) -> tuple[int, Any, bytes]:
    connection = HTTPConnection("127.0.0.1", shop.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_nothing_but_its_own(shop: RunningShop, path: str) -> None:
    status, headers, body = fetch(shop, path)
    page = Page(body.decode())
    policy = headers["Content-Security-Policy"]
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    assert ("script-src" in policy, len(scripts)) == (
        (True, 1) if path == "/storage" else (False, 0)
    )
    assert [attrs for _, attrs in page.tags if "style" in attrs or "onclick" in attrs] == []
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    assert status in (200, 401, 404)


@pytest.mark.parametrize("path", ["/cart", "/flash", "/session", "/storage", "/sent", "/signed"])
def test_hostile_words_stay_words(shop: RunningShop, path: str) -> None:
    calm = [tag for tag, _ in Page(visitor(shop).get(path).json).tags]
    browser = visitor(shop)
    browser.post("/storage", {"note": HOSTILE})
    browser.post("/flash", {"message": HOSTILE})
    browser.cookies["evil"] = HOSTILE.replace(";", "")
    browser.cookies["plain_views"] = browser.cookies["signed_views"] = HOSTILE
    shown = Page(browser.get(path).json)
    extra = {tag for tag, _ in shown.tags} - set(calm)
    assert extra <= {"p", "q", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"}
    assert [attrs for _, attrs in shown.tags if "onerror" in attrs or "src" in attrs] == (
        [{"src": "/storage.js"}] if path == "/storage" else []
    )


def test_only_the_cookie_that_is_meant_for_scripts_can_be_read_by_them(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.post("/login", MARA)
    lines = [line for path in PAGES for line in browser.get(path).set_cookie]
    lines += browser.post("/logout").set_cookie
    readable = {line.partition("=")[0] for line in lines if "httponly" not in line.lower()}
    assert readable == {"readable"}
    assert all("samesite=lax" in line.lower() for line in lines)


def test_no_page_repeats_a_cookie_that_is_a_credential(shop: RunningShop) -> None:
    browser = visitor(shop)
    browser.post("/login", MARA)
    value = browser.cookies["session" if shop.options.keep == "cookie" else "connect.sid"]
    sid = value.removeprefix("s%3A").partition(".")[0]
    for path in PAGES:
        body = browser.get(path).json
        assert value not in body
        assert sid not in body
        assert value not in json.dumps(browser.get(f"{path}.json").json)


def test_html_and_json_are_the_same_page(shop: RunningShop) -> None:
    as_json = fetch(shop, "/stateless", Accept="application/json")
    assert json.loads(as_json[2])["items"] == json.loads(fetch(shop, "/stateless.json")[2])["items"]
    assert as_json[1]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/views", 405),
        ("DELETE", "/cart", 405),
        ("HEAD", "/cart", 200),
        ("GET", "/health", 200),
    ],
)
def test_what_is_not_there_is_said(shop: RunningShop, method: str, path: str, status: int) -> None:
    found, _, body = fetch(shop, path, method)
    assert (found, body == b"") == (status, method == "HEAD")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sku": "NOPE"}, 400),
        ({"sku": "MUG-BLUE-L", "qty": "-1"}, 400),
        ({"sku": "MUG-BLUE-L", "qty": "1e3"}, 400),
        ({"sku": "x" * 70_000}, 413),
        ([1], 400),
        ("text", 400),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(shop: RunningShop, body: Any, status: int) -> None:
    browser = visitor(shop)
    assert browser.post("/cart.json", body).status == status
    assert browser.get("/cart.json").json["count"] == 0


# -- opening and closing ---------------------------------------------------------------------------


def test_closing_waits_for_no_idle_connection(open_shop: Open) -> None:
    shop = open_shop()
    with socket.create_connection(("127.0.0.1", shop.port)) as idle:
        fetch(shop, "/health")
        shop.stop()
        idle.settimeout(30)
        assert idle.recv(1) == b""
    shop.stop()


def test_a_request_in_flight_is_answered_before_closing(open_shop: Open) -> None:
    shop = open_shop()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(visitor(shop).post, "/count", {"wait": 1000})
        time.sleep(0.3)  # the request is on its way; it waits for a second
        shop.stop()
        assert answer.result().status == 302


def test_a_port_that_is_taken_is_an_error(open_shop: Open) -> None:
    taken = open_shop().port
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{taken}"):
        RunningShop(port=taken)


@pytest.mark.parametrize("store", ["", "disk", "sqlite:", "sqlite:///", "mysql://u:hidden@h/db"])
def test_a_store_of_no_known_kind_is_refused(store: str) -> None:
    with pytest.raises(UsageError, match="no such store") as caught:
        RunningShop(store=store)
    assert "hidden" not in str(caught.value)


def test_a_redis_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(StoreUnreachable):
        RunningShop(store="redis://127.0.0.1:1/0")


def test_settings_are_read_as_words() -> None:
    words = ["keep=cookie", "regenerate=no", "rolling=yes", "max-age=90s", "name=b"]
    expected = ShopOptions(
        keep="cookie", regenerate=False, rolling=True, max_age_ms=90_000, name="b"
    )
    assert shop_options(words) == expected


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("roling=yes", "no setting 'roling'"),
        ("rolling", "'rolling' has no value"),
        ("rolling=perhaps", "'perhaps' is no value of 'rolling'"),
        ("keep=memory", "'memory' is no value of 'keep'"),
        ("max-age=long", "'long' is not a duration"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        shop_options([setting])
