"""The vectors under `tests/vectors`, as values."""

from __future__ import annotations

import json
import os
import zlib
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"
HOSTILE = VECTORS / "hostile"


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile input. `expect` is `ok`, `error` or `any`; limits are of the whole process."""

    id: str
    kind: str
    raw: bytes
    expect: str
    max_rss_mib: int
    max_seconds: int
    forbid: tuple[str, ...]
    needles: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """The input as a command line would get it."""
        return self.raw.decode("utf-8", "surrogateescape")


def hostile(*prefixes: str, kind: str | None = None) -> list[Case]:
    """The cases whose id starts with one of the prefixes; all without any."""
    rows = json.loads((HOSTILE / "manifest.json").read_bytes())["cases"]
    cases = [
        Case(
            row["id"],
            row["kind"],
            _content(row),
            row["expect"],
            row["max_rss_mib"],
            row["max_seconds"],
            tuple(row["forbid"]),
            tuple(b64decode(needle) for needle in row["needles"]),
        )
        for row in rows
    ]
    return [
        case
        for case in cases
        if (not prefixes or case.id.startswith(prefixes)) and kind in (None, case.kind)
    ]


def _content(row: dict[str, Any]) -> bytes:
    if row["id"] == "bomb-zlib-1gib":  # 1 MB, which the nested one holds
        return zlib.decompress((HOSTILE / "cases/bomb-nested-zlib.bin").read_bytes())
    return Path(HOSTILE / row["file"]).read_bytes()


def folder(variable: str, default: str) -> Path:
    """A folder of vectors that the environment may replace."""
    return Path(os.environ.get(variable) or VECTORS / default)


def stored(cell: Any) -> Any:
    """A stored value of the store vectors as the bytes, number or null that it stands for."""
    if not isinstance(cell, dict):
        return cell
    if "base64" in cell:
        return b64decode(cell["base64"])
    if "str" in cell:  # a date of MySQL, as the server writes it
        return cell["str"].encode()
    return cell["text"].encode() if "text" in cell else cell["value"]
