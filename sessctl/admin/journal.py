"""The journal: the file from which a purge can be undone.

One line an event, `crc32 SP json LF`, ASCII only, appended and fsynced page by page *before* the
page is deleted. Kinds: `head`, `page` (the sessions as they were), `done` (what became of them),
`note`, `end`. Every line carries the digest of the line before it, so that a missing or swapped
line is noticed. A last line that is torn is ignored: its delete never began.

It holds live credentials: folder 0700, file 0600, never followed through a link.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl import __version__
from sessctl.config.paths import private_folder
from sessctl.errors import JournalError
from sessctl.stores.base import Outcome
from sessctl.text import escape
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sessctl.session import Query, Session
    from sessctl.stores.base import Result, Store

FORMAT = 1
SUFFIX = ".journal"
_MAX_PAGE_BYTES = 512 * 2**20  # unpacked; more is neither written nor read


class JournalWriter:
    """Appends one run to a new file, which is created with the first page."""

    def __init__(self, directory: Path, head: dict[str, Any]) -> None:
        self.run = secrets.token_hex(4)
        started = datetime.now(UTC)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(head.get("backend") or "store"))[:40]
        stamp = started.strftime("%Y%m%dT%H%M%S.%fZ")  # names sort by time; two runs fit a second
        self.path = directory / f"{stamp}-{head['command']}-{name}-{self.run}{SUFFIX}"
        self.sessions = 0
        self.size_bytes = 0
        self._head = {"format": FORMAT, "run": self.run, "started": iso(to_ms(started)), **head}
        self._fd = -1
        self._pages = 0
        self._previous = ""
        self._broken = False

    @property
    def is_open(self) -> bool:
        """A page has been written; before that there is no file."""
        return self._fd >= 0

    def page(self, store: Store, sessions: Sequence[Session]) -> int:
        """Write sessions down and make sure they are on the disk; the page's number.

        Raises:
            JournalError: then nothing of this page may be deleted, nor of any later one.
        """
        if not (self.is_open or self._broken):
            self._create()
        self._pages += 1
        raw = _dump_sessions(store, sessions)
        if len(raw) > _MAX_PAGE_BYTES:  # what could not be read back must not be deleted
            raise JournalError(
                "a page of sessions is larger than a journal can give back",
                hint="--no-journal with --expired ends them without a way back",
            )
        packed = zlib.compress(raw, 1)
        line = {"n": self._pages, "count": len(sessions), "z": b64encode(packed).decode()}
        self._append("page", line, sync=True)
        self.sessions += len(sessions)
        return self._pages

    def done(self, number: int, results: Sequence[Result]) -> None:
        """Record what became of a page; the usual outcome once, the others by position."""
        words = [result.outcome.value for result in results]
        usual = Counter(words).most_common(1)[0][0] if words else Outcome.DELETED.value
        others = {str(i): word for i, word in enumerate(words) if word != usual}
        self._append("done", {"n": number, "all": usual, "except": others})

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
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            self._broken = True  # there may be a file now, without its head
            raise _disk_error(self.path, exc) from None
        self._append("head", self._head, sync=True)

    def _append(self, kind: str, body: dict[str, Any], *, sync: bool = False) -> None:
        if self._broken:
            raise JournalError(f"the journal {self.path} failed earlier in this run")
        text = json.dumps({"kind": kind, "prev": self._previous, **body}, separators=(",", ":"))
        payload = text.encode()
        line = b"%08x %b\n" % (zlib.crc32(payload), payload)
        try:
            view = memoryview(line)
            while view:
                view = view[os.write(self._fd, view) :]
            if sync:
                os.fsync(self._fd)
        except OSError as exc:
            # A failed fsync may have lost pages; this file is not trusted again.
            self._broken = True
            raise _disk_error(self.path, exc) from None
        self.size_bytes += len(line)
        self._previous = _line_digest(line)


def _check_folder(folder: Path) -> None:
    if folder.exists() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise JournalError(
            f"others may write the journal folder {folder}", hint=f"chmod 700 {folder}"
        )
    private_folder(folder)


def _disk_error(path: Path, exc: OSError) -> JournalError:
    reason = (exc.strerror or "error").lower()
    return JournalError(
        f"cannot write the journal {path} ({reason})",
        hint="nothing that is not in the journal was deleted; free the disk and run it again",
    )


def _line_digest(line: bytes) -> str:
    return sha256(line).hexdigest()[:32]


def head_for(
    store: Store, command: str, query: Query, *, backend: str, force: Iterable[str] = ()
) -> dict[str, Any]:
    """What the first line says of a run: who, where, what was asked for, when by the store."""
    return {
        "tool": f"sessctl {__version__}",
        "command": command,
        "backend": backend,
        "store": store.identity.as_dict(),
        "layout": store.layout.name,
        "query": query.describe(),
        "options": {"force": sorted(force)},
        "server_time": iso(store.now_ms()),
    }


# -- sessions as JSON ------------------------------------------------------------------------------


def _dump_sessions(store: Store, sessions: Sequence[Session]) -> bytes:
    return msgspec.json.encode(
        [
            _plain({"sid": session.sid, "location": session.location, **store.freeze(session)})
            for session in sessions
        ]
    )


def _plain(value: Any) -> Any:
    """JSON that comes back as it was: bytes and text that is not UTF-8 are marked."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        try:
            return {"bytes": value.decode()}
        except UnicodeDecodeError:
            return {"bytes_b64": b64encode(value).decode()}
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"text_b64": b64encode(value.encode("utf-8", "surrogateescape")).decode()}
    if isinstance(value, float):
        return {"float": value.hex()}
    return value


def _original(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            ((mark, inner),) = value.items()
            if mark == "bytes":
                return inner.encode()
            if mark == "bytes_b64":
                return b64decode(inner)
            if mark == "text_b64":
                return b64decode(inner).decode("utf-8", "surrogateescape")
            if mark == "float":
                return float.fromhex(inner)
        return {key: _original(item) for key, item in value.items()}
    return value


# -- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions as they were before a delete; `outcomes` is None where the run died in between."""

    number: int
    sessions: list[dict[str, Any]]
    outcomes: list[Outcome] | None


@dataclass(slots=True)
class Journal:
    """A journal on disk. `notes` fills while it is read."""

    path: Path
    head: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def pages(self) -> Iterator[Page]:
        """Every page with its outcomes, in order.

        Raises:
            JournalError: a line other than the last is damaged, or one is missing.
        """
        waiting: dict[str, Any] | None = None
        for line in _lines(self.path, self.notes):
            if line["kind"] == "page":
                if waiting is not None:
                    yield _page(waiting, None)
                waiting = line
            elif line["kind"] == "done" and waiting is not None and line["n"] == waiting["n"]:
                yield _page(waiting, line)
                waiting = None
        if waiting is not None:
            yield _page(waiting, None)

    def summary(self) -> tuple[int, bool, dict[str, int]]:
        """(sessions, the run came to its end, counts by outcome)."""
        total, ended, counts = 0, False, dict[str, int]()
        for line in _lines(self.path, self.notes):
            if line["kind"] == "page":
                total += line["count"]
            elif line["kind"] == "end":
                ended, counts = bool(line["complete"]), dict(line["counts"])
        return total, ended, counts


def open_journal(path: Path) -> Journal:
    """Read the head of a journal. Raises JournalError if it is none."""
    first = next(_lines(path, []), None)
    if first is None or first["kind"] != "head":
        raise JournalError(
            f"{path} is not a sessctl journal", hint="`sessctl journal list` names them"
        )
    if first.get("format") != FORMAT:
        raise JournalError(
            f"{path} has journal format {first.get('format')}, this version reads {FORMAT}",
            hint="use the version of sessctl that wrote it, or a newer one",
        )
    return Journal(path, first)


def list_journals(directory: Path) -> list[Path]:
    """The journals of a folder, newest first; a file without a head yet is none."""
    if not directory.is_dir():
        return []
    return sorted(
        (p for p in directory.iterdir() if p.name.endswith(SUFFIX) and p.stat().st_size),
        reverse=True,
    )


def _lines(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    previous = ""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise JournalError(
            f"cannot read {path} ({(exc.strerror or 'error').lower()})",
            hint="`sessctl journal list` names the journals",
        ) from None
    with file:
        number = 0
        line = file.readline()
        while line:
            number += 1
            following = file.readline()
            found = _parse(line, previous)
            if isinstance(found, str):
                if following or number == 1:
                    raise JournalError(
                        f"line {number} of {path} is damaged ({found})",
                        hint="restore from a copy of the file if there is one",
                    )
                notes.append(f"the last line is torn and ignored ({found}): its delete never began")
                return
            yield found
            previous = _line_digest(line)
            line = following


def _parse(line: bytes, previous: str) -> dict[str, Any] | str:
    """The line's content, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "no end of line"
    checksum, _, payload = line[:-1].partition(b" ")
    if checksum != b"%08x" % zlib.crc32(payload):
        return "wrong checksum"
    try:
        found = json.loads(payload)
    except ValueError:
        return "not JSON"
    if not isinstance(found, dict) or "kind" not in found:
        return "not a journal line"
    if found.get("prev") != previous:
        return "the line before it is missing or was changed"
    return found


def _page(line: dict[str, Any], done: dict[str, Any] | None) -> Page:
    try:
        reader = zlib.decompressobj()
        raw = reader.decompress(b64decode(line["z"]), _MAX_PAGE_BYTES)
        if reader.unconsumed_tail:
            raise JournalError(f"page {line['n']} unpacks to more than {_MAX_PAGE_BYTES} bytes")
        sessions = [_original(item) for item in json.loads(raw)]
    except (zlib.error, ValueError, KeyError, Base64Error) as exc:
        raise JournalError(f"page {line.get('n')} is damaged ({escape(str(exc))})") from None
    if done is None:
        return Page(line["n"], sessions, None)
    usual, others = Outcome(done["all"]), done["except"]
    outcomes = [Outcome(others.get(str(i), usual)) for i in range(len(sessions))]
    return Page(line["n"], sessions, outcomes)
