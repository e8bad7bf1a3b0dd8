"""The folder of journals: which there are, and which are old enough to go."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sessctl.admin.journal.line import SUFFIX
from sessctl.admin.journal.lock import lock
from sessctl.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from pathlib import Path

_STAMP = re.compile(r"(\d{8}T\d{6})(?:\.\d+)?Z-")


@dataclass(frozen=True, slots=True)
class Old:
    """A journal that may go: `written_at` is when its last line was."""

    path: Path
    written_at: datetime
    size_bytes: int


def list_journals(directory: Path) -> list[Path]:
    """The journals of a folder, newest first; a file without a head yet is none."""
    return sorted((path for path, found in _files(directory) if found.st_size), reverse=True)


def old_journals(directory: Path, older_than: timedelta, now: datetime) -> list[Old]:
    """The journals whose last line was written longer ago than that, oldest first.

    A name may lie, and so may a date of the file: the later of the two counts.
    """
    found = [
        Old(path, _written_at(path.name, status), status.st_size)
        for path, status in _files(directory)
    ]
    return sorted(
        (old for old in found if now - old.written_at > older_than), key=lambda old: old.written_at
    )


def remove_journals(journals: Iterable[Old]) -> list[Old]:
    """Remove them from the disk; those that are gone. One that a run has open is left.

    Raises:
        JournalError: the folder cannot be written.
    """
    gone: list[Old] = []
    for old in journals:
        try:
            # Relative to the folder and never through a link: what is looked at is what goes.
            folder = os.open(old.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                file = os.open(old.path.name, flags, dir_fd=folder)
                try:
                    if stat.S_ISREG(os.fstat(file).st_mode) and lock(file):
                        os.unlink(old.path.name, dir_fd=folder)
                        gone.append(old)
                finally:
                    os.close(file)
            finally:
                os.close(folder)
        except FileNotFoundError:
            pass  # another run was faster
        except OSError as exc:
            raise _folder_error("remove", old.path, exc) from None
    return gone


def _files(directory: Path) -> list[tuple[Path, os.stat_result]]:
    """Regular files with our suffix; a link is none, wherever it leads."""
    try:
        with os.scandir(directory) as entries:
            ours = [entry for entry in entries if entry.name.endswith(SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise _folder_error("read", directory, exc) from None
    found: list[tuple[Path, os.stat_result]] = []
    for entry in ours:
        with suppress(FileNotFoundError):  # pruned by another run
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found.append((directory / entry.name, status))
    return found


def _folder_error(verb: str, path: Path, exc: OSError) -> JournalError:
    reason = (exc.strerror or "error").lower()
    return JournalError(
        f"cannot {verb} {path} ({reason})", hint="the journal folder has to be yours"
    )


def _written_at(name: str, status: os.stat_result) -> datetime:
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    stamp = _STAMP.match(name)
    if stamp is not None:
        with suppress(ValueError):
            started = datetime.strptime(stamp[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return max(started, changed)
    return changed
