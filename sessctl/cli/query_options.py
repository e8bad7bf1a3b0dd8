"""The flags of a query, and what they become."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.errors import UsageError
from sessctl.session import Query
from sessctl.timespec import parse_duration, parse_size

if TYPE_CHECKING:
    from sessctl.query import Condition
    from sessctl.stores.base import Store

_PANEL = "Query"


def _flag(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, show_default=False)


def _value(*names: str, help: str, metavar: str) -> Any:
    return typer.Option(
        *names, help=help, rich_help_panel=_PANEL, metavar=metavar, show_default=False
    )


User = Annotated[str | None, _value("--user", help="Of this user (field `user`).", metavar="USER")]
Expired = Annotated[bool, _flag("--expired", help="Past their expiry (`state`).")]
Active = Annotated[bool, _flag("--active", help="Not past their expiry (`state`).")]
Within = Annotated[
    str | None, _value("--expires-within", help="Ending in this time (`ttl`).", metavar="DURATION")
]
Older = Annotated[
    str | None, _value("--older-than", help="Created longer ago (`created`).", metavar="DURATION")
]
Idle = Annotated[
    str | None, _value("--idle", help="Not used for this long (`seen`).", metavar="DURATION")
]
Larger = Annotated[
    str | None, _value("--larger-than", help="Larger values (`size`).", metavar="SIZE")
]
Where = Annotated[
    str | None,
    _value("-w", "--where", help="Any condition; `sessctl help queries`.", metavar="EXPR"),
]
All = Annotated[bool, _flag("--all", help="Every session of the store.")]


def build_query(
    *,
    user: str | None = None,
    expired: bool = False,
    active: bool = False,
    expires_within: str | None = None,
    older_than: str | None = None,
    idle: str | None = None,
    larger_than: str | None = None,
    everything: bool = False,
    grace_ms: int = 0,
    where: str | None = None,
) -> Query:
    """A Query from the texts of the flags. Raises UsageError."""
    if expired and active:
        raise UsageError("no session is both expired and active", hint="drop one of the two")
    return Query(
        user=user,
        expired=expired,
        active=active,
        expires_within=parse_duration(expires_within) if expires_within is not None else None,
        older_than=parse_duration(older_than) if older_than is not None else None,
        idle=parse_duration(idle) if idle is not None else None,
        larger_than=parse_size(larger_than) if larger_than is not None else None,
        everything=everything,
        grace_ms=grace_ms,
        where=None if where is None else _condition(where),
    )


@dataclass(frozen=True, slots=True)
class QueryFlags:
    """What was typed of them; `options.command` spells them out in a command's signature."""

    user: User = None
    expired: Expired = False
    active: Active = False
    expires_within: Within = None
    older_than: Older = None
    idle: Idle = None
    larger_than: Larger = None
    where: Where = None

    def query(self, *, everything: bool = False) -> Query:
        """The query they ask. Raises UsageError."""
        return build_query(everything=everything, **asdict(self))


def _condition(text: str) -> Condition:
    from sessctl.query import parse_condition  # only where it is used

    return parse_condition(text)


def check_fields(query: Query, store: Store) -> None:
    """A condition on something the layout does not store would silently match nothing."""
    name, able = store.layout.name, store.capabilities
    asked = query.where.fields if query.where is not None else frozenset[str]()
    for field, stored in (("created", able.stores_created), ("seen", able.stores_seen)):
        if not stored and (field in asked or (field == "seen" and "idle" in asked)):
            raise UsageError(
                f"{name} does not store '{field}', so the condition finds nothing, or all",
                hint="`sessctl help queries` tells the fields",
            )
    if query.older_than is not None and not able.stores_created:
        raise UsageError(
            f"{name} does not store when a session was created, so --older-than finds nothing",
            hint="--expires-within or --larger-than may serve instead",
        )
    if query.idle is not None and not able.stores_seen:
        raise UsageError(
            f"{name} does not store when a session was last used, so --idle finds nothing",
            hint="--expires-within: with rolling sessions it says nearly the same",
        )
