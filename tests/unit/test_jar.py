"""The jar: what is kept, what is sent, and the reason of each decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.replay.cookie import Cookie, From, Held
from sessctl.replay.cookie_date import parse_cookie_date
from sessctl.replay.jar import MAX_PER_DOMAIN, Change, Jar, Outcome
from sessctl.replay.set_cookie import MAX_AGE_MS, Refusal, SameSite
from sessctl.replay.url import parse_url
from sessctl.timespec import from_ms, iso, parse_iso_ms

NOW = 1_795_000_000_000
SHOP = "https://shop.example.com/cart/add"
PLAIN = "http://shop.example.com/cart/add"


def receive(jar: Jar, *lines: bytes, url: str = SHOP, now: int = NOW, **more) -> list[Change]:
    return jar.receive(lines, parse_url(url), now, **more)


def sent(jar: Jar, url: str = SHOP, now: int = NOW, **more) -> bytes | None:
    return jar.choose(parse_url(url), now, **more).header


def held(jar: Jar, url: str = SHOP, now: int = NOW, **more) -> dict[str, Held]:
    return {cookie.name: why for cookie, why in jar.choose(parse_url(url), now, **more).held}


def outcomes(changes: list[Change]) -> list[str]:
    return [change.outcome.value for change in changes]


# -- what a line does ------------------------------------------------------------------------------


def test_each_line_says_what_it_did() -> None:
    jar = Jar()
    lines = [b"a=1", b"a=1", b"a=2", b"a=; Max-Age=0", b"a=; Max-Age=0", b"a=1; Domain=other.org"]
    assert outcomes(receive(jar, *lines)) == [
        *("new", "same", "changed", "deleted", "deleted", "refused")
    ]
    assert len(jar) == 0


def test_a_change_shows_what_was_there_before() -> None:
    jar = Jar()
    first, second = receive(jar, b"a=1", b"a=2; HttpOnly")
    assert (first.before, second.before) == (None, first.cookie)
    assert second.cookie == next(iter(jar))


def test_deleting_what_is_not_there_met_nothing() -> None:
    (change,) = receive(Jar(), b"a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert (change.outcome, change.before) == (Outcome.DELETED, None)


def test_the_same_value_with_a_later_end_is_renewed() -> None:
    jar = Jar()
    receive(jar, b"a=1; Max-Age=60")
    (again,) = receive(jar, b"a=1; Max-Age=60", now=NOW + 1000)
    (still,) = receive(jar, b"a=1; Max-Age=60; HttpOnly", now=NOW + 1000)
    assert (again.outcome, again.renewed) == (Outcome.SAME, True)
    assert (still.outcome, still.renewed) == (Outcome.SAME, False)


def test_a_cookie_that_had_expired_comes_back_as_new() -> None:
    jar = Jar()
    receive(jar, b"a=1; Max-Age=1")
    (change,) = receive(jar, b"a=1", now=NOW + 1000)
    assert (change.outcome, change.before) == (Outcome.NEW, None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", Refusal.EMPTY),
        (b"=", Refusal.EMPTY),
        (b"; Path=/", Refusal.EMPTY),
        (b"a=x\x00y", Refusal.CONTROL),
        (b"a=1; Path=/\x1b", Refusal.CONTROL),
        (b"a=x\x7f", Refusal.CONTROL),
        (b"a=x\ty", Refusal.TAB),
        (b"a\tb=x", Refusal.TAB),
        (b"a=" + b"x" * 4096, Refusal.SIZE),
        (b"x" * 4097, Refusal.SIZE),
        (b"a=1; Domain=other.org", Refusal.DOMAIN),
        (b"a=1; Domain=deeper.shop.example.com", Refusal.DOMAIN),
        (b"a=1; Domain=hop.example.com", Refusal.DOMAIN),
        (b"a=1; Domain=com", Refusal.PUBLIC_SUFFIX),
        (b"a=1; SameSite=None", Refusal.SAMESITE_NONE),
        (b"a=1; Partitioned", Refusal.PARTITIONED),
        (b"__Secure-a=1", Refusal.PREFIX_SECURE),
        (b"__sEcUrE-a=1", Refusal.PREFIX_SECURE),
        (b"__Host-a=1; Secure", Refusal.PREFIX_HOST),
        (b"__Host-a=1; Secure; Path=/cart", Refusal.PREFIX_HOST),
        (b"__HOST-a=1; Secure; Path=/; Domain=shop.example.com", Refusal.PREFIX_HOST),
        (b"__Http-a=1; Secure", Refusal.PREFIX_HTTP),
        (b"__Host-Http-a=1; Secure; Path=/", Refusal.PREFIX_HTTP),
        (b"__Secure-a", Refusal.PREFIX_NAMELESS),
        (b"=__host-a=1; Path=/; Secure", Refusal.PREFIX_NAMELESS),
    ],
)
def test_a_refused_line_says_why(line: bytes, why: Refusal) -> None:
    jar = Jar()
    (change,) = receive(jar, line)
    assert (change.outcome, change.refusal) == (Outcome.REFUSED, why)
    assert len(jar) == 0


@pytest.mark.parametrize(
    "line",
    [
        b"a=" + b"x" * 4095,
        b"__Host-a=1; Secure; Path=/",
        b"__Secure-a=1; Secure; Domain=example.com",
        b"__Host-Http-a=1; Secure; Path=/; HttpOnly",
        b"a=1; SameSite=None; Secure",
        b"a=1; Partitioned; Secure",
        b"a=1; Domain=EXAMPLE.com",
        b"a=1; Domain=.example.com",
        b"a=1; Domain=other.org; Domain=",
        b"a=1; Domain=" + b"x" * 1025,
        b"a=1; Path=/a\tb",
        b"\t a \t=\t 1 \t;",
    ],
)
def test_what_a_browser_keeps_is_kept(line: bytes) -> None:
    assert outcomes(receive(Jar(), line)) == ["new"]


def test_bytes_come_back_as_they_came() -> None:
    jar = Jar()
    receive(jar, b'a="x y"', b"b=\xff\xfe", "ü=é".encode(), b"c={1,2}", b"bare")
    assert sent(jar) == b'a="x y"; b=\xff\xfe; \xc3\xbc=\xc3\xa9; c={1,2}; bare'


def test_unknown_and_unreadable_attributes_are_named() -> None:
    jar = Jar()
    (change,) = receive(
        jar, b"a=1; Priority=High; Max-Age=soon; Expires=never; SameSite=odd; Path=/"
    )
    assert change.ignored == ("Priority", "Max-Age", "Expires", "SameSite")
    assert [(cookie.expires_ms, cookie.same_site) for cookie in jar] == [(None, SameSite.UNSET)]


@pytest.mark.parametrize(
    ("attributes", "ends_s"),
    [
        (b"Max-Age=60", 60),
        (b"Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60),
        (b"Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", 60),
        (b"Max-Age=60; Max-Age=90", 90),
        (b"Max-Age=60; Max-Age=x", 60),
        (b"Max-Age=60.5", None),
        (b"Max-Age=+60", None),
        (b"Max-Age=" + b"9" * 1000, MAX_AGE_MS // 1000),
        (b"Expires=Fri, 31 Dec 9999 23:59:59 GMT", MAX_AGE_MS // 1000),
    ],
)
def test_the_end_of_a_cookie(attributes: bytes, ends_s: int | None) -> None:
    jar = Jar()
    receive(jar, b"a=1; " + attributes)
    assert [cookie.expires_ms for cookie in jar] == [
        None if ends_s is None else NOW + ends_s * 1000
    ]


@pytest.mark.parametrize("age", [b"0", b"-1", b"-0", b"000", b"-" + b"9" * 1000])
def test_no_age_deletes(age: bytes) -> None:
    assert outcomes(receive(Jar(), b"a=1", b"a=1; Max-Age=" + age)) == ["new", "deleted"]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00Z"),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", "2015-10-21T07:28:00Z"),
        ("Wed Oct 21 07:28:00 2015", "2015-10-21T07:28:00Z"),
        ("07:28:00 21 october 15", "2015-10-21T07:28:00Z"),
        ("1 Jan 69 0:0:0", "2069-01-01T00:00:00Z"),
        ("1 Jan 70 0:0:0", "1970-01-01T00:00:00Z"),
        ("1 Jan 99 0:0:0", "1999-01-01T00:00:00Z"),
        ("29 Feb 2024 00:00:00 +0500", "2024-02-29T00:00:00Z"),
        ("1 Jan 1601 00:00:00", "1601-01-01T00:00:00Z"),
        ("1 Jan 1600 00:00:00", None),
        ("30 Feb 2024 00:00:00", None),
        ("1 Jan 2024 24:00:00", None),
        ("1 Jan 2024 00:00:60", None),
        ("1 Jan 2024", None),
        ("2015-10-21T07:28:00Z", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_dates_are_read_as_browsers_read_them(text: str, date: str | None) -> None:
    expect = None if date is None else parse_iso_ms(date)
    found = parse_cookie_date(text.encode())
    assert found == expect, found and iso(found)


def test_plain_http_sets_no_secure_cookie_and_replaces_none() -> None:
    jar = Jar()
    receive(jar, b"a=1; Secure; Path=/cart")
    shadow, elsewhere, secure = receive(
        jar, b"a=2; Path=/cart/add", b"a=3; Path=/", b"b=1; Secure", url=PLAIN
    )
    assert (shadow.refusal, secure.refusal) == (Refusal.SECURE_KEPT, Refusal.SECURE)
    assert elsewhere.outcome is Outcome.NEW


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]", "http://a.localhost"]
)
def test_loopback_is_trusted_as_https_is(origin: str) -> None:
    jar = Jar()
    receive(jar, b"__Host-a=1; Secure; Path=/", url=f"{origin}/login")
    assert sent(jar, f"{origin}/") == b"__Host-a=1"


def test_the_oldest_goes_when_a_server_sends_too_many() -> None:
    jar = Jar()
    changes = receive(jar, *(b"c%d=x" % n for n in range(MAX_PER_DOMAIN + 1)))
    assert len(jar) == MAX_PER_DOMAIN
    assert [change.evicted.name for change in changes if change.evicted] == ["c0"]


# -- what is sent ----------------------------------------------------------------------------------


def test_each_cookie_that_stays_says_why() -> None:
    jar = Jar()
    receive(jar, b"path=1; Path=/admin", b"secure=1; Secure; Path=/", b"over=1; Max-Age=5")
    receive(jar, b"domain=1", url="https://example.com/")
    receive(jar, b"hidden=1; Path=/", b"ok=1; Path=/")
    seen = held(jar, PLAIN, NOW + 5000, withhold={"hidden"})
    assert seen == {
        "path": Held.PATH,
        "secure": Held.SECURE,
        "over": Held.EXPIRED,
        "domain": Held.DOMAIN,
        "hidden": Held.WITHHELD,
    }
    assert sent(jar, PLAIN, NOW + 5000, withhold={"hidden"}) == b"ok=1"


def test_choosing_changes_nothing() -> None:
    jar = Jar()
    receive(jar, b"a=1; Max-Age=1", b"b=2")
    before = jar.copy()
    sent(jar, now=NOW + 10_000)
    assert jar == before


def test_longer_paths_go_first_then_older_cookies() -> None:
    jar = Jar()
    receive(jar, b"a=1; Path=/", b"b=1; Path=/cart", b"c=1; Path=/", b"d=1; Path=/cart")
    assert sent(jar) == b"b=1; d=1; a=1; c=1"


def test_nothing_to_send_is_no_header() -> None:
    assert sent(Jar()) is None


@pytest.mark.parametrize(
    ("same_site", "source", "goes"),
    [
        (b"Strict", From.SAME_SITE, True),
        (b"Strict", From.CROSS_LINK, False),
        (b"Lax", From.CROSS_LINK, True),
        (b"Lax", From.CROSS_FORM, False),
        (b"Lax", From.CROSS_PART, False),
        (b"None", From.CROSS_PART, True),
        (b"odd", From.CROSS_LINK, True),
        (b"odd", From.CROSS_PART, False),
    ],
)
def test_samesite_holds_cookies_back(same_site: bytes, source: From, goes: bool) -> None:
    jar = Jar()
    receive(jar, b"a=1; Secure; SameSite=" + same_site)
    assert held(jar, source=source) == ({} if goes else {"a": Held.SAMESITE})


def test_a_young_cookie_without_samesite_goes_along_a_cross_site_form() -> None:
    jar = Jar()
    receive(jar, b"a=1")
    assert sent(jar, now=NOW + 119_999, source=From.CROSS_FORM) == b"a=1"
    assert held(jar, now=NOW + 120_000, source=From.CROSS_FORM) == {"a": Held.SAMESITE}


def test_the_answer_to_a_cross_site_part_sets_only_samesite_none() -> None:
    lax, none = receive(Jar(), b"a=1", b"b=1; SameSite=None; Secure", source=From.CROSS_PART)
    assert (lax.refusal, none.outcome) == (Refusal.SAMESITE, Outcome.NEW)


# -- acts ------------------------------------------------------------------------------------------


def test_closing_the_browser_drops_session_cookies() -> None:
    jar = Jar()
    receive(jar, b"stays=1; Max-Age=60", b"goes=1")
    assert [cookie.name for cookie in jar.close_browser()] == ["goes"]
    assert sent(jar) == b"stays=1"


def test_a_kept_jar_does_not_change_and_can_be_restored() -> None:
    jar = Jar()
    receive(jar, b"a=1")
    kept = jar.copy()
    receive(jar, b"a=2", b"b=1")
    assert sent(kept) == b"a=1"
    jar.restore(kept)
    assert jar == kept
    receive(jar, b"a=3")
    assert sent(kept) == b"a=1"


def test_clear_and_forget_tell_what_went() -> None:
    jar = Jar()
    receive(jar, b"a=1; Path=/", b"a=2", b"b=1")
    assert len(jar.forget("a")) == 2
    assert [cookie.name for cookie in jar.clear()] == ["b"]
    assert jar.forget("b") == ()


def test_setting_a_cookie_by_hand_replaces_the_one_that_is_sent() -> None:
    jar = Jar()
    receive(jar, b"sid=old; Domain=example.com; Path=/; HttpOnly")
    jar.set("sid", "stolen", parse_url(SHOP), NOW)
    jar.set("theme", "dark", parse_url(SHOP), NOW)
    assert sent(jar) == b"sid=stolen; theme=dark"
    assert sent(jar, "https://www.example.com/") == b"sid=stolen"


# -- whatever comes --------------------------------------------------------------------------------

HOSTS = [
    "a.example",
    "b.a.example",
    "example",
    "127.0.0.1",
    "a.example.evil",
    "localhost",
    "ba.example",
]
BITS = st.sampled_from(
    [b"a", b"=", b";", b" ", b"\t", b"Domain=", b"Path=", b"/", b"Secure", b"Max-Age=",
     b"Expires=", b"SameSite=", b"None", b"__Host-", b"-", b"9", b".", b"\xff", b"\x00",
     b"\xed\xa0\x80", b"\r\n", b"1 Jan 99999 1:1:1", *(host.encode() for host in HOSTS)]
)  # fmt: skip
LINES = st.lists(st.one_of(st.binary(max_size=60), st.lists(BITS, max_size=20).map(b"".join)))
URLS = st.builds(
    lambda scheme, host, path: parse_url(f"{scheme}://{host}{path}"),
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["/", "/a", "/a/b", "//", "/a?x=/"]),
)


@given(LINES, URLS, URLS)
def test_no_line_raises_or_leads_a_cookie_to_a_foreign_host(lines, url, other) -> None:
    jar = Jar()
    changes = jar.receive(lines, url, NOW)
    assert len(changes) == len(lines)
    for cookie in jar.choose(other, NOW).sent:
        inside = not cookie.host_only and url.host.endswith(f".{cookie.domain}")
        assert cookie.domain == url.host or inside
        assert other.host == cookie.domain or (
            not cookie.host_only and other.host.endswith(f".{cookie.domain}")
        )
    header = jar.choose(other, NOW).header or b""
    assert not set(header) & set(b"\r\n\0")


@given(LINES, URLS)
def test_the_same_answer_again_changes_no_value(lines, url) -> None:
    jar = Jar()
    jar.receive(lines[:1], url, NOW)
    once = jar.copy()
    assert all(c.outcome is not Outcome.CHANGED for c in jar.receive(lines[:1], url, NOW))
    assert jar == once


@given(st.binary(max_size=80))
def test_no_date_raises_or_leaves_the_calendar(raw: bytes) -> None:
    found = parse_cookie_date(raw)
    assert found is None or from_ms(found).year >= 1601


def test_a_jar_made_of_cookies_holds_the_last_of_equal_ones() -> None:
    jar = Jar([Cookie("a", "1", "x.org"), Cookie("a", "2", "x.org")])
    assert [cookie.value for cookie in jar] == ["2"]
