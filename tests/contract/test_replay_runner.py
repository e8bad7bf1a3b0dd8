"""One run of a scenario, over loopback: who sends what, with which cookies, and where it stops."""

from __future__ import annotations

import re
import socket
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from sessctl.errors import Refused, UsageError
from sessctl.replay.jar import Jar
from sessctl.replay.sender import Options
from sessctl.replay.transcript import STATEFUL, STATELESS, Mode
from sessctl.replay.url import parse_url
from tests.support.raw_http import RawServer, reply, saying
from tests.support.replay import play, runner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_http import Script

ROUTE = re.compile(rb"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1.1")


def counter(connection: socket.socket, request: bytes) -> bool:
    """`/set?a=1` sets the cookie a; every answer says which cookies came, and what body."""
    match = ROUTE.match(request)
    assert match is not None
    path, _, query = match["path"].partition(b"?")
    headers = [b"Set-Cookie: %s; Path=/" % query] if path == b"/set" else []
    if path == b"/redirect":
        connection.sendall(reply(b"", b"Location: " + query, b"Set-Cookie: hop=1", status=b"302 F"))
        return True
    cookies = cookie_line(request) or b"none"
    connection.sendall(reply(b"cookies: %s; %s" % (cookies, request.partition(b"\r\n\r\n")[2]),
                             *headers))  # fmt: skip
    return True


def cookie_line(request: bytes) -> bytes | None:
    found = re.search(rb"\r\nCookie: ([^\r]*)", request)
    return None if found is None else found[1]


def sent_to(server: RawServer) -> list[tuple[str, str | None]]:
    """(method and path, cookies) of every request, in order."""
    found = []
    for request in server.requests:
        match = ROUTE.match(request)
        assert match is not None
        line = cookie_line(request)
        what = f"{match['method'].decode()} {match['path'].decode()}"
        found.append((what, None if line is None else line.decode("latin-1")))
    return found


def sent(steps: str, mode: Mode = STATEFUL, **more) -> list[tuple[str, str | None]]:
    """What a counting server got to see of some steps."""
    with RawServer(counter) as server:
        play(runner(steps, server.url, **more), mode)
        return sent_to(server)


# -- jars ------------------------------------------------------------------------------------------


def test_two_clients_share_nothing() -> None:
    steps = """
  - {get: '/set?sid=mine', as: tj}
  - {get: '/set?sid=hers', as: ana}
  - {get: /a, as: tj}
  - {get: /b, as: ana}
  - {get: /c}
"""
    assert sent(steps)[2:] == [("GET /a", "sid=mine"), ("GET /b", "sid=hers"), ("GET /c", None)]


def test_no_cookie_is_ever_sent_in_the_stateless_run() -> None:
    steps = """
  - get: /set?sid=1
  - {get: /a, cookies: {theme: dark}}
  - {get: /b, headers: {Cookie: x=1}}
  - jar: {set: {own: '1'}}
  - jar: {keep: old}
  - {get: /c, cookies: {from: old}}
  - jar: {tamper: {cookie: sid, how: flip}}
  - {get: /d, follow: true}
"""
    assert [cookies for _, cookies in sent(steps, STATELESS)] == [None] * 5
    assert [cookies for _, cookies in sent(steps)] == [
        None, "sid=1; theme=dark", "sid=1; x=1", "sid=1; own=1", "own=1; sid=A",
    ]  # fmt: skip


def test_a_withheld_cookie_stays_in_the_jar() -> None:
    steps = "\n  - get: /set?sid=1\n  - get: /set?theme=dark\n  - get: /a\n"
    assert sent(steps, Mode(withheld="sid"))[2] == ("GET /a", "theme=dark")


def test_cookies_given_by_hand_are_for_one_request_only() -> None:
    steps = """
  - get: /set?sid=1
  - {get: /a, cookies: {theme: dark, sid: forged}}
  - {get: /b, cookies: none}
  - {get: /c}
"""
    assert sent(steps)[1:] == [
        ("GET /a", "theme=dark; sid=forged"), ("GET /b", None), ("GET /c", "sid=1"),
    ]  # fmt: skip


JAR_ACTS = {
    "clear": ("jar: clear", None),
    "close-browser": ("jar: close-browser", "long=1"),
    "forget": ("jar: {forget: sid}", "long=1; other=abc.sig2"),
    "set": ("jar: {set: {sid: new, more: '2'}}", "long=1; sid=new; other=abc.sig2; more=2"),
    "flip": (
        "jar: {tamper: {cookie: other, how: flip}}", "long=1; sid=abc.sig1; other=abc.0ig2",
    ),
    "truncate": ("jar: {tamper: {cookie: sid, how: truncate}}",
                 "long=1; other=abc.sig2; sid=abc."),
    "unsign": ("jar: {tamper: {cookie: sid, how: unsign}}", "long=1; other=abc.sig2; sid=abc"),
    "swap": ("jar: {tamper: {cookie: sid, how: swap, with: old}}",
             "long=1; other=abc.sig2; sid=abc.sig0"),
    "restore": ("jar: {restore: old}", "long=1; sid=xyz.sig0"),
}  # fmt: skip


@pytest.mark.parametrize(("act", "cookies"), JAR_ACTS.values(), ids=JAR_ACTS)
def test_what_is_done_to_a_jar(act: str, cookies: str | None) -> None:
    steps = f"""
  - get: '/set?long=1;Max-Age=100'
  - get: /set?sid=xyz.sig0
  - jar: {{keep: old}}
  - get: /set?sid=abc.sig1
  - get: /set?other=abc.sig2
  - {act}
  - get: /a
"""
    assert sent(steps)[-1] == ("GET /a", cookies)


def test_a_jar_can_be_brought_along_and_is_not_changed() -> None:
    with RawServer(counter) as server:
        jar = Jar()
        jar.set("sid", "mine", parse_url(server.url), 0)
        options = Options(jars={"main": jar})
        for _ in range(2):
            play(runner("\n  - get: /a\n  - get: /set?sid=new\n", server.url, options=options))
        assert [cookies for _, cookies in sent_to(server)] == ["sid=mine"] * 4


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("jar: {restore: never}", "no jar was kept as 'never' yet"),
        ("jar: {tamper: {cookie: sid, how: flip}}", "there is no cookie 'sid' to tamper with"),
    ],
)
def test_an_act_on_what_is_not_there_is_a_mistake_with_its_place(act: str, message: str) -> None:
    steps = f"\n  - repeat: {{times: 1, steps: [{{get: /a}}]}}\n  - {act}\n"
    if "never" in act:
        steps += "  - jar: {keep: never}\n"
    with RawServer(counter) as server, pytest.raises(UsageError) as caught:
        play(runner(steps, server.url))
    assert message in caught.value.message
    assert caught.value.where["step"] == "2"
    assert caught.value.where["place"].startswith("shop.yaml:")


# -- order, repetition, instances ------------------------------------------------------------------


def test_repeated_steps_have_keys_of_their_own() -> None:
    steps = """
  - get: /a
  - repeat:
      times: 2
      steps:
        - get: /b
        - repeat: {times: 2, steps: [{get: /c}]}
  - get: /d
"""
    with RawServer(counter) as server:
        run = play(runner(steps, server.url))
    assert [one.key for one in run.steps] == [
        "1", "2.1", "2.2.1", "2.2.1#2", "2.1#2", "2.2.1#3", "2.2.1#4", "3",
    ]  # fmt: skip


def test_instances_by_name_and_in_turn() -> None:
    steps = """
  - {get: /set?sid=1, at: a}
  - repeat: {times: 3, steps: [{get: /r, at: round-robin}]}
  - {get: /t}
"""
    with RawServer(counter) as target, RawServer(counter) as a, RawServer(counter) as b:
        play(runner(steps, target.url, instances={"a": a.url, "b": b.url}))
        assert sent_to(a) == [("GET /set?sid=1", None), *[("GET /r", "sid=1")] * 2]
        assert sent_to(b) == [("GET /r", "sid=1")]  # one browser: cookies know no ports
        assert sent_to(target) == [("GET /t", "sid=1")]


def test_parallel_requests_go_at_once_with_one_jar() -> None:
    waiting: list[socket.socket] = []

    def together(connection: socket.socket, request: bytes) -> bool:
        if b"/set" in request:
            return counter(connection, request)
        waiting.append(connection)
        if len(waiting) == 5:  # nobody is answered before the last has come
            for one in waiting:
                one.sendall(reply(b"ok"))
        return True

    steps = """
  - get: /set?sid=1
  - parallel: {times: 5, step: {post: /count}}
"""
    with RawServer(together) as server:
        run = play(runner(steps, server.url))
        assert Counter(sent_to(server)[1:]) == {("POST /count", "sid=1"): 5}
    assert [one.response.status for one in run.steps[1].exchanges if one.response] == [200] * 5


def test_parallel_redirects_that_are_not_followed_are_one_failed_step() -> None:
    script = saying(reply(b"", b"Location: http://127.0.0.2:9/", status=b"302 Found"))
    steps = "\n  - parallel: {times: 3, step: {get: /, follow: true}}\n"
    with RawServer(script) as server:
        run = play(runner(steps, server.url))
    assert len(run.steps[0].exchanges) == 3
    assert run.steps[0].problem.startswith("the redirect leads to http://127.0.0.2:9")


def test_waiting_waits() -> None:
    with RawServer(counter) as server:
        run = play(runner("\n  - get: /a\n  - wait: 300ms\n  - get: /b\n", server.url))
    first, waited, second = run.steps
    assert waited.done == "waited 0.3s"
    assert second.exchanges[0].started_ms - first.exchanges[0].started_ms >= 290


def test_steps_of_before_are_part_of_every_run() -> None:
    steps = "before:\n  - post: /reset\nsteps:\n  - get: /a\n"
    with RawServer(counter) as server:
        player = runner(f"\n{steps}", server.url)
        for mode in (STATEFUL, STATELESS):
            assert [one.key for one in play(player, mode).steps] == ["before.1", "1"]
        assert [what for what, _ in sent_to(server)] == ["POST /reset", "GET /a"] * 2


# -- values ----------------------------------------------------------------------------------------


def test_captures_are_of_the_run_itself() -> None:
    steps = """
  - {get: /set?sid=1}
  - {get: /a, capture: {seen: {regex: 'cookies: (\\S+);'}}}
  - {post: /b, text: '${seen}'}
"""
    with RawServer(counter) as server:
        player = runner(steps, server.url)
        play(player)
        play(player, STATELESS)
        bodies = [one.partition(b"\r\n\r\n")[2] for one in server.requests]
    assert bodies == [b"", b"", b"sid=1", b"", b"", b"none"]


def test_a_step_whose_value_the_stateless_run_never_saw_is_not_sent() -> None:
    steps = """
  - {get: /set?sid=1}
  - {get: /a, capture: {_token: {regex: 'sid=(\\d)'}}}
  - {post: /b, text: '${_token}'}
  - {get: /c}
"""
    with RawServer(counter) as server:
        player = runner(steps, server.url)
        assert not play(player).failed
        run = play(player, STATELESS)
    assert [one.problem for one in run.steps] == [
        "",
        "",
        "not sent: '${_token}' has no value yet",
        "",
    ]
    assert [len(one.exchanges) for one in run.steps] == [1, 1, 0, 1]


def test_a_run_with_cookies_ends_at_a_failed_step_and_one_without_does_not() -> None:
    steps = """
  - {get: /a, expect: {status: 404}, stateless: {status: 401}}
  - {get: /b}
"""
    with RawServer(counter) as server:
        player = runner(steps, server.url)
        stateful, stateless = play(player), play(player, STATELESS)
        withheld = play(player, Mode(withheld="x"))
        patient = play(runner(steps, server.url, options=Options(ignore_failures=True)))
    assert [(run.complete, len(run.steps)) for run in (stateful, stateless, withheld, patient)] == [
        (False, 1), (True, 2), (True, 2), (True, 2),
    ]  # fmt: skip
    told = [[f.message for f in run.steps[0].failures] for run in (stateful, stateless, withheld)]
    assert told == [["status: expected 404, found 200"], ["status: expected 401, found 200"], []]


# -- retries and redirects -------------------------------------------------------------------------


def test_a_request_is_sent_again_until_it_is_enough() -> None:
    later = [reply(b"no", status=b"503 Later")] * 2 + [reply(b"yes")]
    steps = "\n  - get: /\n    retry: {times: 5, every: 10ms, until: {status: 200}}\n"
    with RawServer(saying(*later)) as server:
        run = play(runner(steps, server.url))
    assert [one.response.status for one in run.steps[0].exchanges if one.response] == [
        503,
        503,
        200,
    ]
    assert not run.failed


def test_retries_end() -> None:
    steps = "\n  - get: /\n    retry: {times: 3, every: 10ms, until: {status: 200}}\n"
    with RawServer(saying(reply(b"no", status=b"503 Later"))) as server:
        run = play(runner(steps, server.url))
    assert len(run.steps[0].exchanges) == 3


def test_the_jar_works_at_every_hop() -> None:
    steps = "\n  - {get: '/redirect?/redirect?/end', follow: true}\n"
    with RawServer(counter) as server:
        run = play(runner(steps, server.url))
        assert sent_to(server) == [
            ("GET /redirect?/redirect?/end", None),
            ("GET /redirect?/end", "hop=1"),
            ("GET /end", "hop=1"),
        ]
    assert len(run.steps[0].exchanges) == 3


def test_a_redirect_is_not_followed_unless_asked() -> None:
    assert [what for what, _ in sent("\n  - get: /redirect?/end\n")] == ["GET /redirect?/end"]


def test_an_endless_redirect_is_a_failed_step() -> None:
    script = saying(reply(b"", b"Location: /again", status=b"302 Found"))
    with RawServer(script) as server:
        run = play(runner("\n  - {get: /, follow: true}\n", server.url))
    assert run.steps[0].problem.startswith("more than 10 redirects, the last to http://127.0.0.1:")
    assert len(run.steps[0].exchanges) == 11


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"a=1"),
     (308, "POST", b"a=1")],
)  # fmt: skip
def test_a_form_is_sent_on_as_a_browser_would(status: int, method: str, body: bytes) -> None:
    first = reply(b"", b"Location: /next", status=b"%d X" % status)
    with RawServer(saying(first, reply())) as server:
        play(runner("\n  - {post: /, form: {a: '1'}, follow: true}\n", server.url))
        assert server.requests[1].startswith(f"{method} /next ".encode())
        assert server.requests[1].partition(b"\r\n\r\n")[2] == body
        assert (b"Content-Type" in server.requests[1]) is bool(body)


# -- hooks -----------------------------------------------------------------------------------------


def test_a_hook_is_refused_unless_allowed(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    steps = hook(f"open({str(proof)!r}, 'w').close()")
    with RawServer(counter) as server:
        with pytest.raises(Refused, match="wants to run a command"):
            play(runner(steps, server.url))
        assert not proof.exists()
        run = play(runner(steps, server.url, options=Options(allow_hooks=True)))
    assert proof.exists()
    assert run.steps[1].done == "hook restart"


def test_a_hook_that_fails_is_named() -> None:
    with RawServer(counter) as server, pytest.raises(UsageError, match="ended with code 3"):
        play(runner(hook("exit(3)"), server.url, options=Options(allow_hooks=True)))


def test_a_hook_waits_until_the_app_is_ready() -> None:
    starting = [reply(b"", status=b"503 Starting")] * 3
    with RawServer(saying(reply(), *starting, reply())) as server:
        options = Options(allow_hooks=True)
        run = play(runner(hook("", ready="/health"), server.url, options=options))
        assert [what for what, _ in sent_to(server)][1:] == ["GET /health"] * 4 + ["GET /b"]
    assert not run.failed


def test_an_app_that_never_gets_ready_is_a_failed_step() -> None:
    with RawServer(saying(reply(), reply(b"", status=b"503 Starting"))) as server:
        options = Options(allow_hooks=True)
        run = play(runner(hook("", ready="/health", within="300ms"), server.url, options=options))
    assert run.steps[1].problem == "the hook 'restart' was not done within 300ms"
    assert not run.complete


def hook(code: str, ready: str = "", within: str = "10s") -> str:
    more = f", ready: {ready}" if ready else ""
    command = f"[{sys.executable}, -c, {code!r}]"
    return f"""
hooks: {{restart: {{run: {command}, within: {within}{more}}}}}
steps:
  - get: /a
  - hook: restart
  - get: /b
"""


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_a_failed_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run = play(runner("\n  - get: /\n", f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert run.steps[0].problem.startswith("nobody listens at http://127.0.0.1:")


def test_strange_cookie_lines_end_nothing() -> None:
    lines = [b"Set-Cookie: b=\xff\xfe", b"Set-Cookie: ;;;", b"Set-Cookie: c=" + b"x" * 5000,
             b"Set-Cookie: =", b"Set-Cookie: {\"a\":1}"]  # fmt: skip
    with RawServer(saying(reply(b"ok", *lines), reply())) as server:
        run = play(runner("\n  - get: /\n  - get: /b\n", server.url))
        assert cookie_line(server.requests[1]) == b'b=\xff\xfe; {"a":1}'
    assert not run.failed


def test_a_timeout_of_a_step_is_its_own() -> None:
    def silent(connection: socket.socket, request: bytes) -> bool:
        return True

    script: Script = silent
    with RawServer(script) as server:
        run = play(runner("\n  - {get: /, timeout: 200ms}\n", server.url))
    assert "within 200ms" in run.steps[0].problem
