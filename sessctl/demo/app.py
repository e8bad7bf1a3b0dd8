"""A small web shop to try sessions on: login, cart, counters, flash, and what the browser sent.

One app shows the kinds of memory side by side: `/views` counts in the session, `/plain` in a cookie
that anybody can change, `/signed` in one that only the shop can write. `/stateless` remembers
nothing. How sessions behave is chosen by `ShopOptions`. Two people can log in; their passwords are
on the login page.
"""

from __future__ import annotations

import secrets
import time
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sessctl.cookies.api import sign_cookie, verify_cookie
from sessctl.demo.express.cookie import CookieOptions, attributes
from sessctl.demo.express.middleware import SessionMiddleware
from sessctl.demo.express.session import Session, SessionOptions
from sessctl.demo.kept import CookieSessionMiddleware
from sessctl.demo.web import Guarded, Refusal, Response, Web, see_other, static
from sessctl.text import short_id
from sessctl.timespec import iso, local_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from wsgiref.types import WSGIApplication

    from sessctl.demo.express.cookie import Clock
    from sessctl.demo.express.session import SessionStore
    from sessctl.demo.options import ShopOptions
    from sessctl.demo.web import Handler, Request
    from sessctl.text import Secret

CATALOGUE = {  # stock number: name, price in cents
    "TEA-ASSAM-250": ("Assam tea 250 g", 790),
    "COF-SIDAMO-1K": ("Sidamo coffee beans 1 kg", 2450),
    "MUG-BLUE-L": ("Stoneware mug, blue", 1600),
    "SWE-HONEY-400": ("Linden honey 400 g", 840),
}
PEOPLE = {  # what they type: number, name, password
    "mara": (42, "Mara", "tea"),
    "jonas": (7, "Jonas", "coffee"),
}
_COOKIE = {"path": "/", "httpOnly": True, "sameSite": "lax"}
_MOST = 999_999_999  # of a counter that came in a cookie
_LONG = 24  # a cookie's value from here on is shown shortened: it may be as good as a password


def demo_app(
    options: ShopOptions,
    store: SessionStore,
    signers: Sequence[Secret],
    *,
    clock: Clock = local_ms,
) -> WSGIApplication:
    """The shop as a WSGI app, sessions included; `signers`: the first signs, all verify."""
    web = Web(_Shop(options, signers, clock).routes(), _render)
    if options.keep == "cookie":
        age = options.max_age_ms
        kept = CookieSessionMiddleware(web, signers, clock=clock, max_age_ms=age)
        return Guarded(kept, web)
    cookie = CookieOptions(same_site="lax", max_age_ms=options.max_age_ms)
    session = SessionOptions(
        secrets=tuple(signers),
        resave=options.resave,
        save_uninitialized=options.save_uninitialized,
        rolling=options.rolling,
        cookie=cookie,
        clock=clock,
    )
    return Guarded(SessionMiddleware(web, store, session), web)


class _Shop:
    """The pages. A handler changes the session in place; who stores it, it does not know."""

    def __init__(self, options: ShopOptions, signers: Sequence[Secret], clock: Clock) -> None:
        self._options = options
        self._signers = signers
        self._clock = clock

    def routes(self) -> Mapping[tuple[str, str], Handler]:
        return {
            ("GET", "/"): self.home,
            ("GET", "/login"): self.login_form,
            ("POST", "/login"): self.login,
            ("POST", "/logout"): self.logout,
            ("GET", "/account"): self.account,
            ("GET", "/cart"): self.cart,
            ("POST", "/cart"): self.add_to_cart,
            ("POST", "/cart/clear"): self.clear_cart,
            ("GET", "/views"): self.views,
            ("GET", "/plain"): self.plain,
            ("GET", "/signed"): self.signed,
            ("GET", "/flash"): self.flash,
            ("POST", "/flash"): self.leave_flash,
            ("GET", "/count"): self.count,
            ("POST", "/count"): self.add_to_count,
            ("GET", "/session"): self.session,
            ("GET", "/sent"): self.sent,
            ("GET", "/storage"): self.storage,
            ("POST", "/storage"): self.leave_note,
            ("GET", "/stateless"): self.stateless,
            ("GET", "/health"): self.health,
            ("GET", "/style.css"): static(_page("style.css"), "text/css; charset=utf-8"),
            ("GET", "/storage.js"): static(_page("storage.js"), "text/javascript; charset=utf-8"),
        }

    # -- who is it --------------------------------------------------------------------------------

    def home(self, request: Request) -> Response:
        return Response("home.html", {"instance": self._options.name, "keep": self._options.keep})

    def login_form(self, request: Request) -> Response:
        return Response("login.html", {"people": _people(), "error": ""})

    def login(self, request: Request) -> Response:
        typed = request.form.get("username", "").strip().lower()
        number, name, password = PEOPLE.get(typed, (0, "", ""))
        given = request.form.get("password", "")
        if not name or not secrets.compare_digest(given.encode(), password.encode()):
            error = "No such person, or another password."
            data = {"people": _people(), "error": error}
            return Response("login.html", data, status=HTTPStatus.UNAUTHORIZED)
        if self._options.regenerate:
            cart = request.session.get("cart")
            request.remembered.regenerate()
            if cart:
                request.session["cart"] = cart
        request.session["passport"] = {"user": number}
        request.session["name"] = name
        _flash(request, f"Welcome, {name}.")
        return see_other("/account")

    def logout(self, request: Request) -> Response:
        request.remembered.destroy()
        return see_other("/login")

    def account(self, request: Request) -> Response:
        name = request.session.get("name")
        data = {"name": name, "flash": _taken_flash(request) if name else []}
        status = HTTPStatus.OK if name else HTTPStatus.UNAUTHORIZED
        return Response("account.html", data, status=status)

    # -- the cart ---------------------------------------------------------------------------------

    def cart(self, request: Request) -> Response:
        items = request.session.get("cart", [])
        total = sum(item["qty"] * item["price"] for item in items)
        shelf = [
            {"sku": sku, "name": name, "price": price} for sku, (name, price) in CATALOGUE.items()
        ]
        data = {"items": items, "count": len(items), "total": total, "shelf": shelf}
        return Response("cart.html", {**data, "flash": _taken_flash(request)})

    def add_to_cart(self, request: Request) -> Response:
        sku = request.form.get("sku", "")
        if sku not in CATALOGUE:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the shop does not sell that")
        name, price = CATALOGUE[sku]
        qty = request.number(request.form, "qty", 1, 99)
        item = {"sku": sku, "name": name, "qty": qty, "price": price}
        request.session.setdefault("cart", []).append(item)
        _flash(request, f"{name} is in your cart.")
        return see_other("/cart")

    def clear_cart(self, request: Request) -> Response:
        request.session.pop("cart", None)
        return see_other("/cart")

    # -- three counters ---------------------------------------------------------------------------

    def views(self, request: Request) -> Response:
        views = request.session.get("views", 0) + 1
        request.session["views"] = views
        return Response("views.html", {"views": views, "kept": self._options.keep, "note": ""})

    def plain(self, request: Request) -> Response:
        views = _counted(request.cookies.get("plain_views", "0")) + 1
        line = f"plain_views={views}{attributes(_COOKIE)}"
        data = {"views": views, "kept": "plain", "note": ""}
        return Response("views.html", data, set_cookies=[line])

    def signed(self, request: Request) -> Response:
        sent = request.cookies.get("signed_views", "")
        verdict = verify_cookie(sent, self._signers, "express-session") if sent else None
        is_ours = verdict is not None and verdict.valid and verdict.decoded is not None
        text = verdict.decoded.sid if is_ours and verdict and verdict.decoded else "0"
        views = _counted(text or "0") + 1
        (cookie,) = sign_cookie(str(views), self._signers[0], name="signed_views")
        note = "The signature was wrong, so the count starts again." if sent and not is_ours else ""
        data = {"views": views, "kept": "signed", "note": note}
        line = f"{cookie.name}={cookie.value}{attributes(_COOKIE)}"
        return Response("views.html", data, set_cookies=[line])

    # -- once, and too often ----------------------------------------------------------------------

    def flash(self, request: Request) -> Response:
        return Response("flash.html", {"flash": _taken_flash(request)})

    def leave_flash(self, request: Request) -> Response:
        _flash(request, request.form.get("message", "")[:200] or "Saved.")
        return see_other("/flash")

    def count(self, request: Request) -> Response:
        return Response("count.html", {"count": request.session.get("count", 0)})

    def add_to_count(self, request: Request) -> Response:
        """Wait between reading and writing, as a handler does that asks a database."""
        wait_ms = request.number({**request.query, **request.form}, "wait", 50, 2000)
        before = request.session.get("count", 0)
        time.sleep(wait_ms / 1000)
        request.session["count"] = before + 1
        return see_other("/count")

    # -- what there is to see ---------------------------------------------------------------------

    def session(self, request: Request) -> Response:
        found, sid = request.session, request.remembered.session_id
        cookie = found.cookie.to_json() if isinstance(found, Session) else None
        data = {"id": short_id(sid) if sid else None, "cookie": cookie, "data": dict(found)}
        return Response("session.html", data)

    def sent(self, request: Request) -> Response:
        headers = [
            {"name": key[5:].replace("_", "-").title(), "value": str(value)}
            for key, value in sorted(request.environ.items())
            if key.startswith("HTTP_") and key not in ("HTTP_COOKIE", "HTTP_AUTHORIZATION")
        ]
        cookies = [self._seen(name, value) for name, value in request.cookies.items()]
        line = f"{request.method} {request.path}{request.suffix}"
        return Response("sent.html", {"line": line, "headers": headers, "cookies": cookies})

    def _seen(self, name: str, value: str) -> dict[str, Any]:
        shown = short_id(value) if len(value) >= _LONG else value
        signed = None
        if value.startswith("s:"):
            signed = verify_cookie(value, self._signers, "express-session").valid
        return {"name": name, "value": shown, "length": len(value), "signed": signed}

    def storage(self, request: Request) -> Response:
        """The one page with a script, and the one cookie that a script may read."""
        line = f"readable=any-script-sees-this{attributes({**_COOKIE, 'httpOnly': False})}"
        data = {"note": request.session.get("note", ""), "cookies": sorted(request.cookies)}
        return Response("storage.html", data, set_cookies=[line], scripts=True)

    def leave_note(self, request: Request) -> Response:
        request.session["note"] = request.form.get("note", "")[:200]
        return see_other("/storage")

    def stateless(self, request: Request) -> Response:
        """Another page each time, and not because of anything that was remembered."""
        token, now = secrets.token_urlsafe(18), iso(self._clock())
        return Response("stateless.html", {"token": token, "now": now, "items": len(CATALOGUE)})

    def health(self, request: Request) -> Response:
        return Response(body=b"ok\n", content_type="text/plain; charset=utf-8")


def _people() -> list[dict[str, str]]:
    return [{"username": typed, "password": password} for typed, (_, _, password) in PEOPLE.items()]


def _flash(request: Request, text: str) -> None:
    request.session.setdefault("flash", {}).setdefault("info", []).append(text)


def _taken_flash(request: Request) -> list[str]:
    """The messages that were left for the next page; they are gone with this one."""
    return list(request.session.pop("flash", {}).get("info", []))


def _counted(text: str) -> int:
    known = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST))
    return int(text) if known else 0


def _page(name: str) -> bytes:
    return files("sessctl.demo").joinpath("pages", name).read_bytes()


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 25 ms; only pages need it

    loader = PackageLoader("sessctl.demo", "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


def _render(template: str, data: Mapping[str, Any]) -> str:
    return str(_environment().get_template(template).render(data))


__all__ = ["CATALOGUE", "PEOPLE", "demo_app"]
