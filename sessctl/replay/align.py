"""Two texts as streams of tokens, and what turns one stream into the other.

Anchored at the tokens that stand once in both, as patience diff does: on a page nearly every word
of a sentence finds its place by itself, and time grows with the page and not with its square.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A random value is one token, whatever letters it is made of, and so is a clock; what structures a
# page stands alone.
_TOKEN = re.compile(r"""\s+|(?:[^\s<>"'=&?;,:{}\[\]()]|(?<=\d):(?=\d))+|[<>"'=&?;,:{}\[\]()]""")
_SQUARE = 200_000  # tokens times tokens: what may be aligned without an anchor, some 20 ms
_MAX_ROUNDS = 30  # of anchors between anchors

Edit = tuple[int, int, int, int]  # tokens a1:a2 of one text stand for b1:b2 of the other


def tokens(text: str) -> list[str]:
    """The text in pieces; joined they are the text."""
    return _TOKEN.findall(text)


def is_word(token: str) -> bool:
    """Something a person would read, and no blank or mark of structure."""
    return any(char.isalnum() for char in token)


def edits(a: Sequence[str], b: Sequence[str]) -> list[Edit]:
    """What turns the first stream into the second, from front to back."""
    found: list[Edit] = []
    waiting = [(0, len(a), 0, len(b), 0)]
    while waiting:
        a1, a2, b1, b2, rounds = waiting.pop()
        while a1 < a2 and b1 < b2 and a[a1] == b[b1]:
            a1, b1 = a1 + 1, b1 + 1
        while a1 < a2 and b1 < b2 and a[a2 - 1] == b[b2 - 1]:
            a2, b2 = a2 - 1, b2 - 1
        if a1 == a2 or b1 == b2:
            if a1 < a2 or b1 < b2:
                found.append((a1, a2, b1, b2))
            continue
        anchors = _anchors(a[a1:a2], b[b1:b2]) if rounds < _MAX_ROUNDS else []
        if anchors:
            at = [(a1 + i, b1 + j) for i, j in anchors]
            begins = [(a1, b1), *((i + 1, j + 1) for i, j in at)]
            waiting += [
                (i1, i2, j1, j2, rounds + 1)
                for (i1, j1), (i2, j2) in zip(begins, [*at, (a2, b2)], strict=True)
            ]
        elif (a2 - a1) * (b2 - b1) <= _SQUARE:
            inner = SequenceMatcher(None, a[a1:a2], b[b1:b2], autojunk=False)
            found += [
                (a1 + x1, a1 + x2, b1 + y1, b1 + y2)
                for what, x1, x2, y1, y2 in inner.get_opcodes()
                if what != "equal"
            ]
        else:
            found.append((a1, a2, b1, b2))
    return sorted(found)


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the tokens that stand once in both, as many as keep their order."""
    once = {token for token, count in Counter(a).items() if count == 1}
    once &= {token for token, count in Counter(b).items() if count == 1}
    place = {token: j for j, token in enumerate(b) if token in once}
    pairs = [(i, place[token]) for i, token in enumerate(a) if token in once]
    # The longest run of pairs that rises in both (patience sorting).
    tops: list[int] = []  # b's place on top of each pile
    piles: list[int] = []  # and the pair that lies there
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        before.append(piles[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(j)
            piles.append(number)
        else:
            tops[pile], piles[pile] = j, number
    found: list[tuple[int, int]] = []
    number = piles[-1] if piles else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
