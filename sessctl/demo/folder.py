"""The demo's folder: files that only their owner may read, and a configuration that names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """A new file that only its owner may read."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def configuration(directory: Path, database: Path, secrets: Sequence[str]) -> str:
    """A `sessctl.toml` with one backend, `demo`: sessions as connect-sqlite3 keeps them.

    Args:
        secrets: references to signing secrets, as `file:PATH`; newest first.
    """
    # TOML's basic strings and arrays take what JSON's do.
    url, references, journals = (
        json.dumps(value, ensure_ascii=False)
        for value in (
            f"sqlite:///{quote(str(database))}",
            list(secrets),
            str(directory / "journals"),
        )
    )
    return (
        'default_backend = "demo"\n\n'
        "[backends.demo]\n"
        f"url = {url}\n"
        'layout = "connect-sqlite3"\n'
        f"secrets = {references}\n"
        'cookie_name = "connect.sid"\n\n'
        "[journal]\n"
        f"directory = {journals}\n"
    )


__all__ = ["configuration", "write_private"]
