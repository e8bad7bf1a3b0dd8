"""What may be shown: the one escape, shortened session ids, masked data, and `Secret`.

Session data is written by strangers. `escape` is the only way from such text to a terminal, a pipe
or an error line (S22); `short_id` and `mask` decide what a photograph of the screen gives away.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# C0, DEL, C1, soft hyphen, combining grapheme joiner, fillers, bidi marks and isolates, line and
# paragraph separators, zero-width and word joiners, variation selectors, BOM, surrogates,
# interlinear marks, tag characters.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# A base character may carry two marks (Vietnamese needs them); towers of them leave their line.
_MARK_TOWER = "([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{3,})"


def _visible(match: re.Match[str]) -> str:
    return "".join(_spell(ord(char)) for char in match.group())


def _spell(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape(text: str) -> str:
    """Return text with everything a terminal could act on spelled out, as in `\\x1b` or `\\u202e`.

    Line feeds and tabs are escaped too: the layout of a line is ours, never the data's.
    """
    if text.isascii() and text.isprintable():
        return text
    unsafe, mark_tower = _patterns()
    return mark_tower.sub(_visible, unsafe.sub(_visible, text))


@cache  # 4 ms to compile, and most lines need neither
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(_UNSAFE), re.compile(_MARK_TOWER)


def is_utf8(text: str) -> bool:
    """Whether the text can be encoded: it holds no lone surrogate and no byte of `decode_id`."""
    if text.isascii():  # nearly always, and ten times as fast
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def decode_id(raw: bytes) -> str:
    """A session id as text; bytes that are not UTF-8 survive the way back (PEP 383)."""
    return raw.decode("utf-8", "surrogateescape")


def encode_id(sid: str) -> bytes:
    """The bytes a session id was read from; ids are equal when their bytes are."""
    return sid.encode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """Text that can be encoded: bytes that were not UTF-8 become replacement characters."""
    return text if is_utf8(text) else encode_id(text).decode("utf-8", "replace")


def digest(data: bytes) -> str:
    """Six hexadecimal characters that tell two values apart without showing either."""
    return sha256(data).hexdigest()[:6]


def short_id(sid: str) -> str:
    """A session id as people may paste or photograph it: `ZpXqWY~1f09ac`.

    At most six characters and never more than a third of the id, then a digest.
    """
    return f"{escape(sid[: min(6, len(sid) // 3)])}~{digest(encode_id(sid))}"


def is_short_id(text: str) -> bool:
    """The text is an id as `short_id` writes it, and not an id."""
    return re.fullmatch(r".*~[0-9a-f]{6}", text) is not None


def shorten(text: str, width: int) -> str:
    """Cut text for a table cell or an error line, saying so."""
    return text if len(text) <= width else text[: max(width - 3, 1)] + "..."


# -- masking ---------------------------------------------------------------------------------------

MASK = "***"
_SENSITIVE_KEY = (
    r"(?i:passw|passphrase|token|secret|csrf|xsrf|auth(?!or(?!i[sz]))|api_?key|private|credential|"
    r"otp|card|cvv|iban|ssn)"
)
_SHAPES = (
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # JWT
    # long, with small and capital letters and digits; or long and hexadecimal
    r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9_\-+/=]{24,}",
    r"[0-9a-f]{32,}",
)
# What a token can be made of, long enough to be one; no path, which has capitals and digits too.
_WORD = r"(?a:(?<![\w/.-])[\w+.-][\w+/.-]{23,}={0,2})"


class Masker:
    """Hides values by the name of their key and by their shape; the rest passes unchanged."""

    def __init__(self, keys: Iterable[str] = (), shapes: Iterable[str] = ()) -> None:
        self._keys = {key.lower() for key in keys}
        self._sensitive = re.compile(_SENSITIVE_KEY)
        self._word = re.compile(_WORD)
        self._shapes = [re.compile(shape) for shape in (*_SHAPES, *shapes)]

    def mask(self, data: Any) -> Any:
        """Return a copy of decoded session data with what is sensitive replaced by `***`."""
        if isinstance(data, dict):
            return {
                key: MASK
                if self.hides(str(key)) and value not in (None, "", {}, [])
                else self.mask(value)
                for key, value in data.items()
            }
        if isinstance(data, list):
            return [self.mask(value) for value in data]
        if isinstance(data, str) and self.looks_secret(data):
            return MASK
        return data

    def mask_text(self, text: str) -> str:
        """The same for a page or a line: each word that looks like a secret is replaced."""
        return self._word.sub(lambda m: MASK if self.looks_secret(m[0]) else m[0], text)

    def hides(self, key: str) -> bool:
        """Whether what stands under this key is hidden, whatever it is."""
        return key.lower() in self._keys or self._sensitive.search(key) is not None

    def looks_secret(self, text: str) -> bool:
        """Whether the whole text has the shape of a token or a key."""
        return any(shape.fullmatch(text) for shape in self._shapes)


# -- secrets ---------------------------------------------------------------------------------------


class Secret:
    """Key material or a password. Prints as `***`; `reveal()` at the one place that needs it.

    `reference` says where it came from (`env:SESSION_SECRET`) and may be shown; so may `key_id`,
    by which some libraries tell their secrets apart (`2` of `2=env:NEW_PASSWORD`).
    """

    __slots__ = ("_value", "key_id", "reference")

    def __init__(
        self, value: bytes | str, reference: str = "", *, key_id: str | None = None
    ) -> None:
        self._value = (
            value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        )
        self.reference = reference
        self.key_id = key_id
        _remember(self._value)

    @classmethod
    def of_a_list(cls, value: bytes) -> Secret:
        """One of the millions of words that are tried: not kept in mind to be hidden, as `redact`
        would black out half a dictionary. It is nobody's to print either."""
        found = cls.__new__(cls)
        found._value, found.reference, found.key_id = value, "", None
        return found

    def reveal(self) -> bytes:
        """The bytes themselves. Do not keep them."""
        return self._value

    def reveal_text(self) -> str:
        """The same as text, for drivers that take no bytes."""
        return self._value.decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest

        return isinstance(other, Secret) and compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


# Every spelling of every secret seen by this process, longest first; shorter than four characters
# would black out ordinary words.
_SHORTEST_REDACTED = 4
_spellings: list[str] = []


def _remember(value: bytes) -> None:
    from urllib.parse import quote, quote_plus  # 6 ms; `decode` without a secret needs neither

    text = value.decode("utf-8", "replace")
    forms = {text, *text.splitlines(), quote(text), quote(text, safe=""), quote_plus(text)}
    new = [f for f in forms if len(f) >= _SHORTEST_REDACTED and f not in _spellings]
    if new:
        _spellings.extend(new)
        _spellings.sort(key=len, reverse=True)


def redact(text: str) -> str:
    """Replace every secret this process has seen, raw or URL-encoded, by `***`.

    The last net under errors, logs and reports; nothing should ever need it.
    """
    for spelling in _spellings:
        if spelling in text:
            text = text.replace(spelling, MASK)
    return text
