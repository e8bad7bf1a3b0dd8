"""When two sessions are the same, though two stores write them in their own way."""

from __future__ import annotations

import pytest

from sessctl.admin.convert import fingerprint, same_end, same_print, same_value
from sessctl.admin.diff import differences
from sessctl.session import Expiry, Session
from sessctl.stores.layouts.express import CONNECT_REDIS, SESSION_FILE_STORE
from sessctl.stores.reader import Reader

REDIS, FILES = Reader(CONNECT_REDIS), Reader(SESSION_FILE_STORE)


def session(raw: bytes, ends: int | None = 10_000, reader: Reader = REDIS) -> Session:
    expiry = Expiry.NEVER if ends is None else Expiry.STORE
    return Session(sid="x", raw=raw, location="", expires_ms=ends, expiry=expiry, reader=reader)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"cookie":{},"n":1}', b'{"n":1.0,"cookie":{}}', True),
        (b'{"cookie":{},"n":1}', b'{"cookie":{},"n":true}', False),
        (b'{"cookie":{"expires":"x"},"n":1}', b'{"cookie":{"expires":null},"n":1}', True),
        (b'{"cookie":{"path":"/"},"n":1}', b'{"cookie":{"path":"/x"},"n":1}', False),
        (b'{"cookie":{},"n":1}', b'{"cookie":{},"n":1,"__lastAccess":7}', True),
        (b'{"cookie":{}', b'{"cookie":{} ', False),
        (b'{"cookie":{}', b'{"cookie":{}', True),
    ],
)
def test_the_same_value(one: bytes, other: bytes, *, same: bool) -> None:
    assert same_value(session(one), session(other, reader=FILES)) is same


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (10_000, 10_999, True),  # whole seconds
        (10_000, 11_000, False),
        (10_001, 10_900, False),
        (10_001, 10_002, True),
        (None, 1, False),
        (None, None, True),
    ],
)
def test_the_same_end_to_what_a_store_can_keep(
    found: int | None, wanted: int | None, *, same: bool
) -> None:
    assert same_end(session(b"", found), session(b"", wanted)) is same


def test_a_renewal_shows_in_the_fingerprint_and_a_rounding_does_not() -> None:
    """Redis before 7.0 tells the time left: the same end may be read 2 ms apart."""
    base = fingerprint(session(b"a"))
    assert same_print(base, fingerprint(session(b"a", 10_002)))
    for other in (session(b"a", 10_003), session(b"b"), session(b"a", None)):
        assert not same_print(base, fingerprint(other))
    assert not same_print(b"", base)


def test_a_path_names_odd_keys() -> None:
    before, after = {"a": [{"b c": 1}], "d": {}}, {"a": [{"b c": 2}], "d": {"": 0}}
    assert [one.path for one in differences(before, after)] == ['a[0]["b c"]', 'd[""]']
