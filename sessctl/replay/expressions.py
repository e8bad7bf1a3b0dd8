"""Whether the selectors, paths and patterns of a scenario can be used, before a request is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import MissingExtra, UsageError
from sessctl.replay.expect import Matcher, Operator
from sessctl.replay.extract import SourceKind
from sessctl.replay.jsonpath import parse_path
from sessctl.replay.problems import Problem, ScenarioError
from sessctl.replay.scenario import requests_of
from sessctl.replay.variables import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.problems import Place
    from sessctl.replay.scenario import Request, Scenario


def check_expressions(scenario: Scenario) -> None:
    """Compile every expression that has no `${name}` in it.

    Raises:
        ScenarioError: some are none, each with its line.
        MissingExtra: css or xpath is used and `sessctl[replay]` is not installed.
    """
    problems: list[Problem] = []
    missing: MissingExtra | None = None
    for request in requests_of((*scenario.before, *scenario.steps)):
        for kind, expression, place in _expressions(request):
            try:
                _compile(kind, expression)
            except MissingExtra as exc:
                missing = missing or exc
            except UsageError as exc:
                problems.append(Problem(place, "", exc.message, exc.hint))
    if problems:
        raise ScenarioError(problems)
    if missing is not None:
        raise missing


def _expressions(request: Request) -> Iterator[tuple[SourceKind, str, Place]]:
    for capture in (*request.capture, *request.show):
        yield capture.source.kind, capture.source.expression, capture.place
    until = request.retry.until if request.retry else None
    for expectation in filter(None, (request.expect, request.stateless, until)):
        for check in expectation.checks:
            yield check.source.kind, check.source.expression, check.place
            for pattern in _patterns(check.matcher):
                yield SourceKind.REGEX, pattern, check.place


def _patterns(matcher: Matcher) -> Iterator[str]:
    for operator, operand in matcher.tests:
        if isinstance(operand, Matcher):
            yield from _patterns(operand)
        elif operator is Operator.MATCHES:
            yield operand


def _compile(kind: SourceKind, expression: str) -> None:
    if names_in(expression):
        return
    if kind is SourceKind.JSON:
        parse_path(expression)
    elif kind in (SourceKind.CSS, SourceKind.XPATH, SourceKind.REGEX):
        from sessctl.replay import pages

        compilers = {
            SourceKind.CSS: pages.css_to_xpath,
            SourceKind.XPATH: pages.compile_xpath,
            SourceKind.REGEX: pages.compile_pattern,
        }
        compilers[kind](expression)
