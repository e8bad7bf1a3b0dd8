"""connect-mongo's generations and options, each with the application that uses them."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.session import Expiry, Session
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.cli import HOUR_MS
from tests.support.shops.base import data_of, short, sid_of, user_of, visitor
from tests.support.shops.mongo import STORE_SECRET, MongoShop

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop

SEALED: dict[str, dict[str, Any]] = {
    "3, own": {"store": "mongo-3", "crypto": {"secret": STORE_SECRET}},
    "5, kruptein": {"store": "mongo-5", "crypto": {"secret": STORE_SECRET}},
    "5, kruptein of objects": {
        "store": "mongo-5", "crypto": {"secret": STORE_SECRET}, "stringify": False,
    },
    "6, kruptein of objects": {"crypto": {"secret": STORE_SECRET}, "stringify": False},
    "6, Web Crypto": {"webCrypto": {"secret": STORE_SECRET}},
    "6, Web Crypto of objects": {"webCrypto": {"secret": STORE_SECRET}, "stringify": False},
}  # fmt: skip


@pytest.fixture
def shop(open_shop_on: OpenShop) -> MongoShop:
    found = open_shop_on("connect-mongo")
    assert isinstance(found, MongoShop)
    return found


@pytest.mark.parametrize("way", SEALED)
def test_what_it_encrypts_is_read_and_written_with_the_secret(shop: MongoShop, way: str) -> None:
    """Listed as the application has it; not without the secret; a session that is put is sealed in
    the same way, and the application takes it."""
    app = shop.start(**SEALED[way], cookie={"maxAge": HOUR_MS})
    browser = visitor(app, "ana", theme="çay 😀")
    sid = sid_of(browser)
    stored = shop.server.documents().find_one({"_id": sid})
    assert stored is not None
    assert "ana" not in stored["session"]
    blind = shop.listed()[sid]
    assert (blind["user"], blind["problem"]["code"]) == (None, "value.unreadable")
    with open_store(
        shop.url, "connect-mongo", write=True, store_secrets=["newer", STORE_SECRET]
    ) as store:
        (found,) = store.get([sid])
        assert (found.user, found.data, found.problem) == ("ana", data_of(shop, browser), None)
        guest = {"cookie": {"originalMaxAge": HOUR_MS, "expires": None, "path": "/"}}
        raw = json.dumps({**guest, "passport": {"user": "ben"}}).encode()
        ends = store.now_ms() + HOUR_MS
        (result,) = store.put(
            [Session(sid="guest", raw=raw, location="", expires_ms=ends, expiry=Expiry.STORE)]
        )
        assert (result.outcome, result.reason) == (Outcome.STORED, None)
    stranger = app.browser()
    signed = shop.run("sign", "--secret-from", "env:APP_SECRET", "--", "guest").stdout
    stranger.cookies["connect.sid"] = signed.rstrip("\n")
    assert user_of(stranger) == "ben"


@pytest.mark.parametrize("own", [{}, {"stringify": False}], ids=["text", "objects"])
def test_a_session_of_another_store_is_put_as_the_application_keeps_its_own(
    shop: MongoShop, own: dict[str, Any]
) -> None:
    app = shop.start(**own, cookie={"maxAge": HOUR_MS})
    visitor(app, "ana")
    with open_store(shop.url, "connect-mongo", write=True) as store:
        ends = store.now_ms() + HOUR_MS
        cookie = {"originalMaxAge": HOUR_MS, "expires": "2033-01-01T00:00:00.000Z", "path": "/"}
        raw = json.dumps({"cookie": cookie, "passport": {"user": "ben"}}).encode()
        guest = Session(sid="guest", raw=raw, location="", expires_ms=ends, expiry=Expiry.STORE)
        assert store.put([guest])[0].outcome is Outcome.STORED
    stranger = app.browser()
    signed = shop.run("sign", "--secret-from", "env:APP_SECRET", "--", "guest").stdout
    stranger.cookies["connect.sid"] = signed.rstrip("\n")
    assert user_of(stranger) == "ben"
    assert shop.listed()["guest"]["user"] == "ben"


def test_what_is_over_goes_by_itself_with_the_library_s_own_index(shop: MongoShop) -> None:
    app = shop.start(autoRemove="native", cookie={"maxAge": HOUR_MS})
    kept, gone = visitor(app, 42), short(app, 42)
    sid = sid_of(kept)
    deadline = time.monotonic() + 20
    while len(shop.listed()) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(shop.listed()) == {sid}
    assert user_of(gone) is None


def test_when_a_session_was_made_and_last_used(shop: MongoShop) -> None:
    before = time.time()
    plain = sid_of(visitor(shop.start(), 1))
    touched = sid_of(visitor(shop.start(touchAfter=3600), 2))
    stamped = sid_of(visitor(shop.start(timestamps=True), 3))

    def times(sid: str) -> tuple[bool, bool]:
        item = shop.listed()[sid]
        found = [item["created_at"], item["seen_at"]]
        for text in found:
            assert text is None or abs(datetime.fromisoformat(text).timestamp() - before) < 60
        return found[0] is not None, found[1] is not None

    assert [times(sid) for sid in (plain, touched, stamped)] == [
        (False, False), (False, True), (True, True),
    ]  # fmt: skip


@pytest.mark.parametrize("own", [{"objectIds": True}, {"idPrefix": "shop:"}], ids=str)
def test_ids_that_the_application_transforms_are_those_of_the_store(
    shop: MongoShop, own: dict[str, Any]
) -> None:
    """The store's own ids are what an administrator sees, and names."""
    app = shop.start(**own)
    phone, laptop = visitor(app, 42), visitor(app, "ana")
    (sid,) = [sid for sid, item in shop.listed().items() if item["user"] == "42"]
    assert sid != sid_of(phone)
    result = shop.run("expire", "--yes", "--", sid)
    assert [user_of(phone), user_of(laptop)] == [None, "ana"]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)
    assert shop.run("restore", "--last", "--yes").code == 0
    assert sid in shop.listed()


def test_an_unlike_collection_is_a_setting(shop: MongoShop) -> None:
    app = shop.start(collection="logins")
    browser = visitor(app, 42)
    shop.configure('collection = "logins"')
    assert shop.listed()[sid_of(browser)]["user"] == "42"
