"""Values that JSON knows and nobody expects, in every place where libraries and applications keep
ages, dates and names: a session with one of them is odd, and stops nothing."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from contextlib import suppress
from hmac import digest
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.cookies.api import sign_cookie
from sessctl.cookies.registry import FORMATS, cookie_format
from sessctl.errors import SerializerError, UsageError
from sessctl.serializers.django import StoredSession
from sessctl.text import Secret
from tests.support.cli import HOUR_MS, Cli, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.engines import SqliteEngine

NUMBERS = [
    *("1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1e308", "-1e308"),
    *("123456789012345678901234567890", "0.5", "-0"),
]
OTHERS: list[Any] = [
    *(None, True, "", "x" * 2000, [], {}, [[[]]], {"id": 10**400}, {"_id": {"$oid": "x"}}),
    *(
        {"__uuid__": "x"},
        {"__datetime__": 10**400},
        "\ud800",
        "\0\x1b[31m",
        8.64e15,
        -62135596800000,
    ),
    *("9999-12-31T23:59:59.999Z", "+275760-09-13T00:00:00.000Z", "-000001-01-01T00:00:00Z"),
    *("2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
]
USUAL: dict[str, Any] = {
    "cookie": {"originalMaxAge": 3_600_000, "expires": "2027-01-01T00:00:00Z", "path": "/"},
    "passport": {"user": "7"},
    "userId": {"id": 1},
    "iat": 1_767_225_600,
}
READING = [
    *("list", "list --data", "list -w data.iat>5", "list --user 7", "show -", "stats", "audit"),
    *("export", "watch --for 10ms --initial", "purge --expired --dry-run"),
]


def variants(node: Any) -> Iterator[str]:
    """A value with each of its parts replaced by each of these."""
    yield from (*NUMBERS, *map(json.dumps, OTHERS))
    if isinstance(node, dict):
        for key, part in node.items():
            for inner in variants(part):
                rest = {name: value for name, value in node.items() if name != key}
                yield f"{json.dumps({**rest, key: '@'})[:-4]}{inner}}}"


@pytest.fixture
def full(shop: SqliteEngine) -> SqliteEngine:
    shop.client.execute("BEGIN")
    for number, value in enumerate(variants(USUAL)):
        shop.save(b"%032d" % number, value.encode(), now_ms() + HOUR_MS)
    shop.client.execute("COMMIT")
    return shop


@pytest.mark.parametrize("output", ["json", "jsonl"])
@pytest.mark.parametrize("words", READING)
def test_a_table_of_them_is_read(cli: Cli, full: SqliteEngine, words: str, output: str) -> None:
    sids = cli("list", "-b", full.url, "-o", "name").stdout
    assert len(sids.splitlines()) == sum(1 for _ in variants(USUAL)) > 200
    if words in ("export", "watch --for 10ms --initial"):
        output = "jsonl"
    result = cli(*words.split(), "-b", full.url, "-o", output, "--no-pager", stdin=sids)
    assert result.code in ((0, 1) if words == "audit" else (0,)), result.stderr


def test_they_are_ended_and_come_back(cli: Cli, full: SqliteEngine) -> None:
    before = full.everything()
    ended = cli("purge", "--all", "--yes", "--force", "share", "-b", full.url)
    assert (ended.code, full.everything()) == (0, {})
    assert cli("restore", "--last", "--yes", "-b", full.url).code == 0
    assert full.everything() == before


def file_store(folder: Path, number: str) -> str:
    """A session of session-file-store, whose last access and age are such numbers."""
    raw = '{"cookie":{"originalMaxAge":%s,"expires":null},"__lastAccess":%s}'
    for name, seen in (("a", "1.5"), ("b", number)):
        text = raw % (number, seen)
        (folder / f"{name * 32}.json").write_text(text)
    return f"file://{folder}?layout=session-file-store"


def django_files(folder: Path, number: str) -> str:
    """Sessions of Django with a lifetime of their own."""
    text = b'{"_session_expiry":%b,"_auth_user_id":"1"}' % number.encode()
    raw = StoredSession([Secret.of_a_list(b"x")]).seal(text, None)
    for name in "ab":
        (folder / f"sessionid{name * 32}").write_bytes(raw)
    return f"file://{folder}?layout=django-file"


@pytest.mark.parametrize("make", [file_store, django_files])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_files_with_them(
    cli: Cli, tmp_path: Path, make: Callable[[Path, str], str], number: str
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    url = make(folder, number)
    listed = cli("list", "-b", url, "-o", "jsonl")
    assert (listed.code, len(listed.json_lines())) == (0, 2)
    # Whatever becomes of them: each is told, and what was not moved is as it was.
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    touched = cli("touch", "a" * 32, "b" * 32, "--ttl", "1h", "--yes", "-b", url, "-o", "jsonl")
    assert touched.code in (0, 1, 5)
    outcomes = {one["sid"][0]: one["outcome"] for one in touched.json_lines() if "sid" in one}
    assert set(outcomes) == {"a", "b"}
    for path, was in before.items():
        if outcomes[path.name.removeprefix("sessionid")[0]] != "touched":
            assert (path.read_bytes(), path.stat().st_mtime_ns) == was


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_a_cookie_of_beaker(cli: Cli, number: str) -> None:
    """Signed by the application itself, whose last access is such a number."""
    body = b64encode(zlib.compress(b'{"_accessed_time":%b}' % number.encode()))
    cookie = digest(b"key", body, "sha1").hex().encode() + body
    words = ["verify", "-", "--format", "beaker", "--secret-from", "env:KEY", "--max-age", "1h"]
    result = cli(*words, "-o", "jsonl", stdin=cookie, env={"KEY": "key"})
    assert result.code in (0, 1)


PAYLOAD = {
    "user_id": 7, "exp": 4_000_000_000, "iat": 1_767_225_600, "nbf": 1, "created": 1, "id": "x",
    "session": {"a": 1}, "_expire": 4_000_000_000_000, "_maxAge": 5, "_id": "x",
    "_accessed_time": 1_767_225_600.5,
}  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_cookies_of_them_are_judged(cli: Cli, format: str) -> None:
    """Signed by whoever has the secret; all of them in one batch."""
    made = []
    for text in variants(PAYLOAD):
        if len(text) > 4_300:  # which Python's own reader takes for no number
            continue
        with suppress(UsageError, SerializerError):
            found = sign_cookie(json.loads(text), "k" * 32, format)
            made.append("; ".join(f"{one.name}={one.value}" for one in found))
    words = ["verify", "-", "--secret-from", "env:KEY", "-o", "json"]
    if cookie_format(format).carries_time:
        words += ["--max-age", "1h"]
    result = cli(*words, stdin="\n".join(made), env={"KEY": "k" * 32})
    assert result.code in (0, 1, 5) if made else result.code == 7, result.stderr
