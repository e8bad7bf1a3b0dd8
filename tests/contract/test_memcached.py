"""What memcached has of its own: its refusals, its traps, and answers that get lost."""

from __future__ import annotations

import socket
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from sessctl.errors import Refused, SessctlError, StoreError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Query
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.engines import now_ms, value
from tests.support.memcached import MemcachedServer
from tests.support.servers import free_port

if TYPE_CHECKING:
    from tests.support.memcached import MemcachedEngine

DAY = 86_400_000


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("memcached://ann:secret-word@127.0.0.1:1", "take no user and no password"),
        ("memcached://127.0.0.1:1/sessions", "has no databases"),
        ("memcached://127.0.0.1:1?db=1", "have no option 'db'"),
        ("memcached://a:1,b:2", "memcached URL has no valid"),
    ],
)
def test_what_a_url_cannot_say_is_refused(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_store(url)
    assert "secret-word" not in str(caught.value)


def test_nobody_there_is_said() -> None:
    with pytest.raises(StoreUnreachable, match="connection refused"):
        open_store(f"memcached://127.0.0.1:{free_port()}")


def test_a_gentle_listing_asks_for_a_hundred_at_once(memcached_engine: MemcachedEngine) -> None:
    for number in range(250):
        memcached_engine.save(b"%032d" % number, value(), now_ms() + DAY)
    with open_store(memcached_engine.url, access=Access(gentle=True)) as store:
        assert store.page_size == 100
        assert len(list(store.scan(Query()))) == 250


def test_a_backend_that_requires_tls_is_refused(memcached_engine: MemcachedEngine) -> None:
    with pytest.raises(Refused, match="requires TLS"):
        open_store(memcached_engine.url, access=Access(require_tls=True))


def test_a_server_that_speaks_something_else_is_refused() -> None:
    """So do servers before 1.6, which answer ERROR to a meta command."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(100)
                peer.sendall(b"ERROR\r\n")

        thread = Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(StoreError, match="no meta commands") as caught:
            open_store(f"memcached://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert caught.value.hint == "1.6 or newer does"


def test_without_the_crawler_named_sessions_are_still_read() -> None:
    with MemcachedServer("-o", "no_lru_crawler") as server:
        client = server.client()
        client.set(b"a", value(), expire=now_ms() // 1000 + 60, flags=2)
        with open_store(server.url) as store:
            assert [session.sid for session in store.get(["a"])] == ["a"]
            with pytest.raises(SessctlError, match="does not list its keys"):
                list(store.scan(Query()))
        client.close()


def test_an_item_that_never_ends_goes_by_its_cookie_s_date(
    memcached_engine: MemcachedEngine,
) -> None:
    """connect-memcached makes such of a maxAge below a second: `(maxAge / 1000) | 0` is 0."""
    raw = value().replace(b'"expires":null', b'"expires":"2020-01-01T00:00:00.000Z"')
    memcached_engine.save(b"old", raw, None)
    with memcached_engine.open(write=True) as store:
        (session,) = store.get(["old"])
        assert session.expiry is Expiry.COOKIE_DATE
        assert [one.sid for one in store.scan(Query(expired=True))] == ["old"]
        assert store.delete([session], grace_ms=60_000)[0].outcome is Outcome.DELETED


def test_an_end_beyond_thirty_days_is_an_end(memcached_engine: MemcachedEngine) -> None:
    """As a span the server would take it for a date in 1970, and the session would be gone."""
    memcached_engine.save(b"a", value(), now_ms() + DAY)
    ends = (now_ms() // 1000 + 90 * 86_400) * 1000
    with memcached_engine.open(write=True) as store:
        assert store.set_expiry(store.get(["a"]), ends)[0].outcome is Outcome.STORED
        assert store.get(["a"])[0].expires_ms == ends


def test_a_stored_session_keeps_its_flags(memcached_engine: MemcachedEngine) -> None:
    """By flag 2 the npm client parses the value; without it the app would get a text."""
    memcached_engine.save(b"a", value(), now_ms() + DAY)
    before = memcached_engine.everything()[b"a"][1][0]
    with memcached_engine.open(write=True) as store:
        store.set_expiry(store.get(["a"]), now_ms() + 2 * DAY)
    assert memcached_engine.everything()[b"a"][1][0] == before == b"HD f2"


def test_what_is_stored_between_the_look_and_the_delete_survives(
    memcached_engine: MemcachedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server compares the cas: here the app writes at the last moment."""
    memcached_engine.save(b"a", value("7"), now_ms() + DAY)
    with memcached_engine.open(write=True) as store:
        found = store.get(["a"])
        wire = store._wire  # type: ignore[attr-defined]
        delete = wire.delete

        def late(*words: object) -> None:
            memcached_engine.save(b"a", value("7"), now_ms() + DAY)
            delete(*words)

        monkeypatch.setattr(wire, "delete", late)
        assert store.delete(found)[0].outcome is Outcome.CHANGED
        assert [session.sid for session in store.get(["a"])] == ["a"]


def test_a_server_that_dies_before_it_answers_leaves_it_unconfirmed_or_fails() -> None:
    with MemcachedServer() as server:
        client = server.client()
        client.set(b"a", value(), expire=now_ms() // 1000 + 60, flags=2)
        client.close()
        with open_store(
            server.url, "connect-memcached", write=True, access=Access(timeout_s=2)
        ) as store:
            found = store.get(["a"])
            server.stop()
            with pytest.raises(StoreUnreachable):
                store.delete(found)


def test_a_large_listing_is_whole(memcached_engine: MemcachedEngine) -> None:
    """Larger than any buffer of a socket, with another command meanwhile."""
    for number in range(20_000):
        key = b"s%05d" % number
        memcached_engine.client.set(key, b"{}", expire=0, noreply=True)
    with memcached_engine.open() as store:
        seen = set()
        for number, session in enumerate(store.scan(Query())):
            seen.add(session.sid)
            if number % 5000 == 0:
                assert store.count(Query()) == 20_000
    assert len(seen) == 20_000
