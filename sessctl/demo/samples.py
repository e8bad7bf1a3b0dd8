"""What a small web shop keeps in its sessions: members, guests, visitors, one of each odd thing.

Rows are as express-session 1.19 and connect-sqlite3 0.9.18 on npm's sqlite3 leave them. Everything
follows from the moment and the seed.
"""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sessctl.serializers import json as stored_json
from sessctl.timespec import iso, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
_REMEMBER = 30 * DAY
_MEMBER_AGES = (30 * MINUTE, 2 * HOUR, DAY, DAY, 7 * DAY, 7 * DAY, _REMEMBER)
_GUEST_AGES = (30 * MINUTE, 2 * HOUR, DAY, DAY, 7 * DAY)
_LEFT = 10 * MINUTE  # what every live session still has; nobody's tour takes longer

_STAFF = 7
# Those who signed in through another site have ids of its making.
_FROM_PROVIDER = ("u-7f3a", "u-91c2", "u-b0d4", "u-2e6f", "u-c85a")
_NAMES = (
    *("Ada", "Bilal", "Chiara", "Dmitri", "Elif", "Farah", "Gustav", "Hana", "Ines", "Jonas"),
    *("Kofi", "Leila", "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tomoko"),
)
_DEVICES = (
    *("Firefox on Linux", "Chrome on Windows", "Safari on iPhone", "Chrome on Android"),
    *("Edge on Windows", "Safari on iPad", "Firefox on macOS"),
)
_CATALOGUE = (  # stock number, name, price in euros
    ("TEA-ASSAM-250", "Assam tea 250 g", 7.9),
    ("TEA-MINT-100", "Moroccan mint tea 100 g", 4.5),
    ("COF-SIDAMO-1K", "Sidamo coffee beans 1 kg", 24.5),
    ("COF-DECAF-500", "Decaf espresso 500 g", 13.9),
    ("MUG-BLUE-L", "Stoneware mug, blue", 16),
    ("MUG-SAND-S", "Espresso cup, sand", 11),
    ("KET-GOOSE-1L", "Gooseneck kettle 1 l", 64),
    ("FIL-PAPER-100", "Paper filters, 100 pieces", 5.2),
    ("GRI-HAND-40", "Hand grinder", 89),
    ("SWE-BRULEE-4", "Crème brûlée cups, set of 4", 28),
    ("SWE-HONEY-400", "Linden honey 400 g", 8.4),
    ("GIFT-CARD-50", "Gift card", 50),
)
_INFO = ("Welcome back.", "Your cart was saved.", "Thanks, your review is in.", "Address updated.")
_ERRORS = ("That coupon has expired.", "Your card was declined, please try another.")
_PAGES = ("/", "/account/orders", "/checkout", "/tea/assam", "/coffee?sort=price", "/gift-cards")
# What a shop may find in its carts. Each means something to some program that shows it.
_HOSTILE_NAMES = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mfree tea\x1b[0m",
    "invoice \u202efdp.exe\u202c",
    "<script>alert(document.cookie)</script>",
    "[bold red]SALE[/bold red] [link=https://shop.invalid]here[/link]",
    '=HYPERLINK("https://shop.invalid/?"&A1,"receipt")',
)
_HOSTILE_FLASH = ("\x1b]8;;https://shop.invalid\x07click\x1b]8;;\x07", "[/] all is well\r\u2028")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as npm's sqlite3 binds it: every JavaScript number arrives as REAL."""

    sid: str
    expired: float | None
    sess: str


@dataclass(frozen=True, slots=True)
class _Times:
    """When a session was written, in ms; a later visit that changed nothing moves `ends` alone."""

    started: int
    written: int
    ends: int
    max_age: int

    def cookie(self) -> dict[str, Any]:
        """express-session's `cookie` object, its keys in its order."""
        return _cookie(self.max_age, iso(self.written + self.max_age))


_Drawn = tuple[_Times, dict[str, Any]]


class Shop:
    """Draws sessions of all kinds."""

    def __init__(self, now_ms: int, seed: int) -> None:
        self._now = now_ms
        self._rng = random.Random(seed)  # noqa: S311 - made-up data, the same for a seed

    # -- when -------------------------------------------------------------------------------------

    def seen(self, ago: int, max_age: int, touched_after: int = 0) -> _Times:
        """Last seen so long ago; `touched_after` is how long before that the data was written."""
        written = self._now - ago - touched_after
        started = written - self._rng.randrange(MINUTE, HOUR)
        return _Times(started, written, self._now - ago + max_age, max_age)

    def _live(self, max_age: int) -> _Times:
        touched = self._rng.random() < 0.25
        gap = self._rng.randrange(MINUTE, max_age) if touched else 0
        return self.seen(self._rng.randrange(MINUTE, max_age - _LEFT), max_age, gap)

    def _over(self, max_age: int) -> _Times:
        """Ended 1 hour to 40 days ago, more of them lately."""
        ended_ago = int(HOUR * (40 * DAY / HOUR) ** self._rng.random())
        return self.seen(ended_ago + max_age, max_age)

    # -- what -------------------------------------------------------------------------------------

    def token(self, size_bytes: int) -> str:
        """Random bytes as uid-safe writes them: base64url without padding."""
        return _base64url(self._rng.randbytes(size_bytes))

    def _sid(self, *, dash: bool = False) -> str:
        """24 bytes in 32 characters. One in 64 starts with a dash; here only a chosen one."""
        while True:
            sid = self.token(24)
            if sid.startswith("-") is dash:
                return sid

    def row(self, drawn: _Drawn, sid: str = "") -> Row:
        """The row of a session, with a fresh id unless one is given."""
        times, data = drawn
        return _row(sid or self._sid(), times.ends, {"cookie": times.cookie(), **data})

    def member(
        self,
        user: int | str,
        times: _Times,
        *,
        name: str = "",
        role: str = "customer",
        device: str = "",
    ) -> _Drawn:
        """Somebody who is logged in through passport."""
        rng = self._rng
        data: dict[str, Any] = {
            "passport": {"user": user},
            "name": name or _NAMES[sum(str(user).encode()) % len(_NAMES)],
            "role": role,
            "device": device or rng.choice(_DEVICES),
            "loginAt": iso(times.started),
            "csrfSecret": self.token(18),
            "views": rng.randrange(1, 60),
        }
        if times.max_age == _REMEMBER:
            data["rememberMe"] = True
        if isinstance(user, str):
            data["oidc"] = self._provider_tokens(user, times)
        if rng.random() < 0.4:
            data["cart"] = self._cart()
        if rng.random() < 0.2:
            data["flash"] = {"info": [rng.choice(_INFO)]}
        return times, data

    def _guest(self, times: _Times) -> _Drawn:
        """Somebody who put things in a cart without logging in."""
        rng, cart = self._rng, self._cart()
        data = {"cart": cart, "csrfSecret": self.token(18), "views": rng.randrange(2, 40)}
        if rng.random() < 0.35:
            data["flash"] = {"info": [f"{cart[-1]['name']} is in your cart."]}
        elif rng.random() < 0.15:
            data["flash"] = {"error": [rng.choice(_ERRORS)]}
        if rng.random() < 0.25:
            data["returnTo"] = "/checkout"
        return times, data

    def _visitor(self, times: _Times) -> _Drawn:
        """Somebody, or a crawler, who only looked around."""
        data: dict[str, Any] = {"views": self._rng.randrange(1, 9)}
        if self._rng.random() < 0.4:
            data["returnTo"] = self._rng.choice(_PAGES)
        return times, data

    def _cart(self) -> list[dict[str, Any]]:
        chosen = self._rng.sample(_CATALOGUE, self._rng.randrange(1, 5))
        return [_item(sku, name, self._rng.randrange(1, 4), price) for sku, name, price in chosen]

    def _provider_tokens(self, user: str, times: _Times) -> dict[str, Any]:
        head = _base64url(b'{"alg":"RS256","typ":"JWT"}')
        claims = _base64url(json.dumps({"sub": user, "iat": times.started // 1000}).encode())
        return {
            "provider": "id.example",
            "access_token": self.token(30),
            "id_token": f"{head}.{claims}.{self.token(48)}",
        }

    # -- which ------------------------------------------------------------------------------------

    def three_devices(self, user: int, name: str) -> list[Row]:
        """A user's laptop, phone (remembered, and touched since it was written) and tablet."""
        devices = (
            ("Firefox on Linux", self.seen(12 * MINUTE, 7 * DAY)),
            ("Safari on iPhone", self.seen(3 * HOUR, _REMEMBER, touched_after=2 * DAY)),
            ("Chrome on Android", self.seen(5 * HOUR, DAY)),
        )
        return [
            self.row(self.member(user, times, name=name, device=device))
            for device, times in devices
        ]

    def hostile(self) -> Row:
        """A guest who tried what a shop shows again, and what shows the shop's sessions."""
        items = [_item(f"TEA-{n}", name, 1, 1) for n, name in enumerate(_HOSTILE_NAMES)]
        data = {"cart": items, "flash": {"info": list(_HOSTILE_FLASH)}, "views": 13}
        return self.row((self.seen(40 * MINUTE, DAY), data))

    def others(self) -> list[Row]:
        """Everybody else: the many first, then the odd ones."""
        return [
            *[self.row(self.member(user, self._live(self._age(user)))) for user in self._users()],
            *[self.row(self._guest(self._live(self._age()))) for _ in range(40)],
            *[self.row(self._visitor(self._live(self._age()))) for _ in range(35)],
            *[self.row(self.member(u, self._over(self._age(u)))) for u in self._former_users()],
            *[self.row(self._guest(self._over(self._age()))) for _ in range(17)],
            *[self.row(self._visitor(self._over(self._age()))) for _ in range(14)],
            *self._odd(),
        ]

    def _age(self, user: int | str = "") -> int:
        return self._rng.choice(_MEMBER_AGES if user else _GUEST_AGES)

    def _users(self) -> list[int | str]:
        """59 sessions of customers, some of whom have two or three devices."""
        numbers = self._rng.sample(range(100, 1000), 36)
        first, second = _FROM_PROVIDER[:2]
        return [*numbers, *numbers[:15], *_FROM_PROVIDER, first, first, second]

    def _former_users(self) -> list[int | str]:
        return [*self._rng.sample(range(1000, 2000), 22), *_FROM_PROVIDER[:2]]

    def _odd(self) -> list[Row]:
        """One of each thing that a store may hold beside ordinary sessions."""
        browser = [self._until_browser_closes(draw) for draw in (self._guest, self._visitor)]
        colleague = self.member(_STAFF, self.seen(2 * HOUR, DAY), name="Jonas", role="staff")
        dash = self.row(colleague, self._sid(dash=True))
        # Written by hand, or by a version of the shop that knew no expiry: nobody can tell.
        unknown = replace(self.row(self._guest(self.seen(9 * DAY, _REMEMBER))), expired=None)
        whole = self.row(self._guest(self.seen(HOUR, DAY)))
        corrupt = replace(whole, sess=whole.sess[: len(whole.sess) * 2 // 3])
        return [*browser, dash, unknown, corrupt, self._till()]

    def _until_browser_closes(self, draw: Callable[[_Times], _Drawn]) -> Row:
        """A cookie without an end: the store takes a day from the last write."""
        _, data = draw(self.seen(0, DAY))
        return _row(self._sid(), self._now + DAY, {"cookie": _cookie(None, None), **data})

    def _till(self) -> Row:
        """The tablet at the counter, never to be logged out: as good as without expiry."""
        ends = parse_iso_ms("2099-12-31T23:59:59.000Z") or 0
        written = self._now - 200 * DAY
        times = _Times(written, written, ends, ends - written)
        data = {"till": "counter 1", "pairedAt": iso(written), "views": 18_204}
        return self.row((times, data))


def _cookie(max_age: int | None, expires: str | None) -> dict[str, Any]:
    return {
        "originalMaxAge": max_age,
        "expires": expires,
        "secure": True,
        "httpOnly": True,
        "path": "/",
        "sameSite": "lax",
    }


def _item(sku: str, name: str, qty: int, price: float) -> dict[str, Any]:
    return {"sku": sku, "name": name, "qty": qty, "price": price}


def _row(sid: str, ends_ms: int, sess: dict[str, Any]) -> Row:
    return Row(sid, float(ends_ms), stored_json.encode(sess).decode())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
