"""The transcript as one JSON document, for programs. Its schema is published with the package.

Keys may be added by a minor release; `schema_version` grows when one goes or changes its meaning.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessctl.replay.reports.report import Report


def document(report: Report) -> str:
    """ASCII, two spaces deep; control characters are spelled out, DEL included."""
    head = {"schema": "sessctl/v1", "kind": "Transcript"}
    text = json.dumps({**head, **asdict(report)}, indent=2)
    return text.replace("\x7f", "\\u007f") + "\n"


def transcript_schema_text() -> str:
    """The schema's own text, for `sessctl replay schema --transcript`."""
    found = files("sessctl.replay.reports").joinpath("transcript.schema.json")
    return found.read_text(encoding="utf-8")
