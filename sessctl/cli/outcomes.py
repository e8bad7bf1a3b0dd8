"""What commands that write print: outcomes for programs, a sentence for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sessctl.cli.items import outcome_item
from sessctl.cli.output import Writer
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sessctl.cli.run import Run
    from sessctl.stores.base import Result, Store

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
KEYS = ("sid", "outcome", "reason")
REMOVED = ("deleted", "gone", "changed", "failed", "unconfirmed")
COPIED = ("copied", "replaced", "present", "kept", "lapsed", "failed")
CHANGED = ("stored", "present", "changed", "gone", "failed")
TOUCHED = ("touched", "present", "changed", "gone", "lapsed", "failed")
RESTORED = ("restored", "present", "newer", "lapsed", "failed")
_SAMPLES = 3
# In the order in which a sentence names them, with how it puts it.
_ASIDE = {
    "changed": "renewed meanwhile, left alone",
    "gone": "already gone",
    "unconfirmed": "unconfirmed",
    "re-created": "written back by requests in flight",
    "failed": "failed",
    "replaced": "replaced",
    "ended": "ended at the source, and so ended here",
    "present": "already there",
    "kept": "another is there and stays",
    "newer": "newer, left alone",
    "lapsed": "expired, skipped",
}


class Outcomes:
    """Collects results and writes them as they come; one document, however many backends.

    In a pipe and without -o, `counts_only` commands print a count per outcome: a nightly purge of a
    million sessions must not mail a million lines.

    Args:
        words: the outcomes there can be; a summary names each of them, zero or not.
    """

    def __init__(
        self, run: Run, words: Sequence[str], *, counts_only: bool, dry_run: bool = False
    ) -> None:
        output = run.options.output
        if output is not None:
            run.output_format(FORMATS, terminal="table", pipe="tsv")
        self._run = run
        self._started = time.monotonic()
        self._dry_run = dry_run
        self._samples: dict[str, list[str]] = {}
        self._counts = dict.fromkeys(words, 0)
        self._complete = True
        self._journals: list[str] = []
        self._notes: dict[str, None] = {}
        terminal = run.streams.stdout_is_terminal
        self._people = output in ("table", "wide") or (output is None and terminal)
        self._counts_only = counts_only and output is None and not self._people
        self._names = output == "name"
        self._writer: Writer | None = None
        if self._counts_only:
            self._writer = Writer(run, "tsv", "Counts", ("outcome", "count"))
        elif not self._people:
            self._writer = Writer(run, output or "tsv", "OutcomeList", KEYS)

    def add(self, results: Iterable[Result], rename: Mapping[str, str] | None = None) -> None:
        """The results of a page."""
        for result in results:
            word = (rename or {}).get(result.outcome.value, result.outcome.value)
            if self._writer is not None and not self._counts_only:
                if self._names and not result.sid:
                    continue  # a line of a file that is no session has no name
                item = outcome_item(result.sid, word, result.reason, redact=self._run.redacting)
                self._writer.item(item)
            elif result.reason and len(self._samples.setdefault(word, [])) < _SAMPLES:
                named = f"{short_id(result.sid)}: " if result.sid else ""
                self._samples[word].append(f"{named}{result.reason}")

    def conclude(
        self,
        counts: Mapping[str, int],
        store: Store,
        *,
        headline: str,
        complete: bool = True,
        journal: Path | None = None,
        source: Store | None = None,
        source_journal: Path | None = None,
    ) -> None:
        """One backend is done: a sentence for people, and its part of the summary.

        Args:
            source: another store that the run was about, and the journal of what it did there.
        """
        for word, count in counts.items():
            self._counts[word] = self._counts.get(word, 0) + count
        self._complete = self._complete and complete
        self._notes |= store.remarks.notes | (source.remarks.notes if source else {})
        self._journals += [str(path) for path in (journal, source_journal) if path is not None]
        if self._people:
            self._run.streams.line((headline, "accent"))
        else:
            self._run.streams.say(headline)
        for word in ("failed", "changed"):
            for sample in self._samples.pop(word, []):
                self._run.streams.say((f"  {word} ", "warn"), sample)

    def end(self) -> None:
        """All backends are done: the last line, or the `summary` of the document."""
        if self._writer is None:
            return
        if self._counts_only:
            for word, count in self._counts.items():
                self._writer.item({"outcome": word, "count": count})
            self._writer.end()
        else:
            self._writer.end(summary=self._summary())

    def _summary(self) -> dict[str, Any]:
        return {
            **self._counts,
            "complete": self._complete,
            "journal": self._journals[0] if self._journals else None,
            "dry_run": self._dry_run,
            "elapsed_s": round(time.monotonic() - self._started, 3),
            "notes": list(self._notes),
            **({"journals": self._journals} if len(self._journals) > 1 else {}),
        }


def counted(count: int) -> str:
    """`1 session`, `2,041 sessions`."""
    return f"{count:,} session{'' if count == 1 else 's'}"


def aside(counts: Mapping[str, int]) -> str:
    """` (12 renewed meanwhile, left alone; 3 failed)`, or nothing."""
    words = [f"{counts[word]:,} {text}" for word, text in _ASIDE.items() if counts.get(word)]
    return f" ({'; '.join(words)})" if words else ""
