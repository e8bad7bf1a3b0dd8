"""The report as a page, in a real browser: what it shows, and that nothing on it acts."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from lxml import html

from sessctl.replay.reports import ReportOptions, render
from tests.support.chromium import Opened, open_page
from tests.support.hostile_app import MARKDOWN, MARKUP, STEPS, answer
from tests.support.raw_http import RawServer, reply
from tests.support.replay import runner, study

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from lxml.html import HtmlElement

    from sessctl.replay.study import Study

TAGS = (
    "html head meta title style body header main section nav h1 h2 h3 h4 h5 p small code pre a b "
    "br strong span time ul li dl div dt dd table thead tbody tr th td details summary "
    "svg g rect line path text"
)
ATTRIBUTES = (
    "lang charset http-equiv content name class id href scope open style datetime role tabindex "
    "aria-label aria-labelledby aria-hidden viewbox x y x1 y1 x2 y2 width height rx d"
)
CSP = "default-src 'none'; style-src 'unsafe-inline'"


def shop(connection: socket.socket, request: bytes) -> bool:
    """Sets what a cookie can be set to; `/out` deletes, `/in` redirects."""
    path = request.split()[1]
    lines = {
        b"/": [b"theme=dark; Path=/; Max-Age=1", b"__Host-x=1; Path=/a", b"admin=1; Path=/admin"],
        b"/in": [b"sid=0123456789abcdef; Path=/"],
        b"/basket": [b"sid=fedcba9876543210; Path=/"] if b"sid=" in request else [],
        b"/out": [b"sid=; Max-Age=0; Path=/"],
    }[path]
    headers = [b"Set-Cookie: " + line for line in lines]
    body = b'{"user": %s}' % (b'"tj"' if b"sid=" in request else b"null")
    if path == b"/in":
        headers.append(b"Location: /basket")
        connection.sendall(reply(b"", *headers, status=b"302 Found"))
    else:
        connection.sendall(reply(body, b"Content-Type: application/json", *headers))
    return True


SHOP = """
  - {name: front page, get: /}
  - {name: log in, post: /in, follow: true}
  - {name: basket, get: /basket, show: {user: {json: $.user}}}
  - {name: of bob, get: /basket, as: bob}
  - {wait: 1100ms}
  - {name: bare, get: /basket, cookies: none}
  - {name: log out, get: /out}
  - {name: afterwards, get: /basket, show: {user: {json: $.user}}}
"""


@pytest.fixture(scope="module")
def shop_study() -> Study:
    with RawServer(shop) as app:
        return study(runner(SHOP, app.url), why=True)


@pytest.fixture(scope="module")
def shop_page(shop_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return open_page(render("html", shop_study), tmp_path_factory.mktemp("browser"))


def hostile(show_ids: bool, folder: Path) -> Opened:
    name = json.dumps(f"{MARKUP}{MARKDOWN}\u202e")
    with RawServer(answer) as app:
        found = study(runner(STEPS.format(name=name, word="text"), app.url))
    return open_page(render("html", found, ReportOptions(show_ids=show_ids)), folder)


@pytest.fixture(scope="module", params=["shop", "masked", "whole"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """The shop's page, and that of the hostile app with its values masked and whole."""
    if request.param == "shop":
        found: Opened = request.getfixturevalue("shop_page")
        return found
    return hostile(request.param == "whole", tmp_path_factory.mktemp("browser"))


def elements(page: Opened) -> list[HtmlElement]:
    return [one for one in html.fromstring(page.dom).iter() if isinstance(one.tag, str)]


def test_the_browser_would_tell(tmp_path: Path) -> None:
    """The check itself: a page that asks for something and runs something is caught."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
    refused = open_page(f"{policy}<img src=/leak>", tmp_path / "a")
    assert refused.console
    assert refused.requests == ["GET / HTTP/1.1"]
    asking = open_page("<img src=/leak>", tmp_path / "b")
    assert "GET /leak HTTP/1.1" in asking.requests


def test_a_page_loads_nothing_and_breaks_no_rule(page: Opened) -> None:
    assert page.requests == ["GET / HTTP/1.1"]
    assert page.console == []
    assert CSP in [one.get("content") for one in elements(page) if one.tag == "meta"]


def test_no_element_and_no_attribute_comes_from_outside(page: Opened) -> None:
    found = elements(page)
    assert {one.tag for one in found} <= set(TAGS.split())
    assert {str(name).lower() for one in found for name in one.attrib} <= set(ATTRIBUTES.split())
    assert sum(one.tag == "style" for one in found) == 1
    assert sum(one.tag == "title" for one in found) == 1
    links = [one.get("href") or "" for one in found if one.tag == "a"]
    assert [link for link in links if not re.fullmatch(r"#[a-z0-9]+", link)] == []
    styles = [one.get("style") or "max-width:1px" for one in found]
    assert [style for style in styles if not re.fullmatch(r"max-width:\d+px", style)] == []


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    text = html.fromstring(hostile(True, tmp_path).dom).text_content()
    assert "<script>document.title='broken'</script>" in text
    assert "{{7*7}}" in text
    assert "\\u202e" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_the_verdict_stands_on_top(shop_study: Study, shop_page: Opened) -> None:
    tree = html.fromstring(shop_page.dom)
    assert shop_study.finding is not None
    said = shop_study.finding.sentence
    assert tree.cssselect("h2")[0].text_content() == said.replace(":", "", 1)
    assert [one.text_content() for one in tree.cssselect("h2")][1:] == [
        "Steps", "Sequence", "Cookies", "Step by step",
    ]  # fmt: skip


def test_the_timeline_tells_what_became_of_each_cookie(shop_page: Opened) -> None:
    table = html.fromstring(shop_page.dom).cssselect("table.lanes")[0]
    names = [th.cssselect("code")[0].text_content() for th in table.cssselect("thead th")[1:]]
    assert names == ["theme", "__Host-x", "admin", "sid"]
    lanes = {name: [] for name in names}  # type: dict[str, list[str]]
    for row in table.cssselect("tbody tr"):
        for name, cell in zip(names, row.cssselect("td"), strict=True):
            words = [b.text_content() for b in cell.cssselect("b")]
            lanes[name].append(" ".join(words))
    assert lanes["theme"] == ["set", "sent", "sent", "sent", "", "", "expired", "expired"]
    assert lanes["__Host-x"][0] == "refused"
    assert lanes["admin"][:2] == ["set", "not sent"]
    assert lanes["sid"] == ["", "set", "sent changed", "sent set again", "", "withheld",
                            "sent deleted", ""]  # fmt: skip
    assert "the prefix __Host- asks for Secure" in table.text_content()


def test_every_link_leads_somewhere(shop_page: Opened) -> None:
    tree = html.fromstring(shop_page.dom)
    ids = [one.get("id") for one in tree.cssselect("[id]")]
    assert len(ids) == len(set(ids))
    assert {(a.get("href") or "")[1:] for a in tree.cssselect("a")} <= set(ids)


def test_headings_do_not_jump(shop_page: Opened) -> None:
    levels = [int(one.tag[1]) for one in elements(shop_page) if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert all(b - a <= 2 for a, b in pairwise(levels))


def test_two_hundred_steps_are_folded(tmp_path: Path) -> None:
    steps = "".join(f"\n  - {{name: 'page {n}', get: /basket}}" for n in range(200))
    with RawServer(shop) as app:
        found = study(runner(steps, app.url), control=False)
    page = render("html", found)
    assert len(page) < 1024 * 1024
    tree = html.fromstring(page)
    assert [one.get("open") for one in tree.cssselect("details.fold")] == [None]
