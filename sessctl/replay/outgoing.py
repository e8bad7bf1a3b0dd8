"""From a scenario's request to the bytes that are sent: body, headers, the `Cookie` line."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sessctl import __version__
from sessctl.errors import UsageError
from sessctl.replay.scenario import FileBody, FormBody, JsonBody, MultipartBody, TextBody
from sessctl.replay.variables import fill, fill_data
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sessctl.replay.scenario import Body, Part, Request
    from sessctl.replay.variables import Value

_BOUNDARY = "sessctl-6f1d2c8a94b7"  # the same in every run: what is sent must not differ by itself
_MAX_FILE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Draft:
    """A request without its cookies. `own` are the headers that its author wrote: they stay at
    home when a redirect leads to another origin."""

    method: str
    body: bytes
    content: tuple[tuple[bytes, bytes], ...]  # Content-Type, if there is a body
    own: tuple[tuple[bytes, bytes], ...]

    def headers(
        self, cookies: bytes | None, *, own: bool = True
    ) -> tuple[tuple[bytes, bytes], ...]:
        """All headers in the order in which they are sent."""
        given = {name.lower() for name, _ in self.own} if own else set()
        usual = [(name, value) for name, value in _USUAL if name.lower() not in given]
        content = [one for one in self.content if one[0].lower() not in given]
        cookie = [] if cookies is None else [(b"Cookie", cookies)]
        return (*usual, *content, *(self.own if own else ()), *cookie)

    def as_get(self) -> Draft:
        """What a browser makes of it after a 303: a GET without a body."""
        method = self.method if self.method == "HEAD" else "GET"
        own = tuple(one for one in self.own if not one[0].lower().startswith(b"content-"))
        return Draft(method, b"", (), own)


_USUAL = (
    (b"User-Agent", f"sessctl-replay/{__version__}".encode()),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip, deflate"),
)


def draft(step: Request, values: Mapping[str, Value]) -> Draft:
    """The request of a step with its variables filled in; a `Cookie` header of its author is left
    to `author_cookies`.

    Raises:
        UsageError: a variable without a value, a file that cannot be read, a bad header.
    """
    content_type, body = _body(step.body, values)
    own = [
        (encode_id(fill(name, values)), encode_id(fill(value, values)))
        for name, value in step.headers
        if name.lower() != "cookie"
    ]
    if step.auth is not None:
        own.append((b"Authorization", _authorization(step, values)))
    content = ((b"Content-Type", content_type),) if content_type else ()
    return Draft(step.method, body, content, tuple(own))


def author_cookies(step: Request, values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """Cookies that the step gives by hand, for this request only."""
    found = [(fill(name, values), fill(value, values)) for name, value in step.cookies.given]
    for header, line in step.headers:
        if header.lower() == "cookie":
            pairs = (part.strip().partition("=") for part in fill(line, values).split(";"))
            found += [(name, value) for name, _, value in pairs if name or value]
    return found


def _authorization(step: Request, values: Mapping[str, Value]) -> bytes:
    assert step.auth is not None
    secret = encode_id(fill(step.auth.secret, values))
    if step.auth.kind == "bearer":
        return b"Bearer " + secret
    return b"Basic " + b64encode(encode_id(fill(step.auth.user, values)) + b":" + secret)


def _body(body: Body | None, values: Mapping[str, Value]) -> tuple[bytes, bytes]:
    """(content type, bytes)."""
    match body:
        case None:
            return b"", b""
        case FormBody():
            return b"application/x-www-form-urlencoded", _form(body.fields, values)
        case JsonBody():
            data = fill_data(body.data, values)
            return b"application/json", json.dumps(data, ensure_ascii=False).encode()
        case TextBody():
            return b"text/plain; charset=utf-8", encode_id(fill(body.text, values))
        case FileBody():
            return b"application/octet-stream", _read(body.file)
        case MultipartBody():
            kind = f"multipart/form-data; boundary={_BOUNDARY}".encode()
            return kind, _multipart(body.parts, values)


def _form(fields: Iterable[tuple[str, str]], values: Mapping[str, Value]) -> bytes:
    pairs = [(fill(name, values), fill(value, values)) for name, value in fields]
    return urlencode(pairs, errors="surrogateescape").encode()


def query(step: Request, values: Mapping[str, Value]) -> str:
    """The query that the step adds to its URL."""
    return _form(step.query, values).decode()


def _multipart(parts: Iterable[Part], values: Mapping[str, Value]) -> bytes:
    out = bytearray()
    for part in parts:
        name = _quoted(fill(part.name, values))
        filename = part.filename or (part.file.name if part.file else None)
        out += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if filename is not None:
            out += f'; filename="{_quoted(filename)}"'.encode()
        kind = part.type or ("application/octet-stream" if part.file else None)
        if kind is not None:
            out += f"\r\nContent-Type: {_quoted(kind)}".encode()
        content = _read(part.file) if part.file else encode_id(fill(part.text or "", values))
        out += b"\r\n\r\n" + content + b"\r\n"
    return bytes(out + f"--{_BOUNDARY}--\r\n".encode())


def _quoted(text: str) -> str:
    """As browsers write names into a part's header (WHATWG HTML, multipart/form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as exc:
        raise UsageError(f"cannot read {path} ({(exc.strerror or 'error').lower()})") from None
    if len(content) > _MAX_FILE:
        raise UsageError(f"{path} has more than {_MAX_FILE >> 20} MiB")
    return content
