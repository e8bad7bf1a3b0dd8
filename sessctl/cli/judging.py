"""`decode` and `verify` over all the texts they were given, in one process or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.cookie_batch import Batch

if TYPE_CHECKING:
    from sessctl.cli.cookie_answers import Finder
    from sessctl.cli.cookie_batch import Tally
    from sessctl.cli.cookie_inputs import Texts
    from sessctl.cli.cookie_options import Judging
    from sessctl.cli.run import Run
    from sessctl.errors import ExitCode


def judge_batch(
    run: Run,
    how: Judging,
    finder: Finder,
    output: str,
    texts: Texts,
    *,
    judges: bool,
    jobs: int | None,
) -> tuple[Tally, ExitCode | None]:
    """Write the answer to each text: the counts, and the exit code where some were no cookies.

    Args:
        judges: a cookie that cannot be verified here is an error; else it is only read.
        jobs: processes; the order and the bytes are the same with any number.

    Raises:
        UnreadableInput: it is the only text, and no cookie.
    """
    masker = run.masker() if run.redacting else None
    batch = Batch(run, how, finder, output, judges=judges, masker=masker)
    why_one = _why_one(texts, finder, output)
    if jobs is None or jobs == 1 or why_one:
        if why_one and (jobs or 1) > 1:
            run.note(f"one process does all: {why_one}")
        if batch.has_short_way and not isinstance(texts, list) and texts.has_lines:
            for chunk in texts.chunks():
                batch.add_lines(chunk, texts.form)
        else:
            batch.add_all(texts)
    else:
        from sessctl.cli.cookie_jobs import judge_in_processes  # one process needs none of it

        judge_in_processes(run, batch, texts, jobs)  # type: ignore[arg-type]
    return batch.tally, batch.end(run, getattr(texts, "unit", "lines"))


def _why_one(texts: Texts, finder: Finder, output: str) -> str:
    """Why the work is not for several processes; empty where it is."""
    if output in ("table", "wide"):
        return "blocks are for people (-o jsonl)"
    if finder.looks:
        return "sessions are looked up one by one (--no-lookup)"
    if isinstance(texts, list) or not texts.has_lines:
        return "there are no lines to share"
    return ""
