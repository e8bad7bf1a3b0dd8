"""The text of `sessctl help scenarios`: enough to write one with it and the schema."""

from __future__ import annotations

TEXT = """\
A scenario is a YAML file: requests that sessctl plays with the cookies carried along and without.
  sessctl replay new shop.yaml       a commented start     sessctl replay lint shop.yaml  mistakes
  sessctl replay schema --out-file scenario.schema.json    every key, for your editor

  sessctl: 1                                  # the format's version, required
  target: http://127.0.0.1:3000
  instances: {a: http://127.0.0.1:3001}       # other addresses of the same app
  vars: {user: tj, password: {env: PASS}}     # secrets: env file dotenv keyring prompt
  hooks: {restart: {run: [./restart.sh], ready: /health, within: 20s}}
  before: [{post: /reset}]                    # before each run
  steps:
    - name: log in
      post: /login                            # get post put patch delete head options
      form: {name: '${user}', password: '${password}'}   # or json multipart text file
      capture: {sid: {cookie: connect.sid}}   # later: ${sid}; named _sid it is not compared
      expect: {status: 302, cookie: {connect.sid: {set: true, httponly: true}}}
    - get: /basket
      show: {items: {json: $.count}}          # compared and printed
      expect: {status: 200, depends: true, value: {items: {gt: 0}}}
      stateless: {status: 401}                # what the run without cookies must get
    - jar: {keep: stolen}                     # also clear, close-browser, {restore: stolen},
    - post: /logout                           #   {set: {theme: dark}}, {forget: theme},
      follow: true                            #   {tamper: {cookie: connect.sid, how: flip}}
    - get: /basket
      cookies: {from: stolen}                 # none: no cookie; {theme: dark}: for this request
    - wait: 3s
    - hook: restart
    - parallel: {times: 40, as: alice, step: {post: /count}}
    - repeat: {times: 2, steps: [{get: /page, at: round-robin}]}
    - use: more.yaml                          # the steps of another scenario
  expect: {verdict: stateful, carrier: connect.sid, kept: server}

Requests also take: as (a client with its own jar), at (an instance), query, headers, timeout,
  auth: {basic: {user: u, password: p}} or {bearer: t},
  retry: {times: 5, every: 1s, until: {status: 200}}.
Values come from css and cookie (both with attr), xpath, json: $.a[0], regex (first group), header,
  and the words status, url, body, session (created changed renewed unchanged gone none, of the
  store's session). css and xpath need: pip install 'sessctl[replay]'
Expected of these: {status: 200, json: {$.n: 3}, header: {Location: /}, body: {contains: pear}}; and
  value: {NAME: ..} of what was captured or shown. An equal text, or equals contains matches gt lt
  exists not same-as. Of a cookie also: set changed deleted secure httponly samesite path domain
  max-age prefix value.
Tampering: how is flip, truncate, unsign, or swap (with: NAME of a kept jar takes its signature).
Texts stay as typed (no, 012, 1:30). ${name} inside {..} and [..] needs quotes."""
