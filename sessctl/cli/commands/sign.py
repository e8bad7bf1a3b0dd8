"""`sessctl sign` (forge): a cookie made offline, for tests and to show what a secret protects."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.options import command
from sessctl.cookies.api import known, sign_cookie
from sessctl.cookies.registry import cookie_format
from sessctl.errors import ExitCode, UsageError
from sessctl.text import decode_id, escape
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.cookies.base import Cookie

FORMATS = ("value", "header", "curl", "cookies-txt", "playwright", "json", "jsonl", "name")


@command("connection", "output")
def sign(
    run: Run,
    *,
    content: Annotated[
        str, typer.Argument(help="Session id, text or JSON; - for stdin.", metavar="DATA")
    ] = "",
    sid: Annotated[str | None, typer.Option("--sid", help="The session id.", metavar="SID")] = None,
    format: c.Format = None,
    name: c.Name = None,
    salt: c.Salt = None,
    digest: c.Digest = None,
    parameter: c.Parameters = None,
    secret_from: c.SecretFrom = None,
    secret: c.SecretValue = None,
    at: c.At = None,
    ttl: c.Ttl = None,
) -> ExitCode:
    """Sign a cookie with the newest secret."""
    output = run.output_format(FORMATS, terminal="value", pipe="value")
    named, given = bool(run.options.backend), bool(secret_from or secret)
    backend = None if given and not named else c.backend_at_hand(run, wanted=named)
    text = sid if sid is not None else content
    settings = c.Settings(
        format, name, salt=salt, digest=digest, parameter=parameter,
        secret_from=secret_from, secret=secret,
    )  # fmt: skip
    how = c.judging(run, backend, settings, at=at, takes_stdin=text == "-")
    if not how.secrets:
        raise UsageError(
            "no secret to sign with", hint="--secret-from env:NAME, or `secrets` of a backend"
        )
    if text == "-":
        text = decode_id(run.stdin().rstrip(b"\r\n"))
    if not text:
        raise UsageError("nothing to sign", hint="sessctl sign SID")
    usual_format, usual_name = _as_its_library(backend)
    chosen = usual_format if how.format is None else how.format
    usual_name = usual_name if chosen == usual_format else None
    cookies = sign_cookie(
        _content(text),
        how.secrets,
        chosen,
        name=name if name is not None else how.usual_name or usual_name,
        parameters={**known(cookie_format(chosen), how.usual_parameters), **how.parameters},
        now=how.now,
        ttl=parse_duration(ttl) if ttl is not None else None,
    )
    _write(run, cookies, output)
    return ExitCode.OK


def _as_its_library(backend: Backend | None) -> tuple[str, str | None]:
    """The format and the name of the cookie that the library behind a backend sets."""
    if backend is not None:
        from sessctl.config.opening import usual_layout  # 16 ms with msgspec

        layout = usual_layout(backend)
        if layout is not None:
            return layout.cookie_format, layout.cookie_name
    return "express-session", None


def _content(text: str) -> Any:
    """Objects and lists of JSON are payloads, everything else is an id or a text."""
    if text.lstrip().startswith(("{", "[")):
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
