"""URLs of requests: one spelling of a host, and no surprise about where a link leads."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.errors import UsageError
from sessctl.replay.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:3000", Url("http", "127.0.0.1", 3000, "/")),
        ("HTTPS://Shop.Example/A?b=C#d", Url("https", "shop.example", 443, "/A?b=C")),
        ("http://[::1]:8080/x", Url("http", "::1", 8080, "/x")),
        ("http://[0:0:0:0:0:0:0:1]/", Url("http", "::1", 80, "/")),
        ("http://münchen.example/", Url("http", "xn--mnchen-3ya.example", 80, "/")),
        ("http://a?q", Url("http", "a", 80, "/?q")),
        ("http://a/x?", Url("http", "a", 80, "/x?")),
        ("http://a/é b?ü=%41%zz", Url("http", "a", 80, "/%C3%A9%20b?%C3%BC=%41%zz")),
        ("http://a/\udcff", Url("http", "a", 80, "/%FF")),
        (" http://a/b\n/c ", Url("http", "a", 80, "/b/c")),
        ("http+unix://%2Frun%2Fapp.sock/x", Url("http", "localhost", 80, "/x", "/run/app.sock")),
    ],
)
def test_a_url_in_parts(text: str, url: Url) -> None:
    assert parse_url(text) == url
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("127.0.0.1:3000", "is not an http or https URL"),
        ("ftp://a/", "is not an http or https URL"),
        ("javascript:alert(1)", "is not an http or https URL"),
        ("http://[::1", "is not a URL"),
        ("http://a:99999/", "is not a URL"),
        ("http://a:x/", "is not a URL"),
        ("http://a:0/", "has no valid port"),
        ("http:///x", "has no valid host"),
        ("http://a b/", "has no valid host"),
        ("http://%31/", "has no valid host"),
        ("http://2130706433/", "has no valid host"),
        ("http://0x7f.1/", "has no valid host"),
        ("http://127.1/", "has no valid host"),
        ("http://tj:canary@a/", "holds a user or a password"),
        ("http+unix://run/", "names no socket"),
    ],
)
def test_what_is_no_url_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_url(text)
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("reference", "to"),
    [
        ("/b", "http://a:81/b"),
        ("b?c", "http://a:81/x/b?c"),
        ("?q=1", "http://a:81/x/y?q=1"),
        ("../../..", "http://a:81/"),
        ("#top", "http://a:81/x/y?z"),
        ("//evil.example/b", "http://evil.example/b"),
        ("\t//evil.example", "http://evil.example/"),
        ("https://a:81/b", "https://a:81/b"),
        ("http://a:81/b", "http://a:81/b"),
    ],
)
def test_where_a_link_leads(reference: str, to: str) -> None:
    assert str(parse_url("http://a:81/x/y?z").join(reference)) == to


def test_a_link_stays_on_its_socket_unless_it_names_another_host() -> None:
    url = parse_url("http+unix://%2Frun%2Fapp.sock/x")
    assert url.join("/y") == Url("http", "localhost", 80, "/y", "/run/app.sock")
    assert url.join("http://localhost/y").socket == "/run/app.sock"
    assert url.join("http://localhost:81/y").socket is None


@pytest.mark.parametrize("reference", ["http://[bad/", "ftp://a/", "http://tj:pw@a/"])
def test_a_link_that_leads_nowhere_is_refused(reference: str) -> None:
    with pytest.raises(UsageError):
        parse_url("http://a/").join(reference)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(
            (host, True)
            for host in ("localhost", "a.localhost", "127.9.9.9", "[::1]", "LOCALHOST.")
        ),
        *((host, False) for host in ("localhost.example", "10.0.0.1", "0.0.0.0", "notlocalhost")),
    ],
)
def test_loopback_is_a_name_or_an_address(host: str, loopback: bool) -> None:
    assert parse_url(f"http://{host}/").is_loopback is loopback


@given(st.text(max_size=40), st.sampled_from(["", "http:", "http://", "//", "/", "http://["]))
def test_nothing_else_is_ever_raised_and_what_is_sent_is_ascii(text: str, start: str) -> None:
    for make in (parse_url, parse_url("http://a/").join):
        with suppress(UsageError):
            url = make(start + text)
            assert url.target.isascii()
            assert not set(url.target) & set(" \r\n\t#")
            assert parse_url(str(url)) == url
