"""The table of `list` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.blocks import state_role, when
from sessctl.cli.columns import aligned, terminal_room
from sessctl.cli.items import shortened_location
from sessctl.cli.output import chosen_fields, to_json
from sessctl.errors import SerializerError
from sessctl.session import Need, State
from sessctl.text import short_id
from sessctl.timespec import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.listing import Listing
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Piece
    from sessctl.config.model import Backend
    from sessctl.session import Session
    from sessctl.stores.base import Store
    from sessctl.text import Masker

_TABLE = ("sid", "user", "state", "expires", "left", "size")
_WIDE = ("backend", *_TABLE, "created", "seen", "location", "problem")
_NARROW = 72  # columns of a terminal that the size of a session does not fit into
_YIELDING = ("user", "data", "backend")  # texts of any length; the rest is as long as it has to be
COLUMNS = (*_WIDE, "data")


def write_table(
    run: Run, listing: Listing, backends: list[Backend], *, wide: bool, with_data: bool
) -> None:
    """Rows through the pager if they do not fit the terminal."""
    usual: tuple[str, ...] = (
        _WIDE if wide else ((*_TABLE[:1], "backend", *_TABLE[1:]) if len(backends) > 1 else _TABLE)
    )
    room = None if wide else terminal_room(run)
    if room is not None and room < _NARROW:
        usual = tuple(name for name in usual if name != "size")
    usual = (*usual, "data") if with_data else usual
    fields = chosen_fields(run, COLUMNS) if run.options.fields is not None else usual
    header = () if run.options.no_headers else fields

    masker = run.masker()

    def rows() -> Iterator[list[Piece]]:
        for backend in backends:
            with run.store(backend) as store:
                now_ms = store.now_ms()
                for session in listing.sessions(store, Need.ALL):
                    cells = _cells(run, session, backend, store, now_ms)
                    if "data" in fields:
                        cells["data"] = (_data(session, masker), "plain")
                    yield [cells[name] for name in fields]

    yielding = [place for place, name in enumerate(fields) if name in _YIELDING]
    run.streams.lines(aligned(header, rows(), room=room, yielding=yielding))


def _data(session: Session, masker: Masker) -> str:
    try:
        return to_json(masker.mask(session.data)).decode()
    except SerializerError:
        return ""  # the column `problem` says why


def _cells(
    run: Run, session: Session, backend: Backend, store: Store, now_ms: int
) -> dict[str, Piece]:
    full = run.options.show_ids and not run.redacting
    state = session.state(now_ms)
    ends = session.expires_ms
    left = None if ends is None else (ends - now_ms) / 1000
    role = state_role(state)
    if state is State.ACTIVE and left is not None and left < store.layout.lifetime_s * 0.1:
        role = "warn"
    if ends is not None:
        expires = when(ends, utc=run.options.utc)
    else:
        expires = "never" if state is State.ACTIVE else "unknown"
    problem = session.problem.message if session.problem else ""
    return {
        "backend": (backend.name or store.identity.label, "plain"),
        "sid": (session.sid if full else short_id(session.sid), "accent"),
        "user": (session.user or "-", "plain"),
        "state": (f"{state}{' !' if session.problem else ''}", role),
        "expires": (expires, "plain"),
        "left": ("" if left is None else format_duration(left), role),
        "size": (format_size(session.size_bytes), "muted"),
        "created": (
            "" if session.created_ms is None else when(session.created_ms, utc=run.options.utc),
            "plain",
        ),
        "seen": (
            "" if session.seen_ms is None else when(session.seen_ms, utc=run.options.utc),
            "plain",
        ),
        "location": (session.location if full else shortened_location(session), "muted"),
        "problem": (problem, "danger"),
    }
