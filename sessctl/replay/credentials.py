"""`Credentials`: the cookie values and session ids of a run, and texts without them.

An application shows its cookies in pages, redirects and error messages, and so would whoever
prints these. A value that was seen on the wire is shortened wherever it stands, cut or whole; its
digest still tells whether two are the same.
"""

from __future__ import annotations

from os.path import commonprefix
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sessctl.admin.lookup import session_id_of
from sessctl.text import decode_id, redact, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.replay.transcript import Exchange, Transcript

_HEAD = 12  # a shorter value (`theme=dark`) is a word like others, and opens nothing


class Credentials:
    """What must not be read off a screen.

    Args:
        whole: show cookies and ids as they are (--show-ids); secrets stay hidden.
    """

    def __init__(self, transcripts: Iterable[Transcript] = (), *, whole: bool = False) -> None:
        self._whole = whole
        self._known: dict[str, list[str]] = {}  # by their first characters
        for transcript in transcripts:
            for record in transcript.steps:
                for exchange in (*record.exchanges, *record.rewound.values()):
                    self.learn(exchange)

    def learn(self, exchange: Exchange) -> None:
        """Take in the cookies that were sent and set, and the ids of the store."""
        for key, line in exchange.sent.headers:
            if key.lower() == b"cookie":
                for pair in decode_id(line).split("; "):
                    self._learn_cookie(pair.partition("=")[2])
        for change in exchange.changes:
            if change.cookie is not None:
                self._learn_cookie(change.cookie.value)
        if exchange.look is not None:
            self._add(exchange.look.sid)
            self._add(exchange.look.replaced)

    def value(self, value: str) -> str:
        """One cookie value or session id as it may be shown."""
        return value if self._whole else short_id(value)

    def hide(self, text: str) -> str:
        """A text from outside as it may be shown: no secret, no cookie value, no session id."""
        text = redact(text)
        if self._whole:
            return text
        for head, values in self._known.items():
            at = text.find(head)
            while at >= 0:
                value = max(values, key=lambda one: len(commonprefix([one, text[at:]])))
                shown = short_id(value)
                text = text[:at] + shown + text[at + len(commonprefix([value, text[at:]])) :]
                at = text.find(head, at + len(shown))
        return text

    def _learn_cookie(self, value: str) -> None:
        self._add(value)
        self._add(unquote(value))
        self._add(session_id_of({"": value}) or "")

    def _add(self, value: str) -> None:
        if len(value) >= _HEAD:
            values = self._known.setdefault(value[:_HEAD], [])
            if value not in values:
                values.append(value)
