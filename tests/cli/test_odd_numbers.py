"""Numbers that JSON knows and a clock does not, where the libraries keep ages and dates: a session
with one of them is odd, and stops nothing."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hmac import digest
from typing import TYPE_CHECKING

import pytest

from sessctl.serializers.django import StoredSession
from sessctl.text import Secret
from tests.support.cli import HOUR_MS, Cli, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.engines import SqliteEngine

NUMBERS = [
    *("1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1e308", "-1e308"),
    *("123456789012345678901234567890", "0.5", "-0"),
]
# Where the libraries of Node and applications keep numbers.
VALUES = [
    '{"cookie":{"originalMaxAge":%s,"expires":null},"user":1}',
    '{"cookie":{"originalMaxAge":null,"expires":%s},"user":1}',
    '{"cookie":{"originalMaxAge":null,"expires":null},"user":%s}',
    '{"cookie":{"originalMaxAge":null,"expires":null},"iat":%s,"userId":{"id":%s}}',
]
READING = [
    *("list", "list --data", "list -w data.iat>5", "show -", "stats", "audit"),
    *("export", "watch --for 10ms --initial", "purge --expired --dry-run"),
]


@pytest.fixture
def full(shop: SqliteEngine) -> SqliteEngine:
    for i, number in enumerate(NUMBERS):
        for j, value in enumerate(VALUES):
            raw = value.replace("%s", number).encode()
            shop.save(b"%030d%d%d" % (0, i, j), raw, now_ms() + HOUR_MS)
    return shop


@pytest.mark.parametrize("words", READING)
def test_a_table_of_them_is_read(cli: Cli, full: SqliteEngine, words: str) -> None:
    sids = cli("list", "-b", full.url, "-o", "name").stdout
    assert len(sids.splitlines()) == len(NUMBERS) * len(VALUES)
    result = cli(*words.split(), "-b", full.url, "-o", "jsonl", stdin=sids)
    assert result.code in ((0, 1) if words == "audit" else (0,))


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
