"""Roles and their colours. Code names roles; colour never carries a meaning alone."""

from __future__ import annotations

from typing import Literal

Role = Literal["ok", "warn", "danger", "muted", "key", "accent", "plain"]

_SGR: dict[str, str] = {
    "ok": "32",
    "warn": "33",
    "danger": "31",
    "muted": "2",
    "key": "36",
    "accent": "1",
}
# The same for what rich draws.
RICH_STYLES: dict[str, str] = {
    "ok": "green", "warn": "yellow", "danger": "red", "muted": "dim", "key": "cyan",
    "accent": "bold", "plain": "",
}  # fmt: skip


def paint(text: str, role: Role) -> str:
    """Text in the colour of a role. The text must have been escaped before."""
    code = _SGR.get(role)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


def wants_colour(mode: str, *, is_terminal: bool, environ: dict[str, str]) -> bool:
    """Whether a stream gets colour: flag before environment before terminal."""
    if mode != "auto":
        return mode == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


def speaks_unicode(environ: dict[str, str]) -> bool:
    """The locale says UTF-8; the first of these that is set counts (POSIX)."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environ[name] for name in names if environ.get(name)), "")
    return "utf" in locale.lower()
