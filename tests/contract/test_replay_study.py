"""What a study says of small apps, each with one trait that could mislead it.

Whole applications stand in `tests/e2e/test_replay_verdicts.py`.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from sessctl.replay.evidence import Evidence, Kept, kept
from sessctl.replay.judge import parts_of, whole_cookies
from sessctl.replay.sender import Options
from tests.support.raw_http import RawServer, reply
from tests.support.replay import finding, runner, study, verdicts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sessctl.replay.study import Finding

    # (method and path, cookies, form) -> (status, body, Set-Cookie and other header lines)
    App = Callable[[str, dict[str, str], dict[str, str]], tuple[int, str, list[str]]]


def serve(app: App) -> RawServer:
    def script(connection: socket.socket, request: bytes) -> bool:
        head, _, body = request.decode().partition("\r\n\r\n")
        found = re.search(r"\r\nCookie: ([^\r]*)", head)
        pairs = (one.partition("=") for one in (found[1].split("; ") if found else []))
        cookies = {name: value for name, _, value in pairs}
        status, text, lines = app(" ".join(head.split(" ")[:2]), cookies, dict(parse_qsl(body)))
        raw = [line.encode() for line in lines]
        connection.sendall(reply(text.encode(), *raw, status=b"%d X" % status))
        return True

    return RawServer(script)


def found_of(app: App, steps: str, *, why: bool = False, **more) -> Finding:
    with serve(app) as server:
        return finding(runner(steps, server.url, **more), why=why)


def said(found: Finding) -> list[str]:
    return [one.text for one in found.evidence]


LOGIN = """
  - {name: form, get: /login, capture: {_t: {regex: 'token=(\\w*)'}}}
  - {name: log in, post: /login, form: {token: '${_t}'}}
  - {name: page, get: /page}
  - {name: page again, get: /page}
  - {name: log out, post: /logout}
"""


class Shop:
    """Sessions in memory, by the cookie `id`; what differs is told by its arguments."""

    def __init__(
        self, *, theme: bool = False, token: bool = False, forgets: bool = True, rolls: bool = False
    ) -> None:
        self.theme, self.token, self.forgets, self.rolls = theme, token, forgets, rolls
        self.sessions: dict[str, dict[str, str]] = {}
        self.ids = count(1)

    def __call__(
        self, what: str, cookies: dict[str, str], form: dict[str, str]
    ) -> tuple[int, str, list[str]]:
        lines = []
        sid = cookies.get("id", "")
        if sid not in self.sessions:
            sid = f"opaque{next(self.ids):06d}"
            self.sessions[sid] = {"token": f"t{next(self.ids)}"}
            lines.append(f"Set-Cookie: id={sid}; Path=/; Max-Age=600")
        elif self.rolls:
            lines.append(f"Set-Cookie: id={sid}; Path=/; Max-Age=600")
        session = self.sessions[sid]
        look = cookies.get("theme", "light") if self.theme else ""
        if self.theme and "theme" not in cookies:
            lines.append("Set-Cookie: theme=dark; Path=/")
        match what:
            case "GET /login":
                return 200, f"<p>token={session['token']}</p><i>{look}</i>", lines
            case "POST /login":
                if self.token and form.get("token") != session["token"]:
                    return 419, "page expired", lines
                session["user"] = "tj"
                return 302, "", [*lines, "Location: /page"]
            case "POST /logout":
                if self.forgets:
                    del self.sessions[sid]
                return 302, "", ["Set-Cookie: id=; Path=/; Max-Age=0"]
        user = session.get("user")
        seen = int(session.get("seen", 0)) + 1
        session["seen"] = str(seen)
        return (200, f"Hello {user}, visit {seen} {look}", lines) if user else (401, "out", lines)


def test_a_session_that_holds_its_csrf_token_is_no_guard() -> None:
    """As in Laravel: without the session cookie the login form is refused with 419."""
    found = found_of(Shop(token=True, theme=True), LOGIN, why=True)
    assert (found.carrier.name, found.carrier.csrf) == ("id", ())
    assert found.kept is Kept.SERVER


def test_a_theme_on_every_page_is_not_the_session() -> None:
    found = found_of(Shop(theme=True), LOGIN, why=True)
    assert found.carrier.name == "id"


def test_the_scenario_may_name_the_session_cookie() -> None:
    steps = f"\nsession-cookie: id\nsteps:{LOGIN}"
    found = found_of(Shop(theme=True), steps)
    assert (found.carrier.name, found.carrier.why) == ("id", "named by the scenario")


def test_a_session_that_outlives_its_logout_is_still_at_the_server() -> None:
    """The app only tells the browser to forget the cookie."""
    found = found_of(Shop(forgets=False), LOGIN)
    assert said(found)[-1] == (
        "the cookie of before still works after the logout, and the state goes on"
    )
    assert found.kept is Kept.SERVER


def test_a_cookie_that_is_renewed_with_its_value_stays_the_same() -> None:
    found = found_of(Shop(rolls=True), LOGIN)
    assert said(found)[0] == (
        "steps 3 and 4 are answered differently while the cookie's value stays the same"
    )


def test_another_cookie_between_two_looks_is_no_evidence() -> None:
    """The state is in the cookie; the page changes because a theme came in between."""

    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        if what == "POST /login":
            return 302, "", ["Set-Cookie: who=dGo; Path=/"]
        if what == "POST /theme":
            return 302, "", ["Set-Cookie: theme=dark; Path=/"]
        return 200, f"{cookies.get('who')} in {cookies.get('theme')}", []

    steps = """
  - {post: /login}
  - {get: /page}
  - {post: /theme}
  - {get: /page}
"""
    found = found_of(app, f"\nsession-cookie: who\nsteps:{steps}")
    assert (found.kept, said(found)) == (Kept.UNKNOWN, [])


def test_ids_that_change_with_each_answer_are_told_from_state_in_the_cookie() -> None:
    """An earlier cookie still leads to the one counter, which goes on."""
    visits: dict[str, int] = {}
    numbers = count(1)

    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        number = next(numbers)
        whose, _, _ = cookies.get("id", f"v{number}.0").partition(".")
        visits[whose] = visits.get(whose, 0) + 1
        return 200, f"visit {visits[whose]}", [f"Set-Cookie: id={whose}.{number}; Path=/"]

    steps = "\n  - get: /\n  - get: /\n  - get: /\n"
    found = found_of(app, steps)
    assert "with the cookie of step 2 again the state goes on" in said(found)
    assert found.kept is Kept.SERVER


# -- runs that go wrong ----------------------------------------------------------------------------


def test_a_step_that_fails_in_the_control_alone_is_told_and_the_rest_is_not_guessed_at() -> None:
    logins = count(1)
    shop = Shop()

    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        if what == "POST /login" and next(logins) == 3:
            return 500, "out of order", []
        return shop(what, cookies, form)

    steps = LOGIN.replace("form: {token: '${_t}'}", "expect: {status: 302}")
    found = found_of(app, steps)
    assert verdicts(found) == {
        "form": "same",
        "log in": "unstable",
        "page": "unstable",
        "page again": "unstable",
        "log out": "unstable",
    }
    (unmet,) = found.unmet
    assert unmet.endswith("(control): status: expected 302, found 500")
    assert found.sentence == "stateless: no step depends on state (4 could not be judged)"


def test_a_shown_value_that_differs_by_nature_is_reported_and_not_judged() -> None:
    numbers = count(1)

    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        return 200, f"n={next(numbers)}", []

    found = found_of(app, "\n  - {name: n, get: /, show: {n: {regex: 'n=(.*)'}}}\n")
    (step,) = found.steps
    assert str(step.verdict.judgement) == "unstable"
    assert [one.what for one in step.verdict.differences] == ["n"]


def test_json_is_compared_by_its_values() -> None:
    numbers = count(1)

    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        data = {"a": [1, 2], "b": "x"}
        if next(numbers) % 2:
            return 200, json.dumps(data), ["Content-Type: application/json"]
        back = dict(reversed(data.items()))
        return 200, json.dumps(back, indent=3), ["Content-Type: application/json"]

    assert found_of(app, "\n  - get: /\n").sentence == "stateless: no step depends on state"


def test_a_difference_beyond_what_is_kept_of_a_body_is_seen() -> None:
    def app(what: str, cookies: dict[str, str], form: dict[str, str]) -> tuple[int, str, list[str]]:
        return 200, "x" * 3_000_000 + cookies.get("id", "nobody"), ["Set-Cookie: id=1; Path=/"]

    found = found_of(app, "\n  - get: /a\n  - get: /b\n")
    assert [one.depends for one in found.steps] == [False, True]


def test_nothing_is_said_of_a_restart_after_which_somebody_logged_in_anew() -> None:
    shop = Shop()

    async def restart() -> None:
        shop.sessions.clear()

    steps = f"""
hooks: {{restart: {{run: ['true']}}}}
steps:{LOGIN.rsplit("  - {name: log out", 1)[0]}
  - hook: restart
  - {{name: log in anew, post: /login}}
  - {{name: my page, get: /page}}
"""
    found = found_of(shop, steps, options=Options(hooks={"restart": restart}))
    assert not [one for one in said(found) if "restart" in one]


def test_steps_of_before_are_played_and_not_judged() -> None:
    with serve(Shop()) as server:
        whole = study(runner(f"\nbefore: [{{post: /reset}}]\nsteps:{LOGIN}", server.url))
    assert whole.finding is not None
    assert [one.key for one in whole.finding.steps] == ["1", "2", "3", "4", "5"]


# -- small rules -----------------------------------------------------------------------------------


def test_a_signature_and_pieces_are_part_of_their_cookie() -> None:
    names = ["theme", "session", "session.sig", "big", "big.1", "odd.sig"]
    assert whole_cookies(names) == ["theme", "session", "big", "odd.sig"]
    assert parts_of("session", names) == ("session.sig",)
    assert parts_of("big", names) == ("big.1",)


@pytest.mark.parametrize(
    ("evidence", "where"),
    [
        ([], Kept.UNKNOWN),
        ([Evidence("a")], Kept.UNKNOWN),
        ([Evidence("a", Kept.COOKIE)], Kept.COOKIE),
        ([Evidence("a", Kept.COOKIE), Evidence("b", Kept.SERVER)], Kept.BOTH),
        ([Evidence("a", Kept.COOKIE, is_weak=True)], Kept.COOKIE),
        ([Evidence("a", Kept.COOKIE, is_weak=True), Evidence("b", Kept.SERVER)], Kept.SERVER),
    ],
)
def test_strong_evidence_silences_weak(evidence: list[Evidence], where: Kept) -> None:
    assert kept(evidence) is where
