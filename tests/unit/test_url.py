"""Store URLs are taken apart by us alone, and whatever is wrong, the password is not quoted."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.config.model import Config
from sessctl.config.opening import choose_backend
from sessctl.errors import SessctlError, UsageError
from sessctl.stores.opening import open_store
from sessctl.stores.registry import ENGINES, parse_url
from sessctl.stores.url import flags, parse_store_url
from sessctl.text import Secret
from tests.support.vectors import hostile

FILES = frozenset({"sqlite"})


def parsed(text: str):
    return parse_store_url(text, file_schemes=FILES)


@pytest.mark.parametrize("case", hostile("url-"), ids=lambda case: case.id)
def test_hostile_urls_never_show_their_password(case) -> None:
    try:
        url = parse_url(case.text)
    except SessctlError as error:
        trace = "".join(traceback.format_exception(error))
        shown = f"{error!r} {error} {error.hint} {error.where} {trace}"
    else:
        shown = f"{url!r} {url} {url.masked}"
        assert url.password is not None
    text = shown.replace(case.text, "")  # the traceback quotes no arguments, only source lines
    assert not [word for word in case.forbid if word in text or word in shown]


@pytest.mark.parametrize(
    "case", hostile("url-bad", "url-esc", "url-newline", "url-ipv6"), ids=lambda c: c.id
)
def test_malformed_urls_are_refused_before_anything_connects(case) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(case.text)
    assert "HOSTILE" not in f"{caught.value} {caught.value.hint}"


@given(st.text(st.characters(codec="utf-8", exclude_characters="@"), min_size=1))
def test_no_url_raises_anything_but_our_errors(tail: str) -> None:
    for text in (f"redis://ops:canary-77{tail}@host/0", f"redis://{tail}"):
        shown = ""
        try:
            parse_url(text)
        except SessctlError as error:
            shown = f"{error} {error.hint}"
        assert "canary-77" not in shown


@pytest.mark.parametrize("password", ["p@ss", "p/ss", "p#ss", "p:ss", "p?ss", "p%40ss"])
def test_passwords_need_no_escaping(password: str) -> None:
    url = parsed(f"redis://ops:{password}@db.example:6380/2")
    assert (url.username, url.host, url.port, url.path) == ("ops", "db.example", 6380, "/2")
    assert url.password == Secret(password.replace("%40", "@"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("redis://localhost", ("localhost", None, "")),
        ("redis://localhost:6379/0", ("localhost", 6379, "/0")),
        ("rediss://[::1]:7000/1", ("::1", 7000, "/1")),
        ("redis+unix:///run/redis.sock?db=1", ("", None, "/run/redis.sock")),
        ("sqlite:///relative.db", ("", None, "relative.db")),
        ("sqlite:////abs/o lute.db", ("", None, "/abs/o lute.db")),
        ("sqlite:////a%20b@c:d#e", ("", None, "/a b@c:d#e")),
        ("redis://:pw@localhost", ("localhost", None, "")),
    ],
)
def test_parts(text: str, parts: tuple[object, ...]) -> None:
    url = parsed(text)
    assert (url.host, url.port, url.path) == parts


def test_a_masked_url_shows_who_and_where_only() -> None:
    assert parsed("redis://ops:secret-81@h:1/2").masked == "redis://ops:***@h:1/2"
    assert parsed("redis://[::1]:1/2").masked == "redis://[::1]:1/2"


def test_a_password_in_the_query_is_one_too() -> None:
    url = parsed("redis://ops@h/0?password=canary-82&db=3")
    assert url.password == Secret("canary-82")
    assert url.option("password") is None
    assert url.option("db") == "3"


@pytest.mark.parametrize(
    "text",
    [
        "redis://h:0/",
        "redis://h:65536/",
        "redis://h:x/",
        "redis://h h/",
        "redis://-/",
        "redis://[::1/",
        "://",
    ],
)
def test_malformed_urls_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("rdis://h", "did you mean 'redis'?"),
        ("gopher://h", f"known: {', '.join(ENGINES)}"),
    ],
)
def test_an_unknown_scheme_names_the_known_ones(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert caught.value.hint == hint


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="redis URLs have no option 'x'"):
        flags({"x": "1"}, ("db",), "redis")


def test_a_url_without_its_scheme_is_not_quoted_as_a_backend_name() -> None:
    with pytest.raises(SessctlError) as caught:
        choose_backend(Config(), "ops:canary-83@127.0.0.1:6379/0")
    assert "canary-83" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("conect-redis", {}, "no layout 'conect-redis'"),
        ("connect-sqlite3", {}, "layout 'connect-sqlite3' does not live in a redis store"),
        ("connect-redis", {"table": "x"}, "layout 'connect-redis' has no setting 'table'"),
    ],
)
def test_a_wrong_layout_is_refused_before_connecting(layout, options, message) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_store("redis://127.0.0.1:1/0", layout, **options)
    assert caught.value.hint


def test_a_list_of_hosts_is_one_store() -> None:
    url = parse_url("mongodb://ops:canary-84@a:1,[::1]:2,c/shop?replicaSet=rs0")
    assert url.hosts == (("a", 1), ("::1", 2), ("c", None))
    assert url.masked == "mongodb://ops:***@a:1,[::1]:2,c/shop"
    assert not url.is_local
    assert parse_url("mongodb://localhost,127.0.0.1:2/x").is_local
    with pytest.raises(UsageError, match="no valid port"):
        parse_url("redis://a:1,b:2/0")
