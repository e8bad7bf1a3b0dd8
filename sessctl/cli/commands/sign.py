"""`sessctl sign` (forge): a cookie made offline, for tests and to show what a secret protects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.cookie_output import COOKIE_FORMATS, write_cookies
from sessctl.cli.options import command
from sessctl.errors import ExitCode, UsageError
from sessctl.text import decode_id
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.cookies.base import Cookie

FORMATS = (*COOKIE_FORMATS, "json", "jsonl", "name")


@command("connection", "output")
def sign(
    run: Run,
    *,
    content: Annotated[
        str, typer.Argument(help="Session id, text or JSON; - for stdin.", metavar="DATA")
    ] = "",
    sid: Annotated[str | None, typer.Option("--sid", help="The session id.", metavar="SID")] = None,
    format: c.FormatToSign = None,
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
    how.require_secret()
    if text == "-":
        text = decode_id(run.stdin().rstrip(b"\r\n"))
    if not text:
        raise UsageError("nothing to sign", hint="sessctl sign SID")
    lifetime = parse_duration(ttl) if ttl is not None else None
    cookies = how.sign(_content(text), _as_its_library(backend), lifetime)
    if output == "name":
        for cookie in cookies:
            run.streams.line(cookie.name)
    elif output in COOKIE_FORMATS:
        write_cookies(run, cookies, output)
    else:
        _write_items(run, cookies, output)
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


def _write_items(run: Run, cookies: list[Cookie], output: str) -> None:
    from sessctl.cli.output import Writer

    writer = Writer(run, output, "SignedCookieList", ("name", "value"))
    for cookie in cookies:
        writer.item({"name": cookie.name, "value": cookie.value})
    writer.end()
