"""Sessions as lines of JSON that any store can take back: what `export` writes and `import` reads.

A line is the item of `list --data -o jsonl`, and its `extra.raw` is the stored value as its library
wrote it (decrypted, a signature left around it; `raw_b64` where it is no text), so that nothing is
lost between stores of one library. A line without it, as `list` prints them, is put together from
`data` and `extra`.

What is read was written by somebody: each line is bounded, and one that makes no sense becomes a
session that cannot be used and says why. None stops the rest.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import IO, TYPE_CHECKING, Any

from sessctl.admin.items import session_item
from sessctl.admin.plan import Plan
from sessctl.errors import SerializerError
from sessctl.limits import MIB, Budget
from sessctl.serializers import is_serializer
from sessctl.serializers.ciphers import encrypts
from sessctl.serializers.json import decode
from sessctl.session import Expiry, Problem, Query, Session
from sessctl.stores.reader import Reader
from sessctl.stores.registry import LAYOUTS, find_layout
from sessctl.text import decode_id, encode_id, is_short_id
from sessctl.timespec import parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.stores.base import Store
    from sessctl.text import Masker

# A value of 8 MiB stands there twice, decoded and raw, and with its quotes escaped.
MAX_LINE = 40 * MIB
_BUDGET = Budget(value_bytes=MAX_LINE, depth=Budget().depth + 2, nodes=2 * Budget().nodes)
_PAGE = 500


def portable_item(
    session: Session, *, backend: str, layout: str, now_ms: int, masker: Masker | None = None
) -> dict[str, Any]:
    """A session as an item with its value beside its data.

    Args:
        masker: redaction is on: for people to look at, and no import takes it.
    """
    item = session_item(
        session, backend=backend, layout=layout, now_ms=now_ms, with_data=True, masker=masker
    )
    if masker is None:
        item["extra"] |= _raw(session)
    return item


def _raw(session: Session) -> dict[str, str]:
    raw = session.raw
    if isinstance(session.reader, Reader):
        layout = session.reader.layout
        if encrypts(layout.ciphers):
            with suppress(SerializerError):  # nobody told us how: it goes as it is
                raw = session.reader.opened(raw)
        if layout.serializer != "json":
            return {"raw_b64": b64encode(raw).decode(), "serializer": layout.serializer}
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw_b64": b64encode(raw).decode()}


class PortableFile:
    """The sessions of an export, to be placed in a store; a `Source` for `Copy`.

    Args:
        file: opened for bytes, and rewound for every scan.
        target: its clock judges what is over, and its `user` where the user is.
    """

    page_size = _PAGE

    def __init__(self, file: IO[bytes], target: Store) -> None:
        self._file = file
        self._target = target

    def now_ms(self) -> int:
        """The target's clock: a file has none."""
        return self._target.now_ms()

    def scan(self, query: Query) -> Iterator[Session]:
        """Every session that matches; a line that is none has no id and a `problem`."""
        self._file.seek(0)
        now_ms = self._target.now_ms()
        for number, line in _lines(self._file):
            try:
                session = read_line(line)
            except SerializerError as exc:
                message = f"line {number}: {exc.message}"
                yield Session(sid="", raw=b"", location="", problem=Problem(exc.code, message))
                continue
            if session is not None and query.matches(session, now_ms):
                yield session


def plan_import(source: PortableFile, query: Query) -> Plan:
    """Count what would come in: lines that are no sessions are left out."""
    plan, now_ms = Plan(), source.now_ms()
    for session in source.scan(query):
        if session.sid:
            plan.add(session, now_ms)
    return plan


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; one that is too long comes cut, and its rest is passed over."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        yield number, line
        while not line.endswith(b"\n") and len(line) > MAX_LINE:
            line = file.readline(MAX_LINE + 1)


def read_line(line: bytes) -> Session | None:
    """The session of a line; None for an empty one.

    Raises:
        SerializerError: it is none; names what is wrong, and nothing of its content.
    """
    if not line.strip():
        return None
    if len(line) > MAX_LINE:
        raise SerializerError(f"longer than {MAX_LINE // MIB} MiB")
    item = decode(line, _BUDGET).data
    if not isinstance(item, dict):
        raise SerializerError("not the item of a session")
    extra = item.get("extra")
    extra = extra if isinstance(extra, dict) else {}
    sid, layout = _sid(item, extra), item.get("layout")
    if (
        not isinstance(layout, str) or layout not in LAYOUTS
    ):  # our own: no name in a file makes us import anything
        raise SerializerError("of a layout that is not known here")
    raw = _raw_of(extra)
    if raw is not None:
        reader = _reader(layout, str(extra.get("serializer", "json")))
    else:
        reader = _reader(layout, "json", bare=True)
        raw = _put_together(item, extra, reader)
    expires_ms, expiry = _end(item, extra)
    user, _, problem = reader.read(raw)
    return Session(
        sid=sid,
        raw=raw,
        location="",
        expires_ms=expires_ms,
        expiry=expiry,
        user=user,
        created_ms=_instant(item.get("created_at")),
        seen_ms=_instant(item.get("seen_at")),
        problem=problem,
        reader=reader,
    )


@cache
def _reader(layout: str, serializer: str, *, bare: bool = False) -> Reader:
    """`bare`: nobody has encrypted or signed the values."""
    if not is_serializer(serializer):
        raise SerializerError("its value is in a form that is not known here")
    found = replace(find_layout(layout), serializer=serializer)
    return Reader(replace(found, ciphers=()) if bare else found)


def _sid(item: dict[str, Any], extra: dict[str, Any]) -> str:
    exact = extra.get("sid_b64")
    if isinstance(exact, str):
        return decode_id(_bytes(exact))
    sid = item.get("sid")
    if not isinstance(sid, str) or not sid:
        raise SerializerError("it has no session id")
    try:
        encode_id(sid)
    except UnicodeEncodeError:
        raise SerializerError("its id is no text") from None
    if is_short_id(sid):
        raise SerializerError("its id is shortened: redacted exports cannot be imported")
    return sid


def _raw_of(extra: dict[str, Any]) -> bytes | None:
    """The value as its library wrote it."""
    if isinstance(raw := extra.get("raw"), str):
        return raw.encode("utf-8", "surrogatepass")
    if isinstance(raw := extra.get("raw_b64"), str):
        return _bytes(raw)
    return None


def _put_together(item: dict[str, Any], extra: dict[str, Any], reader: Reader) -> bytes:
    """What comes to the same as the value, as JSON."""
    data = item.get("data")
    if not isinstance(data, dict):
        raise SerializerError("it has no data: `list` gives it with --data")
    own = {key: extra[key] for key in reader.layout.envelope if key in extra}
    return json.dumps(reader.whole(own, data), separators=(",", ":")).encode()


def _end(item: dict[str, Any], extra: dict[str, Any]) -> tuple[int | None, Expiry]:
    ends_ms = _instant(item.get("expires_at"))
    if ends_ms is not None:
        by_date = extra.get("expiry") == Expiry.COOKIE_DATE
        return ends_ms, Expiry.COOKIE_DATE if by_date else Expiry.STORE
    endless = item.get("expires_at") is None and item.get("state") == "active"
    return None, Expiry.NEVER if endless else Expiry.UNKNOWN


def _instant(text: Any) -> int | None:
    return parse_iso_ms(text) if isinstance(text, str) else None


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise SerializerError("base64 in it is damaged") from None
