"""The list of lessons: of `sessctl demo --list`, and at the end of the tour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import aligned
from sessctl.cli.output import Writer
from sessctl.demo.lessons import LESSONS
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.demo.lessons import Lesson

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "name")
KEYS = ("name", "summary", "takes_target", "needs", "scenarios")
_WIDEST = 72


def list_lessons(run: Run) -> ExitCode:
    """Every lesson; in a pipe too it is people who read it, unless -o says otherwise."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    if output == "table":
        for line in lesson_lines():
            run.streams.line(*line)
        return ExitCode.OK
    writer = Writer(run, output, "LessonList", KEYS, name="name")
    for lesson in LESSONS:
        writer.item(_item(lesson))
    writer.end()
    return ExitCode.OK


def lesson_lines() -> Iterator[Line]:
    """The list as people read it, and how to go on."""
    yield [("Lessons, a few seconds each:", "accent")]
    yield from aligned(
        (), [[(f"  {one.name}", "key"), (one.summary, "plain")] for one in LESSONS], widest=_WIDEST
    )
    aimed = ", ".join(one.name for one in LESSONS if one.aimed)
    yield [("sessctl demo LESSON plays one. --target URL plays it against your own app:", "muted")]
    yield [(f"  {aimed}", "muted")]


def _item(lesson: Lesson) -> dict[str, Any]:
    return {
        "name": lesson.name,
        "summary": lesson.summary,
        "takes_target": lesson.aimed is not None,
        "needs": lesson.needs or None,
        "scenarios": [str(part.path) for part in lesson.parts],
    }


__all__ = ["lesson_lines", "list_lessons"]
