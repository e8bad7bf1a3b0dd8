"""Django's stored sessions: read without SECRET_KEY, written with it, as Django does both."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from django.core.signing import TimestampSigner, b62_encode

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers import django
from sessctl.stores.layouts.express import CONNECT_REDIS
from sessctl.stores.reader import Reader
from sessctl.text import Secret

KEYS = ["correct horse battery staple", "the one before"]
SECRETS = [Secret(key) for key in KEYS]
SHORT, LONG = {"_auth_user_id": "7"}, {"_auth_user_id": "7", "cart": ["A-1"] * 40}
DJANGO_S_OWN = dataclasses.replace(
    CONNECT_REDIS,
    serializer="json-or-pickle", ciphers=("django-signed",), seals_alike=True,
    user=("_auth_user_id",), envelope=(), inner_expiry=None,
)  # fmt: skip
# As Django 2.2.28 stored {"a":1}.
OLD = django.as_old(b'{"a":1}', KEYS[0].encode()).encode()


def reader(*keys: str) -> Reader:
    return Reader(DJANGO_S_OWN.configured({"store_secrets": keys}))


def signer(key: str = KEYS[0]) -> TimestampSigner:
    """Django's own, for its stored sessions."""
    return TimestampSigner(key=key, salt=django.STORED, fallback_keys=[])


def stored(data: object, key: str = KEYS[0]) -> bytes:
    """As Django stores it."""
    return str(signer(key).sign_object(data, compress=True)).encode()


@pytest.mark.parametrize("data", [SHORT, LONG], ids=["plain", "compressed"])
def test_a_stored_session_is_read_with_and_without_its_secret(data: dict[str, object]) -> None:
    raw = stored(data)
    for ours in (reader(), reader(*KEYS), reader("other", KEYS[0])):
        assert ours.decode(raw).data == data
        assert ours.read(raw) == ("7", None, None)
        assert ours.decode(raw).notes == ()


def test_what_none_of_the_secrets_signed_is_a_problem_as_it_is_to_django() -> None:
    with pytest.raises(SerializerError, match="signed by none of the store secrets"):
        reader("other").decode(stored(SHORT))
    for _ in range(25):  # cheap to try, so each is tried
        assert reader("other").read(stored(SHORT))[2] is not None


@pytest.mark.parametrize("data", [SHORT, LONG], ids=["plain", "compressed"])
def test_what_is_written_is_what_django_writes(data: dict[str, object]) -> None:
    ours = reader(*KEYS)
    raw = ours.closed(ours.written(data))
    assert signer().unsign_object(raw.decode()) == data
    theirs = signer()
    theirs.timestamp = lambda: raw.decode().split(":")[1]
    assert theirs.sign_object(data, compress=True) == raw.decode()


def test_an_edited_session_is_signed_with_the_newest_secret() -> None:
    ours = reader(*KEYS)
    raw = ours.edited(stored(SHORT, KEYS[1]), {**SHORT, "a": 1})
    assert signer().unsign_object(raw.decode()) == {**SHORT, "a": 1}
    same = stored(SHORT, KEYS[1])
    assert ours.edited(same, SHORT) == same


def test_nothing_is_written_without_a_secret() -> None:
    ours = reader()
    for write in (
        lambda: ours.closed(ours.written(SHORT)),
        lambda: ours.edited(stored(SHORT), {}),
    ):
        with pytest.raises(SerializerError, match="cannot be signed without one of") as caught:
            write()
        assert "store_secrets" in str(caught.value.hint)


def test_the_form_before_3_1_is_read_and_kept() -> None:
    assert reader().decode(OLD).data == {"a": 1}
    ours = reader(*KEYS)
    assert ours.decode(OLD).data == {"a": 1}
    assert ours.edited(OLD, {"a": 2}) == django.as_old(b'{"a":2}', KEYS[0].encode()).encode()
    with pytest.raises(SerializerError, match="signed by none"):
        reader("other").decode(OLD)


def test_a_pickled_session_is_read_and_never_written() -> None:
    class Pickles:
        def dumps(self, data: object) -> bytes:
            return pickle.dumps(data, pickle.HIGHEST_PROTOCOL)

    raw = signer().sign_object(LONG, serializer=Pickles, compress=True).encode()
    ours = reader(*KEYS)
    assert ours.decode(raw).data == LONG
    assert ours.read(raw)[0] == "7"
    with pytest.raises(SerializerError, match="never written"):
        ours.edited(raw, {})


@pytest.mark.parametrize(
    "raw",
    [
        b"", b":", b"::", b"garbage:not:signed", b"e30:1vb66i", b"\xff\xfe", b"e30", b"{}",
        b"e30:\xc3\xa9:x", b".e30:1vb66i:x", b"e30:123456789:x", b"a:1vb66i:x",
    ],
)  # fmt: skip
def test_what_is_no_session_is_an_error_and_no_crash(raw: bytes) -> None:
    for ours in (reader(), reader(*KEYS)):
        with pytest.raises(SerializerError):
            ours.decode(raw)
        assert ours.read(raw)[2] is not None


def test_a_compressed_session_unpacks_no_further_than_the_budget() -> None:
    bomb = django.packed(b"[" * 2_000_000)
    assert bomb.startswith(".")
    with pytest.raises(LimitExceeded):
        Reader(DJANGO_S_OWN, Budget(unpacked_bytes=1000)).decode(f"{bomb}:1vb66i:x".encode())


@pytest.mark.parametrize("seconds", [0, 61, 62, 1_767_225_600, 62**6])
def test_a_stamp_is_django_s(seconds: int) -> None:
    assert django.as_stamp(seconds) == b62_encode(seconds)
    assert django.stamp_s(django.as_stamp(seconds)) == seconds
