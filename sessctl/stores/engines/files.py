"""The files engine: a directory with a file for each session.

Files are read one by one as the directory is listed; what is in them is a session or an item with
a problem, and what is no file of the layout is a stranger, named and left alone. Writing goes by
`files_writes.py`. The clock is this machine's, as it is the application's that wrote the dates.

A listing of a directory is no snapshot: on file systems that give a replaced file a new place
(btrfs), one that is renewed while the directory is being read may be missed, as POSIX allows.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import (
    JournalError,
    Refused,
    SerializerError,
    SessctlError,
    StoreError,
    UsageError,
)
from sessctl.session import Need, Problem, Query, Session
from sessctl.stores.base import Capabilities, Identity, Remarks, Room, Server
from sessctl.stores.engines.files_directory import Directory, NotAFile, Stamp, reason_of
from sessctl.stores.engines.files_expiry import UNKNOWN, Kept, file_expiry
from sessctl.stores.engines.files_facts import file_facts
from sessctl.stores.engines.files_names import FileNames, Kind, masked
from sessctl.stores.engines.files_writes import FilesWriter
from sessctl.stores.reader import Reader
from sessctl.stores.url import flags
from sessctl.text import escape
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair, Result
    from sessctl.stores.facts import Fact
    from sessctl.stores.layouts.files import FileLayout
    from sessctl.stores.url import StoreUrl

_PAGE = 500
_BLOCK = 4096  # of nearly every file system
_LEFT_AFTER_S = 60.0  # a younger one belongs to a sessctl that is at work


class FilesStore:
    """Sessions in the files of a directory. Open it with `FilesStore.open` or `open_store`."""

    def __init__(self, directory: Directory, layout: FileLayout, access: Access) -> None:
        path = directory.path
        self.layout = layout
        self.page_size = access.page(_PAGE)
        scope = f"{layout.before_sid}{getattr(layout, 'prefix', '')}{layout.extension}"
        self.identity = Identity("file", str(path), "", scope, path.name)
        self.remarks = Remarks()
        self.capabilities = Capabilities(
            expires_by_itself=False,
            stores_created=bool(layout.created),
            stores_seen=bool(layout.seen),
            tells_room=True,
        )
        self._directory = directory
        self._names = FileNames(layout)
        self._reader = Reader(layout)
        self._expiry = file_expiry(layout, self._reader)
        network = directory.network()
        if network is not None:
            self.remarks.note(
                f"the directory is on a network mount ({network}): expiry is judged by this "
                "machine's clock, and locks of other machines may not be seen"
            )
        if not layout.lifetime_s:
            self.remarks.note(
                f"{layout.name} has no lifetime of its own, and no session here is ever over: if "
                "the application has a timeout, the backend should say it: lifetime = '1h'"
            )
        self._writer: FilesWriter | None = None
        if not access.read_only:
            directory.require_writable()
            self._writer = FilesWriter(
                directory, self._names, self._reader, self._expiry, clock_ms=self.now_ms
            )

    @classmethod
    def open(cls, url: StoreUrl, layout: FileLayout, access: Access) -> Self:
        """Open the directory. Raises StoreUnreachable or AccessDenied; nothing is created."""
        flags(dict(url.options), (), "file")
        if not url.path:
            raise UsageError("the file URL names no directory", hint="file:///srv/app/sessions")
        directory = Directory(_folder(Path(url.path).expanduser(), layout.directory).absolute())
        try:
            return cls(directory, layout, access)
        except SessctlError:
            directory.close()
            raise

    @classmethod
    def holds_strangers(cls, url: StoreUrl) -> bool:
        """A directory in which no session was found has files of other kinds."""
        with (
            suppress(StoreError),
            closing(Directory(Path(url.path).expanduser())) as directory,
            directory.entries() as entries,
        ):
            return next(entries, None) is not None
        return False

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        """Nobody but the file system; the directory is looked at."""
        with self._directory.entries() as entries:
            next(iter(entries), None)
        return Server("files", None)

    def now_ms(self) -> int:
        """This machine's clock: files have no other, and the application goes by its own."""
        return local_ms()

    def estimate(self) -> int:
        """How many names are those of sessions; no file is opened."""
        with self._directory.entries(self._names.folders) as entries:
            return sum(self._names.sid(name) is not None for name, _ in entries)

    def facts(self) -> Iterator[Fact]:
        """Who may read the files, and whose they are; none is opened."""
        yield from file_facts(self._directory, self._names)

    def lags(self) -> list[Lag]:
        return []

    def room(self) -> Room:
        """What is free on the disk; each file takes a block at least."""
        return Room(self._directory.free_bytes(), _BLOCK, limit="what the disk has free")

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        else:
            candidates = self._listed(bare=need | query.need is Need.ID)
        for session in candidates:
            if not query.filters or query.matches(session, now_ms):
                yield session

    def get(self, sids: Sequence[str]) -> list[Session]:
        found = (
            next(filter(None, (self._read(sid, name) for name in self._names.names(sid))), None)
            for sid in sids
        )
        return [session for session in found if session is not None]

    def count(self, query: Query) -> int:
        need = query.need if query.filters else Need.ID
        return sum(1 for _ in self.scan(query, need))

    def _listed(self, *, bare: bool) -> Iterator[Session]:
        with self._directory.entries(self._names.folders) as entries:
            for name, entry in entries:
                sid = self._names.sid(name)
                if sid is None:
                    self._note_stranger(name)
                elif not entry.is_file(follow_symlinks=False):
                    self.remarks.stranger(self._location(name), _kind(entry))
                elif bare:
                    yield Session(sid=sid, raw=b"", location=self._location(name))
                elif (session := self._read(sid, name)) is not None:
                    yield session

    def _note_stranger(self, name: str) -> None:
        kind = self._names.kind(name)
        if kind is Kind.STRANGER:
            self.remarks.stranger(self._location(name), kind.value)
        elif kind is Kind.LEFTOVER and self._directory.age_s(name) > _LEFT_AFTER_S:
            self.remarks.stranger(self._location(masked(name)), kind.value)

    def _read(self, sid: str, name: str) -> Session | None:
        """The session in a file; None where it is gone, or was never a file."""
        try:
            with self._directory.opened(name) as file:
                stamp, raw = file.stamp, file.content(self.layout.budget.value_bytes)
        except FileNotFoundError:
            return None
        except NotAFile:
            self.remarks.stranger(self._location(name), "not a regular file")
            return None
        except OSError as exc:
            return self._unread(sid, name, Problem("store.denied", reason_of(exc)))
        if raw is None:
            text = self.layout.budget.too_large(stamp.size)
            return self._unread(sid, name, Problem("input.limit", text))
        return self._session(sid, name, raw, stamp)

    def _unread(self, sid: str, name: str, problem: Problem) -> Session:
        """Without a stamp to compare it with, it is never written to."""
        return Session(sid=sid, raw=b"", location=self._location(name), problem=problem)

    def _session(self, sid: str, name: str, raw: bytes, stamp: Stamp) -> Session:
        user, _, problem = self._reader.read(raw)
        if not raw and self._expiry.by_mtime:
            problem = Problem("value.missing", "empty: the application was about to write it")
        life = UNKNOWN
        if problem is None or self._expiry.without_value or not raw:
            with suppress(SerializerError):
                life = self._expiry.read(raw, stamp)
        return Session(
            sid=sid,
            raw=raw,
            location=self._location(name),
            expires_ms=life.expires_ms,
            expiry=life.expiry,
            user=user,
            created_ms=life.created_ms,
            seen_ms=life.seen_ms,
            problem=problem,
            original=stamp,
            reader=self._reader,
        )

    def _location(self, name: str) -> str:
        return f"{self._directory.path}/{name}"

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong directory."""
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms=grace_ms)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        return self._writes().replace(pairs)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().set_expiry(sessions, expires_ms)

    def with_value(self, session: Session, raw: bytes) -> Session:
        """The end is the one that `raw` tells, or the file's time of modification, which stays."""
        stamp = self._stamp(session)
        return self._kept(session, Kept(raw, stamp.mtime_ns if self._expiry.by_mtime else 0))

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """Where none goes without an end, a session that shall have none begins anew, at this
        moment."""
        stamp = self._stamp(session)
        if expires_ms is None and not self.layout.keeps_endless:
            return self._kept(session, self._expiry.begun(session.raw, stamp, self.now_ms()))
        return self._kept(session, self._expiry.moved(session.raw, stamp, expires_ms))

    def _kept(self, session: Session, kept: Kept) -> Session:
        size = len(kept.content)
        stamp = self._stamp(session)._replace(inode=0, size=size, mtime_ns=kept.mtime_ns)
        return self._session(session.sid, self._named(session), kept.content, stamp)

    def _named(self, session: Session) -> str:
        return session.location.removeprefix(f"{self._directory.path}/")

    @staticmethod
    def _stamp(session: Session) -> Stamp:
        return session.original or Stamp(0, 0, 0)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put(sessions)

    def _writes(self) -> FilesWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        stamp, name = self._stamp(session), self._named(session)
        frozen = {
            "kind": "file",
            "content": session.raw,
            "mtime_ns": stamp.mtime_ns,
            "mode": stamp.mode,
            "uid": stamp.uid,
            "gid": stamp.gid,
            "expires_ms": session.expires_ms,
        }
        # Only where the id leads to several.
        return frozen if [name] == self._names.names(session.sid) else {**frozen, "name": name}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        sid, content = frozen["sid"], frozen.get("content")
        names = self._names.names(sid)
        name = frozen.get("name", next(iter(names), None))
        keys = ("mtime_ns", "mode", "uid", "gid")
        numbers = [number for key in keys if isinstance(number := frozen.get(key), int)]
        if frozen.get("kind") != "file" or not isinstance(content, bytes) or name not in names:
            raise JournalError("the journal does not hold session files")
        if len(numbers) < len(keys):
            raise JournalError("the journal does not say whose the files were")
        mtime_ns, mode, uid, gid = numbers
        stamp = Stamp(0, len(content), mtime_ns, mode & 0o777, uid, gid)
        if expires_ms is not None:
            try:
                content, moved_ns = self._expiry.moved(content, stamp, expires_ms)
            except SerializerError as exc:
                raise JournalError(f"a session cannot be given another end: {exc}") from None
            stamp = stamp._replace(size=len(content), mtime_ns=moved_ns or mtime_ns)
        return self._session(sid, name, content, stamp)

    def close(self) -> None:
        self._directory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _folder(path: Path, below: str) -> Path:
    """The folder with the sessions; the URL may name it, or the one that it is in."""
    if not below or (path / below).is_dir():
        return path / below
    if path.name != below and path.is_dir():
        place, folder = escape(str(path)), escape(below)
        raise StoreError(
            f"there is no folder '{folder}' in {place}",
            hint="the folder that is below the URL's is the backend's `directory`",
        )
    return path


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symlink"
    return "a directory" if entry.is_dir(follow_symlinks=False) else "no regular file"
