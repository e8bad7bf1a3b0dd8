"""Writing a journal: append, fsync, and only then may anything be deleted."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.admin.journal import line
from sessctl.admin.journal.lock import lock
from sessctl.admin.journal.sealing import GROWTH, OPEN, SEALED, new_salt, salt_as_text
from sessctl.admin.journal.sessions import Keep, pack
from sessctl.admin.journal.space import check_page_room
from sessctl.config.paths import private_folder
from sessctl.errors import JournalError
from sessctl.stores.base import Outcome
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sessctl.admin.journal.sealing import JournalKey, Segment
    from sessctl.session import Session
    from sessctl.stores.base import Result, Store


class JournalWriter:
    """Appends one run to a new file, which is created with the first page; or to that of a run
    that was interrupted (`journal.resume.reopen`). With a key every line is encrypted."""

    def __init__(
        self,
        directory: Path,
        head: dict[str, Any],
        *,
        keep: Keep = Keep.FULL,
        key: JournalKey | None = None,
    ) -> None:
        self.keep = keep
        self.key = key
        self.run = secrets.token_hex(4)
        started = datetime.now(UTC)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(head.get("backend") or "store"))[:40]
        stamp = started.strftime("%Y%m%dT%H%M%S.%fZ")  # names sort by time; two runs fit a second
        self.path = directory / f"{stamp}-{head['command']}-{name}-{self.run}{line.SUFFIX}"
        self.sessions = 0
        self.size_bytes = 0
        self._head = {
            "format": line.FORMAT if key is None else line.ENCRYPTED_FORMAT,
            "run": self.run,
            "started": iso(to_ms(started)),
            "keep": str(keep),
            **head,
        }
        self._fd = -1
        self._pages = 0
        self._lines = 0
        self._segment: Segment | None = None
        self._previous = ""
        self._broken = False
        self.earlier_pages = 0  # written by the run that is resumed

    def go_on(
        self, fd: int, path: Path, *, run: str, pages: int, lines: int, previous: str
    ) -> None:
        """Append to a journal that is there: locked, whole, so many pages and lines long,
        `previous` its last line's digest. An encrypted one goes on in a segment of its own."""
        self._fd, self.path, self.run = fd, path, run
        self._pages = self.earlier_pages = pages
        self._lines, self._previous = lines, previous
        if self.key is not None:
            salt = new_salt()
            self._append("segment", {"salt": salt_as_text(salt)})
            self._segment = self.key.segment(run, salt)

    @property
    def is_open(self) -> bool:
        """A page has been written; before that there is no file."""
        return self._fd >= 0

    def page(self, store: Store, sessions: Sequence[Session], *, changes: bool = False) -> int:
        """Write sessions down and make sure they are on the disk; the page's number.

        Args:
            changes: they are about to be written over, and not removed.

        Raises:
            JournalError: then nothing of this page may be written, nor of any later one.
        """
        packed = pack(store, sessions, self.keep)
        if not self._broken:
            check_page_room(self.path, round(len(packed) * (GROWTH if self.key else 1)))
        if not (self.is_open or self._broken):
            self._create()
        self._pages += 1
        body: dict[str, Any] = {"n": self._pages, "count": len(sessions), "z": packed}
        if changes:
            body["changes"] = True
        self._append("page", body, sync=True)
        self.sessions += len(sessions)
        return self._pages

    def done(
        self, number: int, results: Sequence[Result], *, left: Sequence[str | None] = ()
    ) -> None:
        """Record what became of a page; the usual outcome once, the others by position.

        Args:
            left: of sessions that were written over, the digest of what our write left.
        """
        words = [result.outcome.value for result in results]
        usual = Counter(words).most_common(1)[0][0] if words else Outcome.DELETED.value
        others = {str(i): word for i, word in enumerate(words) if word != usual}
        body: dict[str, Any] = {"n": number, "all": usual, "except": others}
        if left:
            body["left"] = list(left)
        self._append("done", body)

    def note(self, text: str, **more: Any) -> None:
        """Something that happened to the run; on the disk when this returns."""
        self._append("note", {"text": text, **more}, sync=True)

    def end(self, counts: dict[str, int], *, complete: bool) -> None:
        """Close the run. Without this line a journal counts as interrupted."""
        try:
            if self.is_open and not self._broken:
                self._append("end", {"counts": counts, "complete": complete}, sync=True)
        finally:
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _create(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            _check_folder(self.path.parent)
            self._fd = os.open(self.path, flags, 0o600)
            lock(self._fd)  # nobody else knows its name yet
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            self._broken = True  # there may be a file now, without its head
            raise disk_error(self.path, exc) from None
        self._append("head", self._sealed_head(), sync=True)

    def _sealed_head(self) -> dict[str, Any]:
        """The head as it is written. In an encrypted journal only a part of it is in the open."""
        if self.key is None:
            return self._head
        salt = new_salt()
        segment = self.key.segment(self.run, salt)
        body = {name: self._head[name] for name in OPEN if name in self._head}
        box = segment.seal(1, {"kind": "head", **self._head})
        self._segment = segment
        return {**body, "salt": salt_as_text(salt), "box": box}

    def _append(self, kind: str, body: dict[str, Any], *, sync: bool = False) -> None:
        if self._broken:
            raise JournalError(f"the journal {self.path} failed earlier in this run")
        self._lines += 1
        if self._segment is not None and kind != "head":
            box = self._segment.seal(self._lines, {"kind": kind, **body})
            kind, body = SEALED, {"line": self._lines, "box": box}
        written = line.encode(kind, body, self._previous)
        try:
            view = memoryview(written)
            while view:
                view = view[os.write(self._fd, view) :]
            if sync:
                os.fsync(self._fd)
        except OSError as exc:
            # A failed fsync may have lost pages; this file is not trusted again.
            self._broken = True
            raise disk_error(self.path, exc) from None
        self.size_bytes += len(written)
        self._previous = line.digest(written)


def _check_folder(folder: Path) -> None:
    if folder.exists() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalError(
            f"others may write the journal folder {folder}", hint=f"chmod 700 {folder}"
        )
    private_folder(folder)


def disk_error(path: Path, exc: OSError) -> JournalError:
    """What a failed write, fsync or open of a journal is to the rest."""
    reason = (exc.strerror or "error").lower()
    return JournalError(
        f"cannot write the journal {path} ({reason})",
        hint="nothing that is not in the journal was deleted; free the disk and run it again",
    )
