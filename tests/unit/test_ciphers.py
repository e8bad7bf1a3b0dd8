"""Encrypted values: what is told without a key, and what hostile ones cost."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from sessctl.errors import ConfigError, SerializerError
from sessctl.serializers.ciphers import Seal
from sessctl.serializers.kruptein import Kruptein
from sessctl.stores.layouts.express import CONNECT_REDIS, SESSION_FILE_STORE
from sessctl.stores.reader import Reader
from sessctl.text import Secret

SECRET = Secret("keyboard cat")
PLAIN = b'{"cookie":{"originalMaxAge":null,"expires":null},"user":"ana","__lastAccess":1}'


def reader(*secrets: str) -> Reader:
    return Reader(SESSION_FILE_STORE.configured({"store_secrets": secrets}))


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return Kruptein([SECRET]).seal(PLAIN, None)


def test_an_encrypted_session_is_read_with_its_secret(sealed: bytes) -> None:
    ours = reader("newer", "keyboard cat")
    assert ours.read(sealed) == ("ana", None, None)
    assert ours.decode(sealed).data["user"] == "ana"
    assert ours.recognises(sealed)
    assert ours.opened(ours.closed(PLAIN, sealed)) == PLAIN


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ((), "encrypted, and the backend names no secret for it"),
        (("dog",), "encrypted, and none of the store secrets opens it"),
    ],
)
def test_without_its_secret_it_is_a_session_with_a_problem(
    sealed: bytes, secrets: tuple[str, ...], message: str
) -> None:
    user, _, problem = reader(*secrets).read(sealed)
    assert problem is not None
    assert (user, problem.code, problem.message) == (None, "value.unreadable", message)
    assert not reader(*secrets).recognises(sealed)


def test_a_session_that_is_not_encrypted_is_read_and_says_so() -> None:
    decoded = reader("keyboard cat").decode(PLAIN)
    assert decoded.data["user"] == "ana"
    assert decoded.notes == ("not encrypted, though the backend has store_secrets",)
    assert reader().decode(PLAIN).notes == ()
    assert reader("keyboard cat").closed(PLAIN, like=PLAIN) == PLAIN


def test_what_cannot_be_opened_is_not_encrypted_anew(sealed: bytes) -> None:
    for secrets in ((), ("dog",)):
        with pytest.raises(SerializerError):
            reader(*secrets).closed(PLAIN, like=sealed)


def test_wrong_secrets_are_not_tried_on_a_whole_store(sealed: bytes) -> None:
    seal = Seal(["kruptein"], [Secret("wrong")])
    said = []
    for _ in range(25):
        with pytest.raises(SerializerError) as caught:
            seal.open(sealed)
        said.append(caught.value.message)
    assert len([text for text in said if "not tried" in text]) == 5


def _buffer(data: list[int]) -> dict[str, object]:
    return {"type": "Buffer", "data": data}


SHAPE = {
    "hmac": "x" * 64, "ct": "x", "iv": _buffer([0] * 12), "salt": _buffer([0] * 128), "aad": "x",
    "at": _buffer([0] * 16),
}  # fmt: skip
HOSTILE = {
    "no tag": {**SHAPE, "at": _buffer([])},
    "a salt of a mebibyte": {**SHAPE, "salt": _buffer([0] * 2**20)},
    "bytes beyond 255": {**SHAPE, "iv": _buffer([256] * 12)},
    "a negative byte": {**SHAPE, "iv": _buffer([-1] * 12)},
    "a number for a text": {**SHAPE, "ct": 1},
    "an object of another type": {**SHAPE, "iv": {"type": "x", "data": [0] * 12}},
    "a part missing": {key: value for key, value in SHAPE.items() if key != "aad"},
    "a digest of no hash": {**SHAPE, "hmac": "x" * 20},
    "a cipher text that is no binary": {**SHAPE, "ct": "\u20ac"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_forms_are_values_with_a_problem_or_plain_data(name: str) -> None:
    raw = json.dumps(HOSTILE[name]).encode()
    ours = reader("keyboard cat")
    ours.read(raw)
    ours.recognises(raw)


@pytest.mark.parametrize(
    "der",
    [
        b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x89" + b"\xff" * 12,
        b"\x30\x00" * 3, b"\x30\x03\x04\x7f\x00", b"\x30\x02\x04\x00",
        b"\x30\x0c" + b"\x04\x00" * 6, b"\x30\x82\x27\x10" + b"\x04\x00" * 5000,
    ],
    ids=lambda der: der[:6].hex() or "empty",
)  # fmt: skip
def test_hostile_der_is_a_value_with_a_problem(der: bytes) -> None:
    _, _, problem = reader("keyboard cat").read(b64encode(der))
    assert problem is not None
    assert problem.code == "value.unreadable"


def test_a_layout_that_encrypts_nothing_takes_no_store_secrets() -> None:
    with pytest.raises(ConfigError, match="encrypts nothing in its store"):
        CONNECT_REDIS.configured({"store_secrets": ["keyboard cat"]})


def test_no_secret_is_in_a_layouts_repr() -> None:
    assert "keyboard" not in repr(
        SESSION_FILE_STORE.configured({"store_secrets": ["keyboard cat"]})
    )
