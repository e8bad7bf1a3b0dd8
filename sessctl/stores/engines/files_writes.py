"""Writes to a directory of session files: nothing newer is ever overwritten or removed (S1).

The system can't remove a name on condition of what is behind it, so the file is taken aside first:
renamed to a name of ours, which moves whatever is there at that moment, in one step. What was taken
is compared with what was read, to the byte. If it is the same, it is removed. If it is newer, it is
given its name again by a link, which never overwrites: where the application has written an even
newer one meanwhile, that one stands.

It is looked at before it is moved, so a session that was renewed is almost never moved at all. For
the tens of microseconds in which it has no name, session-file-store tries again five times, 50 ms
apart. A sessctl that is killed in between leaves the file aside under a name that tells whose it
is; a scan names it, and the journal, written before, has the session.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sessctl.errors import SerializerError
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.files_counter import FileCounter
from sessctl.stores.engines.files_directory import NotAFile, Stamp, reason_of
from sessctl.stores.engines.files_expiry import Kept
from sessctl.stores.engines.files_names import FileNames, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Pair
    from sessctl.stores.engines.files_directory import Directory, OpenFile
    from sessctl.stores.engines.files_expiry import FileExpiry
    from sessctl.stores.reader import Reader

_RENEWED = "renewed since it was read"
_IN_USE = "in use: a running request holds its lock"


class Unwritten(Exception):
    """Why a session was left as it is. Never leaves this module."""

    def __init__(self, outcome: Outcome, reason: str | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class FilesWriter:
    """What changes a directory of session files."""

    def __init__(
        self,
        directory: Directory,
        names: FileNames,
        reader: Reader,
        expiry: FileExpiry,
        *,
        clock_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._names = names
        self._reader = reader
        self._keeps_endless = reader.layout.keeps_endless
        self._expiry = expiry
        self._counter = FileCounter(directory, names)
        self._clock_ms = clock_ms

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None) -> list[Result]:
        """See `Store.delete`."""

        def work(session: Session) -> Outcome:
            if grace_ms is not None:
                self._require_over(session, grace_ms)
            with self._unchanged(session) as (name, file), self._taken(session, name, file):
                return Outcome.DELETED

        return self._each(sessions, work, counts=-1)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        """See `Store.set_expiry`. Where the library knows no session without an end, it is
        `failed`."""

        def work(session: Session) -> Outcome:
            with self._unchanged(session) as (name, file):
                kept = self._expiry.moved(session.raw, file.stamp, expires_ms)
                self._write_over(session, name, file, kept, file.stamp)
            return Outcome.STORED

        return self._each(sessions, work)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """See `Store.replace`."""
        becomes = {was.sid: new for was, new in pairs}

        def work(session: Session) -> Outcome:
            new = becomes[session.sid]
            with self._unchanged(session) as (name, file):
                if isinstance(new.original, Stamp):
                    kept, like = Kept(new.raw, new.original.mtime_ns), new.original
                else:  # made anew
                    kept, like = self._own(new, file.stamp), file.stamp
                self._write_over(session, name, file, kept, like)
            return Outcome.STORED

        return self._each([was for was, _ in pairs], work)

    def _write_over(
        self, session: Session, name: str, file: OpenFile, kept: Kept, like: Stamp
    ) -> None:
        with self._written(name, kept, like) as new, self._taken(session, name, file):
            self._name_if_absent(new, name)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        """See `Store.put`."""

        def work(session: Session) -> Outcome:
            name = self.file_of(session)
            if name is None:
                raise Unwritten(Outcome.FAILED, "no file can be named after this id")
            like = session.original
            if isinstance(like, Stamp):
                kept = Kept(session.raw, like.mtime_ns)
                self._require_absent(name, kept)
            else:  # not read from such a store, nor thawed
                self._require_absent(name, Kept(session.raw))
                like = self._like_the_others()
                kept = self._own(session, like)
            with self._written(name, kept, like) as new:
                try:
                    self._directory.link(new, name)
                except FileExistsError:
                    self._require_absent(name, kept)
            return Outcome.STORED

        return self._each(sessions, work, counts=1)

    def _each(
        self,
        sessions: Sequence[Session],
        work: Callable[[Session], Outcome],
        *,
        counts: int = 0,
    ) -> list[Result]:
        """The work of a page. `counts`: what each session that is done adds to the library's own
        number of its files."""
        results: list[Result] = []
        for session in sessions:
            try:
                results.append(Result(session.sid, work(session)))
                if counts:
                    self._counter.add(counts, self.file_of(session))
            except Unwritten as exc:
                results.append(Result(session.sid, exc.outcome, exc.reason))
            except FileNotFoundError:
                results.append(Result(session.sid, Outcome.GONE))
            except NotAFile:
                results.append(Result(session.sid, Outcome.FAILED, "not a regular file"))
            except SerializerError as exc:
                results.append(Result(session.sid, Outcome.FAILED, exc.message))
            except OSError as exc:
                results.append(Result(session.sid, Outcome.FAILED, reason_of(exc)))
        if results:
            self._counter.write()
            self._directory.sync()
        return results

    # -- compare, then write ----------------------------------------------------------------------

    def _require_over(self, session: Session, grace_ms: int) -> None:
        if session.expires_ms is None:
            raise Unwritten(Outcome.CHANGED, "expiry unknown")
        if session.expires_ms + grace_ms > self._clock_ms():
            raise Unwritten(Outcome.CHANGED, "not expired by the store's clock")

    def file_of(self, session: Session) -> str | None:
        """The file that a session was read from, else the one that a new one gets; None where no
        file can have its id."""
        names = self._names.names(session.sid)
        there = session.location.removeprefix(f"{self._directory.path}/")
        return there if there in names else next(iter(names), None)

    @contextmanager
    def _unchanged(self, session: Session) -> Iterator[tuple[str, OpenFile]]:
        """The session's file, locked and as it was read."""
        name = self.file_of(session)
        if name is None:
            raise FileNotFoundError
        with self._directory.opened(name) as file:
            if not isinstance(session.original, Stamp):
                reason = session.problem.message if session.problem else "not read from this store"
                raise Unwritten(Outcome.FAILED, reason)
            if not file.lock():
                raise Unwritten(Outcome.CHANGED, _IN_USE)
            if not file.is_as(session.original, session.raw):
                raise Unwritten(Outcome.CHANGED, _RENEWED)
            yield name, file

    @contextmanager
    def _taken(self, session: Session, name: str, file: OpenFile) -> Iterator[None]:
        """The session without its name, for good if nothing fails inside."""
        aside = self._names.aside(name)
        self._directory.rename(name, aside)
        try:
            same = self._directory.inode(aside) == file.stamp.inode
            if not same or not file.is_as(session.original, session.raw):
                raise Unwritten(Outcome.CHANGED, _RENEWED)
            yield
        except BaseException:
            self._name_again(aside, name)
            raise
        self._directory.unlink(aside)

    def _name_again(self, aside: str, name: str) -> None:
        try:
            self._directory.link(aside, name)
        except FileExistsError:
            pass  # written anew meanwhile: what the application wrote last stands
        except OSError as exc:
            reason = f"could not be put back ({reason_of(exc)}): it is in {masked(aside)}"
            raise Unwritten(Outcome.FAILED, reason) from None
        self._directory.unlink(aside)

    def _name_if_absent(self, new: str, name: str) -> None:
        try:
            self._directory.link(new, name)
        except FileExistsError:
            raise Unwritten(Outcome.CHANGED, _RENEWED) from None

    @contextmanager
    def _written(self, name: str, kept: Kept, like: Stamp) -> Iterator[str]:
        """A file of ours with this content, under another name for as long as this lasts; whose it
        is and who may read it is as of another one."""
        aside = self._names.aside(name)
        like = like._replace(mtime_ns=kept.mtime_ns)
        self._directory.write(aside, kept.content, like, keep_mtime=kept.mtime_ns > 0)
        try:
            yield aside
        finally:
            self._directory.unlink(aside)

    def _require_absent(self, name: str, kept: Kept) -> None:
        """Raises Unwritten where there is a session, the same or another."""
        try:
            with self._directory.opened(name) as file:
                same = file.content(len(kept.content)) == kept.content
                if self._expiry.by_mtime and file.stamp.mtime_ns != kept.mtime_ns:
                    same = False
        except FileNotFoundError:
            return
        raise Unwritten(Outcome.PRESENT if same else Outcome.NEWER)

    # -- sessions of other stores -----------------------------------------------------------------

    def _own(self, session: Session, like: Stamp) -> Kept:
        """The file as the library keeps it: its end where it belongs, sealed if there is a
        secret."""
        if session.expires_ms is None and not self._keeps_endless:
            kept = self._expiry.begun(session.raw, like, self._clock_ms())
        else:
            kept = self._expiry.moved(session.raw, like, session.expires_ms)
        if self._reader.is_sealed(kept.content):
            return kept
        return kept._replace(content=self._reader.closed(kept.content))

    def _like_the_others(self) -> Stamp:
        """Rights and owner of some session that is there; else as the directory's own."""
        with self._directory.entries(self._names.folders) as entries:
            for name, entry in entries:
                if self._names.sid(name) and entry.is_file(follow_symlinks=False):
                    found = Stamp.of(entry.stat(follow_symlinks=False))
                    return found._replace(mtime_ns=0)
        return self._directory.owner()
