"""`Set-Cookie` cases as Chromium answered them. SESSCTL_JAR_VECTORS names another file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sessctl.replay.jar import Jar
from sessctl.replay.url import parse_url
from tests.support.vectors import folder

NOW_MS = 1_795_000_000_000  # 2026-11
FILE = folder("SESSCTL_JAR_VECTORS", "jar-chromium.jsonl")
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line
]


def test_there_are_jar_vectors_to_judge() -> None:
    assert ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['origin']} {row['name']}")
def test_jar_vector_is_answered_as_by_chromium(row: dict[str, Any]) -> None:
    jar = Jar()
    jar.receive(
        [line.encode() for line in row["set_cookie"]],
        parse_url(row["origin"] + row["set_from"]),
        NOW_MS,
    )
    sent = {
        path: (jar.choose(parse_url(row["origin"] + path), NOW_MS).header or b"").decode()
        for path in row["cookie_sent"]
    }
    assert sent == row["cookie_sent"]
