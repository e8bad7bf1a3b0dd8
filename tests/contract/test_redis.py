"""What only Redis has: rights, TLS, sockets, replicas, older servers, and replies that get lost."""

from __future__ import annotations

import random
import signal
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import open_journal
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.admin.touch import touch
from sessctl.errors import (
    AccessDenied,
    Refused,
    SessctlError,
    StoreError,
    StoreUnreachable,
    UsageError,
)
from sessctl.session import Need, Query
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from sessctl.text import Secret
from tests.support.engines import RedisEngine, now_ms, value
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400_000
ADMIN = "admin-canary-1"
READS = {
    "SCAN", "MGET", "PEXPIRETIME", "PTTL", "TYPE", "TIME", "DBSIZE", "CLIENT", "SELECT", "AUTH",
    "HELLO", "ROLE", "PING", "INFO", "COMMAND",
}  # fmt: skip


def outcomes(results) -> list[Outcome]:
    return [result.outcome for result in results]


@pytest.fixture(scope="module")
def acl_server() -> Iterator[RedisServer]:
    users = (
        "user whole on >whole-canary-2 ~* &* +@all",
        "user noscript on >pw-3 ~* &* +@all -eval -evalsha -script",
        "user nomget on >pw-4 ~* &* +@all -mget",
        "user noscan on >pw-5 ~* &* +@all -scan",
        "user noexpiretime on >pw-6 ~* &* +@all -pexpiretime",
        "user reader on >pw-7 ~* +mget +scan +pexpiretime +type +time +dbsize +client|setname"
        " +select",
        "user half on >pw-8 %R~* ~sess:a* &* +@all",
    )
    with RedisServer(acl=users) as server:
        yield server


@pytest.fixture
def acl(acl_server: RedisServer) -> Iterator[RedisEngine]:
    engine = RedisEngine(acl_server)
    engine.client.flushall()
    for sid in (b"a", b"b"):
        engine.save(sid, value(), now_ms() + DAY)
    yield engine
    engine.client.close()


def opened(engine: RedisEngine, user: str, password: str, *, write: bool = False):
    access = Access(username=user, password=Secret(password), timeout_s=2)
    return open_store(engine.url, write=write, access=access)


class TestRights:
    def test_a_user_of_the_url_or_of_the_access(self, acl: RedisEngine) -> None:
        port = acl.server.port
        with open_store(f"redis://whole:whole-canary-2@127.0.0.1:{port}/0") as store:
            assert store.count(Query()) == 2
        with opened(acl, "whole", "whole-canary-2") as store:
            assert store.count(Query()) == 2

    @pytest.mark.parametrize("user", ["whole", "nobody"])
    def test_a_wrong_password_is_denied_and_not_shown(self, acl: RedisEngine, user: str) -> None:
        with pytest.raises(AccessDenied) as caught:
            opened(acl, user, "wrong-canary-9")
        assert caught.value.exit_code == 3
        assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.where}"

    def test_a_password_that_is_wanted_and_missing(self) -> None:
        with RedisServer(password=ADMIN) as server, pytest.raises(AccessDenied) as caught:
            open_store(f"redis://127.0.0.1:{server.port}/0")
        assert "password" in f"{caught.value} {caught.value.hint}"

    @pytest.mark.parametrize(
        ("user", "password", "word"),
        [
            ("nomget", "pw-4", "MGET"),
            ("noscan", "pw-5", "SCAN"),
            ("noexpiretime", "pw-6", "PEXPIRETIME"),
        ],
    )
    def test_a_missing_right_is_named(self, acl: RedisEngine, user, password, word) -> None:
        with (
            pytest.raises(AccessDenied, match=f"may not run {word}"),
            opened(acl, user, password) as store,
        ):
            list(store.scan(Query()))

    def test_a_reader_needs_few_rights(self, acl: RedisEngine) -> None:
        with opened(acl, "reader", "pw-7") as store:
            assert {s.sid for s in store.scan(Query())} == {"a", "b"}
            assert store.get(["a"])[0].user == "7"
            assert store.estimate() == 2

    def test_without_scripts_watch_does_the_same_and_says_so(self, acl: RedisEngine) -> None:
        for sid in (b"c", b"d", b"e"):
            acl.save(sid, value(), now_ms() + DAY)
        with opened(acl, "noscript", "pw-3", write=True) as store:
            found = store.get(["a", "b", "c", "d", "e"])
            acl.touch(b"a", now_ms() + 2 * DAY)
            acl.save(b"b", value("8"), found[1].expires_ms)
            acl.drop(b"c")
            results = store.delete(found)
            assert outcomes(results) == [
                Outcome.CHANGED, Outcome.CHANGED, Outcome.GONE, Outcome.DELETED, Outcome.DELETED,
            ]  # fmt: skip
            assert any("WATCH" in note for note in store.remarks.notes)
            assert {s.sid for s in store.scan(Query())} == {"a", "b"}

    def test_without_scripts_watch_replaces_too(self, acl: RedisEngine) -> None:
        for sid in (b"c", b"d", b"e"):
            acl.save(sid, value(), now_ms() + DAY)
        with opened(acl, "noscript", "pw-3", write=True) as store:
            found = store.get(["a", "b", "c", "d", "e"])
            acl.touch(b"a", now_ms() + 2 * DAY)
            acl.save(b"b", value("8"), found[1].expires_ms)
            acl.drop(b"c")
            pairs = [(one, store.with_value(one, value("9"))) for one in found[:-1]]
            pairs.append((found[-1], store.with_end(found[-1], 1)))
            assert outcomes(store.replace(pairs)) == [
                Outcome.CHANGED, Outcome.CHANGED, Outcome.GONE, Outcome.STORED, Outcome.LAPSED,
            ]  # fmt: skip
            assert any("WATCH" in note for note in store.remarks.notes)
            now = store.get(["d", "e"])
            assert [one.raw for one in now] == [value("9"), value()]
            assert [one.expires_ms for one in now] == [one.expires_ms for one in found[3:]]

    def test_without_scripts_the_server_judges_the_grace_too(self, acl: RedisEngine) -> None:
        past = b'{"cookie":{"expires":"2001-01-01T00:00:00.000Z"}}'
        acl.save(b"past", past, None)
        with opened(acl, "noscript", "pw-3", write=True) as store:
            found = store.get(["a", "past"])
            assert outcomes(store.delete(found, grace_ms=60_000)) == [
                Outcome.CHANGED,
                Outcome.DELETED,
            ]

    def test_a_right_to_some_keys_fails_for_the_others_only(self, acl: RedisEngine) -> None:
        """Not the whole page: what was deleted must be recorded as deleted, or no undo finds it."""
        with opened(acl, "half", "pw-8", write=True) as store:
            results = store.delete(store.get(["a", "b"]))
        assert outcomes(results) == [Outcome.DELETED, Outcome.FAILED]
        assert set(acl.everything()) == {b"sess:b"}


class TestReadOnly:
    def test_the_server_sees_no_write(self, redis_engine: RedisEngine) -> None:
        redis_engine.save(b"a", value(), now_ms() + DAY)
        redis_engine.client.rpush("sess:list", "x")
        monitor = RedisEngine(redis_engine.server).client.monitor()
        with monitor as heard:
            with redis_engine.open() as store:
                for need in (Need.ID, Need.ALL):
                    list(store.scan(Query(), need))
                for query in (Query(), Query(expired=True), Query(user="7"), Query(sids=("a",))):
                    store.count(query)
                store.get(["a", "b", "list"])
                store.estimate()
                for write in (store.delete, store.put, lambda s: store.set_expiry(s, 1)):
                    with pytest.raises(Refused):
                        write(store.get(["a"]))
            redis_engine.client.echo("that was all")
            words = set()
            while (command := heard.next_command()["command"]) != "ECHO that was all":
                words.add(command.split(" ")[0].upper())
        assert {"SCAN", "MGET"} <= words
        assert words <= READS | {"CLIENT"}

    def test_connections_have_a_name(self, redis_engine: RedisEngine) -> None:
        with redis_engine.open() as store:
            names = [one["name"] for one in redis_engine.client.client_list()]
            assert "sessctl" in names
            store.now_ms()
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            if "sessctl" not in [one["name"] for one in redis_engine.client.client_list()]:
                return
        pytest.fail("a closed store leaves a connection behind")


@pytest.fixture(scope="module")
def tls() -> Iterator[RedisServer]:
    with RedisServer(tls=True) as server:
        yield server


class TestTransport:
    def test_tls_with_the_servers_authority(self, tls: RedisServer) -> None:
        with open_store(
            tls.url, access=Access(ca_file=str(tls.ca_file), require_tls=True)
        ) as store:
            assert store.count(Query()) == 0
            assert not store.remarks.notes

    def test_tls_with_another_authority_is_refused(self, tls: RedisServer, tmp_path: Path) -> None:
        make_certificates(tmp_path)
        with pytest.raises(StoreUnreachable, match=r"TLS with redis at .* failed") as caught:
            open_store(tls.url, access=Access(ca_file=str(tmp_path / "ca.crt")))
        assert "ca_file" in (caught.value.hint or "")

    def test_tls_with_an_unknown_authority_is_refused(self, tls: RedisServer) -> None:
        with pytest.raises(StoreUnreachable, match="TLS"):
            open_store(tls.url)

    def test_tls_with_a_missing_authority_file_is_no_crash(self, tls: RedisServer) -> None:
        with pytest.raises(SessctlError):
            open_store(tls.url, access=Access(ca_file="/nowhere/ca.crt"))

    def test_plain_text_to_a_tls_port_fails(self, tls: RedisServer) -> None:
        with pytest.raises(StoreError):
            open_store(f"redis://127.0.0.1:{tls.port}/0", access=Access(timeout_s=0.3))

    def test_tls_to_a_plain_port_fails(self, redis_server: RedisServer) -> None:
        with pytest.raises(StoreUnreachable):
            open_store(f"rediss://127.0.0.1:{redis_server.port}/0", access=Access(timeout_s=0.3))

    def test_tls_that_is_required_is_not_done_without(self, redis_engine: RedisEngine) -> None:
        with pytest.raises(Refused, match="requires TLS"):
            open_store(redis_engine.url, access=Access(require_tls=True))

    def test_a_unix_socket(self) -> None:
        with RedisServer(unixsocket=True) as server:
            server.cli("SET", "sess:a", "{}")
            with open_store(
                f"redis+unix://{server.socket_path}?db=0", "connect-redis", write=True
            ) as store:
                found = list(store.scan(Query()))
                assert [s.sid for s in found] == ["a"]
                assert outcomes(store.delete(found)) == [Outcome.DELETED]
                assert store.identity.address == str(server.socket_path)

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("redis://127.0.0.1:1/0", "connection refused"),
            ("redis+unix:///nowhere/redis.sock", "no such socket"),
        ],
    )
    def test_nobody_there(self, url: str, reason: str) -> None:
        with pytest.raises(StoreUnreachable, match=reason) as caught:
            open_store(url)
        assert caught.value.hint

    def test_other_databases_are_other_stores(self, redis_engine: RedisEngine) -> None:
        redis_engine.save(b"a", value(), now_ms() + DAY)
        with open_store(f"redis://127.0.0.1:{redis_engine.server.port}/3") as store:
            assert store.count(Query()) == 0
        for database in ("x", "-1", "99"):
            with pytest.raises((UsageError, StoreError)):
                open_store(f"redis://127.0.0.1:{redis_engine.server.port}/{database}")


def test_a_replica_is_read_only_if_that_is_said_and_never_written(
    redis_engine: RedisEngine,
) -> None:
    port = redis_engine.server.port
    with RedisServer(settings=[f"replicaof 127.0.0.1 {port}"]) as replica:
        url = f"redis://127.0.0.1:{replica.port}/0"
        stale = Access(allow_stale=True)
        with pytest.raises(Refused, match="is a replica") as caught:
            open_store(url)
        assert caught.value.hint == (
            f"its primary is 127.0.0.1:{port}; --allow-stale reads the replica"
        )
        with open_store(url, access=stale) as store:
            assert store.count(Query()) >= 0
            assert list(store.remarks.notes) == [f"stale: read from the replica {url[8:-2]}"]
        with pytest.raises(Refused, match="is a replica") as caught:
            open_store(url, "connect-redis", write=True, access=stale)
        assert caught.value.hint == f"its primary is 127.0.0.1:{port}"


@pytest.fixture(scope="module")
def old() -> Iterator[RedisServer]:
    """Before 7.0 there was no PEXPIRETIME."""
    with RedisServer(settings=['rename-command PEXPIRETIME ""']) as server:
        yield server


class TestOldServer:
    def test_expiries_are_good_to_two_milliseconds_and_it_says_so(self, old: RedisServer) -> None:
        engine = RedisEngine(old)
        now = now_ms()
        for sid in (b"a", b"b", b"c"):
            engine.save(sid, value(), now + DAY)
        engine.save(b"d", value(), None)
        with engine.open(write=True) as store:
            assert any("before 7.0" in note for note in store.remarks.notes)
            found = store.get(["a", "b", "c", "d"])
            assert all(abs((s.expires_ms or 0) - now - DAY) <= 2 for s in found[:3])
            assert {s.sid for s in store.scan(Query(active=True))} == {"a", "b", "c", "d"}
            engine.touch(b"b", now + 2 * DAY)
            frozen = {"sid": "a", **store.freeze(found[0])}
            assert outcomes(store.delete(found)) == [
                Outcome.DELETED, Outcome.CHANGED, Outcome.DELETED, Outcome.DELETED,
            ]  # fmt: skip
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.PRESENT]
        engine.client.close()

    def test_a_change_can_be_undone_though_its_end_is_told_otherwise(
        self, old: RedisServer, tmp_path: Path
    ) -> None:
        """Ends are counted from a clock that is read before or after: 2 ms are nobody's renewal."""
        engine = RedisEngine(old)
        engine.save(b"a", value(), now_ms() + DAY)
        with engine.open(write=True) as store:
            done = touch(store, ["a"], ttl=timedelta(days=3), journals=tmp_path)
            assert done.summary.journal is not None
            (session,) = store.get(["a"])
            assert session.expires_ms is not None
            engine.touch(b"a", session.expires_ms + 2)
            for word in ("stored", "present"):
                undo = Restore(store, open_journal(done.summary.journal))
                assert [result.outcome for page in undo.run() for result in page] == [word]
        engine.client.close()


class TestExpiry:
    def test_what_lapsed_on_the_server_is_not_put_back(self, redis_engine: RedisEngine) -> None:
        with redis_engine.open(write=True) as store:
            frozen = {"kind": "string", "value": value(), "sid": "a"}
            for ends in (0, now_ms() - 1, 1):
                results = store.put([store.thaw({**frozen, "expires_ms": ends})])
                assert outcomes(results) == [Outcome.LAPSED]
        assert redis_engine.everything() == {}

    def test_no_short_lived_session_becomes_immortal(self, redis_engine: RedisEngine) -> None:
        """S7: whatever is left of its life, a session put back has that end or is not there."""
        now = now_ms()
        with redis_engine.open(write=True) as store:
            for i in range(300):
                ends = now + i
                store.put(
                    [
                        store.thaw(
                            {"kind": "string", "value": b"{}", "sid": f"s{i}", "expires_ms": ends}
                        )
                    ]
                )
        assert -1 not in {ends for _, ends in redis_engine.everything().values()}

    def test_a_session_without_ttl_comes_back_without(self, redis_engine: RedisEngine) -> None:
        redis_engine.save(b"a", value(), None)
        with redis_engine.open(write=True) as store:
            found = store.get(["a"])
            frozen = {"sid": "a", **store.freeze(found[0])}
            store.delete(found)
            store.put([store.thaw(frozen)])
        assert redis_engine.client.pexpiretime("sess:a") == -1

    def test_an_expiry_can_be_taken_away(self, redis_engine: RedisEngine) -> None:
        redis_engine.save(b"a", value(), now_ms() + DAY)
        with redis_engine.open(write=True) as store:
            store.set_expiry(store.get(["a"]), None)
        assert redis_engine.client.pexpiretime("sess:a") == -1

    def test_another_type_in_its_place_is_left_alone(self, redis_engine: RedisEngine) -> None:
        redis_engine.save(b"a", value(), now_ms() + DAY)
        with redis_engine.open(write=True) as store:
            found = store.get(["a"])
            redis_engine.client.delete("sess:a")
            redis_engine.client.rpush("sess:a", "x")
            assert outcomes(store.delete(found)) == [Outcome.CHANGED]
            assert outcomes(store.put(found)) == [Outcome.FAILED]
            assert store.get(["a"]) == []
        assert redis_engine.client.lrange("sess:a", 0, -1) == [b"x"]


@pytest.mark.parametrize("prefix", ["", "a*b:", "[x]?", "back\\slash:", "é:", "x" * 500])
def test_any_prefix_means_itself(redis_engine: RedisEngine, prefix: str) -> None:
    client = redis_engine.client
    client.set(prefix.encode() + b"one", value())
    for neighbour in ("aXXb:one", "x1one", "backslash:one", "e:one", "sess:one"):
        if not neighbour.startswith(prefix):
            client.set(neighbour, value())
    with redis_engine.open(prefix=prefix) as store:
        assert [s.sid for s in store.scan(Query())] == ["one"]
        assert [s.sid for s in store.scan(Query(), Need.ID)] == ["one"]
        assert store.count(Query()) == 1


class TestLostReplies:
    @pytest.fixture
    def proxied(self, redis_engine: RedisEngine) -> Iterator[tuple[Proxy, RedisEngine]]:
        for i in range(3):
            redis_engine.save(b"s%d" % i, value(), now_ms() + DAY)
        with Proxy(redis_engine.server.port) as proxy:
            yield proxy, redis_engine

    def through(self, proxy: Proxy, *, write: bool = True):
        return open_store(f"redis://127.0.0.1:{proxy.port}/0", "connect-redis", write=write)

    def test_done_without_an_answer_is_unconfirmed(self, proxied) -> None:
        proxy, engine = proxied
        with self.through(proxy) as store:
            found = store.get(["s0", "s1", "s2"])
            proxy.lose_reply(b"EVALSHA")
            results = store.delete(found)
        assert outcomes(results) == [Outcome.UNCONFIRMED] * 3
        assert engine.everything() == {}

    def test_not_done_without_an_answer_is_a_failure_and_not_tried_again(self, proxied) -> None:
        proxy, engine = proxied
        with self.through(proxy) as store:
            found = store.get(["s0", "s1", "s2"])
            proxy.lose_request(b"EVALSHA")
            results = store.delete(found)
        assert outcomes(results) == [Outcome.FAILED] * 3
        assert len(engine.everything()) == 3

    def test_nothing_is_reported_deleted_that_is_there(self, proxied) -> None:
        proxy, engine = proxied
        with self.through(proxy) as store:
            run = Removal(store, None)
            proxy.lose_request(b"EVALSHA")
            for _ in run.purge(Query(everything=True)):
                pass
        assert run.summary.ended + len(engine.everything()) == 3

    def test_a_put_without_an_answer_looks_what_is_there(self, proxied) -> None:
        proxy, engine = proxied
        with self.through(proxy) as store:
            found = store.get(["s0"])
            engine.drop(b"s0")
            proxy.lose_reply(b"PXAT")
            assert outcomes(store.put(found)) == [Outcome.PRESENT]
        assert len(engine.everything()) == 3

    def test_a_read_is_tried_again_on_a_new_connection(self, proxied) -> None:
        proxy, _ = proxied
        with self.through(proxy, write=False) as store:
            for lose in (proxy.lose_reply, proxy.lose_request):
                lose(b"MGET")
                assert [s.sid for s in store.get(["s0", "s1"])] == ["s0", "s1"]

    def test_a_scan_that_loses_a_reply_asks_again_and_misses_nobody(self, proxied) -> None:
        proxy, _ = proxied
        with self.through(proxy, write=False) as store:
            proxy.lose_reply(b"MGET")
            assert len(list(store.scan(Query()))) == 3

    def test_a_server_that_is_gone_ends_the_run_as_incomplete(self) -> None:
        with RedisServer() as server:
            engine = RedisEngine(server)
            for i in range(3):
                engine.save(b"s%d" % i, value(), now_ms() + DAY)
            with open_store(engine.url, write=True) as store:
                server.kill()
                run = Removal(store, None)
                try:
                    for _ in run.purge(Query(everything=True)):
                        pass
                    assert isinstance(run.summary.error, StoreUnreachable)
                except StoreUnreachable:
                    pass
                assert not run.summary.complete
            engine.client.close()


class Interrupted(Exception):
    """Raised by a signal in the middle of whatever runs."""


def test_after_an_interrupt_sid_and_value_still_belong_together(redis_engine: RedisEngine) -> None:
    """S8: a connection with an unread reply would answer the next question with it."""
    for i in range(50):
        redis_engine.save(b"s%d" % i, value(f"u{i}"), now_ms() + DAY)
    seed = random.randrange(10**6)
    dice = random.Random(seed)

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.main_thread().ident or 0
    interrupts = 0
    try:
        with redis_engine.open() as store:
            for i in range(200):
                timer = threading.Timer(
                    dice.random() * 0.0006, signal.pthread_kill, (main, signal.SIGUSR1)
                )
                try:
                    timer.start()
                    store.get([f"s{i % 50}"])
                    list(store.scan(Query(sids=("s1", "s2"))))
                    timer.join()
                    time.sleep(0.001)
                except Interrupted:
                    interrupts += 1
                try:
                    timer.join()
                except Interrupted:
                    interrupts += 1
                one = store.get([f"s{(i + 1) % 50}"])[0]
                assert (one.sid, one.user) == (f"s{(i + 1) % 50}", f"u{(i + 1) % 50}"), seed
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert interrupts > 100, seed


def test_a_server_that_does_not_answer_in_time_is_told(redis_engine: RedisEngine) -> None:
    with open_store(redis_engine.url, access=Access(timeout_s=0.03)) as store:
        redis_engine.client.execute_command("CLIENT", "PAUSE", "700", "ALL")
        try:
            with pytest.raises(StoreUnreachable, match="did not answer in time") as caught:
                store.get(["a"])
            assert "--timeout" in (caught.value.hint or "")
        finally:
            redis_engine.client.execute_command("CLIENT", "UNPAUSE")
        assert store.get(["a"]) == []


def test_pages_shrink_where_values_are_large(redis_engine: RedisEngine) -> None:
    """A page is 1 000 keys; of large sessions, no more than some 8 MiB are asked for at once."""
    large = value().replace(b"}}", b'},"x":"' + b"x" * 100_000 + b'"}')
    for number in range(3000):
        redis_engine.save(b"s%d" % number, large, now_ms() + DAY)
    client = redis_engine.client
    client.config_resetstat()
    with redis_engine.open() as store:
        assert sum(1 for _ in store.scan(Query())) == 3000
    calls = client.info("commandstats")["cmdstat_scan"]["calls"]
    assert 15 < calls < 60  # 3 with pages of 1 000, 35 with pages of 8 MiB
