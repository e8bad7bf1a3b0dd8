"""Sessions, cookies and outcomes as the items of machine output. The key order is a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.admin.items import SESSION_KEYS, session_item, shortened_location, ttl_s
from sessctl.text import readable, short_id
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from sessctl.cookies.base import DecodedCookie, Match, Verdict
    from sessctl.cookies.batch.given import Place
    from sessctl.text import Masker

SCHEMA = "sessctl/v1"
COOKIE_KEYS = (
    "name", "format", "candidates", "sid", "payload", "signature", "secret", "issued_at",
    "expires_at", "verdict", "session", "notes", "problem", "input",
)  # fmt: skip


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
    place: Place = None,
    masker: Masker | None = None,
) -> dict[str, Any]:
    """A cookie as an item.

    Args:
        place: where it stood in a batch: its line, or a message of a HAR.
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
    """What became of one session; of a line that is none, there is no id."""
    shown = (short_id(sid) if redact else readable(sid)) or None
    return {"sid": shown if sid else None, "outcome": outcome, "reason": reason}


__all__ = [
    "COOKIE_KEYS",
    "SCHEMA",
    "SESSION_KEYS",
    "candidate_items",
    "cookie_item",
    "outcome_item",
    "session_item",
    "shortened_location",
    "ttl_s",
]
