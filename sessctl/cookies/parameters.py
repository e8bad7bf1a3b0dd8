"""Parameters of a format (`-p NAME=VALUE`) that several formats read alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import UsageError

if TYPE_CHECKING:
    from sessctl.cookies.base import CookieContext

_MAX_LEEWAY_S = 24 * 3600
_DIGITS = 9
_WORDS = ("false", "true")


def flag(context: CookieContext, name: str, *, default: bool) -> bool:
    """A switch of the app. Raises UsageError for anything else than true and false."""
    word = context.parameters.get(name, _WORDS[default])
    if word not in _WORDS:
        raise UsageError(
            f"'{word}' is neither true nor false", hint=f"-p {name}={_WORDS[not default]}"
        )
    return word == _WORDS[True]


def leeway_s(context: CookieContext) -> int:
    """Seconds by which clocks may differ. Raises UsageError."""
    found = seconds(context, "leeway")
    if found is not None and found > _MAX_LEEWAY_S:
        raise UsageError("leeway is a number of seconds, a day at the most", hint="-p leeway=30")
    return found or 0


def seconds(context: CookieContext, name: str) -> int | None:
    """A number of seconds, if the parameter is given. Raises UsageError for anything else."""
    given = context.parameters.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        raise UsageError(f"{name} is a number of seconds", hint=f"-p {name}=30")
    return int(given)
