"""HAR files: what a browser's network panel or a proxy has recorded, requests and responses.

    {"log": {"entries": [{"request": {"headers": [{"name": "Cookie", "value": "..."}]}, ...}]}}

A recording of a working day has gigabytes of pages and pictures: it is read in pieces, an entry at
a time, and of an entry only names and values of headers and cookies. An item is a message: what a
request sent, or what a response has set. Headers count; the lists `cookies`, which some browsers
write decoded, are taken where there is no such header.
Source: HAR 1.2; Chrome 140, which leaves cookies out unless asked for "sensitive data"; Firefox
140, which writes several Set-Cookie as one header with line feeds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from sessctl.cookies.batch.given import Given, has_cookie, header_of
from sessctl.errors import LimitExceeded, UnreadableInput
from sessctl.limits import DEFAULT, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cookies.batch.lines import Readable

_ENTRY_BYTES = DEFAULT.unpacked_bytes
_PIECE = 256 * 1024
_MARK = re.compile(rb'["{}\[\]]')
# The rest of a string, up to its quote or to what is cut off. Possessive: never looked at again.
_REST = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_KEY_BYTES = 16  # `entries` in its quotes, and room
# Nesting: the document, `log`, `entries`, an entry.
_LOG, _ENTRIES, _ENTRY = 2, 3, 4


class _Pair(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Message(msgspec.Struct):
    headers: list[_Pair] = []
    cookies: list[_Pair] = []


class _Entry(msgspec.Struct):
    request: _Message | None = None
    response: _Message | None = None


_read = msgspec.json.Decoder(_Entry).decode


def read_har(stream: Readable, name: str | None = None) -> Iterator[Given]:
    """The messages with cookies, in their order; with a `name`, those that have this cookie.

    An entry that cannot be read is given with its problem, and so is the end of a file that was cut
    off. Never raises.
    """
    number = -1
    try:
        for number, raw in enumerate(_entries(stream)):
            try:
                yield from _messages(raw, number, name)
            except UnreadableInput as exc:
                yield Given({"entry": number, "message": None}, "", exc)
    except UnreadableInput as exc:
        yield Given({"entry": number + 1, "message": None}, "", exc)


def _messages(raw: bytes | None, number: int, name: str | None) -> Iterator[Given]:
    if raw is None:
        raise LimitExceeded(f"an entry of more than {_ENTRY_BYTES // MIB} MiB")
    try:
        entry = _read(raw)
    except RecursionError:
        raise UnreadableInput("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise UnreadableInput(f"not an entry of a HAR: {exc}") from None
    for message, is_request in ((entry.request, True), (entry.response, False)):
        pairs = _cookies(message, is_request=is_request) if message else []
        if pairs and (name is None or has_cookie(name, (one[0] for one in pairs))):
            place = {"entry": number, "message": "request" if is_request else "response"}
            yield Given(place, header_of(pairs))


def _cookies(message: _Message, *, is_request: bool) -> list[tuple[str, str]]:
    """Names and values of what was sent, or set; a cookie set to nothing has been deleted."""
    header = "cookie" if is_request else "set-cookie"
    found = [one.value for one in message.headers if one.name.lower() == header]
    if not found:
        return [(one.name, one.value) for one in message.cookies if one.value]
    if is_request:
        parts = [part for value in found for part in value.split(";")]
    else:
        parts = [line.partition(";")[0] for value in found for line in value.split("\n")]
    return [(name, value) for name, value in map(_pair, parts) if value]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    return (name, value) if equals else ("", name)


def _entries(stream: Readable) -> Iterator[bytes | None]:
    """Each entry's own JSON; None for one that is too large.

    Raises:
        UnreadableInput: the stream ends too early, or has no list of entries.
    """
    splitter = _Splitter()
    while piece := stream.read(_PIECE):
        yield from splitter.feed(piece)
    if not splitter.has_entries:
        raise UnreadableInput("not a HAR: no list `entries` in its `log`")
    if splitter.depth:
        raise UnreadableInput("the HAR ends in the middle: it was cut off")


class _Splitter:
    """Finds the entries in pieces of a HAR by its brackets and quotes; whether the JSON of an entry
    is well-formed is for its reader to find out."""

    def __init__(self) -> None:
        self.depth = 0
        self.has_entries = False
        self._is_text = self._is_log = self._is_entries = False
        self._key = b""
        self._carried = b""  # of the piece before: what it ends with is not told yet
        self._entry: list[bytes] = []
        self._entry_bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes | None]:
        """The entries that end in this piece."""
        data, at, begun = self._carried + piece, 0, 0
        self._carried = b""
        while at < len(data):
            if self._is_text:
                at = _end_of_text(data, at)
                if data[at : at + 1] == b"\\":  # the last byte: what it escapes is still to come
                    data, self._carried = data[:at], data[at:]
                elif at < len(data):
                    self._is_text, at = False, at + 1
                continue
            found = _MARK.search(data, at)
            if found is None:
                break
            at = found.end()
            if found[0] == b'"':
                if self.depth < _ENTRIES:
                    end = _end_of_text(data, at)
                    if end == len(data) and end - at < _KEY_BYTES:
                        data, self._carried = data[: at - 1], data[at - 1 :]
                        break
                    self._key = data[at:end]
                self._is_text = True
            elif found[0] in b"{[":
                if self._open(found[0]):
                    begun = at - 1
            elif self._close():
                self._keep(data[begun:at])
                yield b"".join(self._entry) if self._entry_bytes <= _ENTRY_BYTES else None
                self._entry, self._entry_bytes = [], 0
        if self._is_entries and self.depth >= _ENTRY:
            self._keep(data[begun:])

    def _open(self, bracket: bytes) -> bool:
        """Whether an entry begins."""
        self.depth += 1
        if self.depth == _LOG:
            self._is_log = self._key == b"log"
        elif self.depth == _ENTRIES:
            self._is_entries = self._is_log and bracket == b"[" and self._key == b"entries"
            self.has_entries |= self._is_entries
        return self._is_entries and self.depth == _ENTRY

    def _close(self) -> bool:
        """Whether an entry ends."""
        self.depth -= 1
        return self._is_entries and self.depth == _ENTRIES

    def _keep(self, data: bytes) -> None:
        self._entry_bytes += len(data)
        if self._entry_bytes <= _ENTRY_BYTES:
            self._entry.append(data)


def _end_of_text(data: bytes, at: int) -> int:
    found = _REST.match(data, at)
    return found.end() if found else at
