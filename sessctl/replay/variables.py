"""`${name}` in the texts of a scenario, and where the values come from.

`$${` is a `${` that is meant as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sessctl.config.secrets import Asker, resolve
from sessctl.errors import UsageError, did_you_mean
from sessctl.text import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_HOLE = re.compile(rf"\$\$\{{|\$\{{(?:({NAME})\}})?")

Value = str | Secret


@dataclass(frozen=True, slots=True)
class Variable:
    """A value by name: a `text`, or a `reference` to a secret as in the configuration."""

    name: str
    text: str | None = None
    reference: str | None = None
    label: str = ""


def names_in(text: str) -> list[str]:
    """The variables that a text uses. Raises UsageError for a `${` that is not one."""
    names = []
    for match in _HOLE.finditer(text):
        if match[0] == "$${":
            continue
        if match[1] is None:
            raise UsageError(
                "'${' without a name and '}'",
                hint="write ${name}; names are letters, digits, _ and -; $${ stands for ${ itself",
            )
        names.append(match[1])
    return names


def fill(
    text: str, values: Mapping[str, Value], *, quote: Callable[[str], str] | None = None
) -> str:
    """The text with the values put in. It may hold a secret then; `shown` does not.

    Args:
        quote: applied to each value, such as `re.escape` where the text is a pattern.

    Raises:
        UsageError: a variable has no value (yet).
    """
    return _filled(text, values, quote or _same, lambda secret: secret.reveal_text())


def shown(text: str, values: Mapping[str, Value]) -> str:
    """The same for people: secrets are `***`."""
    return _filled(text, values, _same, lambda _: MASK)


def _filled(
    text: str,
    values: Mapping[str, Value],
    quote: Callable[[str], str],
    unwrap: Callable[[Secret], str],
) -> str:
    names_in(text)

    def put(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        value = values.get(match[1])
        if value is None:
            raise UsageError(
                f"'${{{match[1]}}}' has no value yet", hint=did_you_mean(match[1], values)
            )
        return quote(unwrap(value) if isinstance(value, Secret) else value)

    return _HOLE.sub(put, text)


def _same(value: str) -> str:
    return value


def fill_data(data: Any, values: Mapping[str, Value]) -> Any:
    """JSON data with the values put into its strings and keys."""
    if isinstance(data, str):
        return fill(data, values)
    if isinstance(data, list):
        return [fill_data(item, values) for item in data]
    if isinstance(data, dict):
        return {fill(key, values): fill_data(item, values) for key, item in data.items()}
    return data


def variables(
    declared: Iterable[Variable],
    *,
    environ: Mapping[str, str],
    asker: Asker,
    given: Mapping[str, str] | None = None,
) -> dict[str, Value]:
    """Variables with their values, secrets fetched.

    A text may use those above it; with a secret in it, it is a secret itself.

    Args:
        given: values that win over the declared ones.

    Raises:
        UsageError: a secret is not there, or nobody can be asked (ConfirmationNeeded).
    """
    found: dict[str, Value] = {}
    for variable in declared:
        if given and variable.name in given:
            text = given[variable.name]
            found[variable.name] = Secret(text) if variable.reference is not None else text
        elif variable.reference is not None:
            label = variable.label or variable.name
            found[variable.name] = resolve(
                variable.reference, environ=environ, asker=asker, label=label
            )
        else:
            text = fill(variable.text or "", found)
            hides = any(isinstance(found[n], Secret) for n in names_in(variable.text or ""))
            found[variable.name] = Secret(text) if hides else text
    return found | {name: value for name, value in (given or {}).items() if name not in found}
