"""`list` for programs: json, jsonl, csv, tsv, name; a million sessions in flat memory.

JSON goes through one msgspec struct and, for data that is ASCII on one line already, the raw text
itself: 3 us a session against 20 through dicts and the standard library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.cli.items import SESSION_KEYS, session_item, ttl_s
from sessctl.cli.output import Writer, chosen_fields
from sessctl.session import Need, Session
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.cli.listing import Listing
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.text import Masker

_FROM_KEY = frozenset(("backend", "sid", "layout", "location"))
_FROM_EXPIRY = frozenset(("state", "expires_at", "ttl_s", "extra"))
_FROM_DATA = frozenset(("data", "extra"))


def write_items(
    run: Run,
    listing: Listing,
    backends: list[Backend],
    output: str,
    *,
    with_data: bool,
    strict: bool = False,
) -> None:
    """Write every session of the listing in a machine format."""
    named = chosen_fields(run, SESSION_KEYS) if run.options.fields is not None else ()
    with_data = with_data or not _FROM_DATA.isdisjoint(named)  # who names it wants it
    columns = SESSION_KEYS if output in ("json", "jsonl") or with_data else _without_data()
    writer = Writer(run, output, "SessionList", columns)
    masker = run.masker() if run.redacting else None
    need = Need.ALL if strict else _need(output, writer.columns)  # what is judged has to be read
    for backend in backends:
        with run.store(backend) as store:
            now_ms = store.now_ms()
            name, layout = backend.name or store.identity.label, store.layout.name
            encode: Encode = _no_encoder
            if masker is None and output == "name":
                encode = _name_encoder
            elif masker is None and output in ("json", "jsonl"):
                encode = _encoder(name, layout, now_ms, writer.columns, with_data=with_data)
            for session in listing.sessions(store, need):
                if (line := encode(session)) is not None:
                    writer.encoded(line)
                    continue
                writer.item(_item(session, name, layout, now_ms, masker, with_data=with_data))
    writer.end()


def _without_data() -> tuple[str, ...]:
    return tuple(key for key in SESSION_KEYS if key not in _FROM_DATA)


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


# The fast way to a line of output, where a session allows it; the others go the long way (None).
Encode = Callable[[Session], bytes | None]


def _no_encoder(session: Session) -> bytes | None:
    return None


def _name_encoder(session: Session) -> bytes | None:
    sid = session.sid
    return sid.encode() if sid.isascii() and sid.isprintable() else None


def _encoder(
    name: str, layout: str, now_ms: int, columns: Sequence[str], *, with_data: bool
) -> Encode:
    """Lines of JSON with these keys, in their order."""
    dump = msgspec.json.Encoder().encode
    raw_of = msgspec.Raw
    keys = tuple(dict.fromkeys(columns))
    kind = msgspec.defstruct("Item", [(key, Any) for key in keys], gc=False)
    places = None if keys == SESSION_KEYS else [SESSION_KEYS.index(key) for key in keys]

    def encode(session: Session) -> bytes | None:
        sid = session.sid
        if session.problem is not None or not sid.isascii():
            return None
        data, extra = None, b"{}"
        if with_data:
            parts = session.reader.split(session.raw) if session.reader else None
            if parts is None:
                return None
            data, extra = parts
        ends = session.expires_ms
        if ends is not None:
            extra = b'%b%b"expiry":"%b"}' % (
                extra[:-1], b"" if extra == b"{}" else b",", session.expiry.encode()
            )  # fmt: skip
        values = (
            name, sid, layout, session.location, session.user,
            session.state(now_ms),
            None if ends is None else iso(ends),
            ttl_s(session, now_ms),
            None if session.created_ms is None else iso(session.created_ms),
            None if session.seen_ms is None else iso(session.seen_ms),
            len(session.raw),
            None if data is None else raw_of(data),
            None,
            raw_of(extra),
        )  # fmt: skip
        chosen = values if places is None else [values[place] for place in places]
        try:
            line = dump(kind(*chosen))
        except UnicodeEncodeError:  # half an emoji in the user's name
            return None
        return line if line.isascii() and b"\x7f" not in line else None

    return encode
