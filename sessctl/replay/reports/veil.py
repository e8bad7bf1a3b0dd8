"""`Veil`: what a report must not show, hidden once, before anything is drawn.

Cookie values and session ids are credentials: they are shortened as everywhere, so that "the same
value?" can still be seen. They turn up in other places too (a page that prints its session id, a
redirect, a captured value), and are shortened there as well.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sessctl.admin.lookup import session_id_of
from sessctl.text import MASK, Masker, decode_id, readable, redact, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.replay.cookie import Cookie
    from sessctl.replay.transcript import Exchange, Transcript

# A shorter value (`dark`, `1`) would be struck out of ordinary words.
_SHORTEST = 8
_BETWEEN_PAIRS = re.compile(r"([&?#\s])")
_FIELD = re.compile(r'\bname="([^"\r\n]{0,200})"')
# It asks for credentials, and holds none.
_HARMLESS = ("www-authenticate", "proxy-authenticate")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How a report is written.

    Attributes:
        show_ids: cookie values, session ids and data whole. Secrets of the scenario stay hidden.
        masker: what else is sensitive, by key and by shape.
    """

    show_ids: bool = False
    masker: Masker = field(default_factory=Masker)


class Veil:
    """Hides what the transcripts hold, for one report."""

    def __init__(self, options: ReportOptions, transcripts: Iterable[Transcript]) -> None:
        self._whole = options.show_ids
        self._masker = options.masker
        self._known: dict[str, list[str]] = {}  # credentials by their first characters
        for exchange in _exchanges(transcripts):
            self.learn(exchange)

    def learn(self, exchange: Exchange) -> None:
        """Take in the credentials of one more exchange."""
        for one in _credentials(exchange):
            values = self._known.setdefault(one[:_SHORTEST], [])
            if one not in values:
                values.append(one)

    def credential(self, value: str) -> str:
        """A cookie's value, or a session id."""
        return redact(readable(value if self._whole else short_id(value)))

    def text(self, text: str) -> str:
        """A line or a page in which a credential may stand."""
        if not self._whole:
            text = self._masker.mask_text(self._shortened(text))
        return redact(readable(text))

    def value(self, name: str, value: str | None) -> str | None:
        """What stands under a name."""
        if value and not self._whole and self._masker.hides(name.replace("-", "_")):
            return MASK
        return None if value is None else self.text(value)

    def data(self, data: Any) -> Any:
        """Session data."""
        plain = self._inside(data)
        return plain if self._whole else self._masker.mask(plain)

    def inner(self, path: str, value: Any) -> Any:
        """A part of session data; `path` is `$.cart[0].qty`."""
        names = re.findall(r"[^.\[\]'\"$]+", path)
        if not self._whole and value and any(self._masker.hides(name) for name in names):
            return MASK
        return self.data(value)

    def url(self, url: str) -> str:
        """A URL, or a form's body: `name=value` pairs between `&`."""
        return self.text("".join(map(self._pair, _BETWEEN_PAIRS.split(url))))

    def header(self, name: str, value: str) -> str:
        """A header's value; of cookies only what a name is given."""
        lower = name.lower()
        if lower == "cookie":
            return "; ".join(self._cookie(pair) for pair in value.split("; "))
        if lower == "set-cookie":
            return self.set_cookie(value)
        if lower in ("location", "referer", "content-location"):
            return self.url(value)
        if lower in _HARMLESS:
            return self.text(value)
        return self.value(name, value) or ""

    def set_cookie(self, line: str) -> str:
        """A `Set-Cookie` line, its attributes as they are."""
        pair, mark, attributes = line.partition(";")
        return f"{self._cookie(pair)}{mark}{self.text(attributes)}"

    def body(self, text: str, content_type: str) -> str:
        """A body, by its type."""
        if not self._whole:
            if "json" in content_type:
                text = self._json(self._shortened(text))
            elif "x-www-form-urlencoded" in content_type:
                return self.url(text)
            elif "multipart/form-data" in content_type:
                text = "\r\n--".join(map(self._part, text.split("\r\n--")))
        return self.text(text)

    def _shortened(self, text: str) -> str:
        if not self._whole:
            for head, values in self._known.items():
                text = _shortened(text, head, values)
        return text

    def _json(self, text: str) -> str:
        try:
            data = json.loads(text)
            masked = self._masker.mask(data)
            return text if masked == data else json.dumps(masked, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text

    def _pair(self, pair: str) -> str:
        name, mark, value = pair.partition("=")
        hides = not self._whole and value and self._masker.hides(unquote(name).replace("-", "_"))
        return f"{name}{mark}{MASK}" if hides else pair

    def _part(self, part: str) -> str:
        """One part of a multipart body."""
        head, blank, value = part.partition("\r\n\r\n")
        name = _FIELD.search(head)
        return f"{head}{blank}{self.value(name[1], value) if name else value}"

    def _cookie(self, pair: str) -> str:
        name, mark, value = pair.partition("=")
        return f"{readable(name)}={self.credential(value)}" if mark else self.credential(pair)

    def _inside(self, data: Any) -> Any:
        """Data with credentials shortened in its texts, and only what JSON can say."""
        if isinstance(data, dict):
            return {self.text(str(key)): self._inside(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self._inside(value) for value in data]
        if data is None or isinstance(data, bool | int | float):
            return data
        return self.text(str(data))


def _shortened(text: str, head: str, values: Sequence[str]) -> str:
    """The text without values that begin so: a message may have cut one, and then its beginning
    would still be most of a session id."""
    pieces, done = [], 0
    while (at := text.find(head, done)) >= 0:
        length, value = max((_alike(one, text, at), one) for one in values)
        pieces += [text[done:at], short_id(value)]
        done = at + length
    return "".join([*pieces, text[done:]])


def _alike(value: str, text: str, at: int) -> int:
    """How much of a value stands in a text from there on."""
    pairs = enumerate(zip(value, text[at : at + len(value)], strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(value), len(text) - at))


def _credentials(exchange: Exchange) -> Iterator[str]:
    """Every spelling of every cookie value and session id of an exchange."""
    for cookie in _cookies(exchange):
        if len(cookie.value) >= _SHORTEST:
            yield from _spellings(cookie.name, cookie.value)
    for name, value in _sent(exchange):
        if len(value) >= _SHORTEST:
            yield from _spellings(name, value)
    if exchange.look is not None:
        yield from (s for s in (exchange.look.sid, exchange.look.replaced) if _is_long(s))


def _sent(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """The cookies of the request, those that were given by hand too."""
    for key, line in exchange.sent.headers:
        if key.lower() == b"cookie":
            for pair in decode_id(line).split("; "):
                name, _, value = pair.partition("=")
                yield name, value


@lru_cache(maxsize=1024)  # a value comes with every exchange of a run
def _spellings(name: str, value: str) -> tuple[str, ...]:
    found = [value, unquote(value), session_id_of({name: value}) or ""]
    return tuple(dict.fromkeys(one for one in found if _is_long(one)))


def _is_long(text: str) -> bool:
    return len(text) >= _SHORTEST


def _exchanges(transcripts: Iterable[Transcript]) -> Iterator[Exchange]:
    for transcript in transcripts:
        for record in transcript.steps:
            yield from record.exchanges
            yield from record.rewound.values()


def _cookies(exchange: Exchange) -> Iterator[Cookie]:
    yield from exchange.choice.sent
    yield from (cookie for cookie, _ in exchange.choice.held)
    yield from exchange.cookies
    for change in exchange.changes:
        yield from (one for one in (change.cookie, change.before, change.evicted) if one)
