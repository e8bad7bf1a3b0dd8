"""A mistake in a scenario names its line, its key and the fix; several are told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.errors import ExitCode
from sessctl.replay.load import load_scenario
from sessctl.replay.problems import ScenarioError
from tests.support.scenarios import problems, scenario

if TYPE_CHECKING:
    from pathlib import Path

START = "sessctl: 1\nsteps:\n"

TOP = {
    "name: x\nsteps: [{get: /}]": "1: : a scenario needs 'sessctl' (add sessctl: 1)",
    "sessctl: 1": '1: : a scenario needs \'steps\' (add steps: [{"get": "/"}])',
    "sessctl: 2\nsteps: [{get: /}]": "1: sessctl: '2' is not 1 (write it so)",
    "sessctl: 1\nstesp: []\nsteps: [{get: /}]": (
        "2: stesp: unknown key 'stesp' in a scenario (did you mean 'steps'?)"
    ),
    "sessctl: 1\nsteps: []": "2: steps: a list of steps is empty",
    "sessctl: 1\nsteps: {get: /}": (
        '2: steps: a mapping where a list of steps is meant (for example [{"get": "/"}])'
    ),
    "- get: /": "1: : a list where a scenario is meant",
    "sessctl: 1\ntarget: localhost:3000\nsteps: [{get: /}]": (
        "2: target: 'localhost:3000' is not an http address (for example http://127.0.0.1:3000)"
    ),
    "sessctl: 1\nvars: {a b: x}\nsteps: [{get: /}]": (
        "2: vars.a b: 'a b' cannot be a name here (it has to match ^[A-Za-z_][A-Za-z0-9_-]*$)"
    ),
    "sessctl: 1\nvars: {p: {evn: X}}\nsteps: [{get: /}]": (
        "2: vars.p.evn: unknown key 'evn' in a secret (did you mean 'env'?)"
    ),
    "sessctl: 1\nvars: {p: {env: ''}}\nsteps: [{get: /}]": "2: vars.p.env: 'env' names nothing",
    "sessctl: 1\nhooks: {r: {run: ls}}\nsteps: [{get: /}]": (
        "2: hooks.r.run: 'ls' where a command is meant "
        '(for example ["systemctl", "restart", "shop"])'
    ),
    "sessctl: 1\nexpect: {verdict: statefull}\nsteps: [{get: /}]": (
        "2: expect.verdict: 'statefull' is not stateful or stateless (did you mean 'stateful'?)"
    ),
}
STEP = {
    "gett: /x": "gett: unknown key 'gett' in a step (did you mean 'get'?)",
    "hello": ": 'hello' where a step is meant",
    "name: x": (
        ": a step needs one of get, post, put, patch, delete, head, options, wait, jar, hook, "
        "parallel, repeat, use"
    ),
    "{get: /, post: /}": ": a request has 'get' and 'post' (only one of them)",
    "{get: /, wait: 3s}": ": a step has 'get' and 'wait' (make them one after the other)",
    "{get: /, frm: {}}": "frm: unknown key 'frm' in a request (did you mean 'form'?)",
    "{get: /, <<: {as: x}}": (
        "<<: unknown key '<<' in a request "
        "(merge keys are no part of YAML 1.2; repeat the keys, or put the steps in `use:`)"
    ),
    "get: [1]": "get: a list where a text is meant (for example /login)",
    "get: basket": "get: 'basket' is neither a path nor a URL (write /basket)",
    "get: 'ftp://x/'": (
        "get: 'ftp://x/' is neither a path nor a URL (only http and https are spoken)"
    ),
    "{get: /, as: 1x}": "as: '1x' is not a name (for example alice)",
    "{get: /, follow: yes}": ("follow: 'yes' where true or false is meant (write true or false)"),
    "{get: /, follow: 'true'}": (
        "follow: 'true' where true or false is meant (take the quotes away)"
    ),
    "{get: /, timeout: 5y}": (
        "timeout: '5y' is not a duration (write 90s, 30m, 2h, 7d, 2w, 1h30m, 250ms or PT2H)"
    ),
    "{get: /, timeout: soon}": "timeout: 'soon' is not a time (for example 10s)",
    "{get: /, retry: {every: 1s}}": "retry: retry needs 'times' (add times: 5)",
    "{get: /, retry: {times: 0}}": "retry.times: '0' is not from 1 to 10000",
    "{get: /, cookies: nope}": "cookies: 'nope' is not none (did you mean 'none'?)",
    "{post: /, form: {}, json: {}}": (
        ": a request has one body, this one has 'form' and 'json' (remove one)"
    ),
    "{post: /, file: none.bin}": "file: no file none.bin (paths are relative to this file)",
    "{post: /, multipart: {a: {}}}": "multipart.a: a part needs one of text, file",
    '{get: /, headers: {X-A: "a\\nb"}}': (
        "headers.X-A: a line break or NUL in what goes into one line"
    ),
    "{get: /, headers: {X A: b}}": (
        "headers.X A: 'X A' cannot be a name here (it has to match ^[!#$%&'*+.^_`|~0-9A-Za-z-]+$)"
    ),
    "{get: /, auth: {basic: {user: tj}}}": (
        "auth.basic: basic needs 'password' (add password: ${password})"
    ),
    "{get: /, auth: {basic: {user: a, password: b}, bearer: t}}": (
        "auth: auth has 'basic' and 'bearer' (only one of them)"
    ),
    "{get: /, expect: {statuss: 200}}": (
        "expect.statuss: unknown key 'statuss' in an expectation (did you mean 'status'?)"
    ),
    "{get: /, expect: {status: '200'}}": (
        "expect.status: '200' where an expected status is meant (take the quotes away)"
    ),
    "{get: /, expect: {status: 2000}}": "expect.status: '2000' is not from 100 to 599",
    "{get: /, expect: {}}": (
        "expect: an expectation is empty (known: status, url, header, body, session, css, xpath, "
        "json, regex, cookie, value, depends)"
    ),
    "{get: /, expect: {url: {contain: x}}}": (
        "expect.url.contain: unknown key 'contain' in comparisons (did you mean 'contains'?)"
    ),
    "{get: /, expect: {cookie: {sid: {httpOnly: true}}}}": (
        "expect.cookie.sid.httpOnly: unknown key 'httpOnly' in an expected cookie "
        "(did you mean 'httponly'?)"
    ),
    "{get: /, capture: {x: {jsn: $.a}}}": (
        "capture.x.jsn: unknown key 'jsn' in a source (did you mean 'json'?)"
    ),
    "{get: /, capture: {x: {attr: a}}}": (
        "capture.x: a source needs one of css, xpath, json, regex, header, cookie"
    ),
    "{get: /, capture: {x: {css: a, json: $.b}}}": (
        "capture.x: a source has 'css' and 'json' (only one of them)"
    ),
    "{get: /, capture: {x: {json: count}}}": (
        "capture.x.json: 'count' is not a JSON path (for example $.count)"
    ),
    "{get: /, capture: {x: {header: A, attr: b}}}": (
        "capture.x.attr: 'attr' goes with css and cookie, not with header"
    ),
    "{get: /, capture: {x: stats}}": (
        "capture.x: 'stats' is not status or url or body or session (did you mean 'status'?)"
    ),
    "{get: /, query: {q: '${a'}}": (
        "query.q: '${' without a name and '}' (write ${name}; names are letters, digits, _ and -; "
        "$${ stands for ${ itself)"
    ),
    "wait:": "wait: '' is not a time (for example 3s)",
    "jar: clear-all": "jar: 'clear-all' is not clear or close-browser (did you mean 'clear'?)",
    "jar: {kep: x}": "jar.kep: unknown key 'kep' in a jar act (did you mean 'keep'?)",
    "jar: {tamper: {cookie: x}}": "jar.tamper: tamper needs 'how' (add how: flip)",
    "jar: {tamper: {cookie: x, how: swap}}": (
        "jar.tamper: 'swap' and 'with' go together (how: swap, with: NAME of a jar that was kept)"
    ),
    "parallel: {times: 012, step: {get: /}}": (
        "parallel.times: '012' where a whole number is meant (write 12)"
    ),
    "repeat: {times: 2, steps: []}": "repeat.steps: a list of steps is empty",
    "use: gone.yaml": (
        "use: cannot read gone.yaml (no such file or directory) (paths are relative to this file)"
    ),
}
UNKNOWN = {
    "{get: '/${usr}'}": "get: no variable 'usr' (did you mean 'user'?)",
    "{get: /, at: c}": "at: no instance 'c' (every instance there is: a)",
    "{get: /, cookies: {from: stoln}}": (
        "cookies.from: no kept jar 'stoln' (did you mean 'stolen'?)"
    ),
    "jar: {restore: stoln}": "jar.restore: no kept jar 'stoln' (did you mean 'stolen'?)",
    "{get: /, expect: {value: {itms: 3}}}": (
        "expect.value.itms: no capture 'itms' (did you mean 'items'?)"
    ),
    "{get: /, expect: {body: {same-as: itms}}}": (
        "expect.body.same-as: no capture 'itms' (did you mean 'items'?)"
    ),
    "hook: restrt": "hook: no hook 'restrt' (did you mean 'restart'?)",
}
NAMES = """\
sessctl: 1
vars: {user: tj}
instances: {a: http://127.0.0.1:1}
hooks: {restart: {run: [ls]}}
steps:
  - get: /
    capture: {items: status}
  - jar: {keep: stolen}
"""


@pytest.mark.parametrize("text", TOP)
def test_a_mistake_of_the_whole(text: str) -> None:
    assert problems(text) == [TOP[text]]


@pytest.mark.parametrize("step", STEP)
def test_a_mistake_of_a_step(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    key, _, told = STEP[step].partition(": ")
    path = f"steps[0].{key}" if key else "steps[0]"
    told = told if key else STEP[step].removeprefix(": ")
    assert problems(f"{START}  - {step}\n") == [f"3: {path}: {told}"]


@pytest.mark.parametrize("step", UNKNOWN)
def test_a_name_that_is_nowhere_defined(step: str) -> None:
    assert problems(f"{NAMES}  - {step}\n") == [f"9: steps[2].{UNKNOWN[step]}"]


def test_every_mistake_is_told_in_the_order_of_the_file() -> None:
    found = problems("sessctl: 1\nnmae: x\nsteps:\n  - gett: /\n  - get: /\n    follow: no\n")
    assert [line.split(":")[0] for line in found] == ["2", "4", "6"]


def test_the_error_lists_its_mistakes_with_their_places() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario("sessctl: 1\nnmae: x\nsteps:\n  - gett: /\n")
    error = caught.value
    assert error.message == "the scenario has 2 mistakes"
    assert error.where == {
        "shop.yaml:2:1": "unknown key 'nmae' in a scenario (did you mean 'name'?)",
        "shop.yaml:4:5": "unknown key 'gett' in a step (did you mean 'get'?)",
    }
    assert (error.code, error.exit_code) == ("scenario.invalid", ExitCode.USAGE)
    assert error.hint == "sessctl replay lint shop.yaml"


def test_a_single_mistake_is_the_error_itself() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario("sessctl: 1\nsteps:\n  - gett: /\n")
    assert caught.value.message == "unknown key 'gett' in a step"
    assert caught.value.where == {"file": "shop.yaml:3:5", "key": "steps[0].gett"}
    assert caught.value.hint == "did you mean 'get'?"


def test_a_mistake_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "login.yaml").write_text("sessctl: 1\nsteps:\n  - gett: /\n")
    main = tmp_path / "main.yaml"
    main.write_text("sessctl: 1\nsteps:\n  - use: login.yaml\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(main)
    (problem,) = caught.value.problems
    assert problem.place.file == str(tmp_path / "login.yaml")
    assert problem.place.line == 3


@pytest.mark.parametrize("name", ["9" * 5000, "x" * 5000])
def test_a_long_text_is_cut_in_the_message(name: str) -> None:
    (told,) = problems(f"{START}  - repeat: {{times: {name}, steps: [{{get: /}}]}}\n")
    assert len(told) < 200
