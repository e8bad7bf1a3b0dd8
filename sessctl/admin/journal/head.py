"""The first line of a journal: who ran what, where, when by the store; and whose journal it is.

`query` is for people, `select` for `purge --resume`: the conditions of the query by their names,
those that were not given left out, spans as `{"ms": n}`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sessctl import __version__
from sessctl.errors import Refused, UsageError
from sessctl.query import Condition, parse_condition
from sessctl.session import Query
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.stores.base import Store


def head_for(
    store: Store,
    command: str,
    query: Query,
    *,
    backend: str,
    force: Iterable[str] = (),
    again: Query | None = None,
) -> dict[str, Any]:
    """What the first line says of a run. `store` is its fingerprint: engine, host, database and
    scope.

    Args:
        again: what to ask for when the run is resumed: the query before this run's clock was
            looked at. None: it cannot be resumed.
    """
    return {
        "tool": f"sessctl {__version__}",
        "command": command,
        "backend": backend,
        "store": store.identity.as_dict(),
        "layout": store.layout.name,
        "query": query.describe(),
        **({} if again is None else {"select": freeze_query(again)}),
        "options": {"force": sorted(force)},
        "server_time": iso(store.now_ms()),
    }


def freeze_query(query: Query) -> dict[str, Any]:
    """A query as JSON, by the names of its fields. Raises TypeError for what JSON cannot hold."""
    usual, frozen = Query(), dict[str, Any]()
    for field in fields(Query):
        value = getattr(query, field.name)
        if value == getattr(usual, field.name):
            continue
        if isinstance(value, timedelta):
            value = {"ms": round(value.total_seconds() * 1000)}
        elif isinstance(value, Condition):
            value = {"where": value.text}
        elif isinstance(value, tuple):
            value = list(value)
        elif not isinstance(value, str | bool | int):
            raise TypeError(f"a journal cannot hold the '{field.name}' of a query")
        frozen[field.name] = value
    return frozen


def thaw_query(frozen: dict[str, Any]) -> Query:
    """What `freeze_query` was given. Raises Refused for a condition that is not known here: a
    query without it would end more."""
    kinds = {field.name: str(field.type).removesuffix(" | None") for field in fields(Query)}
    found: dict[str, Any] = {}
    for name, value in frozen.items():
        if name not in kinds:
            raise Refused(
                f"the journal's query has a condition '{name}' that this version does not know",
                hint="use the version of sessctl that wrote it, or a newer one",
            )
        found[name] = _thawed(value)
        if not _is(found[name], kinds[name]):
            raise Refused(
                f"the journal's query cannot be asked again: '{name}' makes no sense",
                hint="`sessctl purge` with the flags of the query begins a new run",
            )
    return Query(**found)


def _thawed(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict) and isinstance(value.get("ms"), int):
        with suppress(OverflowError):
            return timedelta(milliseconds=value["ms"])
    if isinstance(value, dict) and isinstance(value.get("where"), str):
        with suppress(UsageError):
            return parse_condition(value["where"])
    return value


def _is(value: Any, kind: str) -> bool:
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    return type(value).__name__ == kind  # a bool is no int here


def check_same_store(
    head: dict[str, Any],
    store: Store,
    *,
    hint: str = "name its backend with -b; --force=wrong-store if this is the same store by "
    "another name",
) -> None:
    """The journal belongs to this store. Raises Refused naming the first difference."""
    theirs: dict[str, Any] = head.get("store", {})
    ours = store.identity.as_dict()
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise Refused(
                f"the journal is of another store: {key} '{theirs.get(key)}', not '{value}'",
                hint=hint,
            )
