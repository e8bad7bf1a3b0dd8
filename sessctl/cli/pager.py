"""The user's pager, for an answer that does not fit the terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping


class Pager:
    """Holds back a screenful; if more comes, the rest goes through the user's pager.

    Args:
        direct: writes past the pager.
        flush: called before the pager starts.
        warn: tells that it cannot be run.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        direct: Callable[[bytes], object],
        flush: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        self._environ, self._direct, self._flush, self._warn = environ, direct, flush, warn
        self._held: list[bytes] = []
        self._room = terminal_size()[1] - 1
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(data)
            return
        self._held.append(data)
        if len(self._held) > self._room:
            self._start()

    def _start(self) -> None:
        import shlex
        import shutil
        import subprocess

        environ = self._environ
        name = "SESSCTL_PAGER" if "SESSCTL_PAGER" in environ else "PAGER"
        self._flush()
        try:
            words = shlex.split(environ.get(name, "less -FIRX"))
            if not words or words == ["cat"] or shutil.which(words[0]) is None:
                self._do_without()
                return
            process = subprocess.Popen(words, stdin=subprocess.PIPE)  # noqa: S603 - the user's own
        except (ValueError, OSError) as exc:
            reason = str(getattr(exc, "strerror", None) or exc).lower()
            self._warn(f"{name} cannot be run ({reason}); no pager")
            self._do_without()
            return
        if process.stdin is not None:
            self._release(process.stdin.write)
        self._process = process

    def _do_without(self) -> None:
        self._room = sys.maxsize
        self._release(self._direct)

    def _release(self, write: Callable[[bytes], object]) -> None:
        for data in self._held:
            write(data)
        self._held.clear()

    def __enter__(self) -> Pager:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is None:
            self._release(self._direct)
        elif self._process.stdin is not None:
            with suppress(BrokenPipeError):  # the reader quit before the end; nobody minds
                self._process.stdin.close()
            self._process.wait()


def terminal_size() -> tuple[int, int]:
    """(columns, lines); 80 by 24 where there is no terminal."""
    import shutil  # 3 ms

    return shutil.get_terminal_size((80, 24))
