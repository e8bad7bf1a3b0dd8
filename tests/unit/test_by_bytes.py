"""Values whose first byte tells who wrote them."""

from __future__ import annotations

import json
import pickle
import zlib
from contextlib import suppress

import msgpack  # type: ignore[import-untyped,unused-ignore]
import pytest

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers import by_bytes
from tests.support.vectors import hostile

DATA = {"_auth_user_id": "42", "cart": [1, 2.5, None, True], "name": "çay"}
FORMS = {
    "json": json.dumps(DATA).encode(),
    "msgpack": msgpack.dumps(DATA),
    **{f"pickle {protocol}": pickle.dumps(DATA, protocol) for protocol in range(6)},
}
PACKED = {f"{name}, level {level}": zlib.compress(raw, level)
          for name, raw in FORMS.items() for level in (1, 6, 9)}  # fmt: skip


@pytest.mark.parametrize("raw", [*FORMS.values(), *PACKED.values()], ids=[*FORMS, *PACKED])
def test_every_form_is_read(raw: bytes) -> None:
    assert by_bytes.decode(raw).data == DATA
    assert by_bytes.peek(["_auth_user_id", "nobody"])(raw) == ("42", None)


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_what_can_be_written_stays_in_its_form(form: str) -> None:
    changed = by_bytes.edited(FORMS[form], {**DATA, "a": 1})
    assert by_bytes.decode(changed).data == {**DATA, "a": 1}
    assert changed[:1] in (b"{", b"\x84")


@pytest.mark.parametrize("raw", [FORMS["pickle 5"], PACKED["json, level 6"]])
def test_pickles_and_packed_values_are_only_read(raw: bytes) -> None:
    with pytest.raises(SerializerError, match="only read, never written"):
        by_bytes.edited(raw, DATA)
    with pytest.raises(SerializerError, match="only read, never written"):
        by_bytes.written(DATA)


def test_what_unpacks_to_more_than_the_budget_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="unpacks to more than 1000 bytes"):
        by_bytes.decode(zlib.compress(b"{" * 5000), Budget(unpacked_bytes=1000))


def test_nothing_but_our_own_errors_come_of_the_hostile_corpus() -> None:
    peek = by_bytes.peek(["_auth_user_id"])
    for case in hostile(kind="value"):
        for read in (by_bytes.decode, peek):
            with suppress(SerializerError):
                read(case.raw)
