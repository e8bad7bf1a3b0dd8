"""Draws the README's pictures: `python -m tests.support.picture .github`.

The demo store is built anew, the commands run in colour, and rich exports what they printed. Remote
fonts are taken out of the SVG: the picture loads nothing.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sessctl.cli.app import run_command
from sessctl.cli.streams import Streams
from sessctl.demo.sessions import build_demo

WIDTH = 108


def draw(folder: Path) -> None:
    """Run commands on a fresh demo store and write what they show as SVGs."""
    with tempfile.TemporaryDirectory() as made:
        demo = build_demo(Path(made) / "shop", now=datetime.now(UTC))
        pictures = {
            "terminal.svg": (
                ("sessctl list --user 42", ["list", "--user", "42"]),
                (f"sessctl decode '{demo.cookie[:44]}...'", ["decode", demo.cookie]),
            ),
            "stats.svg": (("sessctl stats", ["stats", "--top", "3"]),),
        }
        for name, commands in pictures.items():
            console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="standard")
            for shown, argv in commands:
                console.print(Text.assemble(("$ ", "dim"), (shown, "bold")))
                output = _run([*argv, "--config", str(demo.config_path)])
                output = output.replace(str(demo.directory), "~/shop")
                console.print(Text.from_ansi(output), soft_wrap=True)
            (folder / name).write_text(_svg(console), encoding="utf-8")


def _svg(console: Console) -> str:
    svg = console.export_svg(title="sessctl")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"<!--.*?-->\s*", "", svg).replace("Fira Code, ", "")


def _run(argv: list[str]) -> str:
    out, err = io.BytesIO(), io.BytesIO()
    environ = {"FORCE_COLOR": "1", "SESSCTL_PAGER": "cat", "LC_ALL": "C.UTF-8"}
    streams = Streams(io.BytesIO(), out, err, environ, terminals=(False, True, False))
    code = run_command(argv, streams)
    if code != 0:
        raise SystemExit(err.getvalue().decode())
    return out.getvalue().decode()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
