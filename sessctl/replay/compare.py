"""What an answer owes to state: runs of the same step compared, their noise taken out.

A page is never the same twice: it has a new CSRF token, a clock, a list in any order. What differs
between two stateful runs says nothing about state, wherever on the page it stands, so those places
are masked: by position in an aligned stream of tokens, and not by value. The control run is to come
*after* the stateless one; then a clock that ticked between the first two has ticked for it as well.

Two looks do not show all noise: where a page has one to nine adverts, two runs may agree by chance.
A difference right beside noise is therefore `doubtful` until more runs have been compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sessctl.replay.align import edits, is_word, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Judgement(StrEnum):
    """What a step turned out to be."""

    SAME = "same"
    DEPENDS = "depends on state"
    UNSTABLE = "unstable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of a step's answer. `error` is set where there was none, `digest` where
    `text` is only the beginning of the body."""

    status: str = ""
    location: str = ""
    content_type: str = ""
    shown: Mapping[str, str | None] = field(default_factory=dict)
    text: str = ""
    digest: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that state changed: `what` is status, location, type, body, or a shown name.

    `doubtful`: it stands right beside noise, and may be some of it.
    """

    what: str
    stateful: str
    stateless: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """The judgement on a step, with the differences it rests on, shortest first."""

    judgement: Judgement
    differences: tuple[Difference, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """It rests on doubtful differences alone: more runs would tell."""
        return bool(self.differences) and all(one.doubtful for one in self.differences)


def judge(stateful: Sequence[Facts], stateless: Sequence[Facts]) -> StepVerdict:
    """Whether state made a difference, from one answer or more of each kind.

    Args:
        stateful: the first is judged, the others are its controls; without any nothing is masked.
    """
    first, *controls = stateful
    if first.error:
        return StepVerdict(Judgement.FAILED, (Difference("error", first.error, ""),))
    for control in controls:
        shaky = tuple(_stable_facts_that_differ(first, control))
        if shaky:
            return StepVerdict(Judgement.UNSTABLE, shaky)
    found = [*_stable_facts_that_differ(first, stateless[0])]
    found += _texts_that_differ(stateful, stateless)
    if not found:
        return StepVerdict(Judgement.SAME)
    found.sort(key=lambda one: (one.doubtful, len(one.stateful) + len(one.stateless)))
    return StepVerdict(Judgement.DEPENDS, tuple(found))


def _stable_facts_that_differ(one: Facts, other: Facts) -> Iterator[Difference]:
    """Status, type and shown values: a run that changes these by chance cannot be judged."""
    if one.error != other.error:
        yield Difference("error", one.error, other.error)
        return
    if one.status != other.status:
        yield Difference("status", one.status, other.status)
    if _media_type(one) != _media_type(other):
        yield Difference("type", one.content_type, other.content_type)
    for name, value in one.shown.items():
        theirs = other.shown.get(name)
        if value != theirs:
            yield Difference(name, value or "", theirs or "")


def _media_type(answer: Facts) -> str:
    return answer.content_type.partition(";")[0].strip().lower()


def _texts_that_differ(
    stateful: Sequence[Facts], stateless: Sequence[Facts]
) -> Iterator[Difference]:
    """Location and body, each with the difference that is told best."""
    told: set[str] = set()
    for what in ("location", "body"):
        name = "text" if what == "body" else what
        left = differences(
            [getattr(one, name) for one in stateful], [getattr(one, name) for one in stateless]
        )
        if left:
            yield Difference(what, left[0].ours, left[0].theirs, left[0].doubtful)
            told.add(what)
    ours, theirs = {one.digest for one in stateful}, {one.digest for one in stateless}
    if "body" not in told and len(ours) == 1 and not ours & theirs:
        yield Difference("body", "another end", "of a body too large to keep")


# -- texts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextDifference:
    """One place where two texts differ, and not by themselves."""

    ours: str
    theirs: str
    doubtful: bool = False


def differences(ours: Sequence[str], theirs: Sequence[str]) -> list[TextDifference]:
    """Where the first of `ours` differs from all of `theirs`, but from no other of `ours`.

    The clearest comes first: no doubtful one, one with words, a short one.
    """
    if ours[0] in theirs:
        return []
    first, *controls = [tokens(text) for text in ours]
    others = [tokens(text) for text in theirs]
    if _comes_in_any_order(first, controls):
        return _words_that_differ([first, *controls], others)
    noise = _Noise(first, controls)
    found = [_telling(first, other, noise) for other in others]
    if not all(found):
        return []
    return sorted(found[0], key=_clarity)


def _clarity(one: TextDifference) -> tuple[bool, bool, int]:
    text = one.ours + one.theirs
    return one.doubtful, not is_word(text), len(text)


class _Noise:
    """The places of a text that differ by themselves."""

    def __init__(self, text: Sequence[str], controls: Sequence[Sequence[str]]) -> None:
        self._text = text
        self._noisy = [False] * len(text)
        self._gaps: set[int] = set()  # what is put in before this token is noise
        elastic: list[tuple[int, int]] = []
        for control in controls:
            for a1, a2, b1, b2 in edits(text, control):
                self._mask(a1, a2)
                if _words(text, a1, a2) != _words(control, b1, b2):
                    elastic.append((a1, a2))
        # Where there is now more and now less, a name beside it belongs to it: data-n="8f3a".
        for a1, a2 in elastic:
            self._mask(*self._with_neighbours(a1, a2))

    def _mask(self, first: int, last: int) -> None:
        self._noisy[first:last] = [True] * (last - first)
        self._gaps.update(range(first, last + 1))

    def _with_neighbours(self, first: int, last: int) -> tuple[int, int]:
        """The range, its next word on both sides, and all noise that goes on from there."""
        before = self._reach(range(first - 1, -1, -1))
        after = self._reach(range(last, len(self._text)))
        return (first if before is None else before), (last if after is None else after + 1)

    def _reach(self, places: range) -> int | None:
        """The last place on the way that is noise or one word away from it."""
        reached, words = None, 0
        for at in places:
            if self._noisy[at]:
                reached, words = at, 0
            elif is_word(self._text[at]):
                words += 1
                if words > 1:
                    break
                reached = at
        return reached

    def explains(self, first: int, last: int) -> bool:
        """Whether nothing but noise is lost between these tokens, at a place of noise."""
        lost = range(first, last)
        if any(is_word(self._text[at]) and not self._noisy[at] for at in lost):
            return False
        return any(at in self._gaps for at in range(first, last + 1))

    def is_near(self, first: int, last: int) -> bool:
        """Whether the place of noise is at most a word away."""
        near_first, near_last = first, last
        for _ in range(4):  # tokens: a blank, a quote, an equals sign, a name
            near_first, near_last = max(0, near_first - 1), min(len(self._text), near_last + 1)
        return any(at in self._gaps for at in range(near_first, near_last + 1))


def _words(text: Sequence[str], first: int, last: int) -> int:
    return sum(is_word(text[at]) for at in range(first, last))


def _telling(text: Sequence[str], other: Sequence[str], noise: _Noise) -> list[TextDifference]:
    """What differs from another text and is not noise; neighbours are told as one."""
    found: list[TextDifference] = []
    joined: list[tuple[int, int, int, int]] = []
    for edit in edits(text, other):
        a1, a2, b1, b2 = edit
        if noise.explains(a1, a2):
            continue
        if joined and a1 - joined[-1][1] <= 1 and b1 - joined[-1][3] <= 1:
            joined[-1] = (joined[-1][0], a2, joined[-1][2], b2)
        else:
            joined.append(edit)
    for a1, a2, b1, b2 in joined:
        ours, theirs = _shown(text[a1:a2]), _shown(other[b1:b2])
        if ours or theirs:
            found.append(TextDifference(ours, theirs, noise.is_near(a1, a2)))
    return found


def _shown(pieces: Sequence[str]) -> str:
    return " ".join("".join(pieces).split())


# -- texts whose parts come in any order -----------------------------------------------------------


def _comes_in_any_order(text: Sequence[str], controls: Sequence[Sequence[str]]) -> bool:
    """Whether words left one place and came up at another, in two answers that should be alike."""
    for control in controls:
        left: Counter[str] = Counter()
        came: Counter[str] = Counter()
        for a1, a2, b1, b2 in edits(text, control):
            left.update(filter(is_word, text[a1:a2]))
            came.update(filter(is_word, control[b1:b2]))
        if left & came:
            return True
    return False


def _words_that_differ(
    ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]
) -> list[TextDifference]:
    """Words that all of ours have equally often and all of theirs less often: where order is
    noise there are no positions, and what only theirs have may be noise too."""
    counted = [Counter(filter(is_word, text)) for text in ours]
    others = [Counter(filter(is_word, text)) for text in theirs]
    lost = [
        word
        for word, count in counted[0].items()
        if all(one[word] == count for one in counted) and all(one[word] < count for one in others)
    ]
    # What is nowhere on their page says more than what is there less often, such as a tag.
    lost.sort(key=lambda word: (any(one[word] for one in others), len(word)))
    return [TextDifference(word, "", doubtful=True) for word in lost]
