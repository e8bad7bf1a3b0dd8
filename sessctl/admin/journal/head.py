"""The first line of a journal: who ran what, where, when by the store; and whose journal it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl import __version__
from sessctl.errors import Refused
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.session import Query
    from sessctl.stores.base import Store


def head_for(
    store: Store, command: str, query: Query, *, backend: str, force: Iterable[str] = ()
) -> dict[str, Any]:
    """What the first line says of a run. `store` is its fingerprint: engine, host, database and
    scope."""
    return {
        "tool": f"sessctl {__version__}",
        "command": command,
        "backend": backend,
        "store": store.identity.as_dict(),
        "layout": store.layout.name,
        "query": query.describe(),
        "options": {"force": sorted(force)},
        "server_time": iso(store.now_ms()),
    }


def check_same_store(head: dict[str, Any], store: Store) -> None:
    """The journal belongs to this store. Raises Refused naming the first difference."""
    theirs: dict[str, Any] = head.get("store", {})
    ours = store.identity.as_dict()
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise Refused(
                f"the journal is of another store: {key} '{theirs.get(key)}', not '{value}'",
                hint="name its backend with -b; --force=wrong-store if this is the same store "
                "by another name",
            )
