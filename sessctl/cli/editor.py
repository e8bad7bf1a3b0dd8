"""The user's editor, on a draft of their own; what was typed is lost only when it is discarded."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.cli.signals import left_to_child
from sessctl.errors import Refused, SessctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run

_LIMIT = 8 * 2**20  # bytes; no session and no configuration is larger


class Draft:
    """A file (0600) in a folder of its own (0700)."""

    def __init__(self, editor: list[str], text: str, name: str) -> None:
        self._editor = editor
        self._folder = Path(tempfile.mkdtemp(prefix="sessctl-edit-"))
        self.path = self._folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
            file.write(text.encode())

    def edit(self) -> str:
        """Let the user change it; the text afterwards.

        Raises:
            Refused: the editor failed: nothing is to be changed.
            UsageError: what it left is no text, or it cannot be run.
        """
        try:
            with left_to_child():
                code = subprocess.call([*self._editor, str(self.path)])  # noqa: S603 - the user's
        except OSError as exc:
            self.discard()
            reason = (exc.strerror or "error").lower()
            raise UsageError(
                f"the editor '{self._editor[0]}' cannot be run ({reason})", hint="export EDITOR=vi"
            ) from None
        if code:
            raise Refused(f"the editor failed (exit {code}), so nothing was changed")
        try:
            with self.path.open("rb") as file:
                return file.read(_LIMIT).decode()
        except (OSError, UnicodeDecodeError):
            raise UsageError("the editor left no text in UTF-8") from None

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def draft_of(run: Run, text: str, *, name: str) -> Iterator[Draft]:
    """A draft to edit; it is kept, and an error on what was typed names it, unless it is discarded.

    Raises:
        UsageError: there is no editor.
    """
    draft = Draft(_editor(run), text, name)
    try:
        yield draft
    except SessctlError as exc:
        if draft.path.exists():
            where = f"your text is kept in {draft.path}"
            exc.hint = f"{exc.hint}; {where}" if exc.hint else where
        raise


def _editor(run: Run) -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if run.environ.get(name, "").strip():
            try:
                return shlex.split(run.environ[name])
            except ValueError:
                raise UsageError(f"{name} is no command that can be read") from None
    if not run.can_ask:
        raise UsageError("there is no editor to open", hint="export EDITOR=vi")
    return ["vi"]
