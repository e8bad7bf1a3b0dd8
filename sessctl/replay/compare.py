"""What an answer owes to state: two runs of the same step compared, their noise taken out.

A page is never the same twice: it has a new CSRF token, a clock, a visitor count. What differs
between two stateful runs says nothing about state, wherever on the page it stands, so those places
are masked: by position in an aligned stream of tokens, and not by value. The control run is to come
*after* the stateless one; then a clock that ticked between the first two has ticked for it as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# A random value is one token, whatever letters it is made of; what structures a page stands alone.
_TOKEN = re.compile(r"""\s+|[<>"'=&?;,:{}\[\]()]|[^\s<>"'=&?;,:{}\[\]()]+""")
# A block of lines with more tokens than this is compared as one: alignment is quadratic.
_ALIGN_TOKENS = 3_000


class Judgement(StrEnum):
    """What a step turned out to be."""

    SAME = "same"
    DEPENDS = "depends on state"
    UNSTABLE = "unstable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of a step's answer. `error` is set where there was none."""

    status: str = ""
    location: str = ""
    content_type: str = ""
    shown: Mapping[str, str | None] = field(default_factory=dict)
    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that state changed: `what` is status, location, type, body, or a shown name."""

    what: str
    stateful: str
    stateless: str


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """The judgement on a step, with the differences it rests on, shortest first."""

    judgement: Judgement
    differences: tuple[Difference, ...] = ()


Edit = tuple[int, int, int, int]  # tokens a1:a2 of one text stand for b1:b2 of the other


def judge(stateful: Facts, stateless: Facts, control: Facts | None = None) -> StepVerdict:
    """Whether state made a difference.

    Args:
        control: the answer of another stateful run; without it nothing is masked.
    """
    if stateful.error:
        return StepVerdict(Judgement.FAILED, (Difference("error", stateful.error, ""),))
    if control is not None:
        shaky = tuple(_stable_facts_that_differ(stateful, control))
        if shaky:
            return StepVerdict(Judgement.UNSTABLE, shaky)
    found = [*_stable_facts_that_differ(stateful, stateless)]
    found += _masked(stateful, stateless, control)
    if not found:
        return StepVerdict(Judgement.SAME)
    found.sort(key=lambda one: len(one.stateful) + len(one.stateless))
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
    for name, value in dict(one.shown).items():
        theirs = dict(other.shown).get(name)
        if value != theirs:
            yield Difference(name, value or "", theirs or "")


def _media_type(answer: Facts) -> str:
    return answer.content_type.partition(";")[0].strip().lower()


def _masked(stateful: Facts, stateless: Facts, control: Facts | None) -> Iterator[Difference]:
    """Location and body: what differs outside the places that differ by themselves."""
    texts = (
        ("location", stateful.location, stateless.location, control.location if control else None),
        ("body", stateful.text, stateless.text, control.text if control else None),
    )
    for what, ours, theirs, again in texts:
        left = differences(ours, theirs, again)
        if left:
            yield Difference(what, *left[0])


def differences(ours: str, theirs: str, again: str | None = None) -> list[tuple[str, str]]:
    """Where two texts differ and the first differs from `again` in no way; shortest first."""
    if ours == theirs:
        return []
    a, b = _TOKEN.findall(ours), _TOKEN.findall(theirs)
    noise = [] if again is None else list(edits(a, _TOKEN.findall(again)))
    found = [
        ("".join(a[a1:a2]).strip(), "".join(b[b1:b2]).strip())
        for a1, a2, b1, b2 in edits(a, b)
        if not _is_noise(a1, a2, noise)
    ]
    return sorted((pair for pair in found if any(pair)), key=lambda pair: len("".join(pair)))


def _is_noise(first: int, last: int, noise: Sequence[Edit]) -> bool:
    return any(a1 <= first and last <= a2 for a1, a2, _, _ in noise)


def edits(a: Sequence[str], b: Sequence[str]) -> Iterator[Edit]:
    """What turns one stream of tokens into the other: by lines, then by tokens within them."""
    a_lines, b_lines = _lines(a), _lines(b)
    for tag, a1, a2, b1, b2 in SequenceMatcher(
        None, [line for line, _ in a_lines], [line for line, _ in b_lines], autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        a_from, a_to = _span(a_lines, a1, a2)
        b_from, b_to = _span(b_lines, b1, b2)
        if max(a_to - a_from, b_to - b_from) > _ALIGN_TOKENS:
            yield a_from, a_to, b_from, b_to
            continue
        inner = SequenceMatcher(None, a[a_from:a_to], b[b_from:b_to], autojunk=False)
        for word, x1, x2, y1, y2 in inner.get_opcodes():
            if word != "equal":
                yield a_from + x1, a_from + x2, b_from + y1, b_from + y2


def _lines(tokens: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """The lines of a stream, each with the number of its first token."""
    lines: list[tuple[tuple[str, ...], int]] = []
    begin = 0
    for number, token in enumerate(tokens, 1):
        if "\n" in token:
            lines.append((tuple(tokens[begin:number]), begin))
            begin = number
    lines.append((tuple(tokens[begin:]), begin))
    return lines


def _span(lines: Sequence[tuple[tuple[str, ...], int]], first: int, last: int) -> tuple[int, int]:
    """Tokens first:last of some lines."""
    at = [begin for _, begin in lines]
    at.append(at[-1] + len(lines[-1][0]))
    return at[first], at[last]
