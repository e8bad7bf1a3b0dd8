"""JUnit XML, for build servers: one case for each step, one for each verdict that is asserted.

There is no one standard. This is what both the schema of the Ant task (with everything it requires)
and that of Jenkins take: a suite of `properties`, cases, `system-out` and `system-err`, in this
order; one outcome in a case at the most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from sessctl.text import escape

if TYPE_CHECKING:
    from sessctl.replay.reports.report import RecordView, Report, StepView

_SKIPPED = {"unstable": "two runs with cookies differ by themselves, so it was not judged"}


def junit(report: Report) -> str:
    """The document, with its XML declaration."""
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite")
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", name=name, value=escape(value))
    title = _token(report.scenario.name or report.scenario.file) or "scenario"
    for step in report.steps:
        _step_case(suite, title, step, report)
    for one in report.verdict.asserted:
        case = _case(suite, title, f"asserted: {one.what}", 0.0)
        if not one.holds:
            _say(case, "failure", "verdict", f"expected '{one.wanted}', found '{one.found}'")
    ET.SubElement(suite, "system-out").text = escape(report.verdict.sentence)
    ET.SubElement(suite, "system-err").text = "\n".join(map(escape, report.verdict.unmet))
    suite.attrib |= {
        "name": title,
        "package": "sessctl.replay",
        "id": "0",
        # The schema takes no fraction and no zone; it is UTC.
        "timestamp": (report.started_at or "1970-01-01T00:00:00")[:19],
        "hostname": "localhost",
        "tests": _count(suite, "testcase"),
        "failures": _count(suite, "failure"),
        "errors": _count(suite, "error"),
        "skipped": _count(suite, "skipped"),
        "time": f"{report.elapsed_s:.3f}",
    }
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _properties(report: Report) -> list[tuple[str, str]]:
    verdict = report.verdict
    return [
        ("target", report.scenario.target),
        ("verdict", verdict.sentence),
        ("carrier", verdict.carrier or "not told"),
        ("kept", verdict.kept),
    ]


def _step_case(suite: ET.Element, title: str, step: StepView, report: Report) -> None:
    record = report.stateful.step(step.key) if report.stateful else None
    spent = (
        sum(one.response.elapsed_ms for one in record.exchanges if one.response) if record else 0
    )
    case = _case(suite, title, f"{step.key} {step.name or step.action}", spent / 1000)
    if record is None:
        _say(case, "skipped", "", "the run ended before this step")
        return
    failures = [*record.failures, *_elsewhere(step.key, report)]
    if record.problem:
        _say(case, "error", "transport", "\n".join([record.problem, *failures]))
    elif failures:
        _say(case, "failure", "expect", "\n".join(failures))
    elif step.judgement in _SKIPPED:
        _say(case, "skipped", "", _SKIPPED[step.judgement])


def _elsewhere(key: str, report: Report) -> list[str]:
    """Expectations that did not hold in the runs after the first."""
    runs = [run for run in report.runs[1:] if run.withheld is None]
    records: list[tuple[str, RecordView | None]] = [(run.title, run.step(key)) for run in runs]
    return [f"{title}: {line}" for title, one in records if one for line in one.failures]


def _case(suite: ET.Element, title: str, name: str, seconds: float) -> ET.Element:
    names = {"classname": title, "name": _token(name), "time": f"{seconds:.3f}"}
    return ET.SubElement(suite, "testcase", names)


def _say(case: ET.Element, tag: str, kind: str, text: str) -> None:
    attributes = {"message": escape(text.partition("\n")[0])}
    if kind:
        attributes["type"] = kind
    ET.SubElement(case, tag, attributes).text = "\n".join(map(escape, text.split("\n")))


def _token(text: str) -> str:
    """XML's word for one line without blanks at its ends or two in a row."""
    return " ".join(escape(text).split())


def _count(suite: ET.Element, tag: str) -> str:
    return str(sum(1 for _ in suite.iter(tag)))
