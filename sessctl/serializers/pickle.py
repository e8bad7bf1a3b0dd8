"""pickle: what Python's own libraries stored for years, read as data and never run.

Written by Flask-Session up to 0.6, cachelib, Django's caches, Beaker, pyramid_session_redis and
others, in any protocol from 0 to 5. Example: `pickle.dumps({"user_id": 7})`.

A pickle is a program: whoever runs it with Python's own module runs what its author wished. Here
its opcodes are read by a machine that has no call and no import (`pickle_machine.py`). What would
be an object is shown as `{"__object__": "module.Class", "args": [...], "state": ...}`, a class or a
function itself as `{"__object__": "module.name"}`; the usual values are recognised by their form
(`pickle_known.py`): dates, UUIDs, sets, OrderedDict and so on. Pickles are read, never written.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Never

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import DEFAULT, Budget
from sessctl.serializers import Value
from sessctl.serializers.pickle_known import Known, Marked, known
from sessctl.serializers.pickle_machine import (
    BigInteger,
    Call,
    Map,
    Name,
    OldText,
    Set,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NOTES = 10  # no more than a person reads


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Decode a whole value; objects and what follows the pickle are reported in the notes.

    Raises:
        SerializerError: not a pickle, or a damaged one; `offset` is the byte.
        LimitExceeded: larger, deeper or wider than the budget, each reference counted as what it
            leads to.
    """
    value, end = first(raw, budget)
    if end == len(raw):
        return value
    return Value(value.data, (*value.notes, f"{len(raw) - end} bytes after the end of the pickle"))


def first(raw: bytes, budget: Budget = DEFAULT, start: int = 0) -> tuple[Value, int]:
    """The pickle that begins at `start`, and the offset of the byte behind it, for values in which
    several follow each other. Raises as `decode` does."""
    budget.check_value(len(raw))
    node, end = load(raw, budget, start)
    plain = _Plain(budget)
    return Value(plain.whole(node), tuple(plain.notes)), end


def encode(data: Any) -> Never:
    """Raises SerializerError: pickles are not written."""
    raise SerializerError("pickle is only read, never written")


def written(data: Any) -> Never:
    """Raises SerializerError: pickles are not written."""
    encode(data)


def edited(raw: bytes, data: Any) -> Never:
    """Raises SerializerError: pickles are not written."""
    encode(data)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths, as `json.peek`; only what they lead to is made data of."""
    split = [path.split(".") for path in paths]

    def read(raw: bytes) -> tuple[Any, ...]:
        top, _ = load(raw, DEFAULT)
        try:
            if not isinstance(_looked_into(top), Map):
                raise SerializerError("expected an object")
            return tuple([_at(top, path) for path in split])
        except RecursionError:
            raise LimitExceeded("nested too deep") from None

    return read


def _at(node: Any, path: list[str]) -> Any:
    for key in path:
        pairs = _looked_into(node)
        if not isinstance(pairs, Map):
            return None
        node = next((value for name, value in reversed(pairs) if _key(name) == key), None)
    return None if node is None else _Plain(DEFAULT).whole(node)


def _looked_into(node: Any) -> Any:
    return known(node) if isinstance(node, Call) else node


def _key(key: Any) -> str | None:
    """A key as text, if it is one."""
    if isinstance(key, OldText):
        try:
            return key.decode()
        except UnicodeDecodeError:
            return None
    return key if isinstance(key, str) else None


class _Plain:
    """Nodes as JSON's values, counted on the way."""

    def __init__(self, budget: Budget) -> None:
        self.notes: dict[str, None] = {}
        self._budget = budget
        self._nodes = 0
        self._bytes = 0
        self._open: set[int] = set()  # what we are inside of

    def whole(self, node: Any) -> Any:
        try:
            return self._of(node, 1)
        except RecursionError:
            raise LimitExceeded("nested too deep") from None

    def _of(self, node: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > self._budget.nodes:
            raise LimitExceeded(f"more than {self._budget.nodes} values")
        kind = type(node)
        if node is None or kind is bool:
            return node
        if kind is str:
            self._count(len(node))
            return node
        if kind is int:
            self._count(node.bit_length() >> 3)
            return node
        if kind is float:
            return self._float(node)
        if kind is bytes or kind is OldText:
            return self._octets(node)
        if kind is Name:
            return {"__object__": self._name(node)}
        if kind is BigInteger:
            self._count(len(node.text))
            self._note(f"an integer of {len(node.text)} digits is kept as text")
            return node.text
        if id(node) in self._open:
            self._note("a value that holds itself is cut there")
            return {"__object__": "itself", "state": None}
        if depth > self._budget.depth:
            raise LimitExceeded(f"nested deeper than {self._budget.depth} levels")
        self._open.add(id(node))
        found = self._container(node, depth + 1)
        self._open.discard(id(node))
        return found

    def _container(self, node: Any, depth: int) -> Any:
        if isinstance(node, Call):
            inner = known(node)
            if isinstance(inner, Call):
                return self._object(inner, depth)
            if isinstance(inner, Marked):
                self._count(len(inner.text))
                return {inner.mark: inner.text}
            if isinstance(inner, Known):
                return {"__object__": inner.name, "state": self._of(inner.state, depth)}
            if not isinstance(inner, (list, tuple)):
                return self._of(inner, depth)
            node = inner
        if isinstance(node, Map):
            return self._map(node, depth)
        items = [self._of(item, depth) for item in node]
        if isinstance(node, Set):
            return {"__set__": items}
        return {"__tuple__": items} if isinstance(node, tuple) else items

    def _map(self, pairs: Map, depth: int) -> Any:
        keys = [_key(key) for key, _ in pairs]
        if None in keys:
            return {
                "__map__": [[self._of(key, depth), self._of(item, depth)] for key, item in pairs]
            }
        found: dict[str, Any] = {}
        for key, (_, value) in zip(keys, pairs, strict=True):
            assert key is not None
            self._count(len(key))
            if key in found:
                self._note(f"key '{key[:40]}' repeats, the last one counts")
            found[key] = self._of(value, depth)
        return found

    def _object(self, call: Call, depth: int) -> dict[str, Any]:
        if isinstance(call.of, Name):
            shown: dict[str, Any] = {"__object__": self._name(call.of)}
        else:  # what another call gave, or something that is no class at all
            shown = {"__object__": "?", "of": self._of(call.of, depth)}
        if not isinstance(call.args, tuple) or call.args:
            args = call.args
            shown["args"] = (
                [self._of(item, depth) for item in args]
                if isinstance(args, tuple)
                else self._of(args, depth)
            )
        parts = {"kwargs": call.kwargs, "values": call.values, "items": call.pairs}
        for name, part in parts.items():
            if part is not None:
                shown[name] = self._of(part, depth)
        shown["state"] = None if call.state is None else self._of(call.state, depth)
        return shown

    def _name(self, name: Name) -> str:
        self._count(len(name.text))
        self._note(f"'{name.text[:80]}' is shown, not looked up")
        return name.text

    def _float(self, number: float) -> Any:
        if number - number == 0:
            return number
        word = "NAN" if number != number else "INF" if number > 0 else "-INF"
        self._note(f"{word} is not JSON")
        return {"__float__": word}

    def _octets(self, octets: bytes) -> Any:
        self._count(len(octets))
        if isinstance(octets, OldText):
            try:
                return octets.decode()
            except UnicodeDecodeError:
                pass
        return {"__bytes__": b64encode(octets).decode()}

    def _note(self, remark: str) -> None:
        if len(self.notes) < _NOTES:
            self.notes[remark] = None

    def _count(self, size: int) -> None:
        """A value that is referred to a thousand times is written a thousand times."""
        self._bytes += size
        if self._bytes > self._budget.unpacked_bytes:
            raise LimitExceeded(
                f"unpacks to more than {self._budget.unpacked_bytes} bytes (--max-unpacked)"
            )
