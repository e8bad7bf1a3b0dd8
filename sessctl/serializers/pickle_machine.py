"""The stack machine of pickle, protocols 0 to 5: it builds nodes of bytes and calls nothing.

What would be a call or a look-up of a name is a node that says so: `Name`, `Call`. Lengths are
checked against the bytes left before anything is made of them; the memo is a dict, so that its
numbers cost nothing; and the machine makes only so many steps.

Source: CPython 3.13 `Lib/pickle.py` and `Lib/pickletools.py`, which documents every opcode.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Final

from sessctl.errors import LimitExceeded, SerializerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.limits import Budget

_NEWEST_PROTOCOL = 5
# A date takes seven steps and a UUID eleven; what is worth reading has far fewer than this.
_STEPS_PER_NODE = 8
_LONGEST_NAME = 1_000  # characters; it may be put together as often as there are steps
_NOT_ONE = "not a pickle, or a damaged one"
_CUT_OFF = "a pickle that was cut off"


class OldText(bytes):
    """A `str` of Python 2: text or bytes, nobody can tell."""

    __slots__ = ()


class Map(list[tuple[Any, Any]]):
    """A dict: its pairs in the order in which they were set; a key may be anything."""

    __slots__ = ()


class Set(list[Any]):
    """A set or a frozenset."""

    __slots__ = ()


class Name:
    """What would be imported: a class or a function of that name."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    @property
    def text(self) -> str:
        return f"{self.module}.{self.name}"


class Call:
    """What would be a call: of what, with what, and what would be done with its result."""

    __slots__ = ("args", "kwargs", "of", "pairs", "state", "values")

    def __init__(self, of: Any, args: Any, kwargs: Any = None) -> None:
        self.of = of
        self.args = args
        self.kwargs = kwargs
        self.state: Any = None
        self.values: list[Any] | None = None  # appended to it, or added
        self.pairs: Map | None = None  # set in it


class BigInteger:
    """An integer of too many digits."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def load(raw: bytes, budget: Budget, start: int = 0) -> tuple[Any, int]:
    """The first pickle's value as nodes, and where it ends: the offset behind its STOP.

    Raises:
        SerializerError: not a pickle, or one that was cut off; `offset` is the byte.
        LimitExceeded: it takes more steps than a value within the budget does.
    """
    machine = _Machine(raw, budget, start)
    try:
        return machine.run(), machine.at
    except _DamagedError as exc:
        raise SerializerError(str(exc), offset=machine.at) from None
    except (IndexError, KeyError, ValueError, OverflowError):
        # An opcode found nothing on the stack or in the memo, or a number or a text that is none.
        raise SerializerError(_NOT_ONE, offset=machine.at) from None


class _DamagedError(Exception):
    """Why it is no pickle."""


class _Stop(Exception):
    """The value is complete."""


class _Machine:
    def __init__(self, raw: bytes, budget: Budget, start: int) -> None:
        self.raw = raw
        self.at = start
        self.budget = budget
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lies under each mark
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        raw, end, opcodes = self.raw, len(self.raw), _OPCODES
        for _ in range(self.budget.nodes * _STEPS_PER_NODE):
            if self.at >= end:
                raise _DamagedError(_CUT_OFF)
            opcode = opcodes[raw[self.at]]
            if opcode is None:
                raise _DamagedError(_NOT_ONE)
            self.at += 1
            try:
                opcode(self)
            except _Stop:
                return self.stack[-1]
        raise LimitExceeded(f"more than {self.budget.nodes} values")

    # -- what follows an opcode ---------------------------------------------------------------

    def take(self, size: int) -> bytes:
        end = self.at + size
        if not self.at <= end <= len(self.raw):
            raise _DamagedError("a length beyond the end")
        found = self.raw[self.at : end]
        self.at = end
        return found

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def counted(self, size: int) -> bytes:
        return self.take(self.number(size))

    def line(self) -> bytes:
        end = self.raw.find(b"\n", self.at)
        if end < 0:
            raise _DamagedError(_CUT_OFF)
        found = self.raw[self.at : end]
        self.at = end + 1
        return found

    def digits(self, digits: bytes) -> int | BigInteger:
        """A whole number that stands there as text."""
        if len(digits) > self.budget.int_digits:
            if not digits.removeprefix(b"-").isdigit():
                raise ValueError
            return BigInteger(digits.decode())
        return int(digits, 0)

    def long(self, little_endian: bytes) -> int | BigInteger:
        number = int.from_bytes(little_endian, "little", signed=True)
        # Decimal text of such a number takes quadratic time; hexadecimal does not.
        if number.bit_length() * 0.30103 > self.budget.int_digits:
            return BigInteger(f"{number:#x}")
        return number

    # -- what an opcode does ------------------------------------------------------------------

    def since_mark(self) -> list[Any]:
        found = self.stack
        self.stack = self.below.pop()
        return found

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def protocol(self) -> None:
        protocol = self.number(1)
        if protocol > _NEWEST_PROTOCOL:
            raise _DamagedError(f"pickle protocol {protocol} is not known")

    def frame(self) -> None:
        size = self.number(8)
        if size > len(self.raw) - self.at:
            raise _DamagedError(_CUT_OFF)

    def stop(self) -> None:
        raise _Stop

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def tuple_of(self, size: int) -> None:
        if len(self.stack) < size:
            raise IndexError
        self.stack[-size:] = [tuple(self.stack[-size:])]

    def appended(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            if target.values is None:
                target.values = []
            target.values.extend(values)
        elif isinstance(target, list) and not isinstance(target, Map):
            target.extend(values)
        else:
            raise _DamagedError("values for what is no list")

    def set_pairs(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise IndexError
        target = self.stack[-1]
        pairs = zip(items[::2], items[1::2], strict=True)
        if isinstance(target, Map):
            target.extend(pairs)
        elif isinstance(target, Call):
            if target.pairs is None:
                target.pairs = Map()
            target.pairs.extend(pairs)
        else:
            raise _DamagedError("keys for what is no dict")

    def name_by_line(self) -> Name:
        return _name(self.line().decode(), self.line().decode())

    def name_from_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise _DamagedError("a name that is no text")
        self.stack.append(_name(module, name))

    def called(self, extra: int = 0) -> None:
        kwargs = self.stack.pop() if extra else None
        args, of = self.stack.pop(), self.stack.pop()
        self.stack.append(Call(of, args, kwargs))

    def inst(self) -> None:
        of = self.name_by_line()
        args = tuple(self.since_mark())
        self.stack.append(Call(of, args))

    def obj(self) -> None:
        of, *args = self.since_mark()
        self.stack.append(Call(of, tuple(args)))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Call):
            raise _DamagedError("a state for what is no object")
        target.state = state if target.state is None else (target.state, state)


def _name(module: str, name: str) -> Name:
    if len(module) + len(name) > _LONGEST_NAME:
        raise _DamagedError("a name that is too long for one")
    return Name(module, name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


_double = struct.Struct(">d").unpack
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
}


def _unquoted(line: bytes) -> OldText:
    """`'it\\'s'` as Python 2 wrote a `str`."""
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"\"'":
        raise _DamagedError("a text without its quotes")

    found, at, body = bytearray(), 0, line[1:-1]
    for match in _ESCAPE.finditer(body):  # one by one: `sub` would hold them all
        found += body[at : match.start()]
        at = match.end()
        hexadecimal, octal, letter = match.groups()
        if letter is not None:
            found += _LETTERS.get(letter, letter)
        else:
            found.append(int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF)
    return OldText(found + body[at:])


def _old_integer(machine: _Machine) -> Any:
    line = machine.line()
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else machine.digits(line)


# What pushes a value: it, read from what follows the opcode.
_PUSHES: dict[bytes, Callable[[_Machine], Any]] = {
    b"N": lambda _: None,
    b"\x88": lambda _: True,
    b"\x89": lambda _: False,
    b"]": lambda _: [],
    b"}": lambda _: Map(),
    b"\x8f": lambda _: Set(),
    b")": lambda _: (),
    b"I": _old_integer,
    b"K": lambda m: m.number(1),
    b"M": lambda m: m.number(2),
    b"J": lambda m: m.number(4, signed=True),
    b"L": lambda m: m.digits(m.line().removesuffix(b"L")),
    b"\x8a": lambda m: m.long(m.counted(1)),
    b"\x8b": lambda m: m.long(m.counted(4)),
    b"F": lambda m: float(m.line()),
    b"G": lambda m: _double(m.take(8))[0],
    b"S": lambda m: _unquoted(m.line()),
    b"T": lambda m: OldText(m.counted(4)),
    b"U": lambda m: OldText(m.counted(1)),
    b"V": lambda m: m.line().decode("raw-unicode-escape"),
    b"\x8c": lambda m: _text(m.counted(1)),
    b"X": lambda m: _text(m.counted(4)),
    b"\x8d": lambda m: _text(m.counted(8)),
    b"C": lambda m: m.counted(1),
    b"B": lambda m: m.counted(4),
    b"\x8e": lambda m: m.counted(8),
    b"\x96": lambda m: m.counted(8),
    b"\x97": lambda _: Name("pickle", "out-of-band buffer"),
    b"c": lambda m: m.name_by_line(),
    b"P": lambda m: Call(Name("pickle", "persistent_load"), (_text(m.line()),)),
    b"Q": lambda m: Call(Name("pickle", "persistent_load"), (m.stack.pop(),)),
    b"\x82": lambda m: Name("copyreg", f"extension {m.number(1)}"),
    b"\x83": lambda m: Name("copyreg", f"extension {m.number(2)}"),
    b"\x84": lambda m: Name("copyreg", f"extension {m.number(4)}"),
    b"2": lambda m: m.stack[-1],
    b"g": lambda m: m.memo[int(m.line()[:20])],
    b"h": lambda m: m.memo[m.number(1)],
    b"j": lambda m: m.memo[m.number(4)],
    b"t": lambda m: tuple(m.since_mark()),
    b"l": lambda m: m.since_mark(),
    b"d": lambda m: _map_of(m.since_mark()),
    b"\x91": lambda m: Set(m.since_mark()),
}


def _map_of(items: list[Any]) -> Map:
    if len(items) % 2:
        raise IndexError
    return Map(zip(items[::2], items[1::2], strict=True))


# What does something else with the stack.
_ACTS: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": _Machine.protocol,
    b"\x95": _Machine.frame,
    b".": _Machine.stop,
    b"(": _Machine.mark,
    b"0": _Machine.pop,
    b"1": _Machine.since_mark,
    b"p": lambda m: m.put(int(m.line()[:20])),
    b"q": lambda m: m.put(m.number(1)),
    b"r": lambda m: m.put(m.number(4)),
    b"\x94": lambda m: m.put(len(m.memo)),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"a": lambda m: m.appended([m.stack.pop()]),
    b"e": lambda m: m.appended(m.since_mark()),
    b"\x90": lambda m: m.appended(m.since_mark()),
    b"s": lambda m: m.set_pairs([m.stack.pop(-2), m.stack.pop()]),
    b"u": lambda m: m.set_pairs(m.since_mark()),
    b"\x93": _Machine.name_from_stack,
    b"R": _Machine.called,
    b"\x81": _Machine.called,
    b"\x92": lambda m: m.called(1),
    b"i": _Machine.inst,
    b"o": _Machine.obj,
    b"b": _Machine.build,
    b"\x98": lambda m: None,
}


def _pushing(read: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    def opcode(machine: _Machine) -> None:
        found = read(machine)  # may replace the stack
        machine.stack.append(found)

    return opcode


_OPCODES: Final[list[Callable[[_Machine], Any] | None]] = [None] * 256
for _code, _read in _PUSHES.items():
    _OPCODES[_code[0]] = _pushing(_read)
for _code, _act in _ACTS.items():
    _OPCODES[_code[0]] = _act
