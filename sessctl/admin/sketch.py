"""Summaries of many numbers and texts in bounded memory, with the error that this costs."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from heapq import nlargest

_BITS = 8  # of a size are kept
_LONGEST = 200  # characters of a text; a hostile one may have millions


class Sizes:
    """Sizes in bytes, and how they are spread.

    Sizes below 256 are counted as they are, larger ones by their first eight bits: 3 000 counters
    at most, whatever comes, and quantiles that are within `error_ratio` of a size that was added.
    Source of the idea: HdrHistogram.
    """

    error_ratio = 1 / 2**_BITS

    def __init__(self) -> None:
        self.sum = 0
        self.max = 0
        self._counts: Counter[int] = Counter()

    def add(self, size: int) -> None:
        self.sum += size
        if size > self.max:
            self.max = size
        dropped = size.bit_length() - _BITS
        self._counts[size if dropped <= 0 else size >> dropped << dropped] += 1

    def quantile(self, share: float) -> int | None:
        """The size that this share of all is not above; None: there are none."""
        total = self._counts.total()
        left = max(share * total, 1)
        for least in sorted(self._counts):
            left -= self._counts[least]
            if left <= 0:
                dropped = max(least.bit_length() - _BITS, 0)
                middle = least + (1 << dropped) // 2
                return min(middle, self.max)
        return None


class TopCounts:
    """The commonest of many texts.

    Up to `room` different ones are counted exactly. Beyond that the rarest half is dropped and what
    they had at the most is taken off all others: a count is then too low by `error` at the most,
    which is below twice the number of texts divided by `room`.
    Source: J. Misra, D. Gries, "Finding repeated elements" (1982), in the form of Anderson et al.,
    "A high-performance algorithm for identifying frequent items in data streams" (2017).
    """

    def __init__(self, room: int = 20_000) -> None:
        self.error = 0
        self._room = room
        self._counts: dict[str, int] = {}

    def add(self, text: str) -> None:
        if len(text) > _LONGEST:
            mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
            text = f"{text[:_LONGEST]}...{mark}"
        counts = self._counts
        counts[text] = counts.get(text, 0) + 1
        if len(counts) > self._room:
            self._prune()

    def _prune(self) -> None:
        rarer = nlargest(self._room // 2, self._counts.values())[-1]
        self._counts = {text: n - rarer for text, n in self._counts.items() if n > rarer}
        self.error += rarer

    @property
    def distinct(self) -> int | None:
        """How many different ones there were; None: more than can be told apart."""
        return None if self.error else len(self._counts)

    def top(self, count: int) -> list[tuple[str, int]]:
        """The commonest and how often they came, at least; equals in the order of their texts."""
        ranked = sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
        return ranked[:count]
