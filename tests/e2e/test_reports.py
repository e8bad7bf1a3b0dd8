"""Reports of real runs: the document, the test result, the Markdown."""

from __future__ import annotations

import json
import re
import time
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from sessctl.cookies.api import decode_cookie
from sessctl.errors import UsageError
from sessctl.replay.join import StoreWatcher
from sessctl.replay.reports import RENDERERS, ReportOptions, render, report
from sessctl.replay.reports.document import transcript_schema_text
from sessctl.stores.opening import open_store
from tests.support.express import ExpressApp
from tests.support.hostile_app import MARKDOWN, MARKUP, STEPS, answer
from tests.support.raw_http import RawServer, reply, saying
from tests.support.replay import runner, study

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sessctl.replay.study import Study

SCHEMA: dict[str, Any] = json.loads(transcript_schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LOGIN = """
  - {name: first, get: /views, show: {views: {json: $.views}}}
  - {name: second, get: /views, show: {views: {json: $.views}}, expect: {depends: true}}
  - {name: log in, post: /login, json: {user: tj, password: hunter2-is-secret}}
  - {name: me, get: /me, capture: {_sid: {json: $.sid}}, show: {user: {json: $.user}}}
  - {jar: {keep: stolen}}
  - {name: log out, post: /logout}
"""


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Views and a login on express-session, its store watched."""
    folder = tmp_path_factory.mktemp("store")
    with ExpressApp(store="sqlite3", dir=str(folder), db="shop.db", secrets=["k"]) as app:
        watcher = StoreWatcher(open_store(f"sqlite:///{folder}/shop.db"), sid_of)
        return study(runner(LOGIN, app.url, watcher=watcher), why=True, store="sqlite")


@pytest.fixture(scope="module")
def hostile() -> Study:
    """A run of the app that wants to break out, of a scenario that does too."""
    with RawServer(answer) as app:
        name = json.dumps(f"{MARKUP}{MARKDOWN}\u202e")
        return study(runner(STEPS.format(name=name, word="text"), app.url))


def sid_of(cookies: Mapping[str, str]) -> str | None:
    value = cookies.get("connect.sid")
    return value and decode_cookie(f"connect.sid={value}", name="connect.sid").sid


def cookie_values(study: Study) -> set[str]:
    return {
        cookie.value
        for run in study.transcripts
        for record in run.steps
        for one in record.exchanges
        for cookie in one.cookies
    }


# -- all of them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", RENDERERS)
def test_credentials_are_shortened_wherever_they_stand(express: Study, format: str) -> None:
    """Cookies, the session id on the page and in the store, the password in the request."""
    text = render(format, express)
    values = cookie_values(express)
    sids = {sid for value in values if (sid := sid_of({"connect.sid": value}))}
    assert len(sids) > 2
    assert [one for one in (*values, *sids, "hunter2") if one in text] == []


def test_they_are_whole_when_asked_for(express: Study) -> None:
    document = render("json", express, ReportOptions(show_ids=True))
    assert all(value in document for value in cookie_values(express))
    assert "hunter2-is-secret" in document


def test_the_same_value_can_still_be_seen_to_be_the_same(express: Study) -> None:
    steps = json.loads(render("json", express))["runs"][0]["steps"]
    first, second, third = (steps[n]["exchanges"][0] for n in range(3))
    assert first["jar"][0]["value"] == second["sent"][0]["value"] != third["jar"][0]["value"]
    me = json.loads(steps[3]["exchanges"][0]["response"]["body"]["text"])
    assert me["sid"] == steps[3]["exchanges"][0]["store"]["sid"]


def test_an_unknown_format_is_named(express: Study) -> None:
    with pytest.raises(UsageError) as caught:
        render("htm", express)
    assert caught.value.message == "there is no report format 'htm'"
    assert "html" in str(caught.value.hint)


def test_a_page_that_repeats_a_cookie_takes_no_longer_than_it_is_long() -> None:
    """Eight times the length may take more than eight times as long, but not fifty."""
    spent = []
    for size in (65_536, 524_288):
        with RawServer(saying(reply(b"a" * size, b"Set-Cookie: sid=" + b"a" * 20))) as app:
            found = study(runner("\n  - {get: /}", app.url), control=False)
        begun = time.process_time()
        render("json", found)
        spent.append(time.process_time() - begun)
    assert spent[1] < 50 * max(spent[0], 0.01)


# -- the document ----------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("show_ids", [True, False])
@pytest.mark.parametrize("name", ["express", "hostile"])
def test_a_document_is_valid(request: pytest.FixtureRequest, name: str, show_ids: bool) -> None:
    text = render("json", request.getfixturevalue(name), ReportOptions(show_ids=show_ids))
    assert text.isascii()
    assert "\x7f" not in text
    VALIDATOR.validate(json.loads(text))


def test_every_key_of_a_document_is_in_the_schema() -> None:
    """And none is in the schema only. Names of definitions are those of the classes."""
    classes = {c for c in vars(report).values() if is_dataclass(c) and isinstance(c, type)}
    definitions = {**SCHEMA["$defs"], "": SCHEMA}
    ours = {}
    for one in classes:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one.__name__.removesuffix("View")).lower()
        extra = ["schema", "kind"] if name == "report" else []
        ours["" if name == "report" else name] = [*extra, *(field.name for field in fields(one))]
    assert ours == {name: list(one["properties"]) for name, one in definitions.items()}
    for one in definitions.values():
        assert one["required"] == list(one["properties"])
        assert all(value.get("description") for value in one["properties"].values())


def test_a_document_tells_what_the_store_held(express: Study) -> None:
    steps = json.loads(render("json", express))["runs"][0]["steps"]
    stores = [step["exchanges"][0]["store"] for step in steps if step["exchanges"]]
    assert [store["fate"] for store in stores][:2] == ["created", "changed"]
    assert stores[1]["changes"] == [{"path": "$.views", "old": 1, "new": 2}]
    assert stores[1]["data"] == {"views": 2}


def test_a_request_that_was_not_to_carry_the_cookie_leads_to_no_session(tmp_path: Path) -> None:
    """The jar still holds it, and the session is in the store."""
    steps = "\n  - {get: /views}\n  - {name: bare, get: /me, cookies: none}"
    with ExpressApp(store="sqlite3", dir=str(tmp_path), db="shop.db", secrets=["k"]) as app:
        watcher = StoreWatcher(open_store(f"sqlite:///{tmp_path}/shop.db"), sid_of)
        found = study(runner(steps, app.url, watcher=watcher), control=False)
    bare = json.loads(render("json", found))["runs"][0]["steps"][1]["exchanges"][0]["store"]
    assert (bare["fate"], bare["sid"]) == ("none", None)


# -- JUnit -----------------------------------------------------------------------------------------


def check_junit(text: str) -> ET.Element:
    """The rules of the Ant task's schema, which are the strictest around; the suite."""
    root = ET.fromstring(text)
    assert (root.tag, list(root.attrib)) == ("testsuites", [])
    (suite,) = root
    assert suite.tag == "testsuite"
    assert {*suite.attrib} == {
        *("name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors"),
        *("skipped", "time"),
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    tags = [one.tag for one in suite]
    cases = suite.findall("testcase")
    assert tags == ["properties", *(["testcase"] * len(cases)), "system-out", "system-err"]
    assert all(is_token(one.attrib["name"]) for one in suite.iter("property"))
    for case in cases:
        assert {*case.attrib} == {"name", "classname", "time"}
        assert is_token(case.attrib["name"])
        assert is_token(case.attrib["classname"])
        assert Decimal(case.attrib["time"]) >= 0
        assert len(case) <= 1
        for outcome in case:
            assert outcome.tag in ("skipped", "failure", "error")
            assert len(outcome) == 0
            if outcome.tag != "skipped":
                assert {*outcome.attrib} == {"message", "type"}
    for tag, key in (("testcase", "tests"), ("failure", "failures"), ("error", "errors")):
        assert int(suite.attrib[key]) == len(list(suite.iter(tag)))
    return suite


def is_token(text: str) -> bool:
    return bool(text) and text == " ".join(text.split())


def outcomes(suite: ET.Element) -> dict[str, str]:
    return {
        case.attrib["name"]: case[0].tag if len(case) else "" for case in suite.iter("testcase")
    }


def test_a_case_stands_for_each_step_and_each_asserted_verdict(express: Study) -> None:
    assert outcomes(check_junit(render("junit", express))) == {
        **dict.fromkeys(("1 first", "2 second", "3 log in", "4 me", "5 jar: keep stolen"), ""),
        "6 log out": "",
        "asserted: step 2": "",
    }


def test_what_was_expected_and_is_not_so_fails() -> None:
    with RawServer(saying(reply(b"same"))) as app:
        steps = "steps:\n  - {name: a, get: /, expect: {depends: true}}"
        found = study(runner(f"\nexpect: {{verdict: stateful}}\n{steps}", app.url))
    suite = check_junit(render("junit", found))
    assert outcomes(suite) == {
        "1 a": "", "asserted: step 1": "failure", "asserted: verdict": "failure",
    }  # fmt: skip
    messages = [one.attrib["message"] for one in suite.iter("failure")]
    assert messages == ["expected 'depends on state', found 'same'",
                        "expected 'stateful', found 'stateless'"]  # fmt: skip


def test_a_failed_step_fails_and_those_behind_it_are_skipped(hostile: Study) -> None:
    steps = "\n  - {name: a, get: /, expect: {status: 500}}\n  - {name: b, get: /}"
    with RawServer(saying(reply(b"x"))) as app:
        failed = study(runner(steps, app.url))
        url = app.url
    refused = study(runner(steps, url))  # nobody listens there any more
    assert outcomes(check_junit(render("junit", failed))) == {"1 a": "failure", "2 b": "skipped"}
    assert outcomes(check_junit(render("junit", refused))) == {"1 a": "error", "2 b": "skipped"}


def test_xml_holds_what_xml_cannot_say(hostile: Study) -> None:
    text = render("junit", hostile)
    suite = check_junit(text)
    assert "\\u202e" in text
    assert suite.find("testcase").attrib["name"].startswith(f"1 {MARKUP[:20]}")  # type: ignore[union-attr]


# -- Markdown --------------------------------------------------------------------------------------


def test_markdown_has_the_verdict_the_table_and_the_diagram(express: Study) -> None:
    lines = render("md", express).splitlines()
    assert lines[2].startswith("**stateful&#58; ")
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[3] == (
        "| 2 second | GET /views | 200, views=2 | 200, views=1 | depends on state | views, body |"
    )
    assert lines.count("```mermaid") == 1
    assert "  C0->>A0: 2 GET /views with connect.sid" in lines


def test_nothing_breaks_out_of_the_table_or_the_diagram(hostile: Study) -> None:
    """One row a step, one statement a line, and no word of Markdown or Mermaid from outside."""
    lines = render("md", hostile).splitlines()
    fences = [number for number, line in enumerate(lines) if "```" in line]
    assert len(fences) == 2
    diagram = lines[fences[0] + 1 : fences[1]]
    shapes = (
        r"sequenceDiagram",
        r"  participant [CA]\d+ as [\w ./=-]+",
        r"  [CA]\d+--?>>[CA]\d+: ([\w ./=-]|#\d+;)+",
    )
    assert [one for one in diagram if not re.fullmatch("|".join(shapes), one)] == []
    assert not [one for one in diagram if re.search(r"\bend\b", one)]
    rows = [line for line in lines if line.startswith("|")]
    assert [row.count("|") for row in rows] == [7] * (2 + STEPS.count("name:"))
    own = [line for line in lines[: fences[0]] if not line.startswith(("| ---", "#"))]
    bare = [re.sub(r"&#\d+;|^- |^\*\*|\*\*$", "", line).strip("| ") for line in own]
    assert [line for line in bare if re.search(r"[<>`\[\]*_#\\!]", line)] == []
