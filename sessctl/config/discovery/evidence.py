"""What was found, and where: the finders fill an `Evidence`, proposals are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Origin(NamedTuple):
    """A line of a file; `file` is relative to the project. Line 0: not in a file at all."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Text(NamedTuple):
    """A value that stands there."""

    value: str
    origin: Origin


class Named(NamedTuple):
    """A value that an environment variable has; `default` is what stands there without it."""

    name: str
    origin: Origin
    default: Text | None = None


Value = Text | Named


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a file. `value` may be a secret: it is looked at and never shown.

    `names_itself`: a reference `dotenv:FILE#NAME` would give this value, to the letter.
    """

    name: str
    value: str = field(repr=False)
    origin: Origin
    names_itself: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """A database that a compose file starts. `port` is where this machine reaches it."""

    name: str
    kind: str
    origin: Origin
    port: int | None
    settings: dict[str, Value]  # username, password, database


@dataclass(frozen=True, slots=True)
class Use:
    """A library that is called with options. `settings` are those of a backend, `connection` has
    url, host, port, username, password, database; `store` is the package of the store handed in.
    `unread`: options that are there, and that only running it would tell.
    """

    package: str
    origin: Origin
    settings: dict[str, Value] = field(default_factory=dict)
    connection: dict[str, Value] = field(default_factory=dict)
    secrets: tuple[Value, ...] = ()
    store_secrets: tuple[Value, ...] = ()
    store: str | None = None
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class Evidence:
    """Everything that the finders found."""

    packages: dict[str, Origin] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Say it once, however often it is met."""
        self.notes[text] = None
