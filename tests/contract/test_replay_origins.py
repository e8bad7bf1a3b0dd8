"""Cookies and what an author wrote by hand stay with the app that they were meant for.

Two loopback origins: whatever the first answers, the second never sees the canary. The second is
reached as `localhost` too, which is another host for cookies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.errors import Refused
from sessctl.replay.sender import Options
from sessctl.replay.transcript import STATEFUL
from tests.support.raw_http import RawServer, reply, saying
from tests.support.replay import play, runner
from tests.support.servers import make_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.replay.transcript import Transcript

CANARY = b"canary"
# The cookie comes first, then the step that is led astray; everything an author can write is in it.
STEPS = """
  - get: /cookie
  - post: /form
    follow: true
    headers: {X-Api-Key: canary, X-CSRF-Token: canary, Cookie: by-hand=canary}
    cookies: {given: canary}
    auth: {bearer: canary}
    form: {password: canary}
"""
COOKIE = reply(b"", b"Set-Cookie: sid=canary; Path=/")


def lead(location: str, status: int = 302) -> bytes:
    return reply(b"", b"Location: " + location.encode(), status=b"%d X" % status)


def play_with(location: str, status: int, *hosts: str) -> tuple[Transcript, RawServer]:
    """The run, and the second origin, which `{port}` in the location stands for."""
    with RawServer(saying(reply(b"second"))) as second:
        there = location.replace("{port}", str(second.port))
        with RawServer(saying(COOKIE, lead(there, status))) as first:
            options = Options(allow_hosts=frozenset(hosts))
            run = play(runner(STEPS, first.url, options=options), STATEFUL)
            assert CANARY in first.requests[1]
    return run, second


ASTRAY = {
    "another port": "http://127.0.0.1:{port}/",
    "another host": "http://localhost:{port}/",
    "no scheme": "//127.0.0.1:{port}/",
    "backslashes": "\\\\127.0.0.1:{port}/",
    "slash and backslash": "/\\127.0.0.1:{port}/",
    "three slashes": "///127.0.0.1:{port}/",
    "one slash": "http:/127.0.0.1:{port}/",
    "no slash": "http:127.0.0.1:{port}/",
    "a user": "http://first@127.0.0.1:{port}/",
    "capitals": "HTTP://127.0.0.1:{port}/",
    "blanks": " \thttp://127.0.0.1:{port}/",
    "a tab inside": "ht\ttp://127.0.0.1:{port}/",
    "a short address": "http://127.1:{port}/",
    "a decimal address": "http://2130706433:{port}/",
    "a mapped address": "http://[::ffff:127.0.0.1]:{port}/",
    "wide letters": "http://１２７.0.0.1:{port}/",
    "a name of loopback": "http://first.localhost:{port}/",
    "https": "https://127.0.0.1:{port}/",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ASTRAY.values(), ids=ASTRAY)
def test_the_second_origin_is_not_even_called(location: str, status: int) -> None:
    run, second = play_with(location, status)
    assert second.requests == []
    assert second.connections == 0
    step = run.steps[1]
    assert step.problem or step.exchanges[-1].response.status in (200, status)  # type: ignore[union-attr]


def test_a_redirect_that_is_not_followed_says_where_it_led() -> None:
    run, second = play_with("http://127.0.0.1:{port}/", 302)
    where = f"http://127.0.0.1:{second.port}"
    assert run.steps[1].problem == f"the redirect leads to {where} (--allow-host 127.0.0.1)"


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("host", ["localhost", "first.localhost"])
def test_another_host_that_is_allowed_gets_no_canary(host: str, status: int) -> None:
    run, second = play_with(f"http://{host}:{{port}}/", status, host)
    assert run.steps[1].problem == ""
    assert len(second.requests) == 1
    assert CANARY not in second.requests[0]


def test_another_port_that_is_allowed_gets_the_jar_s_cookie_as_in_a_browser() -> None:
    """Cookies know no ports; what the author wrote by hand does."""
    _, second = play_with("http://127.0.0.1:{port}/", 302, "127.0.0.1")
    (request,) = second.requests
    assert request.count(CANARY) == 1
    assert b"\r\nCookie: sid=canary\r\n" in request


@pytest.mark.parametrize("status", [307, 308])
def test_a_form_that_is_repeated_elsewhere_takes_its_body_along_and_nothing_else(
    status: int,
) -> None:
    """As browsers do; the user has allowed that host by name."""
    _, second = play_with("http://localhost:{port}/", status, "localhost")
    head, _, body = second.requests[0].partition(b"\r\n\r\n")
    assert body == b"password=canary"
    assert CANARY not in head


def test_what_was_written_by_hand_does_not_come_back_with_a_second_redirect() -> None:
    """Over another origin and home again: the author's headers stay away."""
    with RawServer(saying(reply())) as second, RawServer(saying(COOKIE)) as first:
        away = lead(f"http://localhost:{second.port}/")
        first._script = saying(COOKIE, away, reply(b"home"))
        second._script = saying(lead(f"{first.url}/home"))
        options = Options(allow_hosts=frozenset(["localhost"]))
        play(runner(STEPS, first.url, options=options))
        assert len(first.requests) == 3
        assert b"X-Api-Key" not in first.requests[2]
        assert b"Authorization" not in first.requests[2]
        assert b"by-hand" not in first.requests[2]
        assert b"sid=canary" in first.requests[2]  # the jar's own, to its own host


def test_a_page_that_sends_the_reader_on_is_not_obeyed() -> None:
    with RawServer(saying(reply(b"second"))) as second:
        meta = f'<meta http-equiv="refresh" content="0;url={second.url}/">'.encode()
        page = reply(meta, b"Content-Type: text/html", b"Refresh: 0; url=" + second.url.encode())
        with RawServer(saying(COOKIE, page)) as first:
            play(runner(STEPS, first.url))
        assert second.connections == 0


def test_https_does_not_lead_to_http(tmp_path: Path) -> None:
    from sessctl.replay.http import Network
    from sessctl.replay.runner import Runner
    from sessctl.replay.sender import App
    from sessctl.replay.url import parse_url
    from tests.support.replay import read_scenario

    make_certificates(tmp_path)
    with RawServer(saying(reply())) as plain:
        away = lead(f"http://localhost:{plain.port}/")
        with RawServer(saying(COOKIE, away), certificates=tmp_path) as secure:
            target = parse_url(secure.url)
            network = Network([target], ca_file=tmp_path / "ca.crt")
            options = Options(allow_hosts=frozenset(["localhost"]))
            run = play(Runner(read_scenario(STEPS), App(target, {}, network, options), {}))
        assert plain.connections == 0
    assert run.steps[1].problem == f"the redirect to http://localhost:{plain.port} leaves https"


def test_a_step_that_leads_elsewhere_by_itself_is_refused() -> None:
    with RawServer(saying(reply())) as second, RawServer(saying(COOKIE)) as first:
        steps = f"\n  - get: /cookie\n  - get: {second.url}/\n"
        with pytest.raises(Refused, match="which is not the target") as caught:
            play(runner(steps, first.url))
        assert second.connections == 0
        assert caught.value.hint == "--allow-host 127.0.0.1 lets it"


def test_link_local_addresses_are_refused_even_when_the_host_is_allowed() -> None:
    options = Options(allow_hosts=frozenset(["169.254.169.254"]))
    astray = saying(COOKIE, lead("http://169.254.169.254/latest/"))
    with RawServer(astray) as first, pytest.raises(Refused, match="link-local"):
        play(runner(STEPS, first.url, options=options))
