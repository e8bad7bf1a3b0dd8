"""The audit of a real Express application: what its settings leave in the store is found there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl import audit, open_store
from tests.support.engines import with_layout
from tests.support.express import ExpressApp

if TYPE_CHECKING:
    from sessctl.admin.audit import Finding
    from tests.support.servers import RedisServer

DAY_MS = 86_400_000


def findings_of(server: RedisServer, **options: Any) -> dict[str, Finding]:
    """Three people log in and one robot looks around; then the store is audited."""
    server.cli("FLUSHALL")
    with ExpressApp(
        store="redis", redisUrl=server.url, secrets=["some-secret-91"], **options
    ) as app:
        for user in (1, 2, 3):
            browser = app.browser()
            browser.post("/login", {"user": user})
            browser.post("/cart", {"item": "4111111111111111", "qty": 1})
        app.browser().get("/touch")
    with open_store(with_layout(server.url, "connect-redis")) as store:
        return {one.id: one for one in audit(store).findings}


def test_settings_of_the_cookie_are_found_in_its_sessions(redis_server: RedisServer) -> None:
    sound = findings_of(
        redis_server, cookie={"maxAge": DAY_MS, "secure": True, "sameSite": "lax"}, ttl=86_400
    )
    flawed = findings_of(
        redis_server,
        cookie={
            "maxAge": 800 * DAY_MS, "httpOnly": False, "sameSite": "none", "domain": "shop.example",
        },
        saveUninitialized=True,
    )  # fmt: skip
    wanted = {
        "cookie.http-only", "cookie.secure", "cookie.same-site", "cookie.long-lived",
        "cookie.domain", "expiry.far",
    }  # fmt: skip
    assert "data.card" in sound  # it has sessions
    assert wanted.isdisjoint(sound)
    assert wanted <= set(flawed)
    assert {flawed[id].count for id in wanted} == {4}
    assert flawed["cookie.domain"].evidence == "4 of 4 (100%): shop.example (4)"


def test_a_store_that_keeps_sessions_for_ever_is_found(redis_server: RedisServer) -> None:
    found = findings_of(redis_server, disableTTL=True, cookie={"maxAge": DAY_MS})
    assert found["expiry.unenforced"].count == len(found["expiry.unenforced"].sids) == 3
    longer = findings_of(redis_server, cookie={"maxAge": DAY_MS}, ttl=86_400 * 30)
    assert longer.get("expiry.outlives-cookie") is None  # connect-redis goes by the cookie first
    assert longer["data.card"].evidence == "3 of 3 (100%): shoppingCart[].item (3)"
