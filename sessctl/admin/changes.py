"""What differs between two values, place by place."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Keys = tuple[str | int, ...]  # from the top to a place: keys of objects, numbers in lists

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


class Kind(StrEnum):
    """How the second differs from the first."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(NamedTuple):
    """One place; `keys` leads there from the top, `path` is the same in words."""

    keys: Keys
    kind: Kind
    before: Any = None
    after: Any = None

    @property
    def path(self) -> str:
        """`data.cart[0].name`; a key that is no plain word is quoted."""
        text = ""
        for key in self.keys:
            if isinstance(key, int):
                text += f"[{key}]"
            elif _PLAIN_KEY.fullmatch(key):
                text += f".{key}" if text else key
            else:
                text += f'["{key}"]'
        return text


def differences(
    before: Any, after: Any, keys: Keys = (), *, exactly: bool = False
) -> Iterator[Difference]:
    """Every place where two decoded values differ, in the order of the first, then of the second.

    Lists are compared place by place. 1 and true are two things; 1 and 1.0 are the same number,
    unless the values are to be told apart `exactly`.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            here = (*keys, str(key))
            if key not in after:
                yield Difference(here, Kind.REMOVED, before[key])
            elif key not in before:
                yield Difference(here, Kind.ADDED, None, after[key])
            else:
                yield from differences(before[key], after[key], here, exactly=exactly)
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            there = (*keys, place)
            if place >= len(after):
                yield Difference(there, Kind.REMOVED, before[place])
            elif place >= len(before):
                yield Difference(there, Kind.ADDED, None, after[place])
            else:
                yield from differences(before[place], after[place], there, exactly=exactly)
    elif before != after or not _alike(before, after, exactly=exactly):
        yield Difference(keys, Kind.CHANGED, before, after)


def _alike(one: Any, other: Any, *, exactly: bool) -> bool:
    """Of one kind, where they are equal: Python takes 1, 1.0 and true for the same."""
    if exactly:
        return type(one) is type(other)
    return isinstance(one, bool) is isinstance(other, bool)
