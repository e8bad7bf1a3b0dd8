"""A scenario as it is loaded: every kind of step, includes, files, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.errors import UsageError
from sessctl.replay import scenario as kinds
from sessctl.replay.expect import Operator
from sessctl.replay.extract import Source, SourceKind
from sessctl.replay.load import load_scenario
from sessctl.replay.scenario import Request, requests_of
from tests.support.scenarios import SHOP, problems, request, scenario

if TYPE_CHECKING:
    from pathlib import Path


def test_the_example_of_the_design_loads_whole() -> None:
    shop = scenario(SHOP)
    assert (shop.name, shop.target, shop.backend, shop.session_cookie) == (
        "shop basket", "http://127.0.0.1:3000", "shop", None,
    )  # fmt: skip
    assert shop.instances == (("a", "http://127.0.0.1:3001"), ("b", "http://127.0.0.1:3002"))
    assert [(v.name, v.text, v.reference) for v in shop.variables] == [
        ("user", "tj", None),
        ("password", None, "env:SHOP_PASSWORD"),
    ]
    (hook,) = shop.hooks
    assert (hook.run, hook.ready, hook.within_s) == (
        ("systemctl", "restart", "shop"), "/health", 20.0,
    )  # fmt: skip
    assert [type(step).__name__ for step in shop.steps] == [
        *("Request", "Request", "Request", "JarAct", "Request", "Request"),
        *("Wait", "RunHook", "Parallel", "Repeat"),
    ]
    assert [r.url for r in requests_of(shop.steps)] == [
        "/login", "/login", "/basket", "/logout", "/basket", "/count", "/page",
    ]  # fmt: skip


def test_a_request_says_what_is_sent() -> None:
    found = request(
        "name: n\nas: alice\nquery: {q: [a, b], r: 012}\nheaders: {X-A: no}\n"
        "form: {password: no, pin: 012, at: 1:30, sum: 1e3, none: null, empty: }\n"
        "auth: {basic: {user: tj, password: 007}}\ntimeout: 250ms\nfollow: true\n"
        "retry: {times: 5, every: 500ms, until: {status: 200}}"
    )
    assert (found.method, found.url, found.client, found.follow) == ("GET", "/", "alice", True)
    assert found.query == (("q", "a"), ("q", "b"), ("r", "012"))
    assert found.headers == (("X-A", "no"),)
    assert found.body == kinds.FormBody(
        (("password", "no"), ("pin", "012"), ("at", "1:30"), ("sum", "1e3"), ("none", "null"),
         ("empty", ""))
    )  # fmt: skip
    assert found.auth == kinds.Auth("basic", "007", "tj")
    assert found.timeout_s == 0.25
    assert found.retry is not None
    assert (found.retry.times, found.retry.every_s) == (5, 0.5)
    assert found.retry.until is not None


@pytest.mark.parametrize("method", kinds.METHODS)
def test_every_method_is_a_key(method: str) -> None:
    (found,) = scenario(f"sessctl: 1\nsteps: [{{{method}: /x}}]").steps
    assert isinstance(found, Request)
    assert found.method == method.upper()


@pytest.mark.parametrize(
    ("typed", "data"),
    [
        ("3", 3), ("-1.5", -1.5), ("1e3", 1000.0), ("true", True), ("null", None), ("", None),
        ("no", "no"), ("012", "012"), ("1:30", "1:30"), ("'3'", "3"), ("'true'", "true"),
        ("[1, {a: '${user}'}]", [1, {"a": "${user}"}]), ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_json_is_typed_as_json_spells_it(typed: str, data: object) -> None:
    (step,) = scenario(
        f"sessctl: 1\nvars: {{user: tj}}\nsteps:\n  - post: /\n    json: {typed}\n"
    ).steps
    assert isinstance(step, Request)
    assert step.body == kinds.JsonBody(data)
    assert isinstance(step.body.data, type(data))


def test_files_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "order.xml").write_text("<a/>")
    found = scenario(
        "sessctl: 1\nsteps:\n  - {post: /, file: order.xml}\n"
        "  - post: /\n    multipart: {note: hi, doc: {file: order.xml, type: text/xml}}\n",
        tmp_path,
    )
    first, second = requests_of(found.steps)
    assert first.body == kinds.FileBody(tmp_path / "order.xml")
    assert second.body == kinds.MultipartBody(
        (
            kinds.Part("note", text="hi"),
            kinds.Part("doc", file=tmp_path / "order.xml", type="text/xml"),
        )
    )
    assert found.notes == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("none", kinds.Cookies("none")),
        ("{theme: dark, lang: 012}", kinds.Cookies(given=(("theme", "dark"), ("lang", "012")))),
    ],
)
def test_cookies_of_one_request(typed: str, meant: kinds.Cookies) -> None:
    assert request(f"cookies: {typed}").cookies == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("clear", {"verb": "clear"}),
        ("close-browser", {"verb": "close-browser"}),
        ("{restore: kept}", {"verb": "restore", "kept": "kept"}),
        ("{set: {a: b}}", {"verb": "set", "cookies": (("a", "b"),)}),
        ("{forget: theme}", {"verb": "forget", "cookie": "theme"}),
        ("{tamper: {cookie: s, how: flip}}", {"verb": "tamper", "cookie": "s", "how": "flip"}),
        (
            "{tamper: {cookie: s, how: swap, with: kept}}",
            {"verb": "tamper", "cookie": "s", "how": "swap", "kept": "kept"},
        ),
    ],
)
def test_acts_on_a_jar(typed: str, meant: dict[str, object]) -> None:
    _, act = scenario(
        f"sessctl: 1\nsteps:\n  - jar: {{keep: kept}}\n  - {{jar: {typed}, as: bob}}\n"
    ).steps
    assert isinstance(act, kinds.JarAct)
    assert act.client == "bob"
    assert {key: getattr(act, key) for key in meant} == meant


def test_values_and_expectations() -> None:
    found = request(
        "capture:\n  _t: {css: input, attr: value, default: none}\n  u: url\n"
        "expect:\n  status: {gt: 199, lt: 300}\n  header: {Location: {matches: ^/}}\n"
        "  body: {not: {contains: Error}}\n  value: {u: {same-as: u}}\n"
        "  cookie: {sid: {secure: false, path: /}}\n  depends: false"
    )
    token, url = found.capture
    assert token.source == Source(SourceKind.CSS, "input", "value", "none")
    assert (token.is_compared, url.is_compared) == (False, True)
    assert found.expect.depends is False
    told = {
        (check.source.kind, check.source.expression, check.source.attr): check.matcher.tests
        for check in found.expect.checks
    }
    assert told[SourceKind.STATUS, "", None] == ((Operator.GT, "199"), (Operator.LT, "300"))
    assert told[SourceKind.HEADER, "Location", None] == ((Operator.MATCHES, "^/"),)
    assert told[SourceKind.COOKIE, "sid", "secure"] == ((Operator.EQUALS, "false"),)
    assert told[SourceKind.COOKIE, "sid", "path"] == ((Operator.EQUALS, "/"),)
    assert told[SourceKind.VALUE, "u", None] == ((Operator.SAME_AS, "u"),)


def test_a_parallel_and_its_client() -> None:
    (step,) = scenario(
        "sessctl: 1\nsteps: [{parallel: {times: 2, as: alice, step: {get: /}}, name: race}]"
    ).steps
    assert isinstance(step, kinds.Parallel)
    assert (step.name, step.times, step.step.client) == ("race", 2, "alice")


# -- includes --------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"sessctl: 1\n{text}")
    return folder / "main.yaml"


LOGIN = """\
vars: {user: tj, role: guest}
hooks: {restart: {run: [ls]}}
steps:
  - post: /login
    form: {user: '${user}', role: '${role}'}
    capture: {token: status}
"""


def test_an_include_puts_its_steps_in_place(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        login=LOGIN,
        main="vars: {user: ada}\nsteps:\n  - get: /\n  - use: login.yaml\n  - get: '/${token}'\n"
        "  - hook: restart\n",
    )
    found = load_scenario(main)
    assert [r.url for r in requests_of(found.steps)] == ["/", "/login", "/${token}"]
    assert {v.name: v.text for v in found.variables} == {"user": "ada", "role": "guest"}
    assert [hook.name for hook in found.hooks] == ["restart"]
    assert found.notes == ()


def test_an_include_can_be_somebody_else(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        login=LOGIN,
        main="steps:\n  - use: login.yaml\n  - {use: login.yaml, as: bob}\n",
    )
    assert [r.client for r in requests_of(load_scenario(main).steps)] == ["main", "bob"]


def test_an_include_is_relative_to_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts", a="steps: [{use: b.yaml}]", b="steps: [{get: /b}]")
    main = write(tmp_path, main="steps: [{use: parts/a.yaml}]")
    found = load_scenario(main)
    assert [r.url for r in requests_of(found.steps)] == ["/b"]


def test_files_that_include_each_other_are_told(tmp_path: Path) -> None:
    write(tmp_path, a="steps: [{use: b.yaml}]", b="steps: [{use: a.yaml}]")
    with pytest.raises(UsageError) as caught:
        load_scenario(tmp_path / "a.yaml")
    assert "the files include each other: a.yaml -> b.yaml -> a.yaml" in str(caught.value)


def test_a_file_outside_of_the_folder_is_read_and_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path, login=LOGIN)
    main = write(tmp_path / "in", main="steps: [{use: ../login.yaml}]")
    (note,) = load_scenario(main).notes
    assert f"reads {tmp_path / 'login.yaml'}, outside of the scenario's folder" in note


def test_a_link_out_of_the_folder_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "key").write_text("x")
    (tmp_path / "in" / "key").symlink_to(tmp_path / "key")
    main = write(tmp_path / "in", main="steps: [{post: /, file: key}]")
    (note,) = load_scenario(main).notes
    assert "outside of the scenario's folder" in note


def test_includes_that_multiply_are_given_up(tmp_path: Path) -> None:
    ten = ", ".join(["{use: %s.yaml}"] * 10)
    files = {f"a{i}": f"steps: [{ten.replace('%s', f'a{i + 1}')}]" for i in range(5)}
    write(tmp_path, **files, a5="steps: [{get: /}]")
    with pytest.raises(UsageError) as caught:
        load_scenario(tmp_path / "a0.yaml")
    assert caught.value.message == "more than 100 includes, or 10 inside each other"


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "gone.yaml"
    with pytest.raises(UsageError) as caught:
        load_scenario(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_secret_s_file_is_relative_to_the_scenario(tmp_path: Path) -> None:
    main = write(tmp_path, main="vars: {p: {file: pw}, q: {prompt: PIN}}\nsteps: [{get: /}]")
    first, second = load_scenario(main).variables
    assert first.reference == f"file:{tmp_path / 'pw'}"
    assert (second.reference, second.label) == ("prompt", "PIN")


def test_a_value_may_be_used_in_a_round_before_it_is_read() -> None:
    """In a repeat the second round has what the first one read."""
    text = (
        "sessctl: 1\nsteps:\n  - repeat:\n      times: 2\n      steps:\n"
        "        - get: /${next}\n          capture: {next: {json: $.next}}\n"
    )
    assert scenario(text).steps
    assert problems(text.replace("{next: {", "{nxt: {")) == [
        "6: steps[0].repeat.steps[0].get: no variable 'next' (did you mean 'nxt'?)"
    ]
