"""The demo's folder: files that only their owner may read, and a configuration that names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """A new file that only its owner may read."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def configuration(directory: Path, database: Path, secret: Path) -> str:
    """A `sessctl.toml` with one backend, `demo`: sessions as connect-sqlite3 keeps them."""
    # TOML's basic strings take what JSON's do.
    url, reference, journals = (
        json.dumps(text, ensure_ascii=False)
        for text in (
            f"sqlite:///{quote(str(database))}",
            f"file:{secret}",
            str(directory / "journals"),
        )
    )
    return (
        'default_backend = "demo"\n\n'
        "[backends.demo]\n"
        f"url = {url}\n"
        'layout = "connect-sqlite3"\n'
        f"secrets = [{reference}]\n"
        'cookie_name = "connect.sid"\n\n'
        "[journal]\n"
        f"directory = {journals}\n"
    )


__all__ = ["configuration", "write_private"]
