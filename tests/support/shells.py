"""Shells that people type in: bash and zsh in a terminal, with Tab; fish asked what Tab offers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.run import clean_environment, in_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPTS = Path(__file__).parents[2] / "completions"
_PROMPT = b"ready> "
_DONE = b"<end>\r\n" + _PROMPT  # the prompt alone is drawn again while a line is edited
# The line as Tab left it becomes the arguments of printf: what is seen is what a command would get.
_SHOW = b"\x01printf '<%s>' \x05; echo '<end>'\r"
_SHOWN = re.compile(r"\n?((?:<[^<>]*>)+)<end>\r")
_START = {
    "bash": (
        ["bash", "--noprofile", "--rcfile", "{rc}", "-i"],
        "PS1='ready> '\nbind 'set enable-bracketed-paste off'\nunset HISTFILE\n"
        "source {scripts}/sessctl.bash\n",
    ),
    "zsh": (
        ["zsh", "-d", "-i"],
        "PS1='ready> '\nunset zle_bracketed_paste; unsetopt prompt_cr prompt_sp beep\nbindkey -e\n"
        "zstyle ':completion:*' list-prompt ''\nLISTMAX=0\n"
        "fpath=({scripts} $fpath)\nautoload -Uz compinit && compinit -u -D\n",
    ),
}


def program(name: str) -> str:
    """The path of a shell; fails with what to install."""
    found = shutil.which(name)
    if found is None:
        msg = f"{name} is missing; on Debian: apt-get install {name}"
        raise FileNotFoundError(msg)
    return found


@dataclass(frozen=True, slots=True)
class Shell:
    """An interactive shell that knows sessctl's completion, started for each call."""

    name: str
    home: Path

    def complete(self, *lines: str, env: Mapping[str, str] | None = None) -> list[list[str]]:
        """The words of each line after a Tab at its end."""
        typed = [f"{line}\t".encode() + _SHOW for line in lines]
        screen = self.screen(typed, then=_DONE, env=env)
        return [re.findall("<([^<>]*)>", shown) for shown in _SHOWN.findall(screen)]

    def screen(
        self,
        typed: Sequence[bytes],
        *,
        then: bytes = _PROMPT,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """All that the terminal shows when these are typed, the first at the prompt, each further
        one when `then` has been shown."""
        words, rc = _START[self.name]
        path = self.home / (".zshrc" if self.name == "zsh" else "bashrc")
        path.write_text(rc.format(scripts=SCRIPTS))
        words = [word.format(rc=path) for word in words]
        result = in_terminal(
            [program(words[0]), *words[1:]],
            home=self.home,
            say=list(zip([_PROMPT, *[then] * len(typed)], [*typed, b"exit\r"], strict=True)),
            cols=200,
            env=environment(self.home, env),
        )
        return result.text


def fish_offers(line: str, home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What fish would offer at the end of a line: word and description."""
    done = subprocess.run(
        [program("fish"), "-c", f"source {SCRIPTS}/sessctl.fish; complete -C $argv[1]", line],
        env=environment(home, env),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    pairs = (line.partition("\t") for line in done.stdout.splitlines())
    return {word: meaning for word, _, meaning in pairs}


def environment(home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """One in which `sessctl` is this interpreter's, and no shell reads anybody's files."""
    clean = clean_environment(home, env)
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "sessctl"
    if not script.exists():
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sessctl "$@"\n')
        script.chmod(0o755)
    root = Path(__file__).parents[2]
    return {
        **clean,
        "PATH": f"{folder}:{clean['PATH']}",
        "PYTHONPATH": str(root),
        "ZDOTDIR": str(home),
        "TERM": "dumb",
    }
