"""Cookie formats, layouts and engines of other packages, by their entry points.

Names come from metadata, which imports none of them. One is loaded when its name is asked for, or
when nothing of ours fits. One that does not work is named, and the rest goes on without it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sessctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

COOKIE_FORMATS = "sessctl.cookie_formats"
LAYOUTS = "sessctl.layouts"
ENGINES = "sessctl.engines"
GROUPS = (COOKIE_FORMATS, LAYOUTS, ENGINES)

_failed: dict[tuple[str, str], str] = {}


@cache  # 2 ms a time even when warm, and a header may hold thousands of cookies
def installed(group: str) -> dict[str, Any]:
    """The entry points of a group by their names."""
    from importlib.metadata import entry_points  # 15 ms; only when none of ours fits

    return {entry.name: entry for entry in entry_points(group=group)}


def load(group: str, name: str) -> Any:
    """What an entry point names. Raises UsageError naming the plug-in, whatever went wrong in it.

    A cookie format is a class, and comes as an instance of it.
    """
    entry = installed(group)[name]
    try:
        found = entry.load()
        return found() if group == COOKIE_FORMATS else found
    except Exception as exc:  # a plug-in may fail in any way; name it
        raise UsageError(
            f"the plug-in '{name}' ({origin(entry) or group}) failed to load: {type(exc).__name__}",
            hint="update or remove the package that provides it",
        ) from exc


def load_working(group: str) -> Iterator[Any]:
    """Everything of a group that can be loaded; `take_failures` has the rest."""
    for name in installed(group):
        try:
            found = load(group, name)
        except UsageError as exc:
            _failed[group, name] = exc.message
        else:
            yield found


def note_failure(group: str, name: str, exc: Exception) -> None:
    """A plug-in broke its protocol while it was only one of those that were asked."""
    _failed[group, name] = f"the plug-in '{name}' failed when it was asked: {type(exc).__name__}"


def take_failures() -> list[str]:
    """What did not work since the last call, in words."""
    found = list(_failed.values())
    _failed.clear()
    return found


def origin(entry: Any) -> str:
    """The package of an entry point and its version; "" where nobody knows."""
    package = getattr(entry, "dist", None)
    return f"{package.name} {package.version}" if package is not None else ""
