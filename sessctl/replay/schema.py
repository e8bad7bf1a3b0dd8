"""The published JSON Schema of scenarios, and the check of a YAML tree against it.

The check is ours and not a library's: it keeps each mistake's line, names the nearest known key,
and reads scalars the way the schema wants them (`302` is a number where a number is wanted and a
text where a text is). It knows the part of JSON Schema 2020-12 that the file uses, and the tests
hold it against a full validator.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sessctl.errors import did_you_mean, nearest
from sessctl.replay.problems import Problem
from sessctl.replay.yaml_reader import Mapping, Node, Scalar, Sequence
from sessctl.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WORDS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_OLD_WORDS = ("yes", "no", "on", "off")  # booleans of YAML 1.1
_ARTICLES = {"object": "a mapping", "array": "a list"}
_QUOTED = 40
_DIGITS = 18


def schema_text() -> str:
    """The schema's own text, for editors and for `sessctl replay schema`."""
    return files("sessctl.replay").joinpath("scenario.schema.json").read_text(encoding="utf-8")


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schema_text())
    return found


def find_problems(node: Node) -> list[Problem]:
    """Every mistake in a scenario's tree, the deepest telling; none when it is a scenario."""
    return list(_check(_schema(), node, ""))


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _check(schema: dict[str, Any], node: Node, key: str) -> Iterator[Problem]:
    schema = _resolve(schema)
    if _is_choice(schema):
        yield from _check_choice(schema, node, key)
    elif not _has_kind(schema, node):
        yield _wrong_kind(schema, node, key)
    elif isinstance(node, Mapping):
        yield from _check_mapping(schema, node, key)
    elif isinstance(node, Sequence):
        yield from _check_sequence(schema, node, key)
    else:
        yield from _check_scalar(schema, node, key)


# -- choices: which of several shapes is meant -----------------------------------------------------


def _is_choice(schema: dict[str, Any]) -> bool:
    return "anyOf" in schema or ("oneOf" in schema and "properties" not in schema)


def _branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for branch in map(_resolve, schema.get("anyOf") or schema["oneOf"]):
        found += _branches(branch) if _is_choice(branch) else [branch]
    return found


def _marks(schema: dict[str, Any]) -> list[str]:
    """The keys by which a mapping is known to be of this shape."""
    one_of = [name for branch in schema.get("oneOf", ()) for name in branch["required"]]
    return one_of or schema.get("required", [])


def _check_choice(schema: dict[str, Any], node: Node, key: str) -> Iterator[Problem]:
    branches = _branches(schema)
    fitting = [branch for branch in branches if _has_kind(branch, node)]
    if not fitting:
        yield _wrong_kind(schema, node, key)
        return
    if isinstance(node, Mapping) and len(fitting) > 1:
        marked = [b for b in fitting if any(node.get(mark) for mark in _marks(b))]
        marked = marked or [b for b in fitting if not _marks(b)]
        if not marked:
            marks = [mark for branch in fitting for mark in _marks(branch)]
            yield _unmarked(schema, marks, node, key)
            return
        if len(marked) > 1:
            names = [m for b in marked for m in _marks(b) if node.get(m)]
            told = " and ".join(f"'{name}'" for name in names)
            yield Problem(
                node.place, key, f"{_title(schema)} has {told}", "make them one after the other"
            )
            return
        fitting = marked
    yield from _check(fitting[0], node, key)


def _unmarked(schema: dict[str, Any], marks: list[str], node: Mapping, key: str) -> Problem:
    """A shape that no key gives away: a key that is nearly one of those, or none at all."""
    for name, _ in node.entries:
        near = nearest(name.text, marks)
        if near and name.text not in marks:
            return _unknown_key(schema, name, marks, key)
    wanted = ", ".join(dict.fromkeys(marks))
    return Problem(node.place, key, f"{_title(schema)} needs one of {wanted}", None)


# -- shapes ----------------------------------------------------------------------------------------


def _check_mapping(schema: dict[str, Any], node: Mapping, key: str) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = re.compile(schema.get("propertyNames", {}).get("pattern", ""))
    for name, value in node.entries:
        path = _join(key, name.text)
        if name.text in properties:
            yield from _check(properties[name.text], value, path)
        elif others is False:
            yield _unknown_key(schema, name, list(properties), key)
        elif not names.search(name.text):
            message = f"'{_cut(name.text)}' cannot be a name here"
            yield Problem(name.place, path, message, f"it has to match {names.pattern}")
        elif isinstance(others, dict):
            yield from _check(others, value, path)
    yield from _check_presence(schema, node, key)


def _check_presence(schema: dict[str, Any], node: Mapping, key: str) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if node.get(name) is None:
            examples = _resolve(properties[name]).get("examples")
            hint = f"add {name}: {_spelled(examples[0])}" if examples else f"add {name}:"
            yield Problem(node.place, key, f"{_title(schema)} needs '{name}'", hint)
    marks = _marks(schema) if "oneOf" in schema else []
    present = [mark for mark in marks if node.get(mark) is not None]
    if marks and not present:
        near = next((n for n, _ in node.entries if nearest(n.text, marks)), None)
        if near is None or near.text in properties:  # else it was told as an unknown key
            yield Problem(node.place, key, f"{_title(schema)} needs one of {', '.join(marks)}")
    if len(present) > 1 or len(node.entries) > schema.get("maxProperties", len(node.entries)):
        names = " and ".join(f"'{n}'" for n in present or [n.text for n, _ in node.entries])
        yield Problem(node.place, key, f"{_title(schema)} has {names}", "only one of them")
    if len(node.entries) < schema.get("minProperties", 0):
        known = ", ".join(properties)
        yield Problem(node.place, key, f"{_title(schema)} is empty", known and f"known: {known}")


def _check_sequence(schema: dict[str, Any], node: Sequence, key: str) -> Iterator[Problem]:
    if len(node.items) < schema.get("minItems", 0):
        yield Problem(node.place, key, f"{_title(schema)} is empty")
    if len(node.items) > (most := schema.get("maxItems", len(node.items))):
        yield Problem(node.place, key, f"{_title(schema)} has {len(node.items)}, over {most}")
    for number, item in enumerate(node.items):
        yield from _check(schema.get("items", {}), item, f"{key}[{number}]")


def _check_scalar(schema: dict[str, Any], node: Scalar, key: str) -> Iterator[Problem]:
    text, told = node.text, f"'{_cut(node.text)}'"
    if "const" in schema and text != str(schema["const"]):
        yield Problem(node.place, key, f"{told} is not {schema['const']}", "write it so")
    if "enum" in schema and text not in schema["enum"]:
        hint = did_you_mean(text, schema["enum"])
        yield Problem(node.place, key, f"{told} is not {' or '.join(schema['enum'])}", hint)
    if "pattern" in schema and not re.search(schema["pattern"], text):
        yield Problem(node.place, key, f"{told} is not {_meant(schema)}", _example(schema))
    if _types(schema) == ["integer"]:
        yield from _check_range(schema, node, key)


def _check_range(schema: dict[str, Any], node: Scalar, key: str) -> Iterator[Problem]:
    least, most = schema["minimum"], schema["maximum"]
    # Digits are counted first: a number of a million digits takes minutes to read.
    if len(node.text) > _DIGITS or not least <= int(node.text) <= most:
        yield Problem(node.place, key, f"'{_cut(node.text)}' is not from {least} to {most}")


# -- kinds -----------------------------------------------------------------------------------------


def _types(schema: dict[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else found


def _has_kind(schema: dict[str, Any], node: Node) -> bool:
    types = _types(schema)
    if "enum" in schema or "const" in schema:
        return isinstance(node, Scalar)
    if not types:
        return True
    if isinstance(node, Mapping):
        return "object" in types
    if isinstance(node, Sequence):
        return "array" in types
    if "string" in types:
        return True
    if not node.is_plain:
        return False
    return ("integer" in types and INTEGER.fullmatch(node.text) is not None) or (
        "boolean" in types and isinstance(WORDS.get(node.text), bool)
    )


def _wrong_kind(schema: dict[str, Any], node: Node, key: str) -> Problem:
    types = {t for b in (_branches(schema) if _is_choice(schema) else [schema]) for t in _types(b)}
    hint = _example(schema)
    if not isinstance(node, Scalar):
        found = _ARTICLES["object" if isinstance(node, Mapping) else "array"]
        return Problem(node.place, key, f"{found} where {_meant(schema)} is meant", hint)
    if not types.isdisjoint(("boolean", "integer")) and not node.is_plain:
        hint = "take the quotes away"
    elif "boolean" in types:
        hint = "write true or false"
    elif "integer" in types and INTEGER.fullmatch(node.text.lstrip("0") or "0"):
        hint = f"write {node.text.lstrip('0')}"
    told = f"'{_cut(node.text)}'" if node.text else "nothing"
    return Problem(node.place, key, f"{told} where {_meant(schema)} is meant", hint)


def _meant(schema: dict[str, Any]) -> str:
    if "title" in schema:
        return _title(schema)
    types = _types(schema)
    if types == ["boolean"]:
        return "true or false"
    if types == ["integer"]:
        return "a whole number"
    return "something else"


# -- words -----------------------------------------------------------------------------------------


def _unknown_key(schema: dict[str, Any], name: Scalar, known: list[str], key: str) -> Problem:
    if name.text == "<<":
        hint = "merge keys are no part of YAML 1.2; repeat the keys, or put the steps in `use:`"
    else:
        hint = did_you_mean(name.text, known)
    message = f"unknown key '{_cut(name.text)}' in {_title(schema)}"
    return Problem(name.place, _join(key, name.text), message, hint)


def _title(schema: dict[str, Any]) -> str:
    found: str = schema.get("title", "this")
    return found


def _example(schema: dict[str, Any]) -> str | None:
    examples = schema.get("examples")
    return f"for example {_spelled(examples[0])}" if examples else None


def _spelled(example: Any) -> str:
    """An example as it would stand in the file."""
    return example if isinstance(example, str) else json.dumps(example)


def _join(key: str, name: str) -> str:
    return f"{key}.{_cut(name)}" if key else _cut(name)


def _cut(text: str) -> str:
    return shorten(text, _QUOTED)
