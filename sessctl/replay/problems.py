"""What is wrong with a scenario: every mistake with its file, line, key and fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 10  # further mistakes often follow from the first ones


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file as an editor counts it: lines and columns from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `key` is the path to it: `steps[2].expect.status`, or empty for the file."""

    place: Place
    key: str
    message: str
    hint: str | None = None


class ScenarioError(UsageError):
    """A scenario is not one. `problems` has every mistake that was found, in the file's order."""

    code = "scenario.invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: _order(problem.place)))
        first = self.problems[0]
        if len(self.problems) == 1:
            super().__init__(first.message, hint=first.hint)
            self.where = {"file": str(first.place)} | ({"key": first.key} if first.key else {})
            return
        count = len(self.problems)
        more = f"; the first {_SHOWN} of them" if count > _SHOWN else ""
        super().__init__(
            f"the scenario has {count} mistakes{more}",
            hint=f"sessctl replay lint {first.place.file}",
        )
        for problem in self.problems[:_SHOWN]:
            told = problem.message + (f" ({problem.hint})" if problem.hint else "")
            place = str(problem.place)
            self.where[place] = f"{self.where[place]}; {told}" if place in self.where else told


def _order(place: Place) -> tuple[str, int, int]:
    return place.file, place.line, place.column
