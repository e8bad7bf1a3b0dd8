"""Sessions, cookies and outcomes as the items of machine output. The key order is a contract."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.text import encode_id, is_utf8, readable, short_id
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from sessctl.cookies.base import DecodedCookie, Match, Verdict
    from sessctl.session import Session
    from sessctl.text import Masker

SCHEMA = "sessctl/v1"
SESSION_KEYS = (
    "backend", "sid", "layout", "location", "user", "state", "expires_at", "ttl_s", "created_at",
    "seen_at", "size_bytes", "data", "problem", "extra",
)  # fmt: skip
COOKIE_KEYS = (
    "name", "format", "candidates", "sid", "payload", "signature", "secret", "issued_at",
    "expires_at", "verdict", "session", "notes", "problem", "input",
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


def cookie_item(
    *,
    name: str | None,
    decoded: DecodedCookie | None,
    verdict: Verdict | None,
    candidates: list[tuple[str, Match]],
    secret: str | None,
    session: dict[str, Any] | None,
    notes: list[str],
    problem: dict[str, str] | None = None,
    place: int | None = None,
    masker: Masker | None = None,
) -> dict[str, Any]:
    """A cookie as an item.

    Args:
        place: its line in a batch.
        masker: redaction is on: the id is shortened and the payload is masked.
    """
    signed = decoded is not None and decoded.signed
    signature = str(verdict.signature) if verdict else ("unverified" if signed else "none")
    sid, payload = (decoded.sid, decoded.payload) if decoded else (None, None)
    if sid is not None:
        sid = short_id(sid) if masker else readable(sid)
    return {
        "name": name,
        "format": decoded.format if decoded else None,
        "candidates": candidate_items(candidates),
        "sid": sid,
        "payload": masker.mask(payload) if masker else payload,
        "signature": signature if decoded or verdict else None,
        "secret": secret,
        "issued_at": iso(to_ms(decoded.issued_at)) if decoded and decoded.issued_at else None,
        "expires_at": iso(to_ms(decoded.expires_at)) if decoded and decoded.expires_at else None,
        "verdict": str(verdict.word) if verdict else ("unverified" if decoded else "malformed"),
        "session": session,
        "notes": notes,
        "problem": problem,
        "input": place,
    }


def candidate_items(candidates: list[tuple[str, Match]]) -> list[dict[str, Any]]:
    """Formats that a value could be of, in their order."""
    return [
        {"format": format, "score": match.score, "evidence": match.evidence}
        for format, match in candidates
    ]


def outcome_item(sid: str, outcome: str, reason: str | None, *, redact: bool) -> dict[str, Any]:
    """What became of one session."""
    return {"sid": short_id(sid) if redact else readable(sid), "outcome": outcome, "reason": reason}
