"""One exchange as a report shows it: request, answer, what the jar did, what the store held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import SerializerError
from sessctl.replay.look import Fate
from sessctl.replay.reports.report import (
    BodyView,
    ChangeView,
    CookieView,
    DataChangeView,
    ExchangeView,
    HeldView,
    Pair,
    RequestView,
    ResponseView,
    StoreView,
)
from sessctl.text import decode_id, readable
from sessctl.timespec import iso

if TYPE_CHECKING:
    from sessctl.replay.cookie import Cookie
    from sessctl.replay.jar import Change
    from sessctl.replay.look import Look
    from sessctl.replay.message import Headers, Response
    from sessctl.replay.message import Request as Sent
    from sessctl.replay.reports.veil import Veil
    from sessctl.replay.transcript import Exchange

# Characters of a body in a report. The whole would make a file that no browser likes to open.
_LONGEST = 16 * 1024
# What a page has among its first bytes if it is no text.
_BINARY = b"\x00"


class Exchanges:
    """Views of exchanges, through a veil."""

    def __init__(self, veil: Veil) -> None:
        self._veil = veil

    def exchange(self, exchange: Exchange) -> ExchangeView:
        return ExchangeView(
            client=exchange.client,
            instance=exchange.instance or None,
            started_at=iso(exchange.started_ms),
            request=self._request(exchange.sent),
            response=self._response(exchange.response) if exchange.response else None,
            error=self._veil.text(exchange.error.message) if exchange.error else None,
            sent=tuple(self._cookie(one) for one in exchange.choice.sent),
            given=tuple(readable(name) for name in exchange.given),
            held=tuple(HeldView(self._cookie(c), why.value) for c, why in exchange.choice.held),
            received=tuple(self._change(change) for change in exchange.changes),
            jar=tuple(self._cookie(one) for one in exchange.cookies),
            store=self._store(exchange.look) if exchange.look else None,
        )

    def _request(self, sent: Sent) -> RequestView:
        return RequestView(
            sent.method,
            self._veil.url(str(sent.url)),
            self._headers(sent.headers),
            self._body(sent.body, len(sent.body), _content_type(sent.headers), False),
        )

    def _response(self, response: Response) -> ResponseView:
        body, kind = response.body, _content_type(response.headers)
        return ResponseView(
            status=response.status,
            reason=self._veil.text(decode_id(response.reason)),
            headers=self._headers(response.headers),
            body=self._body(body.kept, body.size_bytes, kind, not body.is_whole, body.packed_as),
            elapsed_ms=round(response.timing.total_s * 1000, 1),
            problem=self._veil.text(response.problem.message) if response.problem else None,
        )

    def _headers(self, headers: Headers) -> tuple[Pair, ...]:
        lines = ((decode_id(name), decode_id(value)) for name, value in headers)
        return tuple(Pair(readable(name), self._veil.header(name, v)) for name, v in lines)

    def _body(
        self, raw: bytes, size: int, kind: str, shortened: bool, packed_as: str = ""
    ) -> BodyView:
        if packed_as or _BINARY in raw[:1024]:
            return BodyView(None, size, kind, False)
        text = self._veil.body(decode_id(raw), kind)
        return BodyView(text[:_LONGEST], size, kind, shortened or len(text) > _LONGEST)

    def _cookie(self, cookie: Cookie) -> CookieView:
        return CookieView(
            name=readable(cookie.name),
            value=self._veil.credential(cookie.value),
            domain=readable(cookie.domain),
            path=readable(cookie.path),
            host_only=cookie.host_only,
            expires_at=None if cookie.expires_ms is None else iso(cookie.expires_ms),
            secure=cookie.secure,
            http_only=cookie.http_only,
            same_site=cookie.same_site.value,
        )

    def _change(self, change: Change) -> ChangeView:
        before = change.before
        return ChangeView(
            line=self._veil.set_cookie(decode_id(change.line)),
            outcome=change.outcome.value,
            refusal=change.refusal.value if change.refusal else None,
            renewed=change.renewed,
            cookie=self._cookie(change.cookie) if change.cookie else None,
            value_before=self._veil.credential(before.value) if before else None,
            evicted=self._cookie(change.evicted) if change.evicted else None,
            ignored=tuple(self._veil.text(name) for name in change.ignored),
        )

    def _store(self, look: Look) -> StoreView:
        session = look.after if look.fate is not Fate.GONE else look.before
        data = None
        if session is not None:
            try:
                data = self._veil.data(session.data)
            except SerializerError as exc:
                data = self._veil.text(exc.message)
        moved = look.expiry_moved_ms
        return StoreView(
            fate=look.fate.value,
            sid=self._veil.credential(look.sid) if look.sid else None,
            replaced_sid=self._veil.credential(look.replaced) if look.replaced else None,
            changes=tuple(
                DataChangeView(
                    self._veil.text(one.path),
                    self._veil.inner(one.path, one.old),
                    self._veil.inner(one.path, one.new),
                )
                for one in look.changes
            ),
            data=data,
            expires_at=iso(session.expires_ms) if session and session.expires_ms else None,
            expiry_moved_s=None if moved is None else moved / 1000,
            size_bytes=session.size_bytes if session else None,
            sessions_before=look.sessions[0],
            sessions_after=look.sessions[1],
            read_after_ms=look.waited_ms,
        )


def _content_type(headers: Headers) -> str:
    found = (value for name, value in headers if name.lower() == b"content-type")
    return readable(decode_id(next(found, b""))).lower()
