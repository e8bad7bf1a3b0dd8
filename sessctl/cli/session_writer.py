"""`list` for programs: json, jsonl, csv, tsv, name; a million sessions in flat memory.

JSON goes through one msgspec struct and, for data that is ASCII on one line already, the raw text
itself: 3 us a session against 20 through dicts and the standard library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.cli.items import SESSION_KEYS, session_item, ttl_s
from sessctl.cli.output import Writer, to_json
from sessctl.session import Need
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.cli.listing import Listing
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Session
    from sessctl.text import Masker

_FROM_KEY = frozenset(("backend", "sid", "layout", "location"))
_FROM_EXPIRY = frozenset(("state", "expires_at", "ttl_s"))


class _Item(msgspec.Struct):
    """The session item, in the order of the contract."""

    backend: str
    sid: str
    layout: str
    location: str
    user: str | None
    state: str
    expires_at: str | None
    ttl_s: int | None
    created_at: str | None
    seen_at: str | None
    size_bytes: int
    data: msgspec.Raw | None
    problem: Any
    extra: Any


assert _Item.__struct_fields__ == SESSION_KEYS


def write_items(
    run: Run, listing: Listing, backends: list[Backend], output: str, *, with_data: bool
) -> None:
    """Write every session of the listing in a machine format."""
    columns = SESSION_KEYS if output in ("json", "jsonl") or with_data else _without_data()
    writer = Writer(run, output, "SessionList", columns)
    masker = run.masker() if run.redacting else None
    plain = output in ("json", "jsonl") and masker is None and run.options.fields is None
    need = _need(output, writer.columns)
    for backend in backends:
        with run.store(backend) as store:
            now_ms = store.now_ms()
            name, layout = backend.name or store.identity.label, store.layout.name
            encode = _encoder(name, layout, now_ms, with_data=with_data)
            for session in listing.sessions(store, need):
                if plain:
                    writer.encoded(encode(session))
                    continue
                writer.item(_item(session, name, layout, now_ms, masker, with_data=with_data))
    writer.end()


def _without_data() -> tuple[str, ...]:
    return tuple(key for key in SESSION_KEYS if key not in ("data", "extra"))


def _need(output: str, columns: tuple[str, ...]) -> Need:
    """What has to be read for these columns; a listing of ids reads no values."""
    if output == "name" or set(columns) <= _FROM_KEY:
        return Need.ID
    return Need.VALUE if set(columns).isdisjoint(_FROM_EXPIRY) else Need.ALL


def _item(
    session: Session, name: str, layout: str, now_ms: int, masker: Masker | None, *, with_data: bool
) -> dict[str, Any]:
    return session_item(
        session, backend=name, layout=layout, now_ms=now_ms, with_data=with_data, masker=masker
    )


def _encoder(name: str, layout: str, now_ms: int, *, with_data: bool) -> Callable[[Session], bytes]:
    """The fast way to a line of JSON, where a session allows it; the others go the long way."""
    dump = msgspec.json.Encoder().encode
    raw_of = msgspec.Raw

    def encode(session: Session) -> bytes:
        sid = session.sid
        if session.problem is None and sid.isascii():
            data, extra = None, b"{}"
            parts = session.reader.split(session.raw) if with_data and session.reader else None
            if parts is not None:
                data, extra = parts
            if parts is not None or not with_data:
                ends = session.expires_ms
                if ends is not None:
                    extra = b'%b%b"expiry":"%b"}' % (
                        extra[:-1], b"" if extra == b"{}" else b",", session.expiry.encode()
                    )  # fmt: skip
                line = dump(
                    _Item(
                        name, sid, layout, session.location, session.user,
                        session.state(now_ms).value,
                        None if ends is None else iso(ends),
                        ttl_s(session, now_ms),
                        None if session.created_ms is None else iso(session.created_ms),
                        None if session.seen_ms is None else iso(session.seen_ms),
                        len(session.raw),
                        None if data is None else raw_of(data),
                        None,
                        raw_of(extra),
                    )
                )  # fmt: skip
                if line.isascii() and b"\x7f" not in line:
                    return line
        return to_json(_item(session, name, layout, now_ms, None, with_data=with_data))

    return encode
