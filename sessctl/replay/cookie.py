"""`Cookie`, one of a jar, and the rules that say whether it is kept and where it is sent.

Source: RFC 6265bis, 5.1.3 to 5.8.3; where Chromium does otherwise, the rule says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sessctl.replay.set_cookie import Refusal, SameSite, SetCookie
from sessctl.replay.url import as_ip
from sessctl.text import encode_id

if TYPE_CHECKING:
    from sessctl.replay.url import Url

# Chromium still sends a young cookie without SameSite along a cross-site form, for single sign-on.
_LAX_FORM_MS = 120_000


class From(StrEnum):
    """Where a request comes from, as far as SameSite asks."""

    SAME_SITE = "same site"
    CROSS_LINK = "cross-site link"  # top-level GET or HEAD
    CROSS_FORM = "cross-site form"  # top-level, other methods
    CROSS_PART = "cross-site part"  # an image, a frame, a script's fetch


class Held(StrEnum):
    """Why a cookie stays in the jar."""

    DOMAIN = "domain"
    PATH = "path"
    SECURE = "secure"
    EXPIRED = "expired"
    SAMESITE = "samesite"
    WITHHELD = "withheld"  # by name, because the run asked for it


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie as a jar holds it; text keeps every byte as in `set_cookie`."""

    name: str
    value: str
    domain: str  # in small letters, no leading dot
    path: str = "/"
    host_only: bool = True
    expires_ms: int | None = None  # None: until the browser is closed
    secure: bool = False
    http_only: bool = False
    same_site: SameSite = SameSite.UNSET
    partitioned: bool = False
    created_ms: int = 0

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """What makes two cookies one."""
        return self.name, self.domain, self.path, self.host_only

    @property
    def pair(self) -> bytes:
        """`name=value` as it is sent; a cookie without a name is sent as its bare value."""
        return encode_id(f"{self.name}={self.value}" if self.name else self.value)

    def is_expired(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms


def domain_matches(host: str, domain: str) -> bool:
    """RFC 6265bis 5.1.3: the same host, or a name under the domain; never a part of an address."""
    return host == domain or (bool(domain) and host.endswith(f".{domain}") and as_ip(host) is None)


def path_matches(path: str, cookie_path: str) -> bool:
    """RFC 6265bis 5.1.4: whole segments only."""
    return path == cookie_path or (
        path.startswith(cookie_path)
        and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")
    )


def default_path(path: str) -> str:
    """RFC 6265bis 5.1.4: where a cookie without `Path` is sent to."""
    return path[: path.rfind("/")] or "/"


def is_trusted(url: Url) -> bool:
    return url.is_secure or url.is_loopback


def why_not(cookie: Cookie, url: Url, now_ms: int, source: From) -> Held | None:
    if cookie.domain != url.host and (
        cookie.host_only or not domain_matches(url.host, cookie.domain)
    ):
        return Held.DOMAIN
    if not path_matches(url.path, cookie.path):
        return Held.PATH
    if cookie.secure and not is_trusted(url):
        return Held.SECURE
    if cookie.is_expired(now_ms):
        return Held.EXPIRED
    return None if _crosses(cookie, now_ms, source) else Held.SAMESITE


def _crosses(cookie: Cookie, now_ms: int, source: From) -> bool:
    """Whether SameSite lets the cookie go along (RFC 6265bis 5.8.3, step 1)."""
    match cookie.same_site:
        case SameSite.NONE:
            return True
        case SameSite.STRICT:
            return source is From.SAME_SITE
        case SameSite.LAX:
            return source in (From.SAME_SITE, From.CROSS_LINK)
        case SameSite.UNSET:
            is_young = now_ms - cookie.created_ms < _LAX_FORM_MS
            return source in (From.SAME_SITE, From.CROSS_LINK) or (
                source is From.CROSS_FORM and is_young
            )


def stored(said: SetCookie, url: Url, now_ms: int) -> Cookie:
    """The cookie that the line asks for, allowed or not."""
    return Cookie(
        said.name,
        said.value,
        said.domain or url.host,
        said.path or default_path(url.path),
        # An address has no names under it, nor has what would be a top-level domain (localhost).
        host_only=not said.domain
        or (said.domain == url.host and (url.ip is not None or "." not in url.host)),
        expires_ms=said.expires_ms,
        secure=said.secure,
        http_only=said.http_only,
        same_site=said.same_site,
        partitioned=said.partitioned,
        created_ms=now_ms,
    )


def why_refused(said: SetCookie, cookie: Cookie, url: Url, source: From) -> Refusal | None:
    """RFC 6265bis 5.7, steps 8 to 21, without the one that looks at the jar."""
    if said.domain and not domain_matches(url.host, said.domain):
        return Refusal.DOMAIN
    if said.domain and "." not in said.domain and said.domain != url.host:
        return Refusal.PUBLIC_SUFFIX
    if said.secure and not is_trusted(url):
        return Refusal.SECURE
    if said.same_site is SameSite.NONE and not said.secure:
        return Refusal.SAMESITE_NONE
    if source is From.CROSS_PART and said.same_site is not SameSite.NONE:
        return Refusal.SAMESITE
    if said.partitioned and not said.secure:
        return Refusal.PARTITIONED
    return _why_prefix_refused(said, cookie)


def _why_prefix_refused(said: SetCookie, cookie: Cookie) -> Refusal | None:
    """The prefixes, in any letter case. `__Http-` and `__Host-Http-` came with RFC 6265bis's
    successor and are in Chromium since 140."""
    if not said.name:
        word = said.value.lower()
        nameless = word.startswith(("__secure-", "__host-", "__http-"))
        return Refusal.PREFIX_NAMELESS if nameless else None
    name = said.name.lower()
    if name.startswith("__secure-") and not said.secure:
        return Refusal.PREFIX_SECURE
    if name.startswith("__host-") and not (
        said.secure and not said.domain and said.path == "/" == cookie.path
    ):
        return Refusal.PREFIX_HOST
    if name.startswith(("__http-", "__host-http-")) and not (said.secure and said.http_only):
        return Refusal.PREFIX_HTTP
    return None
