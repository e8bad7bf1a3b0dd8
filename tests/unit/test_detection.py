"""Which format a cookie is of, told from its value alone: no name, no format, no secret.

Every valid cookie of the vectors is looked at. The right format has to be first, or to rank equal
with a format that nothing in the value tells apart: those pairs are listed below with the reason.
`pytest -rP -k share tests/unit/test_detection.py` prints the figure of each format.
"""

from __future__ import annotations

from collections import Counter

import pytest

from sessctl.cookies.base import CookieContext
from sessctl.cookies.picking import pick
from sessctl.cookies.registry import FORMATS, cookie_format, detect
from tests.support.cookie_vectors import Row, rows

VALID = [row for row in rows() if row.expect["valid"]]
# Nothing in a value tells the two apart. They make the same bytes of the same secret, or `verify`
# tries both, so that the verdict does not depend on which of them is taken.
ALIKE = {
    frozenset(("express-session", "cookie-parser")): "`s:`, a text and the same HMAC",
    frozenset(("fastify-session", "fastify-cookie")): "a text and the same HMAC",
    frozenset(("django-signed-cookies", "django-session-data")): "one form, two salts",
    frozenset(("django-signed-cookies", "django-signing")): "one form, two salts",
    frozenset(("django-signed-cookie", "django-signing")): "one form, two salts",
}


# Random bytes in base64, as many a format has them: the name tells it, or `--format`.
UNTOLD = {"aiohttp-nacl"}


def matches(row: Row, *, named: bool = False) -> list[tuple[str, int]]:
    """(format, score) of what the row's cookie could be, the likeliest first."""
    pasted = pick(row.text)
    name = row.name if named else None
    context = CookieContext(name=name, companion=row.companion)
    return [(one.name, match.score) for one, match in detect(pasted.value, context)]


def is_right(row: Row) -> bool:
    """The row's format is first, or as good as one that the value does not tell from it."""
    found = matches(row)
    if not found:
        return False
    first, best = found[0]
    alike = frozenset((first, row.format)) in ALIKE
    return first == row.format or (alike and dict(found).get(row.format, best) == best)


def test_the_share_of_cookies_that_are_recognised() -> None:
    right, total = Counter[str](), Counter[str]()
    for row in VALID:
        total[row.format] += 1
        right[row.format] += row.format not in UNTOLD and is_right(row)
    for name in sorted(total):
        print(f"{name:<18} {right[name]:>3} of {total[name]:>3}")
    told = sum(total[name] for name in total if name not in UNTOLD)
    share = right.total() / told
    print(f"{'all':<18} {right.total():>3} of {told:>3} = {share:.1%}")
    assert share >= 0.98


@pytest.mark.parametrize("row", VALID, ids=str)
def test_the_usual_name_settles_what_the_value_leaves_open(row: Row) -> None:
    if row.name == cookie_format(row.format).cookie_name and "prefix" not in row.parameters:
        assert matches(row, named=True)[0][0] == row.format


@pytest.mark.parametrize("row", VALID, ids=str)
def test_every_format_s_first_look_lets_its_own_cookies_through(row: Row) -> None:
    context = CookieContext(companion=row.companion)
    value = pick(row.text).value
    for name, home in FORMATS.items():
        if not home.may_be(value, context):
            assert cookie_format(name).sniff(value, context) is None, name


TOKENS = [
    "GA1.2.1234567890.1767225600",
    "fb.1.1767225600000.1234567890",
    "dark",
    "en-US",
    "a.b.c",
    "1",
    "isGpcEnabled=0&datestamp=Thu+Jan+01+2026&version=202401.1.0",
]


@pytest.mark.parametrize("text", TOKENS)
def test_what_is_no_session_is_none(text: str) -> None:
    assert detect(text) == []


@pytest.mark.parametrize("row", [row for row in VALID if row.format == "opaque"], ids=str)
def test_an_id_is_the_last_thing_that_a_value_is(row: Row) -> None:
    found = matches(row)
    assert found[-1][0] == "opaque"
    assert found[-1][1] <= 10
