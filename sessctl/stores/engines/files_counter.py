"""The file in which a library counts its files: what we remove has to be taken off, or it believes
itself over its limit and throws out sessions that are alive.

cachelib reads, adds and writes without a lock, and so does this: when both do at the same moment,
one of the two is lost, as between two processes of an application. It counts anew when it starts.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from sessctl.stores.engines.files_directory import NotAFile

if TYPE_CHECKING:
    from sessctl.stores.engines.files_directory import Directory
    from sessctl.stores.engines.files_names import FileNames

_LONGEST = 100  # bytes: a header and an integer


class FileCounter:
    """Gathers what has come and gone, and writes it down with `write`."""

    def __init__(self, directory: Directory, names: FileNames) -> None:
        self._directory = directory
        self._names = names
        self._changes = Counter[str]()

    def add(self, number: int, name: str | None) -> None:
        """A session's file has come (1) or gone (-1)."""
        counter = self._names.counter(name) if name else None
        if counter is not None:
            self._changes[counter] += number

    def write(self) -> None:
        """Where the library counts nothing, or it cannot be written, it is left as it is: it is
        counted anew when the application starts."""
        for counter, change in self._changes.items():
            with suppress(OSError, NotAFile):
                self._write(counter, change)
        self._changes.clear()

    def _write(self, counter: str, change: int) -> None:
        from sessctl.serializers import cachelib  # with it the reader of pickles; few need it

        with self._directory.opened(counter) as file:
            raw, like = file.content(_LONGEST), file.stamp
        number = None if raw is None else cachelib.counted(raw)
        if number is None or not change:
            return
        aside = self._names.aside(counter)
        self._directory.write(
            aside, cachelib.as_count(max(0, number + change)), like, keep_mtime=False
        )
        try:
            self._directory.rename(aside, counter)
        finally:
            self._directory.unlink(aside)
