"""An engine: `acme-jsonl:///srv/sessions.jsonl`, a file with one session a line.

    {"sid": "abc", "ends_ms": 1700000000000, "body": "{\\"account\\": 42}"}

Whoever writes holds an exclusive lock on `FILE.lock` and puts a new file in the old one's place,
which nobody may read who could not read that. Lines that are no session stay as they are.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from sessctl.errors import SerializerError, StoreError, StoreUnreachable
from sessctl.serializers.json import decode as read_json
from sessctl.session import Need, Query, Session
from sessctl.stores.base import Identity, Outcome, Result
from sessctl.stores.plain import PlainStore
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.limits import Budget
    from sessctl.stores.access import Access
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.url import StoreUrl


class Line(NamedTuple):
    sid: str
    ends_ms: int | None
    body: str


class JsonLinesStore(PlainStore):
    """Sessions in a file of JSON lines."""

    usual_layout = "acme-lines"

    def __init__(self, path: Path, layout: Layout, *, read_only: bool) -> None:
        place = Identity("acme-jsonl", str(path), "", path.name, path.name)
        super().__init__(layout, place, read_only=read_only)
        self._path = path

    @classmethod
    def open(cls, url: StoreUrl, layout: Layout, access: Access) -> Self:
        path = Path(url.path)
        if not path.is_file():
            raise StoreUnreachable(f"there is no file {path}", hint="acme-jsonl:///PATH")
        return cls(path, layout, read_only=access.read_only)

    def now_ms(self) -> int:
        return local_ms()  # a file has no clock of its own

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        now_ms = self.now_ms()
        for _, line in self._lines():
            if line is None:
                continue
            session = self._made(line)
            if not query.filters or query.matches(session, now_ms):
                yield session

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        with self._changing() as lines:
            return [self._put(lines, one) for one in sessions]

    def replace(self, pairs: Sequence[tuple[Session, Session]]) -> list[Result]:
        with self._changing() as lines:
            results = []
            for was, new in pairs:
                outcome = _compared(lines, was) or Outcome.STORED
                if outcome is Outcome.STORED:
                    lines[was.sid] = _line(new)
                results.append(Result(was.sid, outcome))
            return results

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        with self._changing() as lines:
            results = []
            for one in sessions:
                outcome = _compared(lines, one) or Outcome.DELETED
                ends = one.expires_ms
                if grace_ms is not None and (ends is None or ends > self.now_ms() - grace_ms):
                    outcome = Outcome.CHANGED
                if outcome is Outcome.DELETED:
                    del lines[one.sid]
                results.append(Result(one.sid, outcome))
            return results

    def _put(self, lines: dict[str, Line], session: Session) -> Result:
        there, new = lines.get(session.sid), _line(session)
        if there is not None:
            return Result(session.sid, Outcome.PRESENT if there == new else Outcome.NEWER)
        if session.expires_ms is not None and session.expires_ms <= self.now_ms():
            return Result(session.sid, Outcome.LAPSED)
        lines[session.sid] = new
        return Result(session.sid, Outcome.STORED)

    def _made(self, line: Line) -> Session:
        where = f"{self._path}:{line.sid}"
        return self.session(line.sid, line.body.encode(), line.ends_ms, location=where)

    def _lines(self) -> Iterator[tuple[bytes, Line | None]]:
        """Each line as it is, and the session in it."""
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = _read(raw, self.layout.budget)
                if line is None:
                    # An error is never the end of the sessions; what is no session is a stranger.
                    self.remarks.stranger(f"{self._path}:{number}", "no session")
                yield raw, line

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Line]]:
        """All lines under the lock; what is left of them at the end is the new file."""
        self.require_writable()
        try:
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = list(self._lines())
                lines = {line.sid: line for _, line in found if line is not None}
                yield lines
                kept = [raw.rstrip(b"\n") for raw, line in found if line is None]
                kept += [json.dumps(line._asdict()).encode() for line in lines.values()]
                partial = self._path.with_suffix(f".{os.getpid()}.part")
                mode = self._path.stat().st_mode & 0o777
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                with os.fdopen(os.open(partial, flags, mode), "wb") as file:
                    file.writelines(line + b"\n" for line in kept)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self._path)
        except OSError as exc:
            raise StoreError(f"cannot write {self._path} ({exc.strerror})") from None


def _read(raw: bytes, budget: Budget) -> Line | None:
    try:
        match read_json(raw, budget).data:
            case {"sid": str(sid), "ends_ms": int() | None as ends_ms, "body": str(body)}:
                return Line(sid, ends_ms, body)
    except SerializerError:
        pass
    return None


def _line(session: Session) -> Line:
    return Line(session.sid, session.expires_ms, session.raw.decode())


def _compared(lines: dict[str, Line], session: Session) -> Outcome | None:
    """Why a session cannot be written: it is gone, or not as it was read any more."""
    there = lines.get(session.sid)
    if there is None:
        return Outcome.GONE
    return None if there == _line(session) else Outcome.CHANGED
