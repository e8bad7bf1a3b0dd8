"""YAML 1.2 as a tree of nodes with their places; no scalar is turned into anything.

A password `no`, `012` or `1:30` must arrive as it was typed: what a text means is for the schema
to say. Built on ruamel.yaml's events, not on its constructors: nothing that a file names is ever
made, and depth and size are counted while reading, as printed: an alias counts what it stands for.

Not supported: tags, several documents, merge keys (they are no part of YAML 1.2), keys that are
not plain words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sessctl.limits import KIB, Budget
from sessctl.replay.problems import Place, Problem, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterator

# 50 000 nodes take 2.6 s to read, and a step has some 15: three thousand steps.
SCENARIO_BUDGET = Budget(value_bytes=512 * KIB, depth=50, nodes=50_000)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text as typed. `is_plain`: without quotes, so that it may also be a number or a word."""

    place: Place
    text: str
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with values, in the file's order; no key comes twice."""

    place: Place
    entries: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        """The value of a key, None where it is not there."""
        return next((value for name, value in self.entries if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((name for name, _ in self.entries if name.text == key), None)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in order."""

    place: Place
    items: tuple[Node, ...]


Node = Scalar | Mapping | Sequence


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is still being read."""

    place: Place
    anchor: str | None
    is_mapping: bool
    size_before: int
    parts: list[Node] = field(default_factory=list)  # a mapping's keys and values by turns


def read_yaml(raw: bytes, file: str, budget: Budget = SCENARIO_BUDGET) -> Node:
    """The tree of one document.

    Args:
        file: what errors call the file.

    Raises:
        ScenarioError: not UTF-8, not YAML, a tag, a key twice (all of these are told at once),
            an unknown alias, or larger, deeper or wider than the budget.
    """
    return _Tree(file, budget).read(raw)


class _Tree:
    def __init__(self, file: str, budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._size = 0
        self._documents = 0
        self._repeated: list[Problem] = []

    def read(self, raw: bytes) -> Node:
        found: Node | None = None
        for event in self._events(self._decode(raw)):
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise self._error("a second document starts here", event, "one file, one YAML")
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._start(event, is_mapping=kind == "MappingStartEvent")
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                found = self._close()
            elif kind == "ScalarEvent":
                self._grow(1, event)
                found = self._take(self._scalar(event), event.anchor, 1)
            elif kind == "AliasEvent":
                found = self._alias(event)
        if self._repeated:
            raise ScenarioError(self._repeated)
        if found is None:
            raise ScenarioError([Problem(Place(self._file, 1, 1), "", "the file is empty", _START)])
        return found

    def _decode(self, raw: bytes) -> str:
        if len(raw) > self._budget.value_bytes:
            raise self._error(
                f"{len(raw)} bytes are over the limit of {self._budget.value_bytes}",
                hint="split it, and join the parts with `use:`",
            )
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = raw.count(b"\n", 0, exc.start) + 1
            column = exc.start - raw.rfind(b"\n", 0, exc.start)
            place = Place(self._file, line, column)
            problem = Problem(place, "", "not UTF-8", "save the file as UTF-8")
            raise ScenarioError([problem]) from None

    def _events(self, text: str) -> Iterator[Any]:
        from ruamel.yaml import YAML  # 39 ms
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            yield from YAML(typ="base", pure=True).parse(text)
        except MarkedYAMLError as exc:
            raise self._not_yaml(exc) from None
        except YAMLError as exc:  # the reader's, which knows a position in the text only
            position = getattr(exc, "position", 0)
            before = text[:position]
            place = Place(self._file, before.count("\n") + 1, position - before.rfind("\n"))
            what = f"a character that YAML does not allow ({ord(text[position]):#04x})"
            raise ScenarioError(
                [Problem(place, "", what, 'write it as "\\x.." in quotes')]
            ) from None

    def _not_yaml(self, exc: Any) -> ScenarioError:
        mark = exc.problem_mark or exc.context_mark
        reason = " ".join(part for part in (exc.context, exc.problem) if part)
        hint = "put the text in quotes" if "mapping values" in reason else None
        if "flow" in reason:
            hint = "inside {..} and [..] put ${name} and texts with , : { } in quotes"
        if "\\t" in reason:
            hint = "indent with blanks, not with tabs"
        place = Place(self._file, mark.line + 1, mark.column + 1)
        return ScenarioError([Problem(place, "", f"not YAML: {reason}", hint)])

    def _start(self, event: Any, *, is_mapping: bool) -> None:
        self._grow(1, event)
        if len(self._open) >= self._budget.depth:
            raise self._error(f"nested deeper than {self._budget.depth} levels", event)
        self._refuse_tag(event)
        self._open.append(_Open(self._place(event), event.anchor, is_mapping, self._size - 1))

    def _close(self) -> Node:
        done = self._open.pop()
        node: Node
        if done.is_mapping:
            node = Mapping(done.place, tuple(self._entries(done.parts)))
        else:
            node = Sequence(done.place, tuple(done.parts))
        return self._take(node, done.anchor, self._size - done.size_before)

    def _entries(self, parts: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, int] = {}
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise ScenarioError(
                    [Problem(key.place, "", "a key is a list or mapping", "put ${name} in quotes")]
                )
            if key.text in seen:
                first = f"it stands in line {seen[key.text]} already; remove one"
                self._repeated.append(
                    Problem(key.place, key.text, f"key '{key.text}' comes twice", first)
                )
            seen.setdefault(key.text, key.place.line)
            is_empty = isinstance(value, Scalar) and value.is_plain and not value.text
            yield key, Scalar(key.place, "", True) if is_empty else value  # else: the line after

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            is_open = any(level.anchor == event.anchor for level in self._open)
            what = "stands for what it is part of" if is_open else "is not known"
            raise self._error(
                f"the alias '*{event.anchor}' {what}", event, f"define '&{event.anchor}' before it"
            )
        node, size = self._anchors[event.anchor]
        self._grow(size, event)
        return self._take(node, None, size)

    def _take(self, node: Node, anchor: str | None, size: int) -> Node:
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if self._open:
            self._open[-1].parts.append(node)
        return node

    def _grow(self, size: int, event: Any) -> None:
        self._size += size
        if self._size > self._budget.nodes:
            raise self._error(
                f"more than {self._budget.nodes} values, aliases counted as what they stand for",
                event,
            )

    def _scalar(self, event: Any) -> Scalar:
        self._refuse_tag(event)
        return Scalar(self._place(event), event.value, event.style is None)

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            raise self._error(
                f"the tag '{event.tag}' is not allowed", event, "types are the schema's matter"
            )

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _error(self, message: str, event: Any = None, hint: str | None = None) -> ScenarioError:
        place = self._place(event) if event is not None else Place(self._file, 1, 1)
        return ScenarioError([Problem(place, "", message, hint)])


_START = "sessctl replay new writes one to start from"
