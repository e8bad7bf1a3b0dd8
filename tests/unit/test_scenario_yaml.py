"""YAML 1.2 as a tree: texts as typed, places, and what hostile files cannot do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.limits import Budget
from sessctl.replay.problems import ScenarioError
from sessctl.replay.yaml_reader import Mapping, Node, Scalar, read_yaml

CASES = Path(__file__).parents[1] / "vectors" / "hostile" / "cases"


def read(text: str | bytes, **limits: int) -> Node:
    raw = text.encode() if isinstance(text, str) else text
    return read_yaml(raw, "f.yaml", Budget(**{"depth": 50, "nodes": 1000, **limits}))


def mapping(text: str) -> Mapping:
    node = read(text)
    assert isinstance(node, Mapping)
    return node


def refusal(text: str | bytes, **limits: int) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text, **limits)
    (problem,) = caught.value.problems
    return f"{problem.place}: {problem.message}"


@pytest.mark.parametrize(
    "typed",
    ["no", "012", "1:30", "1e3", "0x1f", "1_000", "~", "null", "2026-11-21", "TRUE", "1.10"],
)
def test_a_plain_text_stays_as_typed(typed: str) -> None:
    value = mapping(f"a: {typed}").get("a")
    assert isinstance(value, Scalar)
    assert (value.text, value.is_plain) == (typed, True)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("'it''s'", "it's"),
        (r'"\x41\n"', "A\n"),
        ("|\n  a\n  b", "a\nb\n"),
        (">-\n  a\n  b", "a b"),
    ],
)
def test_a_quoted_text_is_told_from_a_plain_one(typed: str, meant: str) -> None:
    value = mapping(f"a: {typed}\n").get("a")
    assert isinstance(value, Scalar)
    assert (value.text.rstrip("\n"), value.is_plain) == (meant.rstrip("\n"), False)


def test_every_node_knows_its_place() -> None:
    node = mapping("a: 1\nb:\n  - x\n  - {c: y}\n")
    assert [str(key.place) for key, _ in node.entries] == ["f.yaml:1:1", "f.yaml:2:1"]
    value = node.get("b")
    assert value is not None
    assert str(value.place) == "f.yaml:3:3"


def test_a_value_that_is_not_there_stands_where_its_key_does() -> None:
    value = mapping("a:\nb: 1").get("a")
    assert value is not None
    assert value.place.line == 1


def test_an_alias_is_what_it_stands_for() -> None:
    node = mapping("a: &x {k: v}\nb: *x")
    assert node.get("a") == node.get("b")


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert mapping("\ufeffa: 1").key("a") is not None


def test_every_key_that_comes_twice_is_told() -> None:
    with pytest.raises(ScenarioError) as caught:
        read("a: 1\nb: 2\na: 3\nc:\n  d: 1\n  d: 2\n")
    assert [(p.place.line, p.message, p.hint) for p in caught.value.problems] == [
        (3, "key 'a' comes twice", "it stands in line 1 already; remove one"),
        (6, "key 'd' comes twice", "it stands in line 5 already; remove one"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml:1:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1:1: the file is empty"),
        ("a: b: c", "f.yaml:1:5: not YAML: mapping values are not allowed here"),
        ("a:\n\t- b", "f.yaml:2:1: not YAML: while scanning for the next token"),
        ("a: [1", "f.yaml:1:6: not YAML: while parsing a flow sequence"),
        ("a: {b: ${c}}", "f.yaml:1:9: not YAML: while parsing a flow mapping"),
        ("a: \x00", "f.yaml:1:4: a character that YAML does not allow (0x00)"),
        ("a: 1\n--- \nb: 2", "f.yaml:2:1: a second document starts here"),
        ("a: *x", "f.yaml:1:4: the alias '*x' is not known"),
        ("a: &x [*x]", "f.yaml:1:8: the alias '*x' stands for what it is part of"),
        ("a: !!int 1", "f.yaml:1:4: the tag 'tag:yaml.org,2002:int' is not allowed"),
        ("[a]: 1", "f.yaml:1:1: a key is a list or mapping"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_of_ours_is_told_with_its_place(text: str, told: str) -> None:
    assert refusal(text).startswith(told)


def test_bytes_that_are_no_utf_8_are_told_with_their_place() -> None:
    assert refusal(b"a: 1\nb: \xff") == "f.yaml:2:4: not UTF-8"


# -- limits (S20) ----------------------------------------------------------------------------------


def test_depth_is_bounded_at_the_limit() -> None:
    read("[" * 20 + "]" * 20, depth=20)
    assert "deeper than 20 levels" in refusal("[" * 21 + "]" * 21, depth=20)


def test_values_are_bounded_at_the_limit() -> None:
    read("[" + "1," * 9 + "]", nodes=10)
    assert "more than 10 values" in refusal("[" + "1," * 10 + "]", nodes=10)


def test_an_alias_counts_what_it_stands_for() -> None:
    laughs = "a: &a [1, 1, 1]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n"
    # 1 + a: 1+4, b: 1+13, c: 1+40, d: 1+121
    read(laughs, nodes=1 + 5 + 14 + 41 + 122)
    assert "aliases counted" in refusal(laughs, nodes=1 + 5 + 14 + 41 + 121)


def test_bytes_are_bounded_before_anything_is_read() -> None:
    assert "over the limit of 100" in refusal("a" * 101, value_bytes=100)


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 300_000, "? " * 300_000])
def test_a_tower_is_given_up_early(text: str) -> None:
    assert "deeper than 50 levels" in refusal(text)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_hostile_file_ends_in_a_scenario_error(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTILE_MARKER_DIR", str(tmp_path))
    with pytest.raises(ScenarioError):
        read(case.read_bytes())
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.text("-?:,[]{}#&*!|>'\"%@` \n\tab1", max_size=60)))
def test_no_input_ends_in_anything_else(text: str | bytes) -> None:
    with suppress(ScenarioError):
        read(text)
