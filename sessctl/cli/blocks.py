"""Blocks for people: one session, one cookie, and JSON in colour."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from sessctl.session import Expiry, State
from sessctl.text import escape, short_id
from sessctl.timespec import format_duration, format_size, from_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.streams import Line, Piece
    from sessctl.cli.theme import Role
    from sessctl.session import Session

_STATE_ROLES: dict[str, Role] = {"active": "ok", "expired": "danger", "unknown": "warn"}
_LINES = 200  # of data; a session of 20 000 keys must not scroll the terminal away
_TEXT = 400
_FLAT = 92  # columns; a JSON value that fits stands on one line


def state_role(state: str) -> Role:
    return _STATE_ROLES.get(state, "plain")


def row(name: str, *pieces: Piece | str) -> Line:
    """`name` and what belongs to it, indented."""
    return [
        (f"  {name:<10} " if pieces else f"  {name}", "key"),
        *[p if isinstance(p, tuple) else (p, "plain") for p in pieces],
    ]


def when(ms: int, *, utc: bool) -> str:
    """An instant in the reader's zone, or in UTC with a Z."""
    instant = from_ms(ms)
    if utc:
        return instant.strftime("%Y-%m-%d %H:%M:%SZ")
    return instant.replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def expiry_text(session: Session, now_ms: int, *, utc: bool) -> str:
    """`2026-11-27 18:30:51 (in 6d 23h)`."""
    if session.expires_ms is None:
        return "never" if session.expiry is Expiry.NEVER else "unknown: it could not be read"
    left = (session.expires_ms - now_ms) / 1000
    span = f"in {format_duration(left)}" if left > 0 else f"{format_duration(-left)} ago"
    by = ", by cookie date only" if session.expiry is Expiry.COOKIE_DATE else ""
    return f"{when(session.expires_ms, utc=utc)} ({span}{by})"


def session_block(
    session: Session,
    *,
    backend: str,
    now_ms: int,
    utc: bool,
    sid: str,
    location: str,
    data: Any,
    extra: dict[str, Any],
    notes: tuple[str, ...],
    problem: str | None,
) -> Iterator[Line]:
    """A session as a block; `sid`, `location` and `data` come as they may be shown."""
    state = session.state(now_ms)
    yield [
        ("session ", "accent"),
        (sid, "accent"),
        ("  ", "plain"),
        (str(state), state_role(state)),
    ]
    yield row("backend", backend)
    yield row("location", location)
    yield row("user", session.user or "none")
    role = state_role(state) if state is not State.ACTIVE else "plain"
    yield row("expires", (expiry_text(session, now_ms, utc=utc), role))
    if session.created_ms is not None:
        yield row("created", when(session.created_ms, utc=utc))
    if session.seen_ms is not None:
        yield row("seen", when(session.seen_ms, utc=utc))
    yield row("size", format_size(session.size_bytes))
    for name, value in extra.items():
        yield row(name, compact(value))
    for note in notes:
        yield row("note", (note, "warn"))
    if problem is not None:
        yield row("problem", (problem, "danger"))
        return
    yield row("data")
    yield from json_lines(data, indent=4)


def cookie_block(item: dict[str, Any], *, sid_label: str | None, where: str = "") -> Iterator[Line]:
    """A cookie's item as a block. "decoded" and "verified" are never the same word."""
    place: Line = [(f"  {where}", "muted")] if where else []
    yield [("cookie ", "accent"), (item["name"] or "(no name)", "accent"), *place]
    yield row("format", item["format"] or "unknown")
    yield row("signature", *signature_pieces(item["signature"], item["verdict"], item["secret"]))
    if item["sid"] is not None:
        yield row("session id", sid_label or item["sid"])
    for key in ("issued_at", "expires_at"):
        if item[key] is not None:
            yield row(key.removesuffix("_at"), item[key])
    for note in item["notes"]:
        yield row("note", (note, "warn"))
    if item["payload"] is not None:
        yield row("payload")
        yield from json_lines(item["payload"], indent=4)


_WHY_NOT = {
    "bad_signature": "none of the secrets made this signature",
    "decrypt_failed": "none of the secrets opens it",
    "unknown_key": "none of the secrets has the id that it names",
    "alg_not_allowed": "its algorithm is not allowed",
}


def signature_pieces(signature: str, verdict: str, secret: str | None) -> list[Piece]:
    """The verdict in words; the colour repeats what the words say."""
    if signature == "valid":
        by = f", signed with {secret}" if secret else ""
        aged = "" if verdict == "valid" else f", but {verdict}"
        return [(f"valid{by}{aged}", "ok" if verdict == "valid" else "warn")]
    if signature == "invalid":
        return [(f"NOT VALID: {_WHY_NOT.get(verdict, verdict)}", "danger")]
    if signature == "none":
        return [("none", "muted")]
    if verdict != "unverified":
        return [(f"not verified: {_WHY_NOT.get(verdict, verdict)}", "warn")]
    return [("not verified (no secret at hand; --secret-from names one)", "warn")]


def compact(value: Any) -> str:
    """A small table on one line, `path=/ httpOnly sameSite=lax`; anything else as JSON, cut."""
    if isinstance(value, dict) and not any(isinstance(v, dict | list) for v in value.values()):
        words = [key if item is True else f"{key}={item}" for key, item in value.items()]
        kept = [
            word
            for word, item in zip(words, value.values(), strict=True)
            if item not in (None, False)
        ]
        text = " ".join(kept)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _TEXT else text[:_TEXT] + f"... ({len(text)} characters)"


def json_lines(value: Any, *, indent: int) -> Iterator[Line]:
    """Indented JSON in colour, small values on one line.

    Long texts and long documents are cut, and it is said.
    """
    for number, line in enumerate(_json(_cut(value), indent, "")):
        if number == _LINES:
            yield [(" " * indent + "... more (-o json shows all)", "muted")]
            return
        yield line


def _json(value: Any, indent: int, tail: str) -> Iterator[Line]:
    """The lines of one value; the first has no key yet, the last ends with `tail`."""
    flat = json.dumps(value, ensure_ascii=False, default=str)
    pad: Piece = (" " * indent, "plain")
    if len(flat) + indent <= _FLAT or not isinstance(value, dict | list) or not value:
        yield [pad, (flat + tail, "plain")]
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield [pad, (opening, "plain")]
    entries = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    for place, (key, item) in enumerate(entries):
        comma = "," if place + 1 < len(entries) else ""
        lines = _json(item, indent + 2, comma)
        first = next(lines)
        if key is not None:
            name = json.dumps(str(key), ensure_ascii=False)
            first = [first[0], (name, "key"), (": ", "plain"), *first[1:]]
        yield first
        yield from lines
    yield [pad, (closing + tail, "plain")]


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _TEXT:
        return f"{value[:_TEXT]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {_cut(str(key)): _cut(item) for key, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list) else value


def shown_sid(sid: str, *, full: bool) -> str:
    """A session id for people: short, unless --show-ids."""
    return escape(sid) if full else short_id(sid)
