"""The limits of a destructive run: how many at the most, and with which way back."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def _option(*names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="Limits", show_default=False, **more)


MaxDelete = Annotated[
    int | None, _option("--max-delete", help="Stop after this many.", metavar="N", min=0)
]
Expect = Annotated[
    int | None, _option("--expect", help="Refuse if many more match.", metavar="N", min=0)
]
KeepJournal = Annotated[
    str | None,
    _option("--journal", help="Journal whole sessions, or ids only.", metavar="full|ids"),
]
NoJournal = Annotated[bool, _option("--no-journal", help="Without a way back.")]
Exact = Annotated[bool, _option("--exact", help="Count every match for the plan.")]
Resume = Annotated[
    str | None,
    _option("--resume", help="Go on with an interrupted purge.", metavar="JOURNAL"),
]
