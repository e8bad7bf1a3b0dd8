"""What `expire`, `purge` and `restore` print: outcomes for programs, a sentence for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sessctl.cli.items import outcome_item
from sessctl.cli.output import Writer
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sessctl.cli.run import Run
    from sessctl.stores.base import Result, Store

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
KEYS = ("sid", "outcome", "reason")
_SAMPLES = 3
# In the order in which a sentence names them, with how it puts it.
_ASIDE = {
    "changed": "renewed meanwhile, left alone",
    "gone": "already gone",
    "unconfirmed": "unconfirmed",
    "failed": "failed",
    "present": "already there",
    "newer": "newer, left alone",
    "lapsed": "expired, skipped",
}


class Outcomes:
    """Collects results and writes them as they come.

    In a pipe and without -o, `counts_only` commands print a count per outcome: a nightly purge of a
    million sessions must not mail a million lines.
    """

    def __init__(self, run: Run, output: str | None, *, counts_only: bool, dry_run: bool) -> None:
        self._run = run
        self._started = time.monotonic()
        self._dry_run = dry_run
        self._samples: dict[str, list[str]] = {}
        self._people = (output is None and run.streams.stdout_is_terminal) or output in (
            "table",
            "wide",
        )
        self._counts_only = counts_only and output is None
        self._writer = None
        if not self._people and not self._counts_only:
            self._writer = Writer(run, output or "tsv", "OutcomeList", KEYS)

    def add(self, results: Iterable[Result], rename: Mapping[str, str] | None = None) -> None:
        """The results of a page."""
        for result in results:
            word = (rename or {}).get(result.outcome.value, result.outcome.value)
            if self._writer is not None:
                item = outcome_item(result.sid, word, result.reason, redact=self._run.redacting)
                self._writer.item(item)
            elif result.reason and len(self._samples.setdefault(word, [])) < _SAMPLES:
                self._samples[word].append(f"{short_id(result.sid)}: {result.reason}")

    def finish(
        self,
        counts: Mapping[str, int],
        *,
        headline: str,
        complete: bool,
        journal: str | None,
        store: Store,
    ) -> None:
        """The summary: a sentence for people, the last line or the `summary` for programs."""
        if self._writer is not None:
            self._writer.end(summary=self._summary(counts, complete, journal, store))
        elif self._counts_only and not self._people:
            self._write_counts(counts)
        if self._people:
            self._run.streams.line((headline, "accent"))
        else:
            self._run.streams.say(headline)
        for word in ("failed", "changed"):
            for sample in self._samples.get(word, []):
                self._run.streams.say((f"  {word} ", "warn"), sample)

    def _write_counts(self, counts: Mapping[str, int]) -> None:
        writer = Writer(self._run, "tsv", "Counts", ("outcome", "count"))
        for word, count in counts.items():
            writer.item({"outcome": word, "count": count})
        writer.end()

    def _summary(
        self, counts: Mapping[str, int], complete: bool, journal: str | None, store: Store
    ) -> dict[str, Any]:
        return {
            **counts,
            "complete": complete,
            "journal": journal,
            "dry_run": self._dry_run,
            "elapsed_s": round(time.monotonic() - self._started, 3),
            "notes": list(store.remarks.notes),
        }


def counted(count: int) -> str:
    """`1 session`, `2,041 sessions`."""
    return f"{count:,} session{'' if count == 1 else 's'}"


def aside(counts: Mapping[str, int]) -> str:
    """` (12 renewed meanwhile, left alone; 3 failed)`, or nothing."""
    words = [f"{counts[word]:,} {text}" for word, text in _ASIDE.items() if counts.get(word)]
    return f" ({'; '.join(words)})" if words else ""
