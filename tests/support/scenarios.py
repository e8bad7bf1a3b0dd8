"""Scenarios as short texts: reading one, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl.replay.load import parse_scenario
from sessctl.replay.problems import ScenarioError

if TYPE_CHECKING:
    from sessctl.replay.scenario import Request, Scenario

# What the design shows: every kind of step once.
SHOP = """\
# yaml-language-server: $schema=./scenario.schema.json
sessctl: 1                        # format version, required
name: shop basket
target: http://127.0.0.1:3000     # --target wins
instances: {a: http://127.0.0.1:3001, b: http://127.0.0.1:3002}   # optional
backend: shop                     # optional: joins the store (a name from the config file)
session-cookie: auto              # or a name
vars:
  user: tj
  password: {env: SHOP_PASSWORD}  # never printed
hooks:                            # run only with --allow-hooks (or for the demo's own app)
  restart: {run: [systemctl, restart, shop], ready: /health, within: 20s}
steps:
  - name: login form
    get: /login
    capture:
      _csrf: {css: 'input[name=_csrf]', attr: value}   # a leading _ hides it from the comparison
  - name: log in
    post: /login
    form: {_csrf: '${_csrf}', username: '${user}', password: '${password}'}
    expect:
      status: 302
      cookie: {connect.sid: {changed: true, httponly: true}}
    capture: {sid: {cookie: connect.sid}}
  - name: basket
    get: /basket
    show: {items: {json: $.count}}                     # compared and printed
    expect: {status: 200, depends: true}               # asserts on the comparison itself
    stateless: {status: 401}                           # what the stateless run must answer
  - jar: {keep: stolen}                                # copy the jar under a name
  - name: log out
    post: /logout
  - name: stolen cookie after logout
    get: /basket
    cookies: {from: stolen}
    expect: {status: 401}
  - wait: 3s
  - hook: restart
  - parallel: {times: 40, as: alice, step: {post: /count}}   # a race on one session
  - repeat: {times: 3, steps: [{get: /page, at: round-robin}]}   # at: a | b | round-robin
"""


def scenario(text: str, folder: Path | None = None) -> Scenario:
    """The scenario of a text, called `shop.yaml`."""
    return parse_scenario(text.encode(), "shop.yaml", folder or Path())


def request(lines: str) -> Request:
    """The one request of a scenario; `lines` are its keys, `get: /` stands before them."""
    body = "\n".join(f"    {line}" for line in lines.splitlines())
    (found,) = scenario(f"sessctl: 1\nsteps:\n  - get: /\n{body}\n").steps
    return found  # type: ignore[return-value]


def problems(text: str | bytes, folder: Path | None = None) -> list[str]:
    """The mistakes of a text, each as `line: key: message (hint)`."""
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(raw, "shop.yaml", folder or Path())
    return [
        f"{p.place.line}: {p.key}: {p.message}" + (f" ({p.hint})" if p.hint else "")
        for p in caught.value.problems
    ]
