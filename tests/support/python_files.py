"""Applications of Python's frameworks whose sessions are files, and what their libraries do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.engines import with_layout
from tests.support.express import Browser
from tests.support.npm import ROOT
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from pathlib import Path

_PEERS = "tests.peers.python_files"


@dataclass(frozen=True)
class Kind:
    """One library: its layout, its peer and the peer's further words."""

    layout: str
    peer: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    cookie: str = "session"

    def start(self, folder: Path) -> FileApp:
        return FileApp(self.peer, *self.before, str(folder), *self.after)

    def url(self, folder: Path) -> str:
        return with_layout(f"file://{folder}", self.layout)


KINDS = {
    "flask cachelib": Kind("flask-cachelib-file", "flask_session", before=("cachelib",)),
    "flask filesystem": Kind("flask-cachelib-file", "flask_session", before=("filesystem",)),
    "django": Kind("django-file", "django_file", cookie="sessionid"),
    "beaker": Kind("beaker-file", "beaker_file", after=("pickle",), cookie="beaker.session.id"),
    "beaker json": Kind("beaker-file", "beaker_file", after=("json",), cookie="beaker.session.id"),
    "litestar": Kind("litestar-file", "litestar_file"),
}


class FileApp(PeerApp):
    """An application of `tests/peers/python_files`, with /login?user=NAME and /me."""

    def __init__(self, peer: str, *words: str) -> None:
        super().__init__([sys.executable, "-m", f"{_PEERS}.{peer}", *words])

    def browser(self) -> Browser:
        return Browser(self.port)

    def logged_in(self, user: str) -> Browser:
        """A browser in which a user has logged in."""
        browser = self.browser()
        assert browser.get(f"/login?user={user}").json["user"] == user
        return browser


def clear_django_sessions(folder: Path) -> None:
    """Django's own cleaning, in a process of its own: its settings are a process's."""
    command = [sys.executable, "-m", f"{_PEERS}.django_file", str(folder), "clearsessions"]
    subprocess.run(command, cwd=ROOT, check=True)


def user_of(browser: Browser) -> str | None:
    """Who the application takes a browser's user for."""
    answer = browser.get("/me")
    assert answer.status == 200
    user: str | None = answer.json["user"]
    return user
