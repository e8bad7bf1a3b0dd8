"""What holds for every cookie format that is registered: a new one is covered by its vectors."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessctl.cookies.api import as_secrets, decode_cookie, find, judge, sign_cookie, verify_cookie
from sessctl.cookies.base import CookieContext, VerdictWord
from sessctl.cookies.registry import FORMATS, detect
from sessctl.errors import SessctlError, UsageError
from tests.support.cookie_vectors import rows

if TYPE_CHECKING:
    from tests.support.cookie_vectors import Row

ROWS: dict[str, list[Row]] = {}
for _row in rows():
    ROWS.setdefault(_row.format, []).append(_row)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # of up to three verdicts each
EDGES = [*'\x00.%:;=-_+/|!"{}[]~\u00e9\ud800', "%00", "..", "==", "e30", "A" * 200, "9" * 30]


@pytest.mark.parametrize("format", ROWS)
@FEW
@given(data=st.data())
def test_no_mutated_vector_raises_anything_but_an_error_of_ours(
    format: str, data: st.DataObject
) -> None:
    row = data.draw(st.sampled_from(ROWS[format]))
    text = _mutated(row.text, data)
    with suppress(SessctlError):
        row.verify(text)
    with suppress(SessctlError):
        decode_cookie(text, format, name=row.name, parameters=row.parameters)
    with suppress(SessctlError):
        decode_cookie(text)
    assert detect(text, CookieContext(name=row.name, companion=row.companion)) is not None


def _mutated(text: str, data: st.DataObject) -> str:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        put = data.draw(st.sampled_from(["", text[end:start:-1], text[start:end] * 2, *EDGES]))
        text = text[:start] + put + text[end:]
    return text


CONTENTS = [
    "qak2xh7st6z7z59egq1dkr7ot7d295h4",
    {"user": "42", "n": 1, "list": [1, "é", None, True], "nested": {"a": "x" * 300}},
    {},
]


GOOD = {"aiohttp-plain": VerdictWord.MISSING_SIGNATURE}  # nothing signs it
NEVER_SIGNED = ("opaque", "stored-json", "bottle")  # Bottle's is a pickle


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_signed_is_read_and_valid(format: str) -> None:
    """By the secrets of a vector of the format, so that keys have the length that it wants."""
    row = next((one for one in ROWS.get(format, []) if one.expect["valid"]), None)
    secrets = row.secrets if row is not None else "secret"
    signed = 0
    for content in CONTENTS:
        try:
            made = sign_cookie(content, secrets, format, now=NOW)
        except UsageError:
            continue  # an id where it carries data, or the other way round; or it is not signed
        signed += 1
        header = "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in made)
        found = find(header, format)
        verdict = judge(found, as_secrets(secrets), now=NOW, max_age=None)
        assert verdict.word is GOOD.get(format, VerdictWord.VALID), (verdict, content)
        decoded = verdict.decoded
        assert decoded is not None
        assert _holds(decoded.payload, content) or decoded.sid == content
        forged = verify_cookie(header, _another(secrets), format, now=NOW)
        assert not forged.valid
    assert (signed > 0) == (format not in NEVER_SIGNED)


def _holds(found: object, content: object) -> bool:
    """A format may add what is its own (`iat`), and keep the session in it; of text, as JSON."""
    if isinstance(found, str) and isinstance(content, dict):
        return bool(json.loads(found) == content)
    if isinstance(found, dict) and isinstance(content, dict):
        own = found["session"] if found.keys() == {"created", "session"} else found
        return content.items() <= own.items()
    return found == content


def _another(secrets: object) -> object:
    """A secret of the same kind that has signed nothing."""
    if isinstance(secrets, dict):
        return {key: _another(one) for key, one in secrets.items()}
    if isinstance(secrets, list):
        return [_another(secrets[0])]
    return bytes(32) if isinstance(secrets, bytes) and len(secrets) == 32 else "x" * 44
