"""`sessctl demo LESSON`: shops are opened, a scenario is played against them and explained."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from sessctl.cli.blocks import row
from sessctl.cli.replay.playing import Bar, Learner, Requests, check_reached, listen
from sessctl.cli.replay.screen import show
from sessctl.cli.replay.setup import Wanted, opened, runs_in_words
from sessctl.demo.lessons import find_lesson
from sessctl.demo.lessons.stage import staged
from sessctl.demo.tour import WIDTH
from sessctl.errors import ExitCode, UsageError
from sessctl.replay.reports.veil import ReportOptions, Veil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.cli.replay.playing import Listener
    from sessctl.cli.run import Run
    from sessctl.cli.theme import Role
    from sessctl.demo.lessons import Lesson, Part
    from sessctl.replay.study import Study

_INDENT = 13  # columns, of what stands behind a name


def play_lesson(run: Run, name: str) -> ExitCode:
    """Play a lesson's parts against its shops; 1 if it does not show what it teaches."""
    lesson = find_lesson(name)
    _only_a_table(run)
    run.streams.stop_paging()
    _begin(run, lesson.summary, lesson.look)
    held: list[bool] = []
    for part in lesson.parts:
        _head(run, part)
        veil = _veil(run)
        with staged(part) as study:
            stopped = _play(run, study, veil)
        if stopped is not None:
            return stopped
        show(run, study, veil, with_jar=False, with_diagram=False)
        held.append(_holds(study))
    return _end(run, lesson, lesson.parts, held)


def aim_lesson(run: Run, name: str, *, target: str, var: Sequence[str]) -> ExitCode:
    """Play a lesson against somebody's own app.

    Raises:
        UsageError: the lesson cannot be, and why.
    """
    lesson = find_lesson(name)
    _only_a_table(run)
    part = lesson.aimed
    if part is None:
        raise UsageError(f"the lesson '{name}' takes no --target", hint=lesson.needs)
    run.streams.stop_paging()
    wanted = Wanted(file=str(part.path), target=target, var=var)
    with opened(run, wanted) as study:
        run.note(runs_in_words(wanted, study.runner.app.target))
        veil = _veil(run)
        stopped = _play(run, study, veil)
    if stopped is not None:
        return stopped
    check_reached(study.transcripts[0])
    _begin(run, lesson.summary, [study.runner.scenario.about])
    _head(run, part)
    show(run, study, veil, with_jar=False, with_diagram=False)
    return _end(run, lesson, [part], [_holds(study)])


def _only_a_table(run: Run) -> None:
    try:
        run.output_format(("table",), terminal="table", pipe="table")
    except UsageError as exc:
        hint = "`sessctl replay FILE -o json` plays a lesson's scenario; --list names the files"
        raise UsageError("a lesson is for people to read", hint=hint) from exc


def _veil(run: Run) -> Veil:
    return Veil(ReportOptions(run.options.show_ids and not run.redacting, run.masker()), ())


def _play(run: Run, study: Study, veil: Veil) -> ExitCode | None:
    """Play a study; an exit code if a signal has ended it."""
    bar = Bar(run, len(study.runner.numbered))
    listeners: list[Listener] = [Learner(veil), bar]
    listeners += [Requests(run, veil)] if run.options.verbose else []
    run.streams.flush()
    try:
        return listen(run, study.run(), listeners)
    finally:
        bar.close()


def _holds(study: Study) -> bool:
    finding = study.finding
    return finding is not None and finding.complete and not finding.unmet


# -- words -----------------------------------------------------------------------------------------


def _begin(run: Run, title: str, sentences: Sequence[str]) -> None:
    run.streams.line((title, "accent"))
    for sentence in sentences:
        for text in textwrap.wrap(sentence, WIDTH):
            run.streams.line((text, "muted"))


def _head(run: Run, part: Part) -> None:
    run.streams.line()
    if part.title:
        run.streams.line((f"{part.title}:", "key"))


def _end(run: Run, lesson: Lesson, parts: Sequence[Part], held: Sequence[bool]) -> ExitCode:
    """What each part has shown, held against the other, and why it is so."""
    run.streams.line()
    for place, (part, holds) in enumerate(zip(parts, held, strict=True)):
        title = f"{part.title}: " if part.title else ""
        told = part.told if holds else "not so here; what failed stands above"
        _say(run, "" if place else "verdict", f"{title}{told}", "ok" if holds else "danger")
    _say(run, "why", lesson.why)
    _say(run, "scenario", str(parts[-1].path), whole=True)
    return ExitCode.OK if all(held) else ExitCode.NO


def _say(run: Run, name: str, text: str, role: Role = "plain", *, whole: bool = False) -> None:
    lines = [text] if whole else textwrap.wrap(text, WIDTH - _INDENT)
    for place, line in enumerate(lines):
        run.streams.line(*row("" if place else name, (line, role)))


__all__ = ["aim_lesson", "play_lesson"]
