"""A few dotted paths of a value as a msgspec type: what nobody asked for is skipped, not built."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


def all_of(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What reads these attributes of an object at once."""
    if len(attributes) == 1:  # attrgetter would give the bare value
        return lambda node: (getattr(node, attributes[0]),)
    return attrgetter(*attributes)


class Field(str):
    """The name of a struct's field, to tell it from a key of a dict."""

    __slots__ = ()


def struct_for(paths: list[list[str]], name: str, leaf: Any = Any) -> Any:
    """A msgspec type that holds just these paths; a path that is also a parent stays a leaf."""
    heads: dict[str, list[list[str]]] = {}
    for head, *rest in paths:
        heads.setdefault(head, []).append(rest)
    fields: list[tuple[str, Any, Any]] = []
    renames: dict[str, str] = {}
    for number, (head, rests) in enumerate(heads.items()):
        field = f"f{number}"
        renames[field] = head
        inner = leaf if [] in rests else struct_for(rests, f"{name}_{number}", leaf) | None
        fields.append((field, inner, None))
    return msgspec.defstruct(name, fields, rename=renames)


def steps_in(kind: Any, path: list[str]) -> tuple[str, list[str]]:
    """How to walk a path: fields of structs as far as there are structs, keys of dicts after."""
    steps: list[str] = []
    for key in path:
        info = {f.encode_name: f for f in msgspec.structs.fields(kind)} if kind else {}
        if key in info:
            steps.append(Field(info[key].name))
            kind = next(
                (t for t in getattr(info[key].type, "__args__", ()) if t is not type(None)), None
            )
        else:
            steps.append(key)
            kind = None
    return steps[0], steps[1:]


def key_of(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def through_dicts(node: Any, path: list[str]) -> Any:
    for key in path:
        node = key_of(node, key)
    return node
