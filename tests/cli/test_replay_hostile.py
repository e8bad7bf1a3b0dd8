"""S22 and S28 at the keyboard: hostile applications get no cookie that is not theirs, no control
character onto a terminal, and no traceback."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import TERMINAL, Cli
from tests.support.little_apps import pages, paths
from tests.support.raw_http import RawServer, reply, saying, streaming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.run import Result

CANARY = "canary-0123456789abcdef"
SET = f"Set-Cookie: sid={CANARY}; Path=/".encode()
ONE = "sessctl: 1\nsteps:\n  - {get: /, show: {said: body}}\n  - {get: /two}\n"


def replay(cli: Cli, text: str, url: str, *words: str, **more: Any) -> Result:
    (cli.home / "shop.yaml").write_text(text)
    return cli("replay", "shop.yaml", "--target", url, *words, **more)


# -- cookies stay at home --------------------------------------------------------------------------

HEADERS = "headers: {X-CSRF-Token: canary-csrf, Authorization: Bearer canary-auth}"


@pytest.fixture
def second() -> Iterator[RawServer]:
    """Another origin, which must not hear of the first one's cookies."""
    with RawServer(saying(reply(b"mine now"))) as server:
        yield server


def leading(to: str, status: int, extra: bytes = b"") -> RawServer:
    """Sets the canary, and sends whoever asks for anything else elsewhere."""

    def page(_method: str, path: str, _cookies: Mapping[str, str]) -> bytes:
        if path == "/":
            return reply(b"hello", SET)
        return reply(b"", b"Location: " + to.encode(), extra or b"X: y", status=b"%d Go" % status)

    return RawServer(pages(page))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_redirect_elsewhere_is_a_failed_step(
    cli: Cli, second: RawServer, status: int, method: str
) -> None:
    text = f"sessctl: 1\nsteps:\n  - get: /\n  - {{{method}: /go, follow: true, {HEADERS}}}\n"
    with leading(f"{second.url}/take", status) as first:
        result = replay(cli, text, first.url)
        assert b"Cookie: sid=" + CANARY.encode() in first.requests[1]
    assert second.requests == []
    assert f"the redirect leads to {second.url} (--allow-host 127.0.0.1)" in result.stdout
    assert result.code == 1


TRICKS = [
    "//{host}/take", "/\\{host}/take", "\\\\{host}/take", "http:{host}/take", " http://{host}/take",
    "http://127.0.0.1@{host}/take", "HTTP://{host}/take", "ht\ttp://{host}/take",
    "http://{host}\\@127.0.0.1/", "///{host}/take", "https://{host}/take", "http:///{host}/take",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_no_spelling_of_a_location_leads_elsewhere(cli: Cli, second: RawServer, trick: str) -> None:
    text = "sessctl: 1\nsteps:\n  - get: /\n  - {get: /go, follow: true}\n"
    to = trick.replace("{host}", f"127.0.0.1:{second.port}")
    with leading(to, 302) as first:
        result = replay(cli, text, first.url)
    assert second.requests == []
    assert (result.code, "Traceback" in result.stderr) == (1, False)


def test_an_allowed_host_gets_no_header_of_the_step(cli: Cli) -> None:
    """Cookies of 127.0.0.1 go to every port of it, as in browsers; what the author wrote does not,
    and another name gets nothing at all."""
    step = f"{{post: /go, form: {{a: b}}, follow: true, {HEADERS}}}"
    text = f"sessctl: 1\nsteps:\n  - get: /\n  - {step}\n"
    with RawServer(saying(reply(b"mine now"))) as other:
        to = f"http://localhost:{other.port}/take"
        with leading(to, 307) as first:
            result = replay(cli, text, first.url, "--allow-host", "localhost")
    assert result.code == 0
    assert paths(other.requests)[0] == "/take"
    assert not any(b"canary" in request for request in other.requests)


def test_a_page_that_refreshes_elsewhere_is_only_a_page(cli: Cli, second: RawServer) -> None:
    page = f'<meta http-equiv="refresh" content="0;url={second.url}">'.encode()
    with RawServer(saying(reply(page, SET, f"Refresh: 0;url={second.url}".encode()))) as first:
        assert replay(cli, "sessctl: 1\nsteps: [{get: /, follow: true}]\n", first.url).code == 0
    assert second.requests == []


def test_redirects_end(cli: Cli) -> None:
    text = "sessctl: 1\nsteps: [{get: /, follow: true}]\n"
    with RawServer(saying(reply(b"", b"Location: /", status=b"302 Found"))) as server:
        result = replay(cli, text, server.url)
        assert len(server.requests) == 11
    assert "more than 10 redirects" in result.stdout
    assert result.code == 1


# -- answers that are none -------------------------------------------------------------------------

MIB = bytes(1 << 20)
BROKEN: dict[str, tuple[Any, str]] = {
    "50 MB": (
        streaming(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n", [MIB] * 50),
        "the body is more than 10.0 MiB",
    ),
    "a bomb": (
        saying(reply(gzip.compress(bytes(60 << 20)), b"Content-Encoding: gzip")),
        "the body unpacks to more than 50.0 MiB",
    ),
    "broken gzip": (
        saying(reply(b"no gzip at all", b"Content-Encoding: gzip")),
        "the gzip body is broken",
    ),
    "half of a gzip": (
        saying(reply(gzip.compress(bytes(range(256)) * 9)[:40], b"Content-Encoding: gzip")),
        "the gzip body ends early",
    ),
    "no http": (saying(b"SSH-2.0-OpenSSH_9.6\r\n", closes=True), ""),
    "half of a head": (saying(b"HTTP/1.1 200 OK\r\nSet-Coo", closes=True), ""),
    "half of a body": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", closes=True), "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_a_failed_step(cli: Cli, name: str) -> None:
    script, told = BROKEN[name]
    with RawServer(script) as server:
        result = replay(cli, ONE, server.url, "--timeout", "20s")
    assert told in result.stdout
    assert (result.code, "internal error" in result.stderr) in ((1, False), (3, False))
    assert result.stdout or result.stderr.count("sessctl: error: ") == 1


def test_the_app_that_hangs_up_at_the_second_step(cli: Cli) -> None:
    with RawServer(saying(reply(), b"", closes=True)) as server:
        result = replay(cli, ONE, server.url)
    assert result.code == 1
    assert "  failed     shop.yaml:4:5: step 2 (stateful): " in result.stdout


def test_an_answer_that_does_not_come(cli: Cli) -> None:
    with RawServer(lambda _connection, _request: True) as server:
        result = replay(cli, ONE, server.url, "--timeout", "300ms")
    assert (result.stdout, result.code) == ("", 3)
    assert "within 300ms" in result.stderr


COOKIES = [
    b"Set-Cookie: ", b"Set-Cookie: =", b"Set-Cookie: a\x01b=c", b"Set-Cookie: a=b\x1b[31m",
    b"Set-Cookie: n\xe4me=w\xe4rt", b"Set-Cookie: \xff\xfe=\xf0\x9f\x98", b"Set-Cookie: a\tb=c",
    b"Set-Cookie: big=" + b"x" * 5000, b"Set-Cookie: __Host-a=b",
    b"Set-Cookie: x=y; Domain=example.com",
    b"Set-Cookie: a=b; Expires=never; Max-Age=soon; SameSite=Maybe; Path=nowhere",
    "Set-Cookie: \u202eevil\u2066=\u200b".encode(),
    b"Set-Cookie: [bold]m[/bold]=[link=http://h]y[/]",
]  # fmt: skip


@pytest.mark.parametrize("line", COOKIES)
@pytest.mark.parametrize("words", [[], ["-o", "jsonl"], ["-o", "json"]])
def test_a_malformed_cookie_is_judged_and_shown_inert(
    cli: Cli, line: bytes, words: list[str]
) -> None:
    with RawServer(saying(reply(b"ok", line))) as server:
        more = ["--show-jar", "--diagram", "-v", "--why", "--show-ids", *words]
        result = replay(cli, ONE, server.url, *more, terminals=TERMINAL, env={"TERM": "dumb"})
    assert result.code == 0
    assert_inert(result)


BODIES = [
    b"\x1b]0;owned\x07\x1b[2J", b"\xc2\x9b31m", b"a\rb\nc\x08", "\u202egnp.exe\u2028".encode(),
    b"\xff\xfe\x00", b"[red]x[/red]", b"e" + "\u0301".encode() * 40, "\U000e0041".encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_a_hostile_answer_is_shown_inert(cli: Cli, body: bytes) -> None:
    text = (
        "sessctl: 1\nsteps:\n"
        "  - {name: \"a\\e[31m\\u202eb\", get: /, show: {said: body}}\n"
        "  - {get: /two, show: {where: {header: Location}}, stateless: {body: x}}\n"
    )  # fmt: skip
    location = b"Location: /" + re.sub(rb"[\r\n\x00]", b"", body)
    with RawServer(saying(reply(body, location), reply(body + b"!", location))) as server:
        for words in (["--diagram", "-v"], ["-o", "json"], ["-o", "jsonl"]):
            result = replay(cli, text, server.url, *words, terminals=TERMINAL, env={"TERM": "dumb"})
            assert result.code in (0, 1, 3)
            assert_inert(result)


UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\U000e0041]|\u0301{3}"
)


def assert_inert(result: Result) -> None:
    """Nothing but line feeds and visible characters on either stream, and no traceback."""
    for shown in (result.stdout, result.stderr):
        assert UNSAFE.search(shown) is None
    assert "internal error" not in result.stderr
