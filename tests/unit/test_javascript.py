"""Settings are read out of JavaScript as they stand there; nothing runs, and nothing breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.config.discovery.javascript import Source
from sessctl.config.discovery.js_values import Array, Env, Literal, Object, Unknown

PEERS = Path(__file__).parents[1] / "peers"


def value(text: str) -> Any:
    """What `const x = TEXT` sets, in Python's words."""
    source = Source(f"const x = {text};\nconst after = 1;")
    assert isinstance(source.resolved(source.scope["after"]), Literal)
    return plain(source, source.resolved(source.scope["x"]))


def plain(source: Source, found: Any) -> Any:
    if isinstance(found, Literal):
        return found.value
    if isinstance(found, Env):
        default = found.default and plain(source, source.resolved(found.default))
        return (found.name, default)
    if isinstance(found, Array):
        return [plain(source, source.resolved(one)) for one in found.items]
    if isinstance(found, Object):
        return {key: plain(source, source.resolved(one)) for key, one in found.entries.items()}
    return "?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'it\\'s'", "it's"),
        ('"a\\u00e7\\n"', "aç\n"),
        ("`plain`", "plain"),
        ("`with ${hole}`", "?"),
        ("1000 * 60 * 60 * 24", 86_400_000),
        ("7 * (24 * 60)", 10_080),
        ("1_000 + 2 * 3", 1006),
        ("0x10", 16),
        ("60 / 0", "?"),
        ("true", True),
        ("null", None),
        ("process.env.KEY", ("KEY", None)),
        ("process.env['KEY']", ("KEY", None)),
        ("import.meta.env.KEY", ("KEY", None)),
        ("process.env.KEY!", ("KEY", None)),
        ("process.env.KEY as string", ("KEY", None)),
        ("process.env.KEY || 'dev'", ("KEY", "dev")),
        ("process.env.KEY ?? 'dev'", ("KEY", "dev")),
        ("{ a: 1, 'b-c': [2, 'x'], ...rest, m() { return 1 }, d: { e: true } }",
         {"a": 1, "b-c": [2, "x"], "d": {"e": True}}),
        ("(a, b) => ({ secret: a })", "?"),
        ("function () { return '}' }", "?"),
        ("cond ? 'a' : 'b'", "?"),
        ("'a' + b", "?"),
        ("/['\"`{(]/g", "?"),
        ("a.b.c", "?"),
        ("{ /* secret: 'no' */ a: 1 // , b: 2\n }", {"a": 1}),
    ],
)  # fmt: skip
def test_a_value_is_read_or_unknown(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_names_lead_through_the_file() -> None:
    source = Source(
        'import session, { MemoryStore as M } from "express-session";\n'
        "const { RedisStore } = require('connect-redis');\n"
        "const PG = require('connect-pg-simple')(session), one = 1, { two } = cfg;\n"
        "const cfg = { two: 'x' };\n"
    )
    package = {name: source.package_of(found) for name, found in source.scope.items()}
    assert package == {
        "session": "express-session", "M": "express-session", "RedisStore": "connect-redis",
        "PG": "connect-pg-simple", "one": None, "two": None, "cfg": None,
    }  # fmt: skip
    assert source.resolved(source.scope["two"]) == Literal("x", 4)


def test_a_name_that_stands_for_itself_leads_nowhere() -> None:
    source = Source("const a = b; const b = a; const c = c.d; const e = { f: e.f };")
    assert all(source.package_of(one) is None for one in source.scope.values())
    assert isinstance(source.resolved(source.scope["a"]), Unknown)


@pytest.mark.parametrize(
    "path", sorted(PEERS.glob("*/*.js")), ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_real_applications_are_read_to_their_end(path: Path) -> None:
    text = path.read_text()
    source = Source(text)
    assert source.tokens[-1].line >= text.count("\n") - 1
    list(source.calls())


FRAGMENTS = st.lists(st.sampled_from(
    ["const ", "x", " = ", "require(", "'a'", "`", "${", "{", "}", "(", ")", "[", "]", ",", ";",
     "=>", "...", "new ", "/", "*", "\n", "import ", "from ", "process.env.", "\\", "'", '"', "??"]
), max_size=60).map("".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(FRAGMENTS | st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    source = Source(text)
    for found in source.scope.values():
        source.package_of(found)
    for call in source.calls():
        source.package_of(call)
