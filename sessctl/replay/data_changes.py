"""What a step of a replay changed in a session's data, as transcripts tell it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sessctl.admin.changes import differences

if TYPE_CHECKING:
    from sessctl.admin.changes import Keys

_MAX_CHANGES = 50


@dataclass(frozen=True, slots=True)
class DataChange:
    """One value inside a session's data: `path` is `$.cart[0].qty`; None is absent."""

    path: str
    old: Any
    new: Any


def data_changes(old: Any, new: Any) -> list[DataChange]:
    """What differs between two values of session data; the first 50 places."""
    found = islice(differences(old, new, exactly=True), _MAX_CHANGES)
    return [DataChange(_json_path(one.keys), one.before, one.after) for one in found]


def _json_path(keys: Keys) -> str:
    return "$" + "".join(
        f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in keys
    )
