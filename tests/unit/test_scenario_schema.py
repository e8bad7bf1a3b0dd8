"""The published schema: valid itself, agreed upon by a full validator, complete for a reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from sessctl.cli.scenarios import TEXT
from sessctl.replay.load import parse_scenario
from sessctl.replay.problems import ScenarioError
from sessctl.replay.schema import WORDS, find_problems, schema_text
from sessctl.replay.yaml_reader import Mapping, Scalar, Sequence, read_yaml
from tests.support.scenarios import SHOP
from tests.unit.test_scenario_errors import START, STEP, TOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.yaml_reader import Node

SCHEMA: dict[str, Any] = json.loads(schema_text())
LESSONS = Path(__file__).parents[2] / "sessctl" / "demo" / "lessons"
STARTER = (Path(__file__).parents[2] / "sessctl" / "replay" / "starter.yaml").read_text()


def topic_example() -> str:
    """The scenario inside the help topic."""
    lines = TEXT.splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().startswith("sessctl: 1"))
    last = lines.index("", first)
    return "\n".join(line[2:] for line in lines[first:last]) + "\n"


EXAMPLES = {"design": SHOP, "starter": STARTER, "help": topic_example()}
EXAMPLES |= {path.name: path.read_text() for path in sorted(LESSONS.glob("*.yaml"))}


def data(node: Node) -> Any:
    """The tree as an editor's YAML 1.2 reader sees it."""
    if isinstance(node, Mapping):
        return {key.text: data(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return [data(item) for item in node.items]
    assert isinstance(node, Scalar)
    if not node.is_plain:
        return node.text
    if node.text in WORDS:
        return WORDS[node.text]
    try:
        return int(node.text)
    except ValueError:
        return node.text


def test_the_schema_is_json_schema_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_valid_for_every_validator(name: str) -> None:
    node = read_yaml(EXAMPLES[name].encode(), name)
    assert find_problems(node) == []
    jsonschema.validate(data(node), SCHEMA, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", ["design", "starter"])
def test_an_example_loads(name: str, tmp_path: Path) -> None:
    assert parse_scenario(EXAMPLES[name].encode(), name, tmp_path).steps


@pytest.mark.parametrize("text", [*TOP, *(f"{START}  - {step}\n" for step in STEP)])
def test_a_full_validator_refuses_nothing_else(text: str) -> None:
    """What our check lets pass a full one does too, and the other way round."""
    node = read_yaml(text.encode(), "f.yaml")
    ours = not find_problems(node)
    theirs = jsonschema.Draft202012Validator(SCHEMA).is_valid(data(node))
    if "012" not in text:  # an editor's reader takes it for 12
        assert ours == theirs


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and those inside it; examples and names are not schemas."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    inner += [schema.get("items"), schema.get("additionalProperties")]
    for one in inner:
        if isinstance(one, dict):
            yield from schemas(one)


def test_our_check_knows_every_word_that_the_schema_uses() -> None:
    """A word that the check ignores would be a rule for editors only."""
    assert {word for schema in schemas(SCHEMA) for word in schema} <= {
        *("$schema", "$ref", "$defs", "title", "description", "examples", "type", "enum", "const"),
        *("pattern", "minimum", "maximum", "properties", "required", "additionalProperties"),
        *("propertyNames", "minProperties", "maxProperties", "items", "minItems", "maxItems"),
        *("oneOf", "anyOf"),
    }


def test_every_key_is_explained() -> None:
    for schema in schemas(SCHEMA):
        for name, value in schema.get("properties", {}).items():
            target = value.get("$ref", "").rpartition("/")[2]
            told = {**SCHEMA["$defs"].get(target, {}), **value}
            assert told.get("description"), name


def test_every_key_of_a_request_is_in_the_help() -> None:
    """Methods, bodies and all else: the topic must be enough to write a scenario."""
    for definition in ("request", "expectation", "comparisons", "cookie-expectation"):
        for name in SCHEMA["$defs"][definition]["properties"]:
            assert name in TEXT or name == "about", (definition, name)


@pytest.mark.parametrize("text", ["", "a", "[]", "{}", "{sessctl: 1, steps: 3}", "sessctl: [1]"])
def test_any_tree_is_refused_with_a_problem(text: str) -> None:
    with pytest.raises(ScenarioError):
        parse_scenario(text.encode(), "f.yaml", Path())
