"""A session as the item of machine output, and of an export. The key order is a contract."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.text import encode_id, is_utf8, readable, short_id
from sessctl.timespec import iso

if TYPE_CHECKING:
    from sessctl.session import Session
    from sessctl.text import Masker

SESSION_KEYS = (
    "backend", "sid", "layout", "location", "user", "state", "expires_at", "ttl_s", "created_at",
    "seen_at", "size_bytes", "data", "problem", "extra",
)  # fmt: skip


def session_item(
    session: Session,
    *,
    backend: str,
    layout: str,
    now_ms: int,
    with_data: bool,
    masker: Masker | None = None,
) -> dict[str, Any]:
    """A session as an item.

    Args:
        now_ms: the store's clock.
        masker: redaction is on: ids are shortened and data is masked.
    """
    data, extra, problem = None, dict[str, Any](), session.problem
    if with_data and problem is None:
        try:
            decoded = session.decoded
        except SerializerError as exc:
            problem_item: Any = {"code": exc.code, "message": exc.message}
        else:
            data, extra = decoded.data, dict(decoded.extra)
            if decoded.notes:
                extra["notes"] = list(decoded.notes)
            problem_item = None
    else:
        problem_item = problem and {"code": problem.code, "message": problem.message}
    if session.expires_ms is not None:
        extra["expiry"] = str(session.expiry)
    sid, location = session.sid, session.location
    if not is_utf8(sid):
        extra["sid_b64"] = b64encode(encode_id(sid)).decode()
    if masker is not None:
        location = shortened_location(session)
        sid, data = short_id(sid), masker.mask(data)
        extra.pop("sid_b64", None)
    return {
        "backend": backend,
        "sid": readable(sid),
        "layout": layout,
        "location": readable(location),
        "user": session.user,
        "state": str(session.state(now_ms)),
        "expires_at": None if session.expires_ms is None else iso(session.expires_ms),
        "ttl_s": ttl_s(session, now_ms),
        "created_at": None if session.created_ms is None else iso(session.created_ms),
        "seen_at": None if session.seen_ms is None else iso(session.seen_ms),
        "size_bytes": session.size_bytes,
        "data": data,
        "problem": problem_item,
        "extra": extra,
    }


def ttl_s(session: Session, now_ms: int) -> int | None:
    """Whole seconds left, rounded down; negative when past."""
    return None if session.expires_ms is None else (session.expires_ms - now_ms) // 1000


def shortened_location(session: Session) -> str:
    """Where a session is without giving its id away."""
    if not session.sid:
        return session.location
    return session.location.replace(session.sid, short_id(session.sid))
