"""What express-session decides for one request: load, save, touch, destroy, set the cookie or not.

The names are those of express-session 1.19.0 `index.js`, `session/session.js`, `session/store.js`,
so that the two can be read side by side.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sessctl.cookies.api import as_secrets, sign_cookie
from sessctl.cookies.paste import is_cookie_name
from sessctl.cookies.registry import NO_CONTEXT, cookie_format
from sessctl.demo.express.cookie import CookieOptions, SessionCookie, sent_cookies
from sessctl.errors import NotFound, UsageError
from sessctl.serializers import json as stored_json
from sessctl.timespec import from_ms, local_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.demo.express.cookie import Clock
    from sessctl.text import Secret

# Keys of stored data that a JavaScript object has by itself, and which it therefore leaves out.
_INHERITED = frozenset(
    (
        *("req", "id", "constructor", "touch", "resetMaxAge", "save", "reload", "destroy"),
        *("regenerate", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toString"),
        *("toLocaleString", "valueOf", "__proto__", "__defineGetter__", "__defineSetter__"),
        *("__lookupGetter__", "__lookupSetter__"),
    )
)


def new_sid() -> str:
    """24 random bytes in 32 characters of base64url, as uid-safe makes them."""
    return secrets.token_urlsafe(24)


class SessionStore(Protocol):
    """Where the middleware keeps sessions. It is called from several threads at once.

    Every method raises StoreError when the store cannot be reached.
    """

    def get(self, sid: str) -> dict[str, Any] | None:
        """The stored object, its `cookie` included; None if there is none or it is over."""
        ...

    def set(self, sid: str, session: Session) -> None:
        """Write it whole, whatever is there."""
        ...

    def touch(self, sid: str, session: Session) -> None:
        """Move the expiry only; nothing happens where there is no such session."""
        ...

    def destroy(self, sid: str) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """The options of express-session, its defaults where it has any.

    `secrets`: the first signs, all verify. `proxy` True believes X-Forwarded-Proto.

    Raises:
        UsageError: no secret, an empty one, or a name that no cookie can have.
    """

    secrets: tuple[Secret, ...]
    name: str = "connect.sid"
    resave: bool = True
    save_uninitialized: bool = True
    rolling: bool = False
    unset: Literal["keep", "destroy"] = "keep"
    proxy: bool = False
    cookie: CookieOptions = field(default_factory=CookieOptions)
    genid: Callable[[], str] = new_sid
    clock: Clock = local_ms

    def __post_init__(self) -> None:
        as_secrets(self.secrets)
        if not is_cookie_name(self.name):
            raise UsageError(f"'{self.name}' cannot be a cookie's name")


class Session(dict[str, Any]):
    """`req.session`: a dict of the data, with its id and its cookie beside it."""

    def __init__(self, exchange: Exchange, data: dict[str, Any], cookie: SessionCookie) -> None:
        kept = data.keys() - _INHERITED - {"cookie"}
        super().__init__({key: value for key, value in data.items() if key in kept})
        self._exchange = exchange
        self.id = exchange.session_id or ""
        self.cookie = cookie

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        return {"cookie": self.cookie.to_json(), **self}

    def fingerprint(self) -> bytes:
        """The data without the cookie; equal as long as nothing was changed."""
        return stored_json.encode(self)

    def touch(self) -> None:
        """Start the session's time again."""
        self.cookie.touch()

    def save(self) -> None:
        """Store it now, and not only when the response ends."""
        self._exchange.save(self)

    def reload(self) -> None:
        """Read it again: `exchange.session` is another object then.

        Raises:
            NotFound: it is not in the store any more.
        """
        self._exchange.reload(self)

    def destroy(self) -> None:
        """Remove it from the store; the request has no session from here on."""
        self._exchange.session = None
        self._exchange.store.destroy(self.id)

    def regenerate(self) -> None:
        """Destroy it and start an empty one with another id, in `exchange.session`."""
        self._exchange.regenerate()


class Exchange:
    """One request and its response, as far as sessions go; in the environ under `KEY`.

    `session` is None after `destroy`; setting it to None is express-session's `unset`.
    """

    def __init__(
        self, store: SessionStore, options: SessionOptions, cookies: str, *, is_secure: bool
    ) -> None:
        self.store = store
        self.session: Session | None = None
        self._options = options
        self._is_secure = is_secure
        self._saved: bytes | None = None
        self._cookie_id = self.session_id = self._signed_sid(cookies)
        stored = store.get(self.session_id) if self.session_id else None
        if stored is None:
            self._original = self._generate().fingerprint()
        else:
            self._inflate(stored)
            data = {key: value for key, value in stored.items() if key != "cookie"}
            self._original = stored_json.encode(data)
            if not options.resave:
                self._saved = self._original
        self._original_id = self.session_id

    # -- what an app may do -----------------------------------------------------------------------

    def save(self, session: Session) -> None:
        """See `Session.save`."""
        self._saved = session.fingerprint()
        self.store.set(session.id, session)

    def reload(self, session: Session) -> None:
        """See `Session.reload`."""
        stored = self.store.get(session.id)
        if stored is None:
            raise NotFound("the session is not in the store any more, so it cannot be reloaded")
        self._inflate(stored)

    def destroy(self) -> None:
        """See `Session.destroy`; nothing happens where there is no session."""
        if self.session is not None:
            self.session.destroy()

    def regenerate(self) -> None:
        """See `Session.regenerate`."""
        if self.session_id:
            self.store.destroy(self.session_id)
        self._generate()

    # -- how it ends ------------------------------------------------------------------------------

    def end(self) -> str | None:
        """Store what has to be stored; the `Set-Cookie` line, if one is to be sent."""
        session = self.session
        if session is None:
            if self._options.unset == "destroy" and self.session_id:
                self.store.destroy(self.session_id)
            return None
        session.touch()
        if self._should_save(session):
            session.save()
        elif self._cookie_id == self.session_id:
            self.store.touch(session.id, session)
        if not self._should_set_cookie(session) or (session.cookie.secure and not self._is_secure):
            return None
        name, signer = self._options.name, self._options.secrets[0]
        (cookie,) = sign_cookie(session.id, signer, "express-session", name=name)
        return session.cookie.line(name, cookie.value)

    def _should_save(self, session: Session) -> bool:
        is_new = self._cookie_id != self.session_id
        if not self._options.save_uninitialized and not self._saved and is_new:
            return self._is_modified(session)
        return not (self._original_id == session.id and self._saved == session.fingerprint())

    def _should_set_cookie(self, session: Session) -> bool:
        if self._cookie_id != self.session_id:
            return self._options.save_uninitialized or self._is_modified(session)
        expires = session.cookie.expires_ms is not None
        return self._options.rolling or (expires and self._is_modified(session))

    def _is_modified(self, session: Session) -> bool:
        return self._original_id != session.id or self._original != session.fingerprint()

    # -- where sessions come from -----------------------------------------------------------------

    def _generate(self) -> Session:
        self.session_id = self._options.genid()
        options, clock = self._options.cookie, self._options.clock
        cookie = SessionCookie(options, clock, is_secure=self._is_secure)
        self.session = session = Session(self, {}, cookie)
        return session

    def _inflate(self, stored: dict[str, Any]) -> None:
        cookie = SessionCookie.load(stored.get("cookie"), self._options.clock)
        self.session = Session(self, stored, cookie)

    def _signed_sid(self, header: str) -> str | None:
        """The session id of the request's cookie, if one of the secrets signed it."""
        value = sent_cookies(header).get(self._options.name, "")
        now = from_ms(self._options.clock())
        judge = cookie_format("express-session")
        verdict = judge.verify(value, self._options.secrets, NO_CONTEXT, now=now)
        return verdict.decoded.sid or None if verdict.valid and verdict.decoded else None


__all__ = ["Exchange", "Session", "SessionOptions", "SessionStore", "new_sid"]
