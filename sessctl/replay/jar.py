"""`Jar`: the cookies of one client, kept and sent as a browser would, and each time why.

    jar = Jar()
    changes = jar.receive([b"sid=abc; Path=/; HttpOnly"], url, now_ms)   # what each line did
    chosen = jar.choose(url, now_ms)                                     # what goes, what not
    chosen.header                                                        # b"sid=abc"

No I/O and no clock: `now_ms` is ms since 1970 UTC. Rules: RFC 6265bis as Chromium applies it. It
trusts loopback as it trusts https, and a changed cookie moves behind its neighbours. What differs
from a browser: of the public suffixes only the top-level domains are known, and there is one jar
for all top-level sites (`Partitioned` is recorded and not acted on).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from sessctl.replay.cookie import (
    Cookie,
    From,
    Held,
    domain_matches,
    is_trusted,
    path_matches,
    stored,
    why_not,
    why_refused,
)
from sessctl.replay.set_cookie import Refusal, parse_set_cookie
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sessctl.replay.url import Url

MAX_PER_DOMAIN = 180  # as Chromium; a server that sends more loses its oldest
_MAX_DOMAINS = 100  # redirects lead to a handful; 18 000 cookies are the most a run can hold


class Outcome(StrEnum):
    """What a `Set-Cookie` line did."""

    NEW = "new"
    SAME = "same"  # the value; attributes may have changed, see `Change.renewed`
    CHANGED = "changed"
    DELETED = "deleted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What one `Set-Cookie` line did to the jar."""

    line: bytes
    outcome: Outcome
    refusal: Refusal | None = None
    cookie: Cookie | None = None  # what the line describes; None if it could not be read
    before: Cookie | None = None  # what it met; None too if that had expired
    evicted: Cookie | None = None  # what had to go to make room
    ignored: tuple[str, ...] = ()  # attributes that are unknown, unreadable or too long

    @property
    def renewed(self) -> bool:
        """The same value lives for longer or shorter than before."""
        return (
            self.outcome is Outcome.SAME
            and self.cookie is not None
            and self.before is not None
            and self.cookie.expires_ms != self.before.expires_ms
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The cookies of a request in their order, and of the others why not."""

    sent: tuple[Cookie, ...]
    held: tuple[tuple[Cookie, Held], ...]

    @property
    def header(self) -> bytes | None:
        """The value of `Cookie`; None when there is none to send."""
        return b"; ".join(cookie.pair for cookie in self.sent) or None


class Jar:
    """The cookies of one client, oldest first. Jars with equal cookies are equal."""

    def __init__(self, cookies: Iterable[Cookie] = ()) -> None:
        self._cookies = {cookie.key: cookie for cookie in cookies}

    def __iter__(self) -> Iterator[Cookie]:
        return iter(tuple(self._cookies.values()))

    def __len__(self) -> int:
        return len(self._cookies)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Jar) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def named(self, name: str) -> tuple[Cookie, ...]:
        """The cookies of that name, whatever their domain and path."""
        return tuple(cookie for cookie in self if cookie.name == name)

    # -- requests ----------------------------------------------------------------------------------

    def choose(
        self,
        url: Url,
        now_ms: int,
        *,
        source: From = From.SAME_SITE,
        withhold: Collection[str] = (),
    ) -> Choice:
        """The cookies that a browser sends with a request; changes nothing.

        Longer paths first, then older cookies first.
        """
        sent: list[Cookie] = []
        held: list[tuple[Cookie, Held]] = []
        for cookie in self:
            reason = why_not(cookie, url, now_ms, source)
            if reason is None and cookie.name in withhold:
                reason = Held.WITHHELD
            if reason is None:
                sent.append(cookie)
            else:
                held.append((cookie, reason))
        sent.sort(key=lambda cookie: -len(encode_id(cookie.path)))
        return Choice(tuple(sent), tuple(held))

    # -- answers -----------------------------------------------------------------------------------

    def receive(
        self, lines: Iterable[bytes], url: Url, now_ms: int, *, source: From = From.SAME_SITE
    ) -> list[Change]:
        """Take the values of an answer's `Set-Cookie` headers in, in their order. Never raises."""
        return [self._receive(line, url, now_ms, source) for line in lines]

    def _receive(self, line: bytes, url: Url, now_ms: int, source: From) -> Change:
        said = parse_set_cookie(line, now_ms)
        if isinstance(said, Refusal):
            return Change(line, Outcome.REFUSED, said)
        cookie = stored(said, url, now_ms)
        before = self._cookies.get(cookie.key)
        if before is not None and before.is_expired(now_ms):
            before = None
        refusal = why_refused(said, cookie, url, source) or self._secure_kept(cookie, url, now_ms)
        done = partial(Change, line, cookie=cookie, before=before, ignored=said.ignored)
        if refusal is not None:
            return done(outcome=Outcome.REFUSED, refusal=refusal)
        if cookie.is_expired(now_ms):
            self._cookies.pop(cookie.key, None)
            return done(outcome=Outcome.DELETED)
        if before is not None and before.value == cookie.value:
            cookie = replace(cookie, created_ms=before.created_ms)
            self._cookies[cookie.key] = cookie
            return done(outcome=Outcome.SAME, cookie=cookie)
        evicted = self.put(cookie)
        outcome = Outcome.NEW if before is None else Outcome.CHANGED
        return done(outcome=outcome, evicted=evicted)

    def _secure_kept(self, cookie: Cookie, url: Url, now_ms: int) -> Refusal | None:
        """RFC 6265bis 5.7, step 15: plain http leaves Secure cookies alone."""
        if is_trusted(url):
            return None
        for other in self:
            if (
                other.secure
                and other.name == cookie.name
                and not other.is_expired(now_ms)
                and (
                    domain_matches(other.domain, cookie.domain)
                    or domain_matches(cookie.domain, other.domain)
                )
                and path_matches(cookie.path, other.path)
            ):
                return Refusal.SECURE_KEPT
        return None

    # -- acts --------------------------------------------------------------------------------------

    def put(self, cookie: Cookie) -> Cookie | None:
        """Keep a cookie as it is, unjudged, behind the others; what had to go to make room."""
        self._cookies.pop(cookie.key, None)
        self._cookies[cookie.key] = cookie
        neighbours = [other for other in self if other.domain == cookie.domain]
        if len(neighbours) > MAX_PER_DOMAIN or len(self) > MAX_PER_DOMAIN * _MAX_DOMAINS:
            oldest = neighbours[0] if len(neighbours) > MAX_PER_DOMAIN else next(iter(self))
            return self._cookies.pop(oldest.key)
        return None

    def set(self, name: str, value: str, url: Url, now_ms: int) -> Cookie:
        """Give every cookie of that name that goes to `url` a new value; if there is none, make a
        session cookie for the whole host. The cookie that goes first."""
        found = [cookie for cookie in self.choose(url, now_ms).sent if cookie.name == name]
        if not found:
            found = [Cookie(name, value, url.host, secure=url.is_secure, created_ms=now_ms)]
        changed = [replace(cookie, value=value) for cookie in found]
        self._cookies.update((cookie.key, cookie) for cookie in changed)
        return changed[0]

    def forget(self, name: str) -> tuple[Cookie, ...]:
        """Drop every cookie of that name; those that were there."""
        return self._drop(self.named(name))

    def clear(self) -> tuple[Cookie, ...]:
        """Drop everything."""
        return self._drop(tuple(self))

    def close_browser(self) -> tuple[Cookie, ...]:
        """Drop the session cookies, as closing the last window does."""
        return self._drop(tuple(cookie for cookie in self if cookie.expires_ms is None))

    def copy(self) -> Jar:
        """A jar of its own with the same cookies: what `keep` keeps."""
        return Jar(self)

    def restore(self, kept: Jar) -> None:
        """Hold what another jar holds, and nothing else."""
        self._cookies = {cookie.key: cookie for cookie in kept}

    def _drop(self, cookies: tuple[Cookie, ...]) -> tuple[Cookie, ...]:
        for cookie in cookies:
            del self._cookies[cookie.key]
        return cookies
