"""Write what is generated from the table of commands: `python -m tests.support.completions`.

`sessctl/cli/completion/words.json`, and the scripts of the folder `completions`.
"""

from __future__ import annotations

from pathlib import Path

from sessctl.cli.completion import cursor
from sessctl.cli.completion.scripts import FILES, SCRIPTS
from sessctl.cli.completion.words import table_text

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, str]:
    """What each of these files has to hold."""
    scripts = {ROOT / "completions" / FILES[shell]: text for shell, text in SCRIPTS.items()}
    return {Path(cursor.__file__).parent / "words.json": table_text(), **scripts}


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="ascii")
