"""Noise is taken out by its place, and what state changes is found beside it."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.replay.align import edits, tokens
from sessctl.replay.compare import Facts, Judgement, differences, judge


def told(ours: list[str], theirs: list[str]) -> list[tuple[str, str]]:
    return [(one.ours, one.theirs) for one in differences(ours, theirs)]


def page(token: str, body: str = "<p>Shop</p>") -> str:
    return f'<html><meta name="csrf" content="{token}">\n<body>{body}</body></html>'


# -- noise -----------------------------------------------------------------------------------------


def test_a_token_that_always_differs_is_noise() -> None:
    assert told([page("a1f3"), page("9c2e")], [page("77d0")]) == []


def test_without_a_control_nothing_is_masked() -> None:
    assert told([page("a1f3")], [page("77d0")]) == [("a1f3", "77d0")]


def test_the_same_value_elsewhere_is_no_noise() -> None:
    """By position: a number that is noise in one place is state in another."""
    ours = ["at 17, basket 3", "at 18, basket 3"]
    assert told(ours, ["at 19, basket 17"]) == [("3", "17")]


@pytest.mark.parametrize(
    ("times", "stateless"),
    [
        (["12:00:59", "12:01:01"], "12:01:00"),
        (["23:59:59", "00:00:01"], "00:00:00"),
        (["2026-11-21T17:00:59.120Z", "2026-11-21T17:01:00.000Z"], "2026-11-21T17:00:59.999Z"),
    ],
)
def test_a_clock_is_one_token(times: list[str], stateless: str) -> None:
    assert told([page("x", f"<p>It is {one}.</p>") for one in times],
                [page("x", f"<p>It is {stateless}.</p>")]) == []  # fmt: skip


def test_state_right_beside_noise_is_found_and_doubtful() -> None:
    (found,) = differences(["<b>tj 8f3a</b>", "<b>tj 91c2</b>"], ["<b>77ab</b>"])
    assert (found.ours, found.theirs, found.doubtful) == ("tj 8f3a", "77ab", True)


def test_state_far_from_noise_is_beyond_doubt() -> None:
    hello, login = "<nav>Hello tj</nav>", "<nav>log in</nav>"
    end = '<p>A word or two or three of other text</p><i id="{}"></i>'
    ours = [hello + end.format(one) for one in ("aa", "bb")]
    (found,) = differences(ours, [login + end.format("cc")])
    assert (found.ours, found.theirs, found.doubtful) == ("Hello tj", "log in", False)


@pytest.mark.parametrize("counts", [(3, 5, 1), (0, 2, 4), (5, 1, 3), (2, 4, 0)])
def test_a_number_of_attributes_that_varies_is_noise(counts: tuple[int, int, int]) -> None:
    def tag(count: int, seed: int) -> str:
        draw = random.Random(seed)
        more = "".join(f' data-r{n}="{draw.getrandbits(32):x}"' for n in range(count))
        return f"<h1>Shop</h1><div{more}>Pears and plums</div>"

    one, other, stateless = (tag(count, seed) for seed, count in enumerate(counts))
    assert told([one, other], [stateless]) == []


def test_an_insertion_is_found_where_nothing_varies() -> None:
    ours = [page(token, "<p>Shop</p><p>Welcome, tj!</p>") for token in ("a", "b")]
    ((mine, theirs),) = told(ours, [page("c")])
    assert ("Welcome, tj!" in mine, theirs) == (True, "")


def test_what_only_the_stateless_page_has_is_found() -> None:
    ours = [page(token) for token in ("a", "b")]
    ((mine, theirs),) = told(ours, [page("c", "<p>Shop</p><a>please log in</a>")])
    assert (mine, "please log in" in theirs) == ("", True)


def fruit(order: int, *more: str) -> str:
    names = ["apples", "pears", "plums", "figs", "dates", "limes", *more]
    random.Random(order).shuffle(names)
    return "<ul>" + "".join(f'<li class="x">{name}</li>' for name in names) + "</ul>"


@pytest.mark.parametrize("seed", range(20))
def test_a_list_in_any_order_is_noise(seed: int) -> None:
    assert told([fruit(seed), fruit(seed + 100)], [fruit(seed + 200)]) == []


@pytest.mark.parametrize("seed", range(20))
def test_what_such_a_list_lacks_is_found(seed: int) -> None:
    ours = [fruit(seed, "quinces"), fruit(seed + 100, "quinces")]
    assert told(ours, [fruit(seed + 200)])[0] == ("quinces", "")


def test_more_looks_clear_what_two_took_for_state() -> None:
    banner, plain = "<p>12 1f Buy pears</p>", "<p>13 1e</p>"
    assert told([banner, banner.replace("12", "14")], [plain])
    assert told([banner, banner.replace("12", "14")], [plain, banner]) == []


# -- the judgement ---------------------------------------------------------------------------------


def test_the_shortest_difference_comes_first() -> None:
    verdict = judge(
        [Facts("200", text="Hello tj, this is your basket", shown={"items": "3"})],
        [Facts("401", text="log in first", shown={"items": None})],
    )
    assert verdict.judgement is Judgement.DEPENDS
    assert [one.what for one in verdict.differences] == ["items", "status", "body"]


@pytest.mark.parametrize(
    ("control", "what"),
    [
        (Facts("500"), "status"),
        (Facts("200", shown={"time": "9"}), "time"),
        (Facts("200", content_type="text/plain"), "type"),
        (Facts(error="no answer"), "error"),
    ],
)
def test_a_step_that_differs_by_itself_is_not_judged(control: Facts, what: str) -> None:
    stateful = Facts("200", shown={"time": "8"} if what == "time" else {})
    verdict = judge([stateful, control], [stateful])
    assert verdict.judgement is Judgement.UNSTABLE
    assert [one.what for one in verdict.differences] == [what]


def test_a_charset_is_no_other_type() -> None:
    ours, theirs = Facts(content_type="text/html; charset=utf-8"), Facts(content_type="Text/HTML")
    assert judge([ours], [theirs]).judgement is Judgement.SAME


def test_a_random_part_of_a_redirect_is_noise_and_its_path_is_not() -> None:
    ours = [Facts("302", "/all?once=a1"), Facts("302", "/all?once=b2")]
    assert judge(ours, [Facts("302", "/all?once=c3")]).judgement is Judgement.SAME
    assert judge(ours, [Facts("302", "/login?once=c3")]).judgement is Judgement.DEPENDS


# -- alignment -------------------------------------------------------------------------------------


@given(st.text(alphabet="ab <>=1:\n", max_size=60), st.text(alphabet="ab <>=1:\n", max_size=60))
def test_edits_turn_one_text_into_the_other(one: str, other: str) -> None:
    a, b = tokens(one), tokens(other)
    assert "".join(a) == one
    made, at = [], 0
    for a1, a2, b1, b2 in edits(a, b):
        assert at <= a1
        made += [*a[at:a1], *b[b1:b2]]
        at = a2
    assert made + a[at:] == b


def words(count: int, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(f"{draw.getrandbits(40):x}" for _ in range(count))


HUGE = {
    "nothing in common": lambda seed: words(150_000, seed),
    "one line": lambda seed: f"<p>Hello</p>{'<li>same</li>' * 100_000}{words(20, seed)}",
    "few words": lambda seed: "".join(random.Random(seed).choices("ab <", k=1_000_000)),
    "every line a token": lambda seed: "".join(
        f'<a href="/p/{n}?t={random.Random(seed * 99_999 + n).getrandbits(32):x}">item</a>\n'
        for n in range(20_000)
    ),
}


@pytest.mark.parametrize("kind", HUGE)
def test_huge_pages_take_seconds_and_not_minutes(kind: str) -> None:
    make = HUGE[kind]
    begun = time.process_time()
    differences([make(1), make(2)], [make(3)])
    assert time.process_time() - begun < 20  # 2 to 4 s; squared it would be hours
