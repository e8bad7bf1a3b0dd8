"""What a server was asked, as the server itself tells it."""

from __future__ import annotations

import shlex
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

# The oracle of S12: nothing that a dry run or a listing sends may be anything else.
READING = frozenset(
    (
        "CLIENT", "DBSIZE", "ECHO", "GET", "HELLO", "INFO", "MGET", "PEXPIRETIME", "PING", "PTTL",
        "ROLE", "SCAN", "SELECT", "STRLEN", "TIME", "TYPE",
    )
)  # fmt: skip
SQL_READING = frozenset(("BEGIN", "COMMIT", "ROLLBACK", "SELECT", "SET", "SHOW", "START"))


@contextmanager
def asked(subject: Any) -> Iterator[list[list[str]]]:
    """The words of everything that a server is asked; complete when the block has ended."""
    server = subject.engine.server
    if subject.name == "redis":
        with recorded(server.port) as commands:
            yield commands
    else:
        found: list[list[str]] = []
        with server.recorded() as statements:
            yield found
        found += [statement.split() for statement in statements]


def reading(subject: Any) -> Set[str]:
    """The words that an engine may be asked by who only reads."""
    return READING if subject.name == "redis" else SQL_READING


@contextmanager
def recorded(port: int) -> Iterator[list[list[str]]]:
    """Every command of every other client, by MONITOR; complete when the block has ended.

    What scripts run is in it, too.
    """
    seen: list[list[str]] = []
    with Redis(port=port, decode_responses=True) as client, client.monitor() as monitor:
        client.echo("begin")
        _until(monitor, "begin")
        yield seen
        client.echo("end")
        seen += _until(monitor, "end")


def _until(monitor: object, mark: str) -> list[list[str]]:
    found: list[list[str]] = []
    for one in monitor.listen():  # type: ignore[attr-defined]
        words = _words(one["command"])
        if words[0].upper() == "ECHO" and words[1:] == [mark]:
            return found
        found.append(words)
    raise AssertionError("MONITOR ended")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote within a value
        return command.split(" ")


def writing(commands: list[list[str]], reading: Set[str] = READING) -> list[list[str]]:
    """Those that are not on the list of what reads; a read that locks is none."""
    return [
        words
        for words in commands
        if words[0].upper() not in reading or "FOR UPDATE" in " ".join(words[1:]).upper()
    ]


def parse_commands(stream: bytes) -> Iterator[list[bytes]]:
    """Redis requests out of a byte stream; a torn one at the end is left out."""
    at = 0

    def line() -> int:
        nonlocal at
        end = stream.index(b"\r\n", at)
        number = int(stream[at + 1 : end])
        at = end + 2
        return number

    with suppress(ValueError):
        while at < len(stream):
            words = []
            for _ in range(line()):
                size = line()
                if at + size + 2 > len(stream):
                    return
                words.append(stream[at : at + size])
                at += size + 2
            yield words
