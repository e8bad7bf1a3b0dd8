"""`sessctl sign` (forge): a cookie made offline, for tests and to show what a secret protects."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.options import command
from sessctl.cookies.api import sign_cookie
from sessctl.errors import ExitCode, UsageError
from sessctl.text import decode_id, escape

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.cookies.base import Cookie

FORMATS = ("value", "header", "curl", "cookies-txt", "playwright", "json", "jsonl", "name")


@command("connection", "output")
def sign(
    run: Run,
    *,
    content: Annotated[
        str, typer.Argument(help="Session id, or JSON; - for stdin.", metavar="DATA")
    ] = "",
    sid: Annotated[str | None, typer.Option("--sid", help="The session id.", metavar="SID")] = None,
    format: c.Format = None,
    name: c.Name = None,
    secret_from: c.SecretFrom = None,
    secret: c.SecretValue = None,
    at: c.At = None,
) -> ExitCode:
    """Sign a cookie with the newest secret."""
    output = run.output_format(FORMATS, terminal="value", pipe="value")
    named, given = bool(run.options.backend), bool(secret_from or secret)
    backend = None if given and not named else c.backend_at_hand(run, wanted=named)
    text = sid if sid is not None else content
    how = c.judging(
        run, backend, format=format, name=name, secret_from=secret_from, secret=secret,
        max_age=None, at=at, takes_stdin=text == "-",
    )  # fmt: skip
    if not how.secrets:
        raise UsageError(
            "no secret to sign with", hint="--secret-from env:NAME, or `secrets` of a backend"
        )
    if text == "-":
        text = decode_id(run.stdin().rstrip(b"\r\n"))
    if not text:
        raise UsageError("nothing to sign", hint="sessctl sign SID")
    cookies = sign_cookie(
        _content(text),
        how.secrets[0],
        "express-session" if how.format is None else how.format,
        name=how.usual_name if name is None else name,
        now=how.now,
    )
    _write(run, cookies, output)
    return ExitCode.OK


def _content(text: str) -> Any:
    """JSON objects are payloads, everything else is an id."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _write(run: Run, cookies: list[Cookie], output: str) -> None:
    write = run.streams.line
    if output == "value":
        for cookie in cookies:
            write(cookie.value)
    elif output == "name":
        for cookie in cookies:
            write(cookie.name)
    elif output == "header":
        write("Cookie: " + "; ".join(f"{one.name}={one.value}" for one in cookies))
    elif output == "curl":
        pairs = "; ".join(f"{one.name}={one.value}" for one in cookies)
        write(f"curl --cookie {shlex.quote(pairs)} http://localhost:3000/")
    elif output == "cookies-txt":
        write("# Netscape HTTP Cookie File")
        for one in cookies:
            row = ("localhost", "FALSE", "/", "FALSE", "0", escape(one.name), escape(one.value))
            run.streams.raw("\t".join(row).encode() + b"\n")  # `line` would spell the tabs out
    else:
        _write_json(run, cookies, output)


def _write_json(run: Run, cookies: list[Cookie], output: str) -> None:
    from sessctl.cli.items import SCHEMA
    from sessctl.cli.output import to_json

    if output == "playwright":
        entries = [
            {"name": one.name, "value": one.value, "domain": "localhost", "path": "/",
             "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
            for one in cookies
        ]  # fmt: skip
        run.streams.raw(to_json({"cookies": entries, "origins": []}) + b"\n")
        return
    items = [{"name": one.name, "value": one.value} for one in cookies]
    if output == "json":
        run.streams.raw(
            to_json({"schema": SCHEMA, "kind": "SignedCookieList", "items": items}) + b"\n"
        )
        return
    for item in items:
        run.streams.raw(to_json(item) + b"\n")
