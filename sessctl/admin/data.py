"""Changing the data of a session: `user.name=ana`, `cart.0.count:=2`, and what differs."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.change import Change, journal_of_changes, renewing
from sessctl.errors import NotFound, Refused, SerializerError, UsageError
from sessctl.stores.base import Outcome, Result
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sessctl.session import Session
    from sessctl.stores.base import Store

Path_ = tuple[str, ...]


class Assignment(NamedTuple):
    """A value at a path through the data; `removes` takes it away."""

    path: Path_
    value: Any = None
    removes: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)


def parse_assignment(text: str) -> Assignment:
    """`KEY=VALUE`, a text, or `KEY:=JSON`. Raises UsageError."""
    key, equals, value = text.partition("=")
    typed = key.endswith(":")
    path = parse_path(key.removesuffix(":"))
    if not equals:
        raise UsageError(f"'{text}' is not KEY=VALUE", hint="role=admin, or count:=2 for JSON")
    return Assignment(path, _json(value, key) if typed else value)


def parse_path(text: str) -> Path_:
    """`user.name` or `cart.0.sku` in its steps. Raises UsageError."""
    steps = tuple(text.split("."))
    if not all(steps):
        raise UsageError(f"'{text}' names no place in the data", hint="user.name, or cart.0.sku")
    return steps


def _json(text: str, key: str) -> Any:
    from sessctl.serializers.json import decode

    try:
        found = decode(text.encode("utf-8", "surrogateescape"))
    except SerializerError as exc:
        raise UsageError(
            f"what follows {key}= is not JSON ({exc.message})", hint=f"{key[:-1]}=TEXT is a text"
        ) from None
    if found.notes:
        raise UsageError(f"what follows {key}= is not JSON ({found.notes[0]})")
    return found.data


def parse_data(text: str) -> dict[str, Any]:
    """An object of JSON, as the data of a session. Raises UsageError."""
    try:
        data = _json(text, "data")
    except UsageError as exc:
        raise UsageError(exc.message.replace("what follows data= is", "the data is")) from None
    if not isinstance(data, dict):
        raise UsageError("the data of a session is an object", hint="'{\"userId\": 42}'")
    return data


def assigned(data: Any, assignments: Iterable[Assignment]) -> Any:
    """A copy of the data with these changes. Objects on the way to a new value are made.

    Raises:
        UsageError: a path leads through a text or a number, or past the end of a list.
    """
    found = deepcopy(data)
    for one in assignments:
        _assign(found, one)
    return found


def _assign(place: Any, one: Assignment) -> None:
    *way, last = one.path
    for depth, step in enumerate(way):
        if isinstance(place, dict) and step not in place:
            if one.removes:
                return
            place[step] = {}
        place = place[_key(place, step, one.path[:depth])]
    if isinstance(place, dict) and one.removes:
        place.pop(last, None)
    elif isinstance(place, list) and last == str(len(place)):
        if not one.removes:
            place.append(one.value)
    elif one.removes:
        del place[_key(place, last, tuple(way))]
    else:
        place[_key(place, last, tuple(way))] = one.value


def _key(place: Any, step: str, path: Path_) -> Any:
    """The step as a key of an object, or an index of a list."""
    if isinstance(place, dict):
        return step
    where = f"'{'.'.join(path)}'"
    if not isinstance(place, list):
        raise UsageError(f"{where} holds no object, so there is no '{step}' in it")
    if not (step.isascii() and step.isdigit()) or int(step) >= len(place):
        raise UsageError(f"{where} is a list of {len(place)}, so there is no '{step}' in it")
    return int(step)


def change_data(change: Change, sid: str, edit: Callable[[Any], Any]) -> Result:
    """Give a session other data, its expiry and the library's own part kept.

    Args:
        edit: the new data, made of what is there; asked again where the session was renewed
            meanwhile. What it raises ends the change.

    Returns:
        `stored`; `present` where that changes nothing; `changed`, `gone` or `failed`.
    """

    def become(session: Session) -> Session | Result:
        return edited(change.store, session, edit(session.data)) or Result(sid, Outcome.PRESENT)

    return renewing(change, [sid], become)[0]


def edited(store: Store, session: Session, data: Any) -> Session | None:
    """The session with other data; None: it is the same.

    Raises:
        SerializerError: the value does not decode.
        UsageError: the data cannot be written so.
    """
    session.decoded  # noqa: B018 - what is wrong from here on is the new data
    assert session.reader is not None
    try:
        raw = session.reader.edited(session.raw, data)
    except SerializerError as exc:
        raise UsageError(exc.message, hint=exc.hint) from None
    return None if raw == session.raw else store.with_value(session, raw)


def set_data(
    store: Store,
    sid: str,
    values: Mapping[str, Any] | None = None,
    *,
    unset: Sequence[str] = (),
    journals: Path,
    key_file: Path | None = None,
) -> Change:
    """Change the data of a session in place; journalled, and only where nobody else has written.

        done = set_data(store, sid, {"role": "admin", "cart.0.count": 2}, journals=Path("journals"))
        restore(store, done.summary.journal)

    Args:
        store: opened with `write=True`.
        values: by their paths through the data.
        unset: paths to take away.
        journals, key_file: as for `purge`.

    Raises:
        NotFound: no such session.
        Refused: it was renewed again and again, and is as it was.
        SerializerError: its value does not decode.
        UsageError: there is no such place in the data, or the layout cannot hold this.
    """
    wanted = [Assignment(parse_path(key), value) for key, value in (values or {}).items()]
    wanted += [Assignment(parse_path(key), removes=True) for key in unset]
    with Change(store, journal_of_changes(store, "set", [sid], journals, key_file)) as change:
        result = change_data(change, sid, lambda data: assigned(data, wanted))
    check_changed(result, change)
    return change


def check_changed(result: Result, change: Change) -> None:
    """Raises what a change of one session came to, if it was not made."""
    if change.summary.error is not None:
        raise change.summary.error
    name = short_id(result.sid)
    if result.outcome is Outcome.GONE:
        raise NotFound(f"no session {name}", hint="`sessctl list --show-ids` prints full ids")
    if result.outcome is Outcome.CHANGED:
        raise Refused(f"session {name} is written to all the time: it was left alone")
    if result.outcome is Outcome.FAILED:
        raise SerializerError(f"session {name} was not changed: {result.reason}")


def pretty(data: Any) -> str:
    """Data as JSON for people and their editors; what a terminal could act on is spelled out."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return "".join(c if c.isprintable() or c == "\n" else _spelled(c) for c in text) + "\n"


def _spelled(char: str) -> str:
    return json.dumps(char)[1:-1]
