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

from sessctl.errors import Refused, SessctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run


class Draft:
    """A file in a folder of its own, readable by its owner alone."""

    def __init__(self, text: str, name: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sessctl-edit-"))  # 0700
        self.path = self._folder / name
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(text.encode())

    @property
    def text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"the draft {self.path} cannot be read as UTF-8") from None

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def edit_text(run: Run, text: str, *, name: str) -> Iterator[Draft]:
    """Let the user change a text; an error on what was typed names the draft, which is kept.

    Raises:
        UsageError: there is no editor, or it cannot be run.
        Refused: the editor ended with an error: nothing is to be changed.
    """
    words = _editor(run)
    draft = Draft(text, name)
    try:
        code = _run(words, draft.path)
    except UsageError:
        draft.discard()
        raise
    if code:
        raise Refused(
            f"the editor ended with exit code {code}, so nothing was changed",
            hint=f"what was typed is in {draft.path}",
        )
    try:
        yield draft
    except SessctlError as exc:
        where = f"what was typed is in {draft.path}"
        exc.hint = f"{exc.hint}; {where}" if exc.hint else where
        raise


def _editor(run: Run) -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if run.environ.get(name):
            try:
                return shlex.split(run.environ[name])
            except ValueError:
                raise UsageError(f"{name} is no command that can be read") from None
    if not run.can_ask:
        raise UsageError("there is no editor to open", hint="export EDITOR=vi")
    return ["vi"]


def _run(words: list[str], path: Path) -> int:
    try:
        return subprocess.call([*words, str(path)])  # noqa: S603 - the user's own editor
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise UsageError(
            f"the editor '{words[0]}' cannot be run ({reason})", hint="export EDITOR=vi"
        ) from None
