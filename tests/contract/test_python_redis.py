"""Sessions of Python's libraries on Redis whose values are pickles: shown, ended, brought back."""

from __future__ import annotations

import json
import pickle
import uuid
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from tests.support.cli import HOUR_MS, Cli, now_ms
from tests.support.vectors import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # webob imports cgi
    from pyramid_session_redis.util import encode_session_payload

LOGIN = datetime(2026, 1, 2, tzinfo=UTC)
# Everything that is a value, whatever it was meant for, and ids of our own.
CASES = {f"case-{case.id}": case for case in hostile(kind="value") if len(case.raw) < 1_100_000}


def pyramid(data: dict[str, Any], protocol: int = 4) -> bytes:
    """What the library stores; its `serialize` is `pickle.dumps` by itself."""
    return pickle.dumps(encode_session_payload(data, 1795199590, 1200, 0), protocol)


def older(data: dict[str, Any]) -> bytes:
    """What pyramid_redis_sessions stored, under Python 2: protocol 2."""
    return pickle.dumps({"managed_dict": data, "created": 1795199590, "timeout": 1200}, 2)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def cli(home: Path) -> Cli:
    return Cli(home)


@pytest.mark.parametrize(
    ("layout", "value"), [("pyramid-session-redis", pyramid), ("pyramid-redis-sessions", older)]
)
def test_pickled_sessions_are_shown_ended_and_brought_back(
    layout: str, value: Any, redis: Redis, redis_url: str, cli: Cli
) -> None:
    ends = now_ms() + HOUR_MS
    values = {
        "a" * 64: value({"user_id": 42, "at": LOGIN, "cart": [("pear", 2)]}),
        "b" * 64: value({"_auth_user_id": "ana"}),
        "c" * 64: value({"user": uuid.UUID(int=5)}),
    }
    for sid, raw in values.items():
        redis.set(sid, raw, pxat=ends)
    where = ("-b", f"{redis_url}?layout={layout}")

    listed = {item["sid"][0]: item for item in cli("list", "--data", "-o", "jsonl", *where).json_lines()}  # fmt: skip  # noqa: E501
    assert {sid: item["user"] for sid, item in listed.items()} == {
        "a": "42", "b": None, "c": "00000000-0000-0000-0000-000000000005",
    }  # fmt: skip
    assert listed["a"]["data"] == {
        "user_id": 42,
        "at": {"__datetime__": "2026-01-02T00:00:00+00:00"},
        "cart": [{"__tuple__": ["pear", 2]}],
    }
    assert {item["created_at"] for item in listed.values()} == {"2026-11-20T18:33:10.000Z"}
    assert {item["problem"] for item in listed.values()} == {None}

    refused = cli("set", "--yes", *where, "--", "a" * 64, "user_id=43")
    assert "pickle is only read, never written" in refused.stderr
    assert refused.code != 0
    refused = cli("create", "--user", "7", *where)
    assert (f"layout '{layout}' makes no new sessions" in refused.stderr, refused.code) == (True, 4)

    ended = cli("expire", "--user", "42", "--yes", *where)
    assert (ended.code, redis.keys("a*")) == (0, []), ended.stderr
    restored = cli("restore", "--last", "--yes", *where)
    assert restored.code == 0, restored.stderr
    assert {key.decode(): redis.get(key) for key in redis.keys("*")} == values  # type: ignore[union-attr]
    assert redis.pexpiretime("a" * 64) == ends


def test_a_store_full_of_hostile_values(redis: Redis, redis_url: str, cli: Cli) -> None:
    """One bad session stops no listing, no purge of others, and comes back byte by byte."""
    ends = now_ms() + HOUR_MS
    for number in range(20):
        redis.set(f"p:{number}", pyramid({"user_id": number}), pxat=ends)
    for name, case in CASES.items():
        redis.set(f"p:{name}", case.raw, pxat=ends)
    before = {key: redis.get(key) for key in redis.keys("*")}  # type: ignore[union-attr]
    where = ("-b", f"{redis_url}?layout=pyramid-session-redis&prefix=p:")

    for words in (["list", "--data"], ["list", "--user", "7"]):
        result = cli(*words, "-o", "jsonl", "--no-pager", *where)
        assert result.code == 0
        named = {item["sid"] for item in result.json_lines()}
        assert named == ({"7"} if "--user" in words else {*CASES, *map(str, range(20))})
    purged = cli("purge", "--expired", "--yes", *where)
    assert (purged.counts, {key: redis.get(key) for key in redis.keys("*")}) == ({}, before)  # type: ignore[union-attr]
    gone = cli("purge", "--all", "--yes", "--force=share", *where)
    assert (gone.code, redis.keys("*")) == (0, []), gone.stderr
    back = cli("restore", "--last", "--yes", *where)
    assert back.code == 0, back.stderr
    assert {key: redis.get(key) for key in redis.keys("*")} == before  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [["-o", "table"], ["-o", "csv"], ["-o", "json", "--redact"]])
def test_objects_of_unknown_classes_are_shown_by_name_in_every_form(
    options: list[str], redis: Redis, redis_url: str, cli: Cli
) -> None:
    raw = b"}(X\x01\0\0\0m}X\x04\0\0\0evilcos\nsystem\n(X\x05\0\0\0\x1b[2JxtRsX\x01\0\0\0cK\x01u."
    redis.set("p:1", raw, ex=60)
    where = ("-b", f"{redis_url}?layout=pyramid-session-redis&prefix=p:")
    result = cli("show", *options, *where, "--", "1")
    assert result.code == 0, result.stderr
    assert "\x1b[2J" not in result.stdout + result.stderr
    if "--redact" not in options and "csv" not in options:
        assert "os.system" in result.stdout


def test_aiohttp_sessions_below_their_key_can_be_edited_and_converted(
    redis: Redis, redis_url: str, cli: Cli
) -> None:
    redis.set("AIOHTTP_SESSION_x", b'{"created": 1795199590, "session": {"user_id": 7}}', ex=60)
    redis.set("AIOHTTP_SESSION_emptied", b"{}", ex=60)
    redis.set("AIOHTTP_SESSION_other", b'{"created": 1, "session": []}', ex=60)
    where = ("-b", f"{redis_url}?layout=aiohttp-session")
    listed = {i["sid"]: i for i in cli("list", "--data", "-o", "jsonl", *where).json_lines()}
    assert (listed["x"]["data"], listed["x"]["user"]) == ({"user_id": 7}, "7")
    assert listed["x"]["extra"]["created"] == 1795199590
    assert (listed["emptied"]["data"], listed["emptied"]["problem"]) == ({}, None)
    assert "expected an object under 'session'" in listed["other"]["problem"]["message"]
    changed = cli("set", "--yes", *where, "--", "x", "user_id:=8", "created=mine")
    assert changed.code == 0, changed.stderr
    value: Any = redis.get("AIOHTTP_SESSION_x")
    assert json.loads(value) == {
        "created": 1795199590, "session": {"user_id": 8, "created": "mine"},
    }  # fmt: skip
    assert value.startswith(b'{"created":1795199590,"session":{"user_id":8')


def test_from_express_to_aiohttp_and_back_the_data_is_the_same(
    redis: Redis, redis_url: str, cli: Cli
) -> None:
    value = '{"cookie":{"originalMaxAge":60000,"path":"/"},"user_id":7,"created":"me","session":1}'
    redis.set("sess:x", value, ex=60)
    express, theirs = (
        f"{redis_url}?layout={name}" for name in ("connect-redis", "aiohttp-session")
    )
    assert cli("copy", "-b", express, "--to", theirs, "--all", "--yes").counts == {"copied": 1}
    there: Any = redis.get("AIOHTTP_SESSION_x")
    copied = json.loads(there)
    assert copied["session"] == {"user_id": 7, "created": "me", "session": 1}
    assert copied.keys() == {"created", "session"}
    redis.delete("sess:x")
    assert cli("copy", "-b", theirs, "--to", express, "--all", "--yes").counts == {"copied": 1}
    back: Any = redis.get("sess:x")
    data = json.loads(back)
    assert data.pop("cookie")["path"] == "/"
    assert data == {"user_id": 7, "created": "me", "session": 1}


def test_aiohttp_sessions_are_not_passed_on_as_another_library_s_pickles(
    redis: Redis, redis_url: str, cli: Cli
) -> None:
    """Both call a key of theirs `created`."""
    redis.set("AIOHTTP_SESSION_x", b'{"created": 1795199590, "session": {"user_id": 7}}', ex=60)
    target = f"{redis_url}?layout=pyramid-redis-sessions&prefix=p:"
    result = cli(
        "copy", "-b", f"{redis_url}?layout=aiohttp-session", "--to", target, "--all", "--yes"
    )
    assert (result.code != 0, "makes no new sessions" in result.stderr) == (True, True)
    assert redis.keys("p:*") == []


@pytest.mark.parametrize("layout", ["pyramid-session-redis", "pyramid-redis-sessions"])
def test_without_a_prefix_other_programs_keys_are_left_alone(
    layout: str, redis: Redis, redis_url: str, cli: Cli
) -> None:
    others = ["sess:x", "starsessions.x", ":1:django.contrib.sessions.cachex", "jobs/1"]
    value = pyramid if layout == "pyramid-session-redis" else older
    for key in (*others, "a" * 64):
        redis.set(key, value({"user_id": 42}), ex=60)
    where = ("-b", f"{redis_url}?layout={layout}")
    assert cli("list", "-o", "name", *where).stdout.split() == ["a" * 64]
    assert cli("purge", "--all", "--yes", *where).counts == {"deleted": 1}
    assert {key.decode() for key in redis.keys("*")} == set(others)  # type: ignore[union-attr]
