"""Session ids for Tab: few, quickly, of unprotected backends only, and never with a question.

They are kept for five seconds, so that a second Tab does not ask the store again.
"""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from sessctl.config.model import Config
from sessctl.config.opening import (
    choose_backend,
    is_laid_out,
    laid_out_as,
    layouts_of,
    open_backend,
)
from sessctl.config.paths import private_folder, replace_file, state_dir
from sessctl.errors import ConfirmationNeeded
from sessctl.session import Need, Query, Session
from sessctl.stores.registry import find_engine, parse_url
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sessctl.cli.completion.cursor import Cursor
    from sessctl.config.model import Backend

_LIMIT_MS = 300  # for the store's answer; importing its driver comes on top
_KEPT_S = 5
_MOST = 50
_SLOW_REFERENCES = ("keyring:", "cmd:", "prompt", "stdin")


def sids(at: Cursor, config: Config | None, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """(sid, user and time left) of at most 50 sessions whose ids begin as typed."""
    named = at.given.get("--backend", [environ.get("SESSCTL_BACKEND") or ""])[-1]
    backend = choose_backend(config or Config(), named or None)
    limit_s = int(environ.get("SESSCTL_COMPLETE_MS") or _LIMIT_MS) / 1000
    may_ask = any(one.startswith(_SLOW_REFERENCES) for one in _references(backend))
    if limit_s <= 0 or backend.protected or may_ask:
        return []
    cache = _Cache(environ, f"{backend!r} {at.current}")
    found = cache.read()
    if found is None:
        find_engine(parse_url(backend.url))  # its driver: not part of what the store takes
        found = []
        with suppress(Exception, _OverError), _in_time(limit_s):
            for one in _ask(backend, at.current, environ, limit_s):
                found.append(one)  # what is there when the time is over counts
        cache.write(found)
    return found


def _references(backend: Backend) -> list[str]:
    return [*backend.named_secrets, *filter(None, (backend.username, backend.sentinel_username))]


def _ask(
    backend: Backend, start: str, environ: Mapping[str, str], limit_s: float
) -> Iterator[tuple[str, str]]:
    how: dict[str, Any] = {"timeout_s": limit_s, "environ": environ, "asker": _Nobody()}
    if not is_laid_out(backend):
        backend = laid_out_as(backend, layouts_of(backend, **how))[0]
    with open_backend(backend, write=False, **how) as store:
        now_ms = store.now_ms()
        sessions = store.scan(Query(), Need.ALL)
        fitting = (one for one in sessions if one.sid.startswith(start))
        for session in islice(fitting, _MOST):
            yield session.sid, _described(session, now_ms)


def _described(session: Session, now_ms: int) -> str:
    user = f"user {session.user}" if session.user else "no user"
    if session.expires_ms is None:
        return user
    left_s = (session.expires_ms - now_ms) / 1000
    return f"{user}, expired" if left_s <= 0 else f"{user}, {format_duration(left_s)} left"


@contextmanager
def _in_time(limit_s: float) -> Iterator[None]:
    """Raise `_OverError` when the time is over, whatever a driver is waiting for."""

    def stop(*_: object) -> None:
        raise _OverError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _OverError(BaseException):
    """No Exception: an engine would take that for a lost connection, and try again."""


class _Nobody:
    """Nobody is asked for a secret while a line is being typed."""

    def prompt(self, label: str) -> str:
        raise ConfirmationNeeded(f"the {label} has to be typed")

    def stdin(self) -> bytes:
        raise ConfirmationNeeded("standard input is the terminal")


class _Cache:
    """The last answers, in a file that only its owner can read."""

    def __init__(self, environ: Mapping[str, str], question: str) -> None:
        self._folder = state_dir(environ) / "completion"
        self._path = self._folder / f"{sha256(question.encode()).hexdigest()[:16]}.json"

    def read(self) -> list[tuple[str, str]] | None:
        """What was found in the last seconds; None: nothing is known. Older files are removed."""
        for path in self._folder.glob("*.json"):
            with suppress(OSError):
                if abs(time.time() - path.stat().st_mtime) > _KEPT_S:
                    path.unlink()
        try:
            return [(str(sid), str(text)) for sid, text in json.loads(self._path.read_bytes())]
        except (OSError, ValueError, TypeError):
            return None

    def write(self, found: list[tuple[str, str]]) -> None:
        with suppress(OSError, ValueError):
            private_folder(self._folder)
            replace_file(self._path, json.dumps(found).encode())
