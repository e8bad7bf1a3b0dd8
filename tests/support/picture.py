"""Draws the README's picture: `python -m tests.support.picture .github/terminal.svg`.

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


def draw(target: Path) -> None:
    """Run `list` and `decode` on a fresh demo store and write what they show as an SVG."""
    with tempfile.TemporaryDirectory() as folder:
        demo = build_demo(Path(folder) / "shop", now=datetime.now(UTC))
        console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="standard")
        for shown, argv in (
            ("sessctl list --user 42", ["list", "--user", "42"]),
            (
                f"sessctl decode '{demo.cookie[:44]}...'",
                ["decode", demo.cookie],
            ),
        ):
            console.print(Text.assemble(("$ ", "dim"), (shown, "bold")))
            output = _run([*argv, "--config", str(demo.config_path)])
            output = output.replace(str(demo.directory), "~/shop")
            console.print(Text.from_ansi(output), soft_wrap=True)
    svg = console.export_svg(title="sessctl")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg).replace("Fira Code, ", "")
    target.write_text(svg, encoding="utf-8")


def _run(argv: list[str]) -> str:
    out, err = io.BytesIO(), io.BytesIO()
    environ = {"FORCE_COLOR": "1", "SESSCTL_PAGER": "cat"}
    streams = Streams(io.BytesIO(), out, err, environ, terminals=(False, True, False))
    code = run_command(argv, streams)
    if code != 0:
        raise SystemExit(err.getvalue().decode())
    return out.getvalue().decode()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
