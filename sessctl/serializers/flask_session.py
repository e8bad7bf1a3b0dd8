"""What Flask-Session keeps: msgpack, JSON or, of its older versions, a pickle, side by side.

    82 aa "_permanent" c3 a8 "_user_id" a1 "1"       msgpack: 0.7 and later, if nothing else is set
    {"_permanent":true,"_user_id":"1"}               JSON: with SESSION_SERIALIZATION_FORMAT
    80 04 95 .. 7d 94 28 8c 0a "_permanent" ..       a pickle: up to 0.6

Version 0.7 and later try the three in this order, and write what they have read in their own format
when they save it. A session is a map, and its first byte tells them apart (`first_bytes.py`).

A value that is edited stays in the form that it has; a new one is msgpack, which every application
of 0.7 or later reads. A pickle is only read.

Source: Flask-Session 0.8.0 `base.py` `MsgSpecSerializer`; 0.5.0 `sessions.py`, whose memcached
store pickles in protocol 0, which is text and begins with `(`.
"""

from __future__ import annotations

from typing import Any

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT, Budget
from sessctl.serializers import Value, serializer
from sessctl.serializers.first_bytes import form_of, peek

__all__ = ["decode", "edited", "encode", "peek", "written"]


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Decode a whole value.

    Raises:
        SerializerError: none of the three, or not whole.
        LimitExceeded: larger, deeper or wider than the budget.
    """
    return serializer(form_of(raw)).decode(raw, budget)


def encode(data: Any) -> bytes:
    """The bytes that Flask-Session writes by itself."""
    return serializer("msgpack").encode(data)


def written(data: Any) -> bytes:
    """A new value. Raises SerializerError for what msgpack has no place for."""
    return serializer("msgpack").written(data)


def edited(raw: bytes, data: Any) -> bytes:
    """A value with other data, in the form that it has.

    Raises:
        SerializerError: a pickle, or data that cannot be written in this form.
    """
    form = form_of(raw)
    if form == "pickle":
        raise SerializerError(
            "pickle is only read, never written",
            hint="the application rewrites it at its next save, if its Flask-Session is 0.7 or "
            "later",
        )
    return serializer(form).edited(raw, data)
