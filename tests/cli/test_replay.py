"""`sessctl replay FILE`: what is sent, what is shown, and how it ends."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import TERMINAL, Cli
from tests.support.little_apps import cookies_of, counting, pages, paths
from tests.support.raw_http import RawServer, reply, saying

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.run import Result

TWICE = """\
sessctl: 1
steps:
  - {name: first, get: /views, show: {views: {json: $.views}}}
  - {name: again, get: /views, show: {views: {json: $.views}}}
  - {get: /about}
"""


@pytest.fixture
def app() -> Iterator[RawServer]:
    """An application that counts visits."""
    with RawServer(counting()) as server:
        yield server


class Replay:
    """Writes a scenario and replays it."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.file = cli.home / "shop.yaml"

    def __call__(self, text: str, server: RawServer | str, *words: str, **more: Any) -> Result:
        self.file.write_text(text)
        url = server if isinstance(server, str) else server.url
        return self.cli("replay", "shop.yaml", "--target", url, *words, **more)


@pytest.fixture
def replay(cli: Cli) -> Replay:
    return Replay(cli)


def steps(*lines: str) -> str:
    """A scenario of these steps, each in flow style."""
    return "sessctl: 1\nsteps:\n" + "".join(f"  - {line}\n" for line in lines)


# -- what it shows ---------------------------------------------------------------------------------


def test_the_table_has_both_runs_and_the_verdict(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app)
    assert result.code == 0
    assert result.stdout == (
        "   STEP        STATEFUL      STATELESS     VERDICT           DIFFERS      COOKIES\n"
        "1  first       200, views=1  200, views=1  same                           new sid\n"
        "2  again       200, views=2  200, views=1  depends on state  views, body  \n"
        "3  GET /about  200           200           same                           \n"
        "\n"
        "  carrier    sid: no other cookie was sent\n"
        "stateful: 1 of 3 steps depend on state carried by sid; where it is kept is not told\n"
    )


def test_how_often_it_is_played_is_said_before(replay: Replay, app: RawServer) -> None:
    assert replay(TWICE, app).stderr == (
        f"note: 3 runs against {app.url}: stateful, stateless, control; "
        "at most 13 more, where noise is in doubt and with earlier cookies\n"
    )
    assert "; then one for each cookie, withheld;" in replay(TWICE, app, "--why").stderr
    assert replay(TWICE, app, "-q").stderr == ""


def test_why_withholds_each_cookie(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--why")
    assert "carrier    sid: 1 step changes when it is withheld\n" in result.stdout


def test_one_run_removes_no_noise_and_says_so(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--runs", "1")
    assert len(app.requests) == 6
    assert "noise was not removed" in result.stdout
    assert f"2 runs against {app.url}: stateful, stateless;" in result.stderr


def test_stateless_is_one_run_as_it_is(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--stateless")
    assert [cookies_of(request) for request in app.requests] == [{}] * 3
    assert result.stdout == (
        "   STEP        STATELESS     COOKIES\n"
        "1  first       200, views=1  new sid\n"
        "2  again       200, views=1  new sid\n"
        "3  GET /about  200           \n"
    )
    assert (result.stderr, result.code) == (f"note: 1 run against {app.url}: stateless\n", 0)


def test_stateless_of_a_page_that_is_missing_a_value_goes_on(replay: Replay) -> None:
    def page(_method: str, path: str, cookies: Mapping[str, str]) -> bytes:
        return reply(b"ok", *([b"X-Token: 1"] if cookies else []))

    text = steps("{get: /, capture: {t: {header: X-Token}}}", "{post: '/${t}'}", "{get: /end}")
    with RawServer(pages(page)) as server:
        result = replay(text, server, "--stateless")
        assert paths(server.requests) == ["/", "/end"]
    assert "not sent: '${t}' has no value yet" in result.stdout
    assert result.code == 0


def test_a_narrow_terminal_gets_a_narrow_table(
    replay: Replay, app: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "78")
    result = replay(TWICE, app, "--no-pager", "--no-color", terminals=TERMINAL)
    table = result.stdout.split("\n\n")[0].splitlines()
    assert max(map(len, table)) <= 78
    assert "depends on state" in table[2]  # answers and verdicts are cut last


def test_the_diagram_has_every_request(replay: Replay, app: RawServer) -> None:
    lines = replay(TWICE, app, "--diagram").stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  main"))
    assert lines[start : start + 5] == [
        "  main                     app",
        "   │─ 1 GET /views ────────►│",
        "   │◄─ 200, new sid ────────│",
        "   │─ 2 GET /views (sid) ──►│",
        "   │◄─ 200 ─────────────────│",
    ]


def test_a_locale_without_unicode_gets_ascii(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--diagram", env={"LANG": "C"})
    assert result.stdout_bytes.isascii()
    assert "   |- 1 GET /views -------->|\n" in result.stdout


def test_the_jar_is_shown_short(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--show-jar")
    row = next(line for line in result.stdout.splitlines() if line.startswith("main"))
    assert re.fullmatch(r"main +sid +kQ7xZp~[0-9a-f]{6} +127.0.0.1 +/ +until closed +HttpOnly", row)
    assert "kQ7xZp2mVt" in replay(TWICE, app, "--show-jar", "--show-ids").stdout


def test_requests_are_shown_with_v(replay: Replay, app: RawServer) -> None:
    said = replay(TWICE, app, "-v").stderr
    assert f"1 > GET {app.url}/views (main)\n1 < 200 OK, 12 B, " in said
    assert re.search(r"\n2 > Cookie: sid=kQ7xZp~[0-9a-f]{6}\n", said)
    assert "-- stateless\n" in said
    assert "kQ7xZp2mVt" not in said


# -- machine formats and reports -------------------------------------------------------------------


def test_json_lines_tell_each_event(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "-o", "jsonl")
    events = result.json_lines()
    assert [event["event"] for event in events[:4]] == ["run", "exchange", "step", "exchange"]
    assert [one["run"] for one in events if one["event"] == "end"] == [
        "stateful", "stateless", "control",
    ]  # fmt: skip
    last = events[-1]
    assert (last["event"], last["carrier"], last["verdict"]) == ("verdict", "sid", "stateful")
    assert [one["judgement"] for one in last["steps"]] == ["same", "depends on state", "same"]
    assert "kQ7xZp2mVt" not in result.stdout
    assert result.stdout_bytes.isascii()


def test_json_is_the_transcript(replay: Replay, app: RawServer) -> None:
    document = replay(TWICE, app, "-o", "json").json()
    assert document["kind"] == "Transcript"
    assert document["verdict"]["carrier"] == "sid"
    assert len(document["runs"]) == 3


def test_reports_are_written_for_their_owner(replay: Replay, app: RawServer) -> None:
    result = replay(TWICE, app, "--report", "md=r.md", "--report", "junit=r.xml")
    for name in ("r.md", "r.xml"):
        path = replay.cli.home / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "kQ7xZp2mVt" not in path.read_text()
    assert "note: md report: r.md\n" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--report", "pdf=x"], "no report of kind 'pdf'"),
        (["--report", "md"], "no KIND=PATH"),
        (["--report", "md=gone/x"], "cannot write gone/x"),
        (["--report", "md=x", "--report", "json=x"], "two reports go to x"),
        (["--jar", "gone/x"], "gone/x is no place for a jar"),
        (["--stateless", "--why"], "nothing is compared"),
        (["--var", "user"], "--var without a name and '='"),
        (["--var", "usr=1"], "the scenario has no variable 'usr'"),
        (["--ca-file", "gone.pem"], "cannot read the certificate authorities of gone.pem"),
        (["--target", "ftp://x"], "is not an http or https URL"),
        (["-o", "csv"], "no output format 'csv' here"),
    ],
)
def test_wrong_use_sends_nothing(
    replay: Replay, app: RawServer, words: list[str], told: str
) -> None:
    result = replay(TWICE, app, *words)
    assert (result.stdout, result.code, app.requests) == ("", 2, [])
    assert told in result.stderr


def test_a_mistake_in_the_scenario_is_wrong_use(replay: Replay, app: RawServer) -> None:
    result = replay("sessctl: 1\nsteps: [{gett: /}]\n", app)
    assert (result.stdout, result.code, app.requests) == ("", 2, [])
    assert "shop.yaml:2:10" in result.stderr


def test_a_scenario_without_a_target_wants_one(cli: Cli) -> None:
    (cli.home / "shop.yaml").write_text(TWICE)
    result = cli("replay", "shop.yaml")
    assert (result.stdout, result.code) == ("", 2)
    assert "the scenario names no target" in result.stderr


# -- how it ends -----------------------------------------------------------------------------------


def test_a_failed_expectation_names_its_line(replay: Replay, app: RawServer) -> None:
    text = "sessctl: 1\nsteps:\n  - name: first\n    get: /views\n    expect:\n      status: 302\n"
    result = replay(text + "  - {get: /about}\n", app)
    assert result.code == 1
    assert (
        "  failed     shop.yaml:6:15: step 1 first (stateful): status: expected 302, found 200\n"
        in result.stdout
    )
    assert result.stdout.endswith("so there is nothing to hold against\n")
    assert paths(app.requests) == ["/views"]


def test_failures_can_be_ignored_and_are_told(replay: Replay, app: RawServer) -> None:
    text = steps("{get: /about, expect: {status: 302}}", *["{get: /views}"] * 2)
    result = replay(text, app, "--ignore-failures")
    assert "(stateful): status: expected 302, found 200" in result.stdout
    assert "stateful: 1 of 3 steps depend on state carried by sid" in result.stdout
    assert result.code == 1


def test_an_asserted_verdict_that_is_not_so(replay: Replay, app: RawServer) -> None:
    text = steps("{get: /about, expect: {depends: true}}") + "expect: {verdict: stateful}\n"
    result = replay(text, app)
    assert "shop.yaml:3:5: step 1: expected 'depends on state', found 'same'\n" in result.stdout
    assert "shop.yaml: verdict: expected 'stateful', found 'stateless'\n" in result.stdout
    assert result.code == 1


def test_what_the_run_without_cookies_must_get(replay: Replay, app: RawServer) -> None:
    text = steps("{get: /about, stateless: {status: 401}}")
    for words in ([], ["--stateless"]):
        result = replay(text, app, *words)
        assert "status: expected 401, found 200" in result.stdout
        assert result.code == 1


def test_nobody_at_the_target(replay: Replay) -> None:
    result = replay(TWICE, "http://127.0.0.1:1")
    assert (result.stdout, result.code) == ("", 3)
    assert result.stderr.endswith(
        "sessctl: error: nobody listens at http://127.0.0.1:1\n"
        "  step: 1 first\n"
        "  hint: start the application, or --target\n"
    )


def test_nobody_at_the_target_for_programs(replay: Replay) -> None:
    result = replay(TWICE, "http://127.0.0.1:1", "-o", "json", "-q")
    assert json.loads(result.stderr)["error"]["code"] == "http.refused"
    assert (result.stdout, result.code) == ("", 3)


def test_hooks_want_leave_before_anything_is_sent(replay: Replay, app: RawServer) -> None:
    text = "sessctl: 1\nhooks: {mark: {run: [touch, marked]}}\n"
    text += "steps: [{get: /views}, {hook: mark}, {get: /views}]\n"
    result = replay(text, app)
    assert (result.stdout, result.code, app.requests) == ("", 4, [])
    assert "(hook 'mark': touch marked)" in result.stderr
    assert "--allow-hooks" in result.stderr
    assert replay(text, app, "--allow-hooks").code == 0
    assert (replay.cli.home / "marked").exists()


@pytest.mark.parametrize(
    "step",
    [
        "jar: {set: {sid: x}}",
        "jar: {tamper: {cookie: sid, how: flip}}",
        "{get: /, cookies: {sid: x}}",
        "{get: /, headers: {cookie: sid=x}}",
        "{repeat: {times: 2, steps: [{jar: {set: {sid: x}}}]}}",
    ],
)
def test_forged_cookies_for_another_machine_want_a_yes(replay: Replay, step: str) -> None:
    result = replay(steps("{get: /}", step), "http://198.51.100.7:9")
    assert (result.stdout, result.code) == ("", 4)
    assert "hint: --yes" in result.stderr


def test_forged_cookies_may_go_to_this_machine(replay: Replay, app: RawServer) -> None:
    result = replay(steps("{get: /views, cookies: {sid: made-up-by-hand}}"), app)
    assert result.code == 0
    assert cookies_of(app.requests[0]) == {"sid": "made-up-by-hand"}


def test_a_step_that_leads_elsewhere_is_refused(replay: Replay, app: RawServer) -> None:
    with RawServer(saying(reply())) as other:
        result = replay(steps(f"{{get: '{other.url}/x'}}"), app)
        assert (result.stdout, result.code, other.requests) == ("", 4, [])


# -- variables and the jar -------------------------------------------------------------------------


def test_a_secret_is_sent_and_never_shown(replay: Replay) -> None:
    text = "sessctl: 1\nvars: {password: {env: PASS}}\n"
    text += "steps: [{post: /, form: {p: '${password}'}, show: {said: body}, follow: true}]\n"

    def page(_method: str, _path: str, _cookies: Mapping[str, str]) -> bytes:
        return reply(b"you typed correct-horse-9", b"Set-Cookie: seen=correct-horse-9")

    with RawServer(pages(page)) as server:
        for words in ([], ["-o", "json"], ["-o", "jsonl"], ["--show-ids"], ["-v", "--diagram"]):
            result = replay(text, server, *words, env={"PASS": "correct-horse-9"})
            assert result.code == 0
            assert b"correct-horse-9" not in result.stdout_bytes + result.stderr_bytes
        assert b"p=correct-horse-9" in server.requests[0]
        given = replay(text, server, "--var", "password=battery-staple", env={"PASS": "-"})
        assert b"p=battery-staple" in server.requests[-1]
        assert "--var password=... shows the secret" in given.stderr
        assert "battery-staple" not in given.stdout + given.stderr


def test_a_page_that_prints_its_session_id_does_not_leak_it(replay: Replay) -> None:
    sid = "Zk3vQ8pLw2XyTb7NcR5mHd9F"

    def page(_method: str, path: str, cookies: Mapping[str, str]) -> bytes:
        body = f"hello {cookies.get('sid', 'nobody')}".encode()
        return reply(body, f"Set-Cookie: sid={sid}; Path=/".encode())

    text = steps("{get: /}", "{get: /, show: {said: body}, expect: {body: x}}")
    with RawServer(pages(page)) as server:
        for words in ([], ["-v"], ["-o", "json"], ["-o", "jsonl"], ["--diagram"]):
            result = replay(text, server, *words)
            assert sid[:8] not in result.stdout + result.stderr
        assert sid in replay(text, server, "--show-ids").stdout


def test_the_jar_is_kept_between_runs(replay: Replay, app: RawServer) -> None:
    path = replay.cli.home / "cookies.txt"
    assert replay(TWICE, app, "--jar", "cookies.txt").code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (sid,) = re.findall(r"\tsid\t(\S+)\n", path.read_text())
    app.requests.clear()
    replay(TWICE, app, "--jar", "cookies.txt")
    assert cookies_of(app.requests[0]) == {"sid": sid}


def test_a_jar_that_is_none_is_named(replay: Replay, app: RawServer) -> None:
    (replay.cli.home / "cookies.txt").write_text("nonsense\n")
    result = replay(TWICE, app, "--jar", "cookies.txt")
    assert (result.stdout, result.code, app.requests) == ("", 7, [])
    assert "line 1 has 1 fields" in result.stderr


def test_json_lines_of_one_run_have_no_verdict(replay: Replay, app: RawServer) -> None:
    events = replay(TWICE, app, "--stateless", "-o", "jsonl").json_lines()
    assert {event["run"] for event in events} == {"stateless"}
    assert events[-1] == {"event": "end", "run": "stateless", "complete": True}


def test_a_cookie_that_a_message_cuts_is_hidden_too(replay: Replay) -> None:
    """What is expected and found is cut at 60 characters: most of a longer cookie."""
    sid = "Zk3vQ8pLw2XyTb7NcR5mHd9F" * 4
    text = steps("{get: /, expect: {cookie: {sid: {value: x}}}}")
    with RawServer(saying(reply(b"", f"Set-Cookie: sid={sid}".encode()))) as server:
        result = replay(text, server)
    assert "cookie sid value: expected x, found Zk3vQ8~" in result.stdout
    assert sid[:12] not in result.stdout
    assert result.code == 1
