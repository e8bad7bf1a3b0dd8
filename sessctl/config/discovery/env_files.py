"""`.env` and `.env.*`: the variables that the project is run with."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from sessctl.config.discovery.evidence import Origin, Variable
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

# Templates for people: what stands in them is made up.
_EXAMPLES = ("example", "sample", "template", "dist", "defaults", "schema", "vault")
_LONGEST = 4096  # of a value: variables of variables grow tenfold with every line
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|\$([A-Za-z_]\w*)")
_SECRET_NAME = re.compile(r"(?i:secret|passw|token|_pass$|_pwd$|_key$|_keys$)")


def find(project: Project, evidence: Evidence) -> None:
    """Read the variables of every file."""
    for name in project.names():
        if name != ".env" and not name.startswith(".env."):
            continue
        if any(word in name.split(".") for word in _EXAMPLES):
            continue
        if project.is_link(name):
            evidence.note(f"{name} is a symbolic link, which is not followed")
            continue
        text = project.read(name)
        if text is not None:
            evidence.variables += _read(name, text)


def _read(name: str, text: str) -> list[Variable]:
    from dotenv.parser import parse_stream  # 7 ms

    found: dict[str, Variable] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None or binding.value is None:
            continue
        values = {key: one.value for key, one in found.items()}
        value = expand(binding.value, values)
        if _SECRET_NAME.search(binding.key):
            Secret(value)  # known from here on, so that nothing ever prints it
        before = binding.original.string
        blank = len(before) - len(before.lstrip())
        line = binding.original.line + before.count("\n", 0, blank)
        found[binding.key] = Variable(
            binding.key, value, Origin(name, line), names_itself=value == binding.value
        )
    return list(found.values())


def expand(text: str, values: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `$NAME` by their values; what is not known stays."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        if match[2] == ":-":
            return values.get(name) or match[3]
        return values.get(name, match[0] if match[2] is None else match[3])

    if len(text) > _LONGEST:
        return text
    expanded = _VARIABLE.sub(value_of, text)
    return expanded if len(expanded) <= _LONGEST else text


def is_secret_name(name: str) -> bool:
    """A variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None
