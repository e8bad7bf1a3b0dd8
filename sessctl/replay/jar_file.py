"""Jars on disk: the cookies.txt of curl, wget and browsers, and a JSON form that loses nothing.

cookies.txt is Netscape's: seven fields between tabs, `#HttpOnly_` before the domain, 0 for a
session cookie, whole seconds. It has no SameSite and no Partitioned.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sessctl.config.paths import replace_file
from sessctl.cookies.netscape import HTTP_ONLY, lines_of, parse_row
from sessctl.errors import UnreadableInput, UsageError
from sessctl.limits import DEFAULT, Budget
from sessctl.replay.cookie import Cookie
from sessctl.replay.jar import Jar
from sessctl.replay.set_cookie import SameSite
from sessctl.text import decode_id, encode_id
from sessctl.timespec import MAX_MS, MIN_MS

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1
_HEADER = "# Netscape HTTP Cookie File\n# Written by sessctl. These are credentials.\n"
_HINT = "a jar is a cookies.txt (Netscape) or the JSON that sessctl writes"
_FIELDS = {
    **dict.fromkeys(("name", "value", "domain", "path"), str),
    **dict.fromkeys(("host_only", "secure", "http_only", "partitioned"), bool),
    "created_ms": int,
}


def read_jar(path: Path, budget: Budget = DEFAULT) -> Jar:
    """Read a jar in either form; which one, its content says.

    Raises:
        UsageError: the file cannot be opened.
        UnreadableInput: naming the line, or the cookie by its number, and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(budget.value_bytes + 1)
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise UsageError(f"cannot read the jar {path} ({reason})") from None
    try:
        budget.check_value(len(raw))
        return Jar(_from_json(raw) if raw.lstrip()[:1] == b"{" else _from_netscape(decode_id(raw)))
    except UnreadableInput as exc:
        raise exc.at(file=str(path)) from None


def write_jar(jar: Jar, path: Path) -> None:
    """Write a jar, 0600, in place of what was there: JSON for `.json`, else cookies.txt.

    Raises:
        UsageError: the file cannot be written.
    """
    raw = _as_json(jar) if path.suffix.lower() == ".json" else _as_netscape(jar)
    try:
        replace_file(path, raw)
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise UsageError(f"cannot write the jar {path} ({reason})") from None


# -- cookies.txt -----------------------------------------------------------------------------------


def _from_netscape(text: str) -> list[Cookie]:
    found = []
    for number, line in lines_of(text):
        try:
            row = parse_row(line, number)
        except UnreadableInput as exc:
            raise _bad(exc.message) from None
        cookie = Cookie(
            row.name,
            row.value,
            row.domain,
            row.path,
            host_only=row.host_only,
            expires_ms=row.expires_ms,
            secure=row.secure,
            http_only=row.http_only,
        )
        found.append(_checked(cookie, f"line {number}"))
    return found


def _as_netscape(jar: Jar) -> bytes:
    return _HEADER.encode() + b"".join(encode_id(_row(cookie)) for cookie in jar)


def _row(cookie: Cookie) -> str:
    dot = "" if cookie.host_only else "."
    # 0 would make a session cookie of one that ended in the first second of 1970.
    ends = 0 if cookie.expires_ms is None else max(-(-cookie.expires_ms // 1000), 1)
    fields = [
        f"{HTTP_ONLY if cookie.http_only else ''}{dot}{cookie.domain}",
        str(not cookie.host_only).upper(),
        cookie.path,
        str(cookie.secure).upper(),
        str(ends),
        cookie.name,
        cookie.value,
    ]
    return "\t".join(fields) + "\n"


# -- JSON ------------------------------------------------------------------------------------------


def _from_json(raw: bytes) -> list[Cookie]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise _bad("not JSON") from None
    rows = body.get("cookies")
    if body.get("sessctl-jar") != _FORMAT or not isinstance(rows, list):
        raise _bad(f'no "sessctl-jar": {_FORMAT} with a list of "cookies"')
    return [_from_object(row, f"cookie {number}") for number, row in enumerate(rows, 1)]


def _from_object(row: Any, where: str) -> Cookie:
    if not isinstance(row, dict) or set(row) != {*_FIELDS, "expires_ms", "same_site"}:
        raise _bad(f"{where} has not the keys of a cookie")
    ends = row["expires_ms"]
    wrong = [key for key, kind in _FIELDS.items() if type(row[key]) is not kind]
    if not (ends is None or (type(ends) is int and MIN_MS <= ends <= MAX_MS)):
        wrong.append("expires_ms")
    if row["same_site"] not in list(SameSite):
        wrong.append("same_site")
    if wrong:
        raise _bad(f"{where} has a {wrong[0]} of the wrong kind")
    return _checked(Cookie(**{**row, "same_site": SameSite(row["same_site"])}), where)


def _as_json(jar: Jar) -> bytes:
    keys = (*_FIELDS, "expires_ms", "same_site")
    rows = [{key: getattr(cookie, key) for key in keys} for cookie in jar]
    return json.dumps({"sessctl-jar": _FORMAT, "cookies": rows}, indent=1).encode() + b"\n"


def _checked(cookie: Cookie, where: str) -> Cookie:
    """What is read from a file must not break out of its header line or its row."""
    texts = (cookie.name, cookie.value, cookie.domain, cookie.path)
    try:
        raw = encode_id("".join(texts))
    except UnicodeEncodeError:
        raise _bad(f"{where} holds half of a surrogate pair") from None
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise _bad(f"{where} holds a control character")
    if not cookie.domain or not cookie.path.startswith("/") or ";" in cookie.name + cookie.value:
        raise _bad(f"{where} has no domain, no path, or a ';' in its name or value")
    return cookie


def _bad(message: str) -> UnreadableInput:
    return UnreadableInput(message, hint=_HINT)
