"""Redis of several servers, and Valkey: what their URLs mean, who may read, what errors say."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from sessctl.errors import AccessDenied, Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Query
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.engines.redis import _check_apart
from sessctl.stores.engines.redis_cluster import slot_of
from sessctl.stores.engines.redis_connect import Target
from sessctl.stores.opening import open_store
from sessctl.stores.registry import parse_url
from sessctl.text import Secret
from tests.support.cli import Cli
from tests.support.engines import RedisEngine, now_ms, value, with_layout
from tests.support.redis_engines import ClusterEngine, SentinelEngine
from tests.support.redis_forms import SERVICE, ask
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.redis_forms import RedisCluster, SentinelService

DAY = 86_400_000


def target(url: str, **access: object) -> Target:
    return Target.of(parse_url(url), Access(**access))  # type: ignore[arg-type]


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "address", "label", "db"),
        [
            ("redis+sentinel://b,a:26380/main/3", "main by a:26380,b:26379", "main/3", 3),
            ("valkeys+sentinel://[::1]/m", "m by [::1]:26379", "m/0", 0),
            ("redis+cluster://b:7001,a", "a:6379,b:7001", "b/0", 0),
            ("valkey://h:7/2", "h:7", "h/2", 2),
            ("valkey+unix:///run/v.sock?db=1", "/run/v.sock", "localhost/1", 1),
        ],
    )  # fmt: skip
    def test_they_name_servers_service_and_database(self, url, address, label, db) -> None:
        found = target(url)
        assert (found.address, found.label, found.db) == (address, label, db)

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("redis+sentinel://h:26379", "names no service"),
            ("redis+sentinel://h/mymaster/x", "is a number"),
            ("redis+cluster://a,,b", "comma without a host"),
            ("redis+cluster://a:1,b:x", "no valid port"),
            ("redis://a,b/0", "no valid host name"),
            ("redis+cluster://a?sentinel_username=x", "no option 'sentinel_username'"),
        ],
    )
    def test_what_is_wrong_with_them_is_said(self, url: str, words: str) -> None:
        with pytest.raises(UsageError, match=words):
            target(url)

    def test_passwords_are_not_shown(self) -> None:
        url = "redis+sentinel://u:canary-1@a,b:1/m?sentinel_password=canary-2&sentinel_username=s"
        place = parse_url(url)
        assert place.masked == "redis+sentinel://u:***@a,b:1/m"
        assert "canary" not in repr(place)
        assert place.sentinel_password is not None
        assert place.sentinel_password.reveal_text() == "canary-2"
        assert place.options == (("sentinel_username", "s"),)

    @pytest.mark.parametrize("scheme", ["redis", "valkey", "redis+sentinel", "valkey+cluster"])
    def test_tls_that_is_required_is_not_done_without(self, scheme: str) -> None:
        first, plus, form = scheme.partition("+")
        with pytest.raises(Refused) as caught:
            target(f"{scheme}://h/{'m' * (form == 'sentinel')}", require_tls=True)
        assert f"write {first}s{plus}{form}://" in (caught.value.hint or "")

    def test_a_machine_further_off_is_one_of_several(self) -> None:
        assert target("redis+cluster://127.0.0.1,10.0.0.1").is_open_to_others
        assert not target("redis+cluster://127.0.0.1,localhost").is_open_to_others
        assert not target("valkeys+cluster://10.0.0.1").is_open_to_others


@pytest.mark.parametrize(
    ("key", "slot"),
    # Of the cluster specification, and what redis-cli's CLUSTER KEYSLOT says of the others.
    [(b"123456789", 12739), (b"{user1000}.following", 3443), (b"foo{}{bar}", 8363),
     (b"foo{{bar}}zap", 4015), (b"", 0)],
)  # fmt: skip
def test_slots(redis_cluster: RedisCluster, key: bytes, slot: int) -> None:
    assert slot_of(key) == slot == ask(redis_cluster.servers[0], "CLUSTER KEYSLOT", key)


class TestCluster:
    def test_a_server_of_it_is_not_taken_for_all(self, redis_cluster: RedisCluster) -> None:
        for server in redis_cluster.primaries():
            with pytest.raises(StoreError, match="part of a Redis Cluster") as caught:
                open_store(f"redis://127.0.0.1:{server.port}/0")
            assert caught.value.hint == "write redis+cluster://HOST:PORT"

    def test_one_server_is_no_cluster(self, redis_server: RedisServer) -> None:
        with pytest.raises(StoreError, match="is not part of a cluster") as caught:
            open_store(f"redis+cluster://127.0.0.1:{redis_server.port}")
        assert caught.value.hint == f"write redis://127.0.0.1:{redis_server.port}"

    def test_any_server_of_it_leads_to_all(self, redis_cluster: RedisCluster) -> None:
        engine = ClusterEngine(redis_cluster)
        for number in range(50):
            engine.save(b"s%d" % number, value(), now_ms() + DAY)
        for server in redis_cluster.servers:  # replicas know, too
            with open_store(f"redis+cluster://127.0.0.1:1,127.0.0.1:{server.port}") as store:
                assert store.count(Query()) == store.estimate() == 50

    def test_nobody_there(self) -> None:
        with pytest.raises(StoreUnreachable, match="connection refused"):
            open_store("redis+cluster://127.0.0.1:1,127.0.0.1:2", access=Access(timeout_s=0.3))

    def test_other_types_are_strangers(self, redis_cluster: RedisCluster) -> None:
        engine = ClusterEngine(redis_cluster)
        engine.save(b"a", value(), now_ms() + DAY)
        engine.client.rpush("sess:list", "x")
        with engine.open(write=True) as store:
            assert [one.sid for one in store.scan(Query())] == ["a"]
            assert store.get(["list"]) == []
            assert store.remarks.stranger_samples == ["sess:list (list)"]

    def test_without_scripts_watch_does_the_same(self, redis_cluster: RedisCluster) -> None:
        engine = ClusterEngine(redis_cluster)
        for number in range(30):
            engine.save(b"s%d" % number, value(), now_ms() + DAY)
        rights = ("on", ">pw-1", "~*", "&*", "+@all", "-eval", "-evalsha", "-script")
        for server in redis_cluster.servers:
            ask(server, "ACL", "SETUSER", "noscript", *rights)
        access = Access(username="noscript", password=Secret("pw-1"))
        with open_store(redis_cluster.url, "connect-redis", write=True, access=access) as store:
            found = list(store.scan(Query()))
            engine.touch(b"s0", now_ms() + 2 * DAY)
            results = {one.sid: one.outcome for one in store.delete(found)}
        assert results.pop("s0") is Outcome.CHANGED
        assert set(results.values()) == {Outcome.DELETED}

    def test_clocks_that_are_apart_are_refused(self) -> None:
        _check_apart(60_000)
        with pytest.raises(Refused, match="differ by 2m"):
            _check_apart(120_000)


class TestSentinel:
    def test_a_service_that_nobody_knows(self, redis_sentinel: SentinelService) -> None:
        with pytest.raises(StoreError, match="knows no service 'other'"):
            open_store(redis_sentinel.url.replace(SERVICE, "other"))

    def test_a_server_is_no_sentinel(self, redis_server: RedisServer) -> None:
        with pytest.raises(StoreError):
            open_store(f"redis+sentinel://127.0.0.1:{redis_server.port}/{SERVICE}")

    def test_dead_sentinels_do_no_harm(self, redis_sentinel: SentinelService) -> None:
        SentinelEngine(redis_sentinel).save(b"a", value(), now_ms() + DAY)
        with open_store(redis_sentinel.url.replace("//", "//127.0.0.1:1,")) as store:
            assert [one.sid for one in store.scan(Query())] == ["a"]

    def test_tls_and_passwords_of_servers_and_sentinels(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(home)
        with RedisServer(password="node-canary-1", tls=True) as server:
            watch = [
                f"tls-ca-cert-file {server.ca_file}",
                "tls-replication yes",
                f"sentinel monitor {SERVICE} 127.0.0.1 {server.port} 1",
                f"sentinel auth-pass {SERVICE} node-canary-1",
            ]
            with RedisServer(
                password="watch-canary-2", tls=True, settings=watch, mode="--sentinel"
            ) as sentinel:
                server.cli("SET", "sess:a", "{}")
                url = f"rediss+sentinel://:node-canary-1@127.0.0.1:{sentinel.port}/{SERVICE}"
                whole = f"{url}?sentinel_password=watch-canary-2"
                authority = sentinel.dir / "both.crt"
                authority.write_bytes(server.ca_file.read_bytes() + sentinel.ca_file.read_bytes())
                with open_store(whole, access=Access(ca_file=str(authority))) as store:
                    assert store.count(Query()) == 1
                    assert not store.remarks.notes
                with pytest.raises(AccessDenied) as caught:
                    open_store(url, access=Access(ca_file=str(authority)))
                assert "sentinel_password" in (caught.value.hint or "")
                cli = Cli(home)
                cli.config(
                    f'[backends.shop]\nurl = "rediss+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}"'
                    f'\nca_file = "{authority}"\npassword = "env:NODE"\n'
                    'sentinel_password = "env:WATCH"\n'
                )
                secrets = {"NODE": "node-canary-1", "WATCH": "watch-canary-2"}
                listed = cli("list", "--count", env=secrets)
                assert (listed.stdout, listed.stderr, listed.code) == ("1\n", "", 0)
                wrong = cli("list", "--count", env={**secrets, "WATCH": "wrong-canary-3"})
                assert wrong.code == 3
                assert "canary" not in wrong.stderr


class TestReplicas:
    def test_they_are_read_only_if_that_is_said(
        self, redis_sentinel: SentinelService, home: Path
    ) -> None:
        url = redis_sentinel.replica.url
        refused = Cli(home)("list", "--count", "-b", url)
        assert (refused.code, "--allow-stale" in refused.stderr) == (4, True)
        told = Cli(home)("list", "--count", "--allow-stale", "-b", url)
        assert (told.code, told.stdout) == (0, "0\n")
        assert "note: stale: read from the replica" in told.stderr
        for words in (("purge", "--expired"), ("expire", "--user", "7", "--yes")):
            done = Cli(home)("--allow-stale", *words, "-b", with_layout(url, "connect-redis"))
            assert (done.code, "is a replica" in done.stderr) == (4, True)

    def test_a_purge_waits_until_they_have_it(
        self, redis_sentinel: SentinelService, home: Path
    ) -> None:
        """One replica confirms at once, one that stands still makes the purge pause."""
        engine = SentinelEngine(redis_sentinel)
        for number in range(800):
            engine.save(b"s%d" % number, value(), now_ms() + DAY)
        command = (
            "purge", "--all", "--yes", "--max-delete", "1000", "--force", "share", "--max-lag",
            "1h", "--max-latency", "20s", "-b", engine.url,
        )  # fmt: skip
        replica = redis_sentinel.replica
        replica.pause()
        try:
            waker = threading.Timer(1.5, replica.resume)
            waker.start()
            before = time.monotonic()
            done = Cli(home)(*command, "--wait-replicas", "1")
            waker.join()
        finally:
            replica.resume()
        assert done.code == 0, done.stderr
        assert "paused: 0 of 1 replicas have the page" in done.stderr
        assert time.monotonic() - before > 1
        assert engine.everything() == {}

    def test_other_stores_cannot_promise_that(self, home: Path, sqlite_engine) -> None:
        done = Cli(home)("purge", "--all", "--yes", "--force", "wrong-store", "--wait-replicas",
                         "1", "-b", sqlite_engine.url)  # fmt: skip
        assert (done.code, "--wait-replicas needs" in done.stderr) == (2, True)


def test_valkey_is_read_and_written(valkey_url: str, valkey_server: RedisServer) -> None:
    assert "server_name:valkey" in valkey_server.cli("INFO", "server")
    engine = RedisEngine(valkey_server)
    for number in range(1500):
        engine.save(b"s%d" % number, value(), now_ms() + DAY)
    with open_store(
        valkey_url.replace("redis://", "valkey://"), "connect-redis", write=True
    ) as store:
        found = list(store.scan(Query()))
        assert len(found) == store.count(Query()) == 1500
        engine.touch(b"s0", now_ms() + 2 * DAY)
        outcomes = {one.sid: one.outcome for one in store.delete(found)}
        assert outcomes.pop("s0") is Outcome.CHANGED
        assert set(outcomes.values()) == {Outcome.DELETED}
        assert not store.remarks.notes
    engine.client.close()
