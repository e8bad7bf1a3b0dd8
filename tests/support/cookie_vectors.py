"""The cookie vectors as arguments: what a user would type for a row of `tests/vectors/cookies`.

SESSCTL_COOKIE_VECTORS names another folder. The fields: `shared/vectors/cookies/README.md`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sessctl.cookies.api import decode_cookie, verify_cookie
from sessctl.cookies.registry import FORMATS, cookie_format
from tests.support.vectors import folder

if TYPE_CHECKING:
    from sessctl.cookies.base import DecodedCookie, Verdict

# How a row calls a parameter, where a format of ours has another word for it.
_PARAMETERS = {"mac": "digest", "encryption": "cipher"}
_KEYS = {"encryption_key": "encryption", "signature_key": "signature"}


@dataclass(frozen=True)
class Row:
    """A cookie that a library wrote, and what the library says about it."""

    format: str
    number: int
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.format}-{self.number}"

    @property
    def name(self) -> str:
        return str(self.fields["cookie_name"])

    @property
    def expect(self) -> dict[str, Any]:
        return dict(self.fields["expect"])

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.fields.get("options", {}))

    @property
    def note(self) -> str:
        return str(self.fields["note"])

    @property
    def text(self) -> str:
        """The cookie as it is pasted: a value, or a header where it has chunks."""
        cookie = self.fields["cookie"]
        if isinstance(cookie, dict):
            return "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookie.items())
        return str(cookie)

    @property
    def companion(self) -> str | None:
        found = self.fields.get("companion")
        return None if found is None else str(found)

    @property
    def secrets(self) -> Any:
        """What `verify_cookie` takes; a word that signed nothing where there is no secret."""
        keys = {_KEYS[key]: _bytes(value) for key, value in self.options.items() if key in _KEYS}
        given = self.fields["secret"]
        if keys:
            return keys
        if isinstance(given, list):
            return [_bytes(one) for one in given]
        if isinstance(given, dict) and "__bytes__" not in given:
            return {key: _bytes(one) for key, one in given.items()}
        return "signed nothing" if given is None else _bytes(given)

    @property
    def parameters(self) -> dict[str, str]:
        taken = cookie_format(self.format).parameters
        named = {_PARAMETERS.get(key, key): value for key, value in self.options.items()}
        if self.expect.get("signed") is False:
            named["signed"] = False
        found = {key: value for key, value in named.items() if key in taken and value is not None}
        return {key: _typed(value) for key, value in found.items()}

    @property
    def now(self) -> datetime | None:
        now = self.options.get("now")
        return None if now is None else datetime.fromtimestamp(now, UTC)

    @property
    def max_age(self) -> timedelta | None:
        age = self.options.get("max_age")
        if age is None and "max_age" in self.options:  # where the library has a limit, it was off
            return timedelta.max if hasattr(cookie_format(self.format), "lifetime") else None
        return None if age is None else timedelta(seconds=age)

    def verify(self, text: str | None = None, secrets: Any = None) -> Verdict:
        """The verdict on the row's cookie, or on another text in its place."""
        return verify_cookie(
            self.text if text is None else text,
            self.secrets if secrets is None else secrets,
            self.format,
            name=self.name,
            companion=self.companion,
            parameters=self.parameters,
            now=self.now,
            max_age=self.max_age,
        )

    def decode(self) -> DecodedCookie:
        return decode_cookie(
            self.text,
            self.format,
            name=self.name,
            companion=self.companion,
            parameters=self.parameters,
        )


def _typed(value: Any) -> str:
    """A parameter as one would type it."""
    if isinstance(value, dict):
        return str(value["__bytes__"])
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bytes(given: Any) -> Any:
    return b64decode(given["__bytes__"]) if isinstance(given, dict) else given


def rows() -> list[Row]:
    """Every row of a format that this version has."""
    return [
        Row(path.stem, number, json.loads(line))
        for path in sorted(folder("SESSCTL_COOKIE_VECTORS", "cookies").glob("*.jsonl"))
        if path.stem in FORMATS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line
    ]
