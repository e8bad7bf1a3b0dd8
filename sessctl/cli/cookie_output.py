"""Cookies in whatever form the next tool takes; of `sign` and `create`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from sessctl.text import escape

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.cookies.base import Cookie

COOKIE_FORMATS = ("value", "header", "curl", "cookies-txt", "playwright")


def write_cookies(
    run: Run, cookies: list[Cookie], output: str, *, expires_s: int | None = None
) -> None:
    """Write cookies in one of `COOKIE_FORMATS`.

    Args:
        expires_s: until when a browser keeps them, in seconds since 1970; None: it forgets them
            when it is closed.
    """
    write = run.streams.line
    pairs = "; ".join(f"{one.name}={one.value}" for one in cookies)
    if output == "value":
        for cookie in cookies:
            write(cookie.value)
    elif output == "header":
        write(f"Cookie: {pairs}")
    elif output == "curl":
        write(f"curl --cookie {shlex.quote(pairs)} http://localhost:3000/")
    elif output == "cookies-txt":
        write("# Netscape HTTP Cookie File")
        for one in cookies:
            ends = str(expires_s or 0)
            row = ("localhost", "FALSE", "/", "FALSE", ends, escape(one.name), escape(one.value))
            run.streams.raw("\t".join(row).encode() + b"\n")  # `line` would spell the tabs out
    else:
        from sessctl.cli.output import to_json

        entries = [
            {"name": one.name, "value": one.value, "domain": "localhost", "path": "/",
             "expires": expires_s or -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
            for one in cookies
        ]  # fmt: skip
        run.streams.raw(to_json({"cookies": entries, "origins": []}) + b"\n")
