"""sessctl and a real application with Beaker agree on its sessions in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from sessctl.session import Query
from sessctl.stores.opening import open_store
from tests.support.python_files import FileApp, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cli import Cli
    from tests.support.run import Result

COOKIE = "beaker.session.id"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def state_of(redis: Redis) -> dict[bytes, tuple[Any, Any]]:
    """Every key with its value and the instant that it ends."""
    keys: Any = redis.keys("*")
    return {key: (redis.get(key), redis.pexpiretime(key)) for key in keys}


@pytest.mark.parametrize(
    "options", [["pickle"], pytest.param(["json", "endless"], marks=pytest.mark.long)]
)
def test_a_user_is_listed_logged_out_and_in_again(
    cli: Cli, redis: Redis, redis_url: str, options: list[str]
) -> None:
    def run(command: str, *words: str) -> Result:
        return cli(command, "-b", f"{redis_url}?layout=beaker-redis", *words)

    with FileApp("beaker_file", redis_url, *options) as app:
        ana, again, bo = (app.logged_in(user) for user in ("ana", "ana", "bo"))
        ids = {browser.cookies[COOKIE][40:]: browser for browser in (ana, again, bo)}
        assert set(state_of(redis)) == {f"beaker_cache:{sid}:session".encode() for sid in ids}

        with open_store(redis_url) as store:  # it tells its layout itself
            assert store.layout.name == "beaker-redis"
            assert store.count(Query(user="ana")) == 2
        listed = run("list", "--data", "-o", "jsonl").json_lines()
        assert {item["sid"] for item in listed} == set(ids)
        assert sorted(item["data"]["user_id"] for item in listed) == ["ana", "ana", "bo"]
        assert sorted(item["user"] for item in listed) == ["ana", "ana", "bo"]
        assert {(item["state"], item["problem"]) for item in listed} == {("active", None)}
        assert {item["expires_at"] is None for item in listed} == {"endless" in options}
        assert all(item["created_at"] <= item["seen_at"] for item in listed)
        (shown,) = run("show", "-o", "jsonl", "--", bo.cookies[COOKIE][40:]).json_lines()
        assert shown["user"] == "bo"

        before = state_of(redis)
        ended = run("expire", "--user", "ana", "--yes")
        assert (ended.code, "Ended 2 sessions." in ended.stderr) == (0, True), ended.stderr
        assert len(state_of(redis)) == 1
        run("restore", "--last", "--yes")
        assert state_of(redis) == before
        assert [user_of(browser) for browser in (ana, again, bo)] == ["ana", "ana", "bo"]

        run("expire", "--user", "ana", "--yes")
        assert [user_of(browser) for browser in (ana, again, bo)] == [None, None, "bo"]


def test_caches_and_locks_are_none_of_its_sessions(cli: Cli, redis: Redis, redis_url: str) -> None:
    """Beaker keeps them in the same database, caches under the same prefix."""
    from beaker.ext.redisnm import RedisNamespaceManager

    sid, cached = "7" * 32, "5" * 32
    for namespace, key in (
        (sid, "session"), (cached, "page"), ("pages", "session"), ("a" * 40, "session"),
    ):  # fmt: skip
        RedisNamespaceManager(namespace, redis)[key] = b"gAJ9Lg=="
    redis.set(f"beaker_lock:beaker_cache:{sid}:session", "machine-1-2")
    redis.set(f"beaker_cache:{sid}:session\n", "x")
    redis.set(f"beaker_cache:x:{sid}:session", "x")
    where = ("-b", f"{redis_url}?layout=beaker-redis")

    assert cli("list", "-o", "name", *where).stdout.split() == [sid]
    strange = ("pages", f"{sid}:session:{sid}", f"x:{sid}", "*")
    assert "none of the 4" in cli("expire", "--yes", *where, "--", *strange).stderr
    others = set(state_of(redis)) - {f"beaker_cache:{sid}:session".encode()}
    forced = [f"--force={guard}" for guard in ("share", "wrong-store", "no-ttl")]
    purged = cli("purge", "--all", "--yes", *forced, *where)
    assert purged.code == 0, purged.stderr
    assert set(state_of(redis)) == others
