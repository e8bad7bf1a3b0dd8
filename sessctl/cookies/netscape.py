"""cookies.txt: the jar of curl, wget and browsers' exports.

    #HttpOnly_shop.example.com  FALSE  /  TRUE  1795000000  connect.sid  s%3Aabc.def

Seven fields between tabs: domain, whether subdomains get it, path, whether only HTTPS does, the end
in seconds since 1970 (0 for a session cookie), name, value. `#HttpOnly_` before the domain, any
other `#` begins a comment. Source: curl 8 `lib/cookie.c`; Python 3 `http/cookiejar.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessctl.errors import UnreadableInput
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

HTTP_ONLY = "#HttpOnly_"


class Row(NamedTuple):
    """One cookie; `expires_ms` is None for a session cookie."""

    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_ms: int | None
    name: str
    value: str
    http_only: bool


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of each line that has a cookie."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        row = line.removesuffix("\r")
        if row.strip() and (not row.startswith("#") or row.startswith(HTTP_ONLY)):
            yield number, row


def parse_row(line: str, number: int) -> Row:
    """Read a line. Raises UnreadableInput with the number and what is wrong."""
    fields = line.removeprefix(HTTP_ONLY).split("\t")
    if len(fields) == 6:
        fields.append("")  # an empty value, its tab lost at the end of the line
    if len(fields) != 7:
        raise UnreadableInput(f"line {number} has {len(fields)} fields between tabs, not 7")
    domain, tail, path, secure, ends, name, value = fields
    if {tail.upper(), secure.upper()} - {"TRUE", "FALSE"}:
        raise UnreadableInput(
            f"line {number} has neither TRUE nor FALSE in its second and fourth field"
        )
    # Python leaves the field of a session cookie empty; some browsers' exports have fractions.
    seconds = (ends or "0").removeprefix("-").partition(".")[0]
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 16):
        raise UnreadableInput(f"line {number} has no time in its fifth field")
    ends_ms = int(seconds) * 1000
    return Row(
        _domain(domain),
        tail.upper() == "FALSE",
        path,
        secure.upper() == "TRUE",
        # 0 and, in some exports, -1 stand for a session cookie.
        None if ends_ms == 0 or ends.startswith("-") else min(ends_ms, MAX_MS),
        name,
        value,
        line.startswith(HTTP_ONLY),
    )


def _domain(text: str) -> str:
    """The domain without its dot and without the port that wget writes: browsers' cookies go to
    every port."""
    host, colon, port = text.removeprefix(".").rpartition(":")
    if not (colon and port.isdigit()) or (":" in host and not host.endswith("]")):
        host = text.removeprefix(".")
    return host.strip("[]").lower()
