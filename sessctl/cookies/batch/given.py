"""One text of a batch, and where it stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sessctl.errors import UnreadableInput

    # The number of a line, or what tells a message of a HAR; None: it was the only one.
    Place = int | Mapping[str, int | str | None] | None


class Given(NamedTuple):
    """A text with cookies in it, as `decode_cookie` takes it, or why there is none to be had."""

    place: Place
    text: str
    problem: UnreadableInput | None = None


def header_of(pairs: Iterable[Sequence[str]]) -> str:
    """The `Cookie:` line of a browser that holds these names and values."""
    return "Cookie: " + "; ".join(f"{name}={value}" if name else value for name, value in pairs)


def has_cookie(name: str, names: Iterable[str]) -> bool:
    """Whether a cookie of this name is among them, whole or in chunks (`name.0`)."""
    return not {name, f"{name}.0"}.isdisjoint(names)
