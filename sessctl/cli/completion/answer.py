"""The entry of `sessctl __complete`: a cursor in, words out, and never an error."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.cli.completion.cursor import find_cursor
from sessctl.cli.completion.sources import words_for
from sessctl.text import escape, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDEST = 70  # of a description


class Kind(StrEnum):
    """What the shell is to do with the answer: its first line."""

    WORDS = "words"
    OPEN = "open"  # words, and no space behind the one that is taken
    FILES = "files"  # the shell's own paths


_FILES = {"PATH", "FILE", "JOURNAL"}
_GOES_ON = (":", "=", ".", "(", ",", "/")  # more belongs behind such a word


def main(argv: Sequence[str]) -> int:
    """Answer one Tab on standard output; always 0, for a shell has nowhere to show an error."""
    try:
        lines = answer(argv, os.environ, Path.cwd())
    except Exception:  # noqa: BLE001 - a Tab must never write into the line that is being typed
        lines = [Kind.WORDS]
    text = "".join(f"{line}\n" for line in lines)
    try:
        os.write(1, text.encode("utf-8", "backslashreplace"))
    except OSError:
        return 0
    return 0


def answer(argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> list[str]:
    """The lines for a shell; see the package's docstring for what it asks."""
    shell, current, *words = argv
    current = current.removeprefix("+")
    typed = current
    if shell == "bash":
        words, current = split_line(words[0])
        typed = typed.lstrip("\"'")
    at = find_cursor(words, current)
    found = words_for(at, environ, cwd)
    if not found:
        return [Kind.FILES if at.wants in _FILES else Kind.WORDS]
    is_list = at.wants in ("A,B,C", "KEY,...", "EXPR")
    is_open = is_list or any(word.endswith(_GOES_ON) for word, _ in found)
    lines: list[str] = [Kind.OPEN if is_open else Kind.WORDS]
    for word, meaning in found:
        whole = typed + word[len(at.current) :] if shell == "bash" else at.before + word
        lines.append(f"{whole}\t{shorten(escape(meaning), _WIDEST)}")
    return lines


_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\].*\Z)+""", re.DOTALL)
_QUOTED = re.compile(r"""'([^']*)(?:'|\Z)|"((?:[^"\\]|\\.)*)(?:"|\Z)|\\(.|\Z)""", re.DOTALL)


def split_line(line: str) -> tuple[list[str], str]:
    """(words before the cursor without the program, the word at the cursor): as a shell splits
    them, but a quote may still be open. Nothing is expanded."""
    raw = _WORD.findall(line)
    if not raw or (line[-1:].isspace() and _WORD.sub("", line)[-1:].isspace()):
        raw.append("")
    words = [_QUOTED.sub(lambda m: m[1] or m[2] or m[3] or "", word) for word in raw]
    return words[1:-1], words[-1]
