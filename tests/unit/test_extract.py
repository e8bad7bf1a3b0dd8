"""Values out of answers, and expectations of them: every source, every operator, hostile bodies."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.errors import MissingExtra, SessctlError, UsageError
from sessctl.replay.bounded import TooSlow
from sessctl.replay.expect import failures
from sessctl.replay.expressions import check_expressions
from sessctl.replay.extract import Answer, SeenCookie, Source, SourceKind, extract
from sessctl.text import Secret
from tests.support.scenarios import request, scenario

PAGE = b"""<!doctype html><title>Shop</title>
<form><input name=_csrf value="t&amp;1"><p class=a>One
  <b>bold</b></p><p class=a>Two</p></form><!-- hidden --><a href="/x">caf\xc3\xa9</a>"""
DATA = b'{"count": 3, "ok": true, "none": null, "list": [1, {"a b": "x"}], "s": "3", "f": 1.50}'


def html(body: bytes = PAGE, charset: str = "; charset=utf-8") -> Answer:
    return Answer(200, "http://h/", [(b"Content-Type", b"text/html" + charset.encode())], body)


def read(kind: str, expression: str, answer: Answer, **more: Any) -> str | None:
    return extract(Source(SourceKind(kind), expression, **more), answer, {"n": "1", "c": "a"})


@pytest.mark.parametrize(
    ("selector", "attr", "value"),
    [
        ("title", None, "Shop"), ("p.a", None, "One bold"), ("input[name=_csrf]", "value", "t&1"),
        ("p:nth-of-type(2)", None, "Two"), ("p.${c}", None, "One bold"), ("em", None, None),
        ("title", "lang", None), ("a", "href", "/x"), ("form > a, a", None, "caf\u00e9"),
    ],
)  # fmt: skip
def test_css(selector: str, attr: str | None, value: str | None) -> None:
    assert read("css", selector, html(), attr=attr) == value


@pytest.mark.parametrize(
    ("xpath", "value"),
    [
        ("//p[2]", "Two"), ("//input/@value", "t&1"), ("count(//p)", "2"), ("//em", None),
        ("boolean(//em)", "false"), ("string(//title)", "Shop"), ("1 div 4", "0.25"),
    ],
)  # fmt: skip
def test_xpath(xpath: str, value: str | None) -> None:
    assert read("xpath", xpath, html()) == value


@pytest.mark.parametrize("fate", ["created", None])
def test_session_is_what_became_of_it_in_the_store(fate: str | None) -> None:
    """Without a store nobody knows, and nothing that is expected of it holds."""
    assert read("session", "", Answer(200, "http://h/", session=fate)) == fate


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.count", "3"), ("$.ok", "true"), ("$.none", "null"), ("$.s", "3"), ("$.list[0]", "1"),
        ("$.list[-1]['a b']", "x"), ('$["list"][1]', '{"a b":"x"}'), ("$.gone", None),
        ("$.list[9]", None), ("$.count.x", None), ("$.list.x", None), ("$.list[${n}]['a b']", "x"),
    ],
)  # fmt: skip
def test_json(path: str, value: str | None) -> None:
    assert read("json", path, Answer(200, "http://h/", body=DATA)) == value


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"1 2"])
def test_a_body_that_is_no_json_has_no_value(body: bytes) -> None:
    assert read("json", "$.a", Answer(200, "http://h/", body=body)) is None


def test_the_other_sources() -> None:
    answer = Answer(
        302, "http://h/next", [(b"LOCATION", b"/next"), (b"x-a", b"1"), (b"X-A", b"2")], b"id=42;"
    )
    assert read("status", "", answer) == "302"
    assert read("url", "", answer) == "http://h/next"
    assert read("body", "", answer) == "id=42;"
    assert read("header", "Location", answer) == "/next"
    assert read("header", "X-A", answer) == "1, 2"
    assert read("header", "Gone", answer) is None
    assert read("regex", r"id=(\d+)", answer) == "42"
    assert read("regex", r"id=\d", answer) == "id=4"
    assert read("regex", "gone", answer) is None
    assert read("regex", "gone", answer, default="none-${n}") == "none-1"


def test_what_a_cookie_can_be_asked() -> None:
    seen = {
        "__Host-s": SeenCookie("v", set=True, changed=True, secure=True, samesite="lax"),
        "old": SeenCookie(None, set=True, deleted=True),
        "lasting": SeenCookie("w", max_age_s=60, domain="h.example"),
    }
    answer = Answer(200, "http://h/", cookies=seen)

    def ask(name: str, attr: str | None = None) -> str | None:
        return read("cookie", name, answer, attr=attr)

    assert (ask("__Host-s"), ask("__Host-s", "secure"), ask("__Host-s", "httponly")) == (
        "v", "true", "false",
    )  # fmt: skip
    assert (ask("__Host-s", "prefix"), ask("__Host-s", "max-age")) == ("__Host-", "none")
    assert (ask("lasting", "max-age"), ask("lasting", "domain")) == ("60", "h.example")
    assert (ask("old"), ask("old", "deleted"), ask("old", "path")) == (None, "true", None)
    assert (ask("gone"), ask("gone", "set")) == (None, "false")


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"caf\xe9", "; charset=latin-1", "caf\u00e9"), (b"caf\xc3\xa9", "", "caf\u00e9"),
        (b"\xff", "", "\ufffd"), (b"a", "; charset=nobody-knows", "a"),
        (b"caf\xe9", '; boundary=x; CHARSET="iso-8859-1"', "caf\u00e9"),
    ],
)  # fmt: skip
def test_a_body_is_read_in_the_charset_of_its_header(body: bytes, charset: str, text: str) -> None:
    assert html(body, charset).text == text
    assert read("css", "p", html(b"<p>" + body + b"</p>", charset)) in (text, "\u00ff")


# -- hostile bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00", b"\xff" * 100, b"<" * 100_000, b"<p>" * 100_000, b"<a b=" * 50_000,
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p>&x;</p>",
        b"<!DOCTYPE a [<!ENTITY a '" + b"x" * 1000 + b"'>]><p>" + b"&a;" * 10_000 + b"</p>",
        b"<p>" + b"&#x0;&#xd800;" * 100,
    ],
)  # fmt: skip
def test_no_page_does_harm(body: bytes) -> None:
    for kind, expression in (("css", "p"), ("xpath", "//p"), ("regex", "p+x")):
        found = read(kind, expression, html(body))
        assert found is None or ("root:" not in found and len(found) < 200_000)


def test_a_pattern_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(TooSlow) as caught:
        read("regex", "(a|aa)+$", Answer(200, "http://h/", body=b"a" * 2000 + b"b"))
    assert caught.value.message == "the search for '(a|aa)+$' was ended after 2 s"
    assert read("regex", "a+b", Answer(200, "http://h/", body=b"xab")) == "ab"


def test_a_selector_that_takes_too_long_is_stopped() -> None:
    page = (b"<div>" * 240 + b"<i>x</i>" + b"</div>" * 240) * 700
    with pytest.raises(TooSlow):
        read("css", "div div div i.x", html(page))
    assert read("css", "i", html(page)) == "x"


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(["css", "xpath", "json", "regex"]))
def test_no_body_raises(body: bytes, kind: str) -> None:
    expression = {"css": "p", "xpath": "//p", "json": "$.a", "regex": "(a)"}[kind]
    read(kind, expression, html(body, ""))


# -- expressions -----------------------------------------------------------------------------------

WRONG = {
    "css": ("p[", "'p[' is no CSS selector"),
    "xpath": ("//p[", "'//p[' is no XPath"),
    "json": ("$..a", "'$..a' is no JSON path from '..a' on"),
    "regex": ("(a", "'(a' is no pattern"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_expression_that_is_none_is_told(kind: str) -> None:
    expression, told = WRONG[kind]
    with pytest.raises(UsageError, match="is no") as caught:
        read(kind, expression, html())
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize("kind", WRONG)
def test_it_is_told_before_anything_is_sent_too(kind: str) -> None:
    text = (
        f"sessctl: 1\nsteps:\n  - get: /\n    capture:\n      x: {{{kind}: '{WRONG[kind][0]}'}}\n"
    )
    with pytest.raises(SessctlError) as caught:
        check_expressions(scenario(text))
    assert caught.value.message.startswith(WRONG[kind][1])
    assert caught.value.where["file"] == "shop.yaml:5:10"


def test_a_pattern_in_an_expectation_is_checked_too() -> None:
    text = "sessctl: 1\nsteps: [{get: /, expect: {body: {not: {matches: '(a'}}}}]"
    with pytest.raises(SessctlError, match="is no pattern"):
        check_expressions(scenario(text))


@pytest.mark.parametrize(
    ("kind", "module"),
    [("css", "cssselect"), ("css", "lxml"), ("xpath", "lxml")],
)
def test_without_the_extra_the_error_names_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(MissingExtra) as caught:
        read(kind, "p", html())
    assert caught.value.hint == "pip install 'sessctl[replay]'"


# -- expectations ----------------------------------------------------------------------------------

VALUES = {"sid": "abc", "n": "3", "dot": "a.c"}


def unmet(expectation: str, answer: Answer, head: str = "") -> list[str]:
    found = request(f"{head}expect: {expectation}")
    return [failure.message for failure in failures(found.expect, answer, VALUES)]


@pytest.mark.parametrize(
    "expectation",
    [
        "{status: 200}", "{status: {gt: 199, lt: 300}}", "{status: {not: 404}}",
        "{status: {not: {gt: 299}}}", "{body: abc}", "{body: {contains: b}}",
        "{body: {matches: ^a.c$}}", "{header: {X-None: {exists: false}}}",
        "{body: {exists: true}}", "{header: {X-None: {not: x}}}", "{body: {equals: abc}}",
        "{body: {not: {same-as: n}}, value: {sid: {same-as: sid}}}",
    ],
)  # fmt: skip
def test_an_expectation_that_holds(expectation: str) -> None:
    answer = Answer(200, "http://h/", body=b"abc")
    assert unmet(expectation, answer, "capture: {sid: body, n: body}\n") == []


@pytest.mark.parametrize(
    ("expectation", "told"),
    [
        ("{status: 302}", "status: expected 302, found 200"),
        ("{status: {gt: 200}}", "status: expected more than 200, found 200"),
        ("{status: {lt: 1e2}}", "status: expected less than 1e2, found 200"),
        ("{status: {not: 200}}", "status: expected not 200, found 200"),
        ("{body: {contains: x}}", "body: expected something with x, found abc"),
        ("{body: {matches: ^b}}", "body: expected a match of ^b, found abc"),
        ("{body: {gt: 1}}", "body: expected more than 1, found abc"),
        ("{body: {exists: false}}", "body: expected none, found abc"),
        ("{body: {same-as: n}}", "body: expected the same as 'n', found abc"),
        ("{header: {X-A: b}}", "header X-A: expected b, found nothing"),
        ("{header: {X-A: {exists: true}}}", "header X-A: expected a value, found nothing"),
        ("{json: {$.a: 1}}", "json $.a: expected 1, found nothing"),
        ("{cookie: {sid: {set: true}}}", "cookie sid set: expected true, found false"),
        ("{cookie: {sid: {secure: true}}}", "cookie sid secure: expected true, found nothing"),
        ("{body: ''}", "body: expected '', found abc"),
    ],
)  # fmt: skip
def test_an_expectation_that_does_not_hold_says_what_was_found(expectation: str, told: str) -> None:
    answer = Answer(200, "http://h/", body=b"abc")
    assert unmet(expectation, answer, "capture: {n: body}\n") == [told]


@pytest.mark.parametrize("typed", ["012", "no", "1e3"])
def test_values_are_compared_as_they_were_typed(typed: str) -> None:
    assert unmet(f"{{body: {typed}}}", Answer(200, "http://h/", body=typed.encode())) == []
    assert unmet(f"{{body: {typed}}}", Answer(200, "http://h/", body=b"12")) != []


def test_a_limit_that_is_no_number_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="'many' is no number"):
        unmet("{status: {gt: many}}", Answer(200, "http://h/"))


def test_a_failure_shows_no_secret() -> None:
    answer = Answer(200, "http://h/", body=b"CANARY-hunter2-9f3e")
    text = "sessctl: 1\nvars: {pw: {env: P}}\nsteps: [{get: /, expect: {body: 'x${pw}'}}]"
    (step,) = scenario(text).steps
    values = {"pw": Secret("CANARY-hunter2-9f3e")}
    (failure,) = failures(step.expect, answer, values)  # type: ignore[attr-defined]
    assert failure.message == "body: expected x***, found ***"


def test_in_matches_a_value_stands_for_itself() -> None:
    text = "sessctl: 1\nvars: {dot: a.c}\nsteps: [{get: /, expect: {body: {matches: '^${dot}$'}}}]"
    (step,) = scenario(text).steps
    expectation = step.expect  # type: ignore[attr-defined]
    assert failures(expectation, Answer(200, "http://h/", body=b"a.c"), VALUES) == []
    assert failures(expectation, Answer(200, "http://h/", body=b"abc"), VALUES) != []
