"""Flask-Session's three forms: whatever stands there, it is read or refused, and never run."""

from __future__ import annotations

import contextlib

import msgspec
import pytest

from sessctl.errors import SerializerError
from sessctl.serializers import flask_session
from tests.support.vectors import Case, hostile

CASES = [case for case in hostile("pickle-", "msgpack-", "json-") if len(case.raw) < 2**20]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_hostile_value_is_data_or_an_error(case: Case) -> None:
    read = flask_session.peek(["_permanent", "_user_id", "user.id"])
    for look in (flask_session.decode, read):
        with contextlib.suppress(SerializerError):
            look(case.raw)


def test_what_is_written_is_msgpack() -> None:
    data = {"_permanent": True, "n": [1, 2.5, None, "ç"]}
    raw = flask_session.written(data)
    assert msgspec.msgpack.decode(raw) == flask_session.decode(raw).data == data
    assert flask_session.edited(raw, data) == raw
