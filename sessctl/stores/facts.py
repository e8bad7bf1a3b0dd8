"""Facts: what an engine tells an audit about its server, its table, its files. It judges nothing.

An engine that can tell has a method `facts`; what it does not speak of does not apply to it, and
what it could not find out is a fact without a value, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sessctl.errors import StoreError, StoreUnreachable
from sessctl.stores.rights import readers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sessctl.stores.url import StoreUrl


class Topic(StrEnum):
    """What a fact is about, and what its value says."""

    ENCRYPTED = "encrypted"  # bool: what goes to another machine is
    VERIFIED = "verified"  # bool: so is the certificate of that machine
    ANONYMOUS = "anonymous"  # bool: whoever reaches the server reads and writes, without a password
    REMOTE = "remote"  # bool: where there is no password, other machines are let in all the same
    ALL_RIGHTS = "all-rights"  # str: the user of this connection if it may do everything, else ""
    EVICTION = "eviction"  # str: how sessions are thrown out when memory is full; "": they are not
    DURABLE = "durable"  # bool: sessions survive a restart
    EXPIRY_INDEX = "expiry-index"  # bool: expired sessions are found without reading all
    TTL_INDEX = "ttl-index"  # bool: the server removes expired sessions
    UNIQUE_ID = "unique-id"  # bool: one id, one session
    PUBLIC = "public"  # bool: every account of the database may read the table
    ZONELESS = "zoneless"  # str: the type of an expiry without a time zone, else ""
    READERS = "readers"  # str: who may read a file beside its owner (`rights.readers_of`)
    OWNERS = "owners"  # int: how many users the session files belong to


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. `remedy` is a line to paste into the engine's own client or configuration.

    `count`: of how many things it holds, where it is about several.
    """

    topic: Topic
    value: bool | int | str | None  # None: it could not be found out
    place: str
    remedy: str = ""
    count: int | None = None
    unknown: str = ""  # why there is no value


@runtime_checkable
class Telling(Protocol):
    """A store that tells facts."""

    def facts(self) -> Iterator[Fact]:
        """All that it can tell. Raises StoreUnreachable; what is not allowed is a fact."""
        ...


def found_out(topic: Topic, place: str, ask: Callable[[], Fact]) -> Fact:
    """What asking gives; a fact without a value where the server does not answer that."""
    try:
        return ask()
    except StoreUnreachable:
        raise
    except StoreError as exc:
        return Fact(topic, None, place, unknown=exc.message)


def readers_fact(path: Path, remedy: str) -> Fact:
    """Who may read one file."""
    try:
        return Fact(Topic.READERS, readers_of(path), str(path), remedy, count=1)
    except OSError as exc:
        return Fact(Topic.READERS, None, str(path), unknown=(exc.strerror or "error").lower())


def transport_facts(url: StoreUrl, *, encrypted: bool, verifies: bool) -> list[Fact]:
    """What can be read or answered on the way; nothing where nothing leaves this machine."""
    if url.is_local:
        return []
    facts = [Fact(Topic.ENCRYPTED, encrypted, url.masked)]
    if encrypted:
        facts.append(Fact(Topic.VERIFIED, verifies, url.masked))
    return facts
