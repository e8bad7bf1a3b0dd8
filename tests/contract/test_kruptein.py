"""What every generation of kruptein encrypts is read here, and read there when written here."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from sessctl.errors import SerializerError
from sessctl.serializers.ciphers import Seal
from sessctl.stores.layouts.express import SESSION_FILE_STORE
from sessctl.stores.reader import Reader
from sessctl.text import Secret
from tests.support.npm import PEERS, modules, program

SECRET = "Keyboard-Cat-42-&%"  # kruptein 3 wants two of each kind
TEXT = '{"cookie":{"originalMaxAge":null},"user":"çay \\u0001 \\ud83d\\ude00 😀","n":[1,2.5]}'
MONGO = {"hashing": "sha512", "encodeas": "base64", "key_size": 32, "iv_size": 16, "at_size": 16}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "session-file-store 1.5": ("2.2", {"hashing": "sha512", "use_scrypt": True}),
    "connect-mongo 4 to 6": ("3.0", MONGO),
    "connect-mongo 5, later": ("3.1", MONGO),
    "connect-mongo 5, latest": ("3.4", MONGO),
    "connect-memcached 2": ("3.1", {"hashing": "sha512"}),
    "2.2 by itself": ("2.2", {}),
    "2.2 in hex": ("2.2", {"hashing": "sha256", "encodeas": "hex"}),
    "2.2 in DER": ("2.2", {"hashing": "sha384", "encodeas": "base64", "use_asn1": True}),
    "3.0 with scrypt": ("3.0", {"use_scrypt": True}),
    "3.1 with scrypt": ("3.1", {"use_scrypt": True}),
    "3.4 with scrypt": ("3.4", {"use_scrypt": True}),
}


def node(jobs: list[dict[str, Any]]) -> list[str]:
    """The real package's answers."""
    peer = PEERS / "kruptein"
    done = subprocess.run(
        [program("node"), str(peer / "seal.js")],
        input=json.dumps(jobs).encode(),
        env={"NODE_PATH": str(modules(peer))},
        stdout=subprocess.PIPE,
        check=True,
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def job(way: str, **more: Any) -> dict[str, Any]:
    version, options = WAYS[way]
    return {"version": version, "options": options, "secret": SECRET, **more}


@pytest.fixture(scope="module")
def sealed() -> dict[str, list[bytes]]:
    """Of each way: the text encrypted, as connect-mongo hands it over, and the object itself."""
    plains = [TEXT, json.loads(TEXT)]
    answers = node([job(way, plain=plain) for way in WAYS for plain in plains])
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return {way: [one.encode() for one in pair] for way, pair in zip(WAYS, pairs, strict=True)}


def seal(*secrets: str) -> Seal:
    return Seal(["kruptein"], [Secret(secret) for secret in secrets])


@pytest.mark.parametrize("way", WAYS)
def test_what_the_package_encrypted_opens_with_its_secret(way: str, sealed) -> None:
    for raw in sealed[way]:
        assert seal().is_sealed(raw)
        assert json.loads(seal("an older one", SECRET).open(raw)) == json.loads(TEXT)


def test_what_is_encrypted_anew_is_what_the_package_reads(sealed) -> None:
    """In the way of the value that it replaces, with fresh salt and iv."""
    ours, changed = seal("a newer one", SECRET), TEXT.replace("2.5", "3")
    jobs = []
    for way, raws in sealed.items():
        for raw in raws:
            again = ours.seal(changed.encode(), raw)
            assert again[:200] != raw[:200]
            jobs.append(job(way, sealed=again.decode()))
    for answer in node(jobs):
        value = json.loads(answer)
        assert (json.loads(value) if isinstance(value, str) else value) == json.loads(changed)


def test_the_usual_way_is_session_file_stores() -> None:
    fresh = seal(SECRET, "older").seal(TEXT.encode())
    (answer,) = node([job("session-file-store 1.5", sealed=fresh.decode())])
    assert json.loads(answer) == TEXT


@pytest.mark.parametrize("way", WAYS)
def test_a_changed_byte_or_another_secret_opens_nothing(way: str, sealed) -> None:
    raw = sealed[way][0]
    with pytest.raises(SerializerError, match="none of the store secrets opens it"):
        seal("another").open(raw)
    middle = len(raw) // 3
    reader = Reader(SESSION_FILE_STORE.configured({"store_secrets": [SECRET]}))
    assert reader.decode(raw)
    for changed in (raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :], raw[:-40]):
        with pytest.raises(SerializerError):
            reader.decode(changed)
