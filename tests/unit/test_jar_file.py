"""Jars on disk, exchanged with Python's own reader of cookies.txt."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from http.cookiejar import MozillaCookieJar
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.errors import LimitExceeded, UnreadableInput, UsageError
from sessctl.limits import Budget
from sessctl.replay.jar import Jar
from sessctl.replay.jar_file import read_jar, write_jar
from sessctl.replay.url import parse_url

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_000_000_000
SHOP = parse_url("https://shop.example.com/")
LINES = [
    b"sid=s%3Aabc.def; Path=/; HttpOnly; Secure; SameSite=Lax",
    b"stays=1; Max-Age=60; Domain=example.com; Path=/cart",
    b"raw=\xff\xfe; Partitioned; Secure; SameSite=None",
    "ü=é".encode(),
    b"bare",
    b"empty=",
]


def filled() -> Jar:
    jar = Jar()
    jar.receive(LINES, SHOP, NOW)
    assert len(jar) == len(LINES)
    return jar


def header(jar: Jar) -> bytes | None:
    return jar.choose(parse_url("https://shop.example.com/cart"), NOW).header


def test_json_loses_nothing(tmp_path: Path) -> None:
    write_jar(filled(), tmp_path / "jar.json")
    assert read_jar(tmp_path / "jar.json") == filled()
    assert (tmp_path / "jar.json").read_bytes().isascii()


def test_cookies_txt_keeps_what_is_sent_and_until_when(tmp_path: Path) -> None:
    write_jar(filled(), tmp_path / "cookies.txt")
    found = read_jar(tmp_path / "cookies.txt")
    assert header(found) == header(filled())
    kept = [(c.domain, c.host_only, c.path, c.secure, c.http_only, c.expires_ms) for c in found]
    assert kept == [
        (c.domain, c.host_only, c.path, c.secure, c.http_only, c.expires_ms) for c in filled()
    ]


def test_pythons_reader_takes_our_cookies_txt(tmp_path: Path) -> None:
    jar = Jar()
    jar.receive([*LINES[:2], b"plain=x"], SHOP, NOW)
    write_jar(jar, tmp_path / "cookies.txt")
    theirs = MozillaCookieJar(tmp_path / "cookies.txt")
    theirs.load(ignore_discard=True, ignore_expires=True)
    assert {(c.domain, c.path, c.name, c.value, c.secure, c.expires) for c in theirs} == {
        ("shop.example.com", "/", "sid", "s%3Aabc.def", True, 0),
        (".example.com", "/cart", "stays", "1", False, NOW // 1000 + 60),
        ("shop.example.com", "/", "plain", "x", False, 0),
    }
    theirs.save(ignore_discard=True, ignore_expires=True)
    assert header(read_jar(tmp_path / "cookies.txt")) == header(jar)


def test_curls_file_is_read(tmp_path: Path) -> None:
    """As curl 8 writes it: an empty value leaves its field away, remarks and blank lines between."""
    path = tmp_path / "cookies.txt"
    path.write_bytes(
        b"# Netscape HTTP Cookie File\r\n# https://curl.se/docs/http-cookies.html\r\n\r\n"
        b"#HttpOnly_127.0.0.1\tFALSE\t/\tTRUE\t0\tsid\ts%3Aabc\r\n"
        b".Example.com\tTRUE\t/a\tFALSE\t1799999999\tempty\r\n"
        b"x.org\tFALSE\t/\tFALSE\t1799999999.5\tfraction\t\xff\n"
        b"x.org\tFALSE\t/\tFALSE\t-1\tminus\t1\n"
    )
    sid, empty, fraction, minus = read_jar(path)
    assert (sid.domain, sid.http_only, sid.secure, sid.expires_ms) == (
        "127.0.0.1",
        True,
        True,
        None,
    )
    assert (empty.domain, empty.host_only, empty.value) == ("example.com", False, "")
    assert (fraction.expires_ms, fraction.pair) == (1_799_999_999_000, b"fraction=\xff")
    assert minus.expires_ms is None


def test_a_file_without_cookies_is_an_empty_jar(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    assert len(read_jar(tmp_path / "none")) == 0


GOOD = {
    "name": "a",
    "value": "1",
    "domain": "x.org",
    "path": "/",
    "host_only": True,
    "secure": False,
    "http_only": False,
    "partitioned": False,
    "created_ms": 0,
    "expires_ms": None,
    "same_site": "Lax",
}


def as_json(**changes: object) -> str:
    return json.dumps({"sessctl-jar": 1, "cookies": [{**GOOD, **changes}]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a=1; b=2\n", "line 1 has 1 fields between tabs, not 7"),
        ("#\n\nx.org\tYES\t/\tTRUE\t0\ta\t1\n", "line 3 has neither TRUE nor FALSE"),
        ("x.org\tTRUE\t/\tTRUE\tsoon\ta\t1\n", "line 1 has no time in its fifth field"),
        ("x.org\tTRUE\t/\tTRUE\t0\ta\tb\x01\n", "line 1 holds a control character"),
        ("x.org\tTRUE\t/\tTRUE\t0\ta\tb;c\n", "line 1 has no domain, no path, or a ';'"),
        ("\tTRUE\t/\tTRUE\t0\ta\tb\n", "line 1 has no domain"),
        ("{", "not JSON"),
        ("{}", 'no "sessctl-jar": 1'),
        ('{"sessctl-jar": 1, "cookies": [1]}', "cookie 1 has not the keys of a cookie"),
        (as_json(extra=1), "cookie 1 has not the keys of a cookie"),
        (as_json(secure=1), "cookie 1 has a secure of the wrong kind"),
        (as_json(expires_ms=10**30), "cookie 1 has a expires_ms of the wrong kind"),
        (as_json(same_site="lax"), "cookie 1 has a same_site of the wrong kind"),
        (as_json(value="x\r\nSet: y"), "cookie 1 holds a control character"),
        (as_json(value="\ud800"), "cookie 1 holds half of a surrogate pair"),
    ],
)
def test_what_is_no_jar_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "jar"
    path.write_text(content)
    with pytest.raises(UnreadableInput) as caught:
        read_jar(path)
    assert caught.value.message.startswith(message)
    assert caught.value.where == {"file": str(path)}


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=99).map(lambda t: ("{" + t).encode("utf-8", "replace")),
    )
)
def test_no_content_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile-jar"
    path.write_bytes(raw)
    with suppress(UnreadableInput):
        read_jar(path)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "jar").write_bytes(b"#" * 101)
    with pytest.raises(LimitExceeded):
        read_jar(tmp_path / "jar", Budget(value_bytes=100))


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_jar(tmp_path / "none")


# -- credentials on disk ---------------------------------------------------------------------------


def test_a_jar_is_for_its_owner_alone_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    path.write_text("old")
    path.chmod(0o644)
    write_jar(filled(), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["jar"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "jar"
    victim.write_text("mine")
    path.symlink_to(victim)
    write_jar(filled(), path)
    assert victim.read_text() == "mine"
    assert not path.is_symlink()


def test_a_jar_is_not_written_where_anybody_may_exchange_it(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="anybody may write its folder"):
        write_jar(filled(), folder / "jar")
    folder.chmod(0o1777)
    write_jar(filled(), folder / "jar")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write the jar .*/none/jar \(no such file"):
        write_jar(filled(), tmp_path / "none" / "jar")
    with pytest.raises(UsageError, match="is a directory"):
        write_jar(filled(), tmp_path)
