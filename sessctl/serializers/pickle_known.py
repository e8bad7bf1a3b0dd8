"""Calls in a pickle whose result is known without making them: dates, UUIDs, sets, numbers.

A class is recognised by its name and by what it is handed; nothing is imported, and what does not
fit to the letter stays the call that it is.

Source: CPython 3.11 `Lib/datetime.py`, `Lib/uuid.py`, `Lib/copyreg.py`, `Lib/_compat_pickle.py`;
markupsafe 3.0; pytz 2024 `pytz/__init__.py`; Django 5.2 `utils/safestring.py`.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.serializers.pickle_machine import Call, Map, Name, OldText, Set

if TYPE_CHECKING:
    from collections.abc import Callable


class Marked(NamedTuple):
    """A value under a mark of ours: `{"__uuid__": text}`."""

    mark: str
    text: str


class Known(NamedTuple):
    """An object whose state we can write more plainly than its class does."""

    name: str
    state: str


def known(call: Call) -> Any:
    """What the call would give, or itself where that is not known.

    That is a `Marked` or a `Known`, bytes, a list, a `Set`, a `Map`, or a plainer `Call`.
    """
    call = _usual(call)
    if not isinstance(call.of, Name) or call.kwargs is not None:
        return call
    maker = _MAKERS.get(_of_today(call.of.text))
    if maker is None or not isinstance(call.args, tuple):
        return call
    try:
        found = maker(call)
    except (ValueError, OverflowError, TypeError):
        return call
    return call if found is None else found


def _of_today(name: str) -> str:
    """A name of Python 2 as Python 3 has it."""
    if name.startswith("__builtin__."):
        return "builtins." + name.removeprefix("__builtin__.")
    if name.startswith("copy_reg."):
        return "copyreg." + name.removeprefix("copy_reg.")
    return name


def _usual(call: Call) -> Call:
    """`copyreg._reconstructor(C, object, None)` and its like as the `C()` that they are; what is
    called by its own name, if it is `getattr` that gives it."""
    if not isinstance(call.args, tuple) or call.kwargs is not None:
        return call
    of = known(call.of) if isinstance(call.of, Call) else call.of
    if not isinstance(of, Name):
        return call
    name, args = _of_today(of.text), call.args
    new = None if of is call.of else Call(of, args)
    if name == "copyreg._reconstructor" and len(args) == 3:
        of, base, value = args
        plain = isinstance(base, Name) and _of_today(base.text) == "builtins.object"
        new = Call(of, () if plain and value is None else (value,))
    elif name == "copyreg.__newobj__" and args:
        new = Call(args[0], args[1:])
    elif name == "copyreg.__newobj_ex__" and len(args) == 3:
        new = Call(*args)
    if new is None:
        return call
    new.state, new.values, new.pairs = call.state, call.values, call.pairs
    return new


def _bare(call: Call) -> tuple[Any, ...]:
    """The arguments of a call with whose result nothing more is done."""
    if call.state is not None or call.values is not None or call.pairs is not None:
        raise ValueError
    return call.args  # type: ignore[no-any-return]


def _octets(value: Any) -> bytes:
    """The bytes that a class packs its state into: before protocol 3 as text, or as a call."""
    if isinstance(value, Call):
        value = known(value)
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, bytes):
        return value
    raise ValueError


# -- bytes and containers --------------------------------------------------------------------------


def _encoded(call: Call) -> bytes:
    """`_codecs.encode(text, "latin1")`: bytes in protocols 0 to 2."""
    text, encoding = _bare(call)
    if encoding not in ("latin1", "latin-1"):
        raise ValueError
    return str.encode(text, "latin-1")


def _bytes(call: Call) -> bytes:
    match _bare(call):
        case ():
            return b""
        case (bytes(octets),):
            return bytes(octets)
        case (str(text), "latin-1" | "latin1"):
            return text.encode("latin-1")
        case (Call() as inner,):
            return _octets(inner)
    raise ValueError


def _set(call: Call) -> Set:
    match _bare(call):
        case ():
            return Set()
        case (list() as values,) if not isinstance(values, Map):
            return Set(values)
    raise ValueError


def _ordered(call: Call) -> Map | None:
    """OrderedDict and Counter: pairs set one by one, or handed over as a list or a dict."""
    if call.state is not None or call.values is not None:
        return None
    match call.args:
        case ():
            pairs = Map()
        case (Map() as inner,):
            pairs = Map(inner)
        case (list() as inner,):
            pairs = Map((key, value) for key, value in inner)
        case _:
            return None
    pairs.extend(call.pairs or ())
    return pairs


def _defaultdict(call: Call) -> Map | None:
    if call.state is not None or call.values is not None or len(call.args) > 1:
        return None
    return Map(call.pairs or ())


def _deque(call: Call) -> list[Any] | None:
    if call.state is not None or call.pairs is not None:
        return None
    match call.args:
        case () | ((),) | ((), _):
            return list(call.values or ())
        case (list() as values, *_) if call.values is None and not isinstance(values, Map):
            return list(values)
    return None


def _attribute(call: Call) -> Name | None:
    """`getattr(C, "NAME")`, as some versions of Python write a member of an Enum."""
    match _bare(call):
        case (Name() as of, str(name)) if name.isidentifier() and len(name) < 100:
            return Name(of.text, name)
    return None


# -- dates -----------------------------------------------------------------------------------------


def _datetime(call: Call) -> Marked | None:
    octets, *rest = _bare(call)
    raw = _octets(octets)
    if len(raw) != 10 or len(rest) > 1:
        return None
    year, month = int.from_bytes(raw[:2]), raw[2] & 0x7F  # the bit above is `fold`
    day, hour, minute, second = raw[3:7]
    at = datetime(year, month, day, hour, minute, second, int.from_bytes(raw[7:]))  # noqa: DTZ001
    if not rest:
        return Marked("__datetime__", at.isoformat())
    zone = _zone(rest[0])
    if isinstance(zone, str):  # what its clocks show is another library's knowledge (RFC 9557)
        return Marked("__datetime__", f"{at.isoformat()}[{zone}]")
    return Marked("__datetime__", at.replace(tzinfo=timezone(zone)).isoformat())


def _date(call: Call) -> Known | None:
    (octets,) = _bare(call)
    raw = _octets(octets)
    if len(raw) != 4:
        return None
    return Known("datetime.date", date(int.from_bytes(raw[:2]), raw[2], raw[3]).isoformat())


def _time(call: Call) -> Known | None:
    octets, *rest = _bare(call)
    raw = _octets(octets)
    if len(raw) != 6 or len(rest) > 1:
        return None
    at = time(raw[0] & 0x7F, raw[1], raw[2], int.from_bytes(raw[3:]))
    zone = _zone(rest[0]) if rest else ""
    if not isinstance(zone, str):
        return Known("datetime.time", at.replace(tzinfo=timezone(zone)).isoformat())
    return Known("datetime.time", at.isoformat() + (f"[{zone}]" if zone else ""))


def _span(call: Call) -> timedelta:
    days, seconds, microseconds = _bare(call)
    if not type(days) is type(seconds) is type(microseconds) is int:
        raise ValueError
    return timedelta(days, seconds, microseconds)


def _timedelta(call: Call) -> Known:
    return Known("datetime.timedelta", str(_span(call)))


def _zone(node: Any) -> timedelta | str:
    """A zone's offset, or its name. Raises ValueError for one that is not known."""
    if isinstance(node, Name) and node.text in _UTC:
        return timedelta()
    if not isinstance(node, Call):
        raise ValueError
    node = _usual(node)
    name, args = node.of.text if isinstance(node.of, Name) else "", node.args
    if name in _UTC:
        return timedelta()
    match name, args:
        case "datetime.timezone", (Call() as span, *_) if (
            isinstance(span.of, Name) and span.of.text == "datetime.timedelta"
        ):
            return _span(span)
        case "zoneinfo.ZoneInfo._unpickle" | "zoneinfo.ZoneInfo", (str(key), *_):
            return _zone_name(key)
        case "pytz._p", (_, int(seconds), *_) if abs(seconds) < 86_400:
            return timedelta(seconds=seconds)
        case "pytz._p", (str(key),):
            return _zone_name(key)
    raise ValueError


_UTC = frozenset({"pytz._UTC", "pytz.UTC", "dateutil.tz.tz.tzutc", "django.utils.timezone.UTC"})


def _zone_name(key: str) -> str:
    if len(key) > 64 or not key.isascii() or not key.isprintable() or set("[]") & set(key):
        raise ValueError
    return key


# -- numbers, ids, texts ---------------------------------------------------------------------------


def _decimal(call: Call) -> Known | None:
    (text,) = _bare(call)
    if isinstance(text, OldText):
        text = text.decode("ascii")
    return Known("decimal.Decimal", text) if isinstance(text, str) else None


def _uuid(call: Call) -> Marked | None:
    """`UUID()` with its state {int, is_safe?}."""
    if call.args or call.values is not None or not isinstance(call.state, Map):
        return None
    number = next((value for key, value in call.state if key in ("int", b"int")), None)
    if type(number) is not int or not 0 <= number < 1 << 128:
        return None
    digits = f"{number:032x}"
    places = (0, 8, 12, 16, 20, 32)
    parts = [digits[a:b] for a, b in pairwise(places)]
    return Marked("__uuid__", "-".join(parts))


def _markup(call: Call) -> Marked | None:
    if call.values is not None or call.pairs is not None:
        return None
    match call.args:
        case (str(text),):
            return Marked("__markup__", text)
        case (OldText() as text,):
            return Marked("__markup__", text.decode())
    return None


_MAKERS: dict[str, Callable[[Call], Any]] = {
    "_codecs.encode": _encoded,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.getattr": _attribute,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _ordered,
    "collections.defaultdict": _defaultdict,
    "collections.deque": _deque,
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": _timedelta,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
    "markupsafe.Markup": _markup,
    "flask.Markup": _markup,
    "jinja2.utils.Markup": _markup,
    "django.utils.safestring.SafeString": _markup,
    "django.utils.safestring.SafeText": _markup,
}
