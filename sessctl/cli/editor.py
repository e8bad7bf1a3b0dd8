"""A text handed to the user's editor, in a file that nobody else can read."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.errors import Refused, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = 8 * 2**20  # bytes; no session is larger


class EditedFile:
    """A file (0600) in a folder of its own (0700). `discard` removes both; what is not discarded
    stays, so that nobody's work is lost."""

    def __init__(self, text: str, environ: Mapping[str, str], *, name: str) -> None:
        command = environ.get("VISUAL") or environ.get("EDITOR")
        if not command:
            raise UsageError(
                "no editor is named", hint="EDITOR=nano sessctl edit SID, or `sessctl set`"
            )
        try:
            self._command = shlex.split(command)
        except ValueError:
            self._command = []
        if not self._command or shutil.which(self._command[0], path=environ.get("PATH")) is None:
            raise UsageError("there is no such editor", hint="check VISUAL and EDITOR")
        self._environ = environ
        self._folder = Path(tempfile.mkdtemp(prefix="sessctl-"))
        self.path = self._folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)

    def edit(self) -> str:
        """Let the user change it; the text afterwards.

        Raises:
            Refused: the editor failed.
            UsageError: what it left is no text.
        """
        done = subprocess.run(  # noqa: S603 - the user's own editor
            [*self._command, str(self.path)], env=dict(self._environ), check=False
        )
        if done.returncode != 0:
            raise Refused(f"the editor failed (exit {done.returncode}), nothing was changed")
        try:
            with self.path.open("rb") as file:
                return file.read(_LIMIT).decode()
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"the editor left no text in {self.path}") from None

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
