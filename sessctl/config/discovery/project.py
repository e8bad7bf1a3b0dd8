"""A project's folder, read carefully: bounded, regular files only, no link followed."""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from sessctl.limits import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE_BYTES = 256 * KIB
_SOURCE_FILES, _SOURCE_BYTES, _ENTRIES, _DEPTH = 300, 4 * MIB, 5_000, 6
JAVASCRIPT = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx")
_MARKS = ("package.json", "manage.py", "pyproject.toml")  # of a project's own folder
# Not the project's own code, or made of it.
_SKIPPED = frozenset({
    "node_modules", "bower_components", "vendor", "dist", "build", "out", "coverage", "public",
    "static", "test", "tests", "__tests__", "venv", "env", "site-packages", "__pycache__",
    "migrations",
})  # fmt: skip


class Project:
    """The folder of a project."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, folder: Path) -> Project:
        """The nearest project from here up to the repository's root; else the folder itself."""
        for one in (folder, *folder.parents):
            if any((one / name).is_file() for name in _MARKS):
                return cls(one)
            if (one / ".git").exists():
                break
        return cls(folder)

    def read(self, name: str) -> str | None:
        """The text of a file; None: not there, a link, too large, no text."""
        return self._read(self.root / name)

    def names(self) -> list[str]:
        """The names in the folder itself, sorted."""
        try:
            return sorted(os.listdir(self.root))  # noqa: PTH208 - names, not paths
        except OSError:
            return []

    def is_link(self, name: str) -> bool:
        return (self.root / name).is_symlink()

    def sources(self, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """(relative path, text) of the first source files with such endings, those further up
        first."""
        left, seen, files = _SOURCE_BYTES, 0, 0
        folders = deque([(self.root, 0)])
        while folders:
            folder, depth = folders.popleft()
            for entry in _entries(folder):
                seen += 1
                if seen > _ENTRIES or files >= _SOURCE_FILES:
                    return
                path = folder / entry.name
                if entry.is_dir(follow_symlinks=False):
                    if depth < _DEPTH and entry.name not in _SKIPPED and entry.name[0] != ".":
                        folders.append((path, depth + 1))
                elif entry.name.endswith(suffixes) and not entry.name.endswith(".d.ts"):
                    files += 1
                    text = self._read(path)
                    if text is None or len(text) > left:
                        continue
                    left -= len(text)
                    yield path.relative_to(self.root).as_posix(), text

    @staticmethod
    def _read(path: Path) -> str | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with suppress(OSError, UnicodeDecodeError):
            with os.fdopen(os.open(path, flags), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > _FILE_BYTES:
                    return None
                raw = file.read(_FILE_BYTES + 1)
            return raw.decode() if len(raw) <= _FILE_BYTES else None
        return None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
