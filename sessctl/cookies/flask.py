"""Flask's `session`: the whole session in a signed cookie.

Who writes it: Flask (checked with 3.1.3, 3.1.0 and 2.2.5) and Quart (0.22), through itsdangerous.

    eyJuYW1lIjoiYWxpY2UiLCJ1c2VyX2lkIjo0Mn0.aVW5AA.hWq5NdeArfHxcHloaTFt0sc9fU0
    secret: correct horse battery staple

Tagged JSON (`serializers/flask_json.py`) in url-safe base64, behind a dot where it is compressed;
then the time and the signature. PERMANENT_SESSION_LIFETIME counts for every session on reading.
SECRET_KEY signs and SECRET_KEY_FALLBACKS verify; Flask 3.1.0 signed with the last fallback, so each
secret of the list may have made a cookie.
Not supported: a serializer of the app's own.
Source: Flask 3.1.3 `sessions.py`, Quart 0.22.0 `sessions.py`; itsdangerous 2.2.0 `url_safe.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import DecodedCookie, Match
from sessctl.cookies.itsdangerous_signing import (
    EPOCH,
    PARAMETERS,
    SignedByItsdangerous,
    Signing,
    beginning,
    is_stamp,
    packed,
    unpacked,
)
from sessctl.cookies.parameters import flag
from sessctl.errors import SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext, PlainJudge
    from sessctl.text import Secret

_TIMED = re.compile(r"(\.?[A-Za-z0-9_-]*)\.([A-Za-z0-9_-]{6})\.([A-Za-z0-9_-]{27,86})={0,2}")
_SPACED = re.compile(rb'\{"(?:[^"\\]++|\\.)*+": ')  # Python's own way to write JSON


class FlaskSession(SignedByItsdangerous):
    """A session as tagged JSON."""

    name = "flask"
    cookie_name = "session"
    parameters: Mapping[str, str] = {
        **PARAMETERS,
        "sort_keys": "false: keys in their order, as Quart writes them (true)",
        **EPOCH,
    }
    signing = Signing(b"cookie-session", "hmac")
    lifetime = timedelta(days=31)
    setting = "PERMANENT_SESSION_LIFETIME"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _TIMED.fullmatch(value)
        digest = found and signed_text.digest_by_shape(found[3], url_safe=True)
        if found is None or digest is None or not is_stamp(found[2]):
            return None
        raw = beginning(found[1].encode())
        if raw is None or not raw.startswith(b"{"):
            return Match(40, "three fields, the second a time; the first is no object of JSON")
        if _SPACED.match(raw):
            return Match(60, "JSON with blanks, a time and a signature: rather Starlette's")
        how = "compressed JSON" if found[1].startswith(".") else "JSON"
        usual = digest == "sha1"
        return Match(90 if usual else 75, f"{how}, a time and a signature ({digest})")

    def _read(self, value: str, body: bytes, context: CookieContext) -> DecodedCookie:
        from sessctl.serializers.flask_json import decode

        found = decode(unpacked(body, context.budget), context.budget)
        if not isinstance(found.data, dict):
            raise SerializerError("JSON, but no object, which a session is")
        return DecodedCookie(self.name, payload=found.data, notes=found.notes)

    def _written(self, content: Any, context: CookieContext) -> bytes:
        from sessctl.serializers.flask_json import encode

        if not isinstance(content, dict):
            raise UsageError(
                "the session is an object of JSON", hint="""sessctl sign '{"_user_id": "42"}'"""
            )
        return packed(encode(content, sort_keys=flag(context, "sort_keys", default=True)))

    def plain_judge(
        self, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
    ) -> PlainJudge:
        from sessctl.cookies.flask_batch import (
            plain_judge,  # 9 ms with msgspec; one cookie needs none
        )

        return plain_judge(
            secrets, self.signing, now, self.lifetime if max_age is None else max_age
        )
