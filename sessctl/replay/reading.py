"""What every part of a scenario is read with: texts, names, times, files, and the mistakes found.

The tree was checked against the schema before: its shapes are right here. What a schema cannot say
(a time that is none, a hook that is not there) is found while reading, and collected.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from sessctl.errors import SessctlError, did_you_mean
from sessctl.replay.problems import Place, Problem
from sessctl.replay.scenario import MAIN
from sessctl.replay.schema import INTEGER, NUMBER, WORDS
from sessctl.replay.variables import names_in
from sessctl.replay.yaml_reader import Mapping, Node, Scalar, Sequence
from sessctl.text import shorten
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.replay.scenario import Pairs


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that has to be defined somewhere: `kind` is 'variable', 'hook', 'instance' ..."""

    kind: str
    name: str
    place: Place
    key: str


@dataclass(slots=True)
class Findings:
    """What is collected over a scenario and the files that it includes."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    defined: dict[str, dict[str, None]] = field(default_factory=dict)

    def define(self, kind: str, name: str) -> None:
        self.defined.setdefault(kind, {})[name] = None

    def unknown(self) -> list[Problem]:
        """The names that are used and nowhere defined."""
        return [
            Problem(
                mention.place,
                mention.key,
                f"no {mention.kind} '{mention.name}'",
                did_you_mean(mention.name, known, all_are=f"every {mention.kind} there is"),
            )
            for mention in self.mentions
            if mention.name not in (known := self.defined.get(mention.kind, {}))
        ]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the values of one file. `home` is the folder of the scenario itself."""

    folder: Path
    home: Path
    findings: Findings
    client: str = MAIN

    def as_client(self, client: str) -> Reader:
        return replace(self, client=client)

    def problem(self, node: Node, key: str, message: str, hint: str | None = None) -> None:
        self.findings.problems.append(Problem(node.place, key, message, hint))

    def mention(self, kind: str, name: str, node: Node, key: str) -> str:
        """A name that has to be defined somewhere in the scenario."""
        self.findings.mentions.append(Mention(kind, name, node.place, key))
        return name

    def text(self, node: Node | None, key: str) -> str:
        """A text with its `${name}` checked; empty where there is none."""
        if node is None:
            return ""
        text = scalar(node).text
        try:
            for name in names_in(text):
                self.mention("variable", name, node, key)
        except SessctlError as exc:
            self.problem(node, key, exc.message, exc.hint)
        return text

    def line(self, node: Node | None, key: str) -> str:
        """A text that goes into one line of a request."""
        text = self.text(node, key)
        if node is not None and any(char in text for char in "\r\n\x00"):
            self.problem(node, key, "a line break or NUL in what goes into one line")
        return text

    def maybe_text(self, node: Node | None, key: str) -> str | None:
        return None if node is None else self.text(node, key)

    def pairs(self, node: Node | None, key: str, *, in_line: bool = False) -> Pairs:
        """Names with values in order; a list gives its name several times."""
        read = self.line if in_line else self.text
        found: list[tuple[str, str]] = []
        for name, value in entries(node):
            path = f"{key}.{name}"
            items = value.items if isinstance(value, Sequence) else (value,)
            found += [(name, read(item, path)) for item in items]
        return tuple(found)

    def seconds(self, node: Node | None, key: str, default: float) -> float:
        return default if node is None else self.maybe_seconds(node, key) or 0.0

    def maybe_seconds(self, node: Node | None, key: str) -> float | None:
        if node is None:
            return None
        try:
            return parse_duration(scalar(node).text).total_seconds()
        except SessctlError as exc:
            self.problem(node, key, exc.message, exc.hint)
            return 0.0

    def path(self, node: Node, key: str, *, must_be: bool = False) -> Path:
        """A file relative to the one that names it; outside of the scenario's folder is told."""
        found = (self.folder / scalar(node).text).resolve()
        if not found.is_relative_to(self.home.resolve()):
            self.findings.notes.append(
                f"{node.place}: {key} reads {found}, outside of the scenario's folder"
            )
        if must_be and not found.is_file():
            what = f"no file {shorten(scalar(node).text, 80)}"
            self.problem(node, key, what, "paths are relative to this file")
        return found

    def data(self, node: Node, key: str) -> Any:
        """JSON data: what looks like a JSON number or word is one, all else is text."""
        if isinstance(node, Mapping):
            return {name: self.data(value, f"{key}.{name}") for name, value in entries(node)}
        if isinstance(node, Sequence):
            return [self.data(item, f"{key}[{i}]") for i, item in enumerate(node.items)]
        if node.is_plain and node.text in WORDS:
            return WORDS[node.text]
        if node.is_plain and len(node.text) <= _DIGITS and NUMBER.fullmatch(node.text):
            return int(node.text) if INTEGER.fullmatch(node.text) else float(node.text)
        return self.text(node, key)


_DIGITS = 400  # of a number in JSON; longer ones stay text


def scalar(node: Node) -> Scalar:
    """The node as what the schema has made sure it is."""
    return cast(Scalar, node)


def entries(node: Node | None) -> list[tuple[str, Node]]:
    """Names with values of a mapping; none of what is not there."""
    if node is None:
        return []
    return [(name.text, value) for name, value in cast(Mapping, node).entries]


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none of what is not there."""
    return () if node is None else cast(Sequence, node).items


def number(node: Node) -> int:
    return int(scalar(node).text)


def truth(node: Node | None, default: bool = False) -> bool:
    return default if node is None else bool(WORDS[scalar(node).text])
