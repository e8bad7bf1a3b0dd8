"""What PostgreSQL and MariaDB have in common as processes: a folder, a user, a port, a log."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.servers import free_port, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

START_TIMEOUT_S = 30.0


class Daemon(ABC):
    """A database server that is started on construction and ended, with its folder, by `stop`.

    Its own statements (`query`) go through a socket in the folder as the server's superuser and
    never appear in `recorded`.
    """

    def __init__(self, name: str, users: Sequence[str], *, tls: bool) -> None:
        self.name = name
        self.tls = tls
        # A short path: a socket's may have 107 bytes at most.
        self.dir = Path(tempfile.mkdtemp(prefix=f"sessctl-{name}-"))
        self.data = self.dir / "data"
        self.log = self.dir / "log"
        self.statements = self.dir / self._statements
        self.ca_file = self.dir / "ca.crt"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        # These servers refuse to be root.
        self._user = _first_user(users) if os.geteuid() == 0 else None
        try:
            if tls:
                make_certificates(self.dir)
            self._hand_over()
            self._install()
            self._start()
            self._prepare()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, each on a connection of its own; its rows."""

    @abstractmethod
    def empty(self) -> None:
        """Give `app` an empty database `shop` again, whoever is still connected to the old one."""

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """Every statement of everybody else, in the server's own words; filled at the end."""
        start = self.statements.stat().st_size
        seen: list[str] = []
        yield seen
        with self.statements.open("rb") as log:
            log.seek(start)
            seen += self._statements_in(log.read().decode("utf-8", "replace"))

    def stop(self) -> None:
        """End the server and remove its folder; harmless when repeated."""
        self._kill_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    def kill(self) -> None:
        """End the server the hard way, as a crash would; what it had committed is kept."""
        self._kill_all()

    def restart(self) -> None:
        """Start again on the same port and data; a server that still runs is shut down first."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._shutdown_signal)
            try:
                self._process.wait(timeout=START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._kill_all()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    _statements = "statements"
    _shutdown_signal = signal.SIGTERM

    @abstractmethod
    def _install(self) -> None:
        """Make the data folder."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What runs the server in the foreground."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the tests find: an application's user and database."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether our server, not a stranger on that port, takes connections."""

    @abstractmethod
    def _statements_in(self, log: str) -> list[str]: ...

    def _start(self) -> None:
        # Between finding a port and using it somebody else may take it: try again then.
        keep_port, text = bool(self.port), ""
        for _attempt in range(5):
            if not keep_port:
                self.port = free_port()
            seen = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._popen(self._command())
            if self._is_ready(self._process):
                return
            self._kill_all()
            text = self.log.read_bytes()[seen:].decode("utf-8", "replace")
            if "Address already in use" not in text:
                break
        msg = f"{self.name} did not start:\n{text}"
        raise RuntimeError(msg)

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def _kill_all(self) -> None:
        """Kill server and children; PostgreSQL's backends lead groups of their own."""
        process, self._process = self._process, None
        if process is None:
            return
        children = _children(process.pid) if process.poll() is None else []
        process.kill()
        process.wait()
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(
                command,
                cwd=self.dir,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                **self._as_user(),
            )

    def _run(self, *command: str) -> None:
        """Run a program of the server's to its end, as the server's user."""
        with self.log.open("ab") as out:
            done = subprocess.run(
                command,
                cwd=self.dir,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                **self._as_user(),
            )
        if done.returncode != 0:
            text = self.log.read_text(encoding="utf-8", errors="replace")
            msg = f"{Path(command[0]).name} failed:\n{text[-4000:]}"
            raise RuntimeError(msg)

    def _hand_over(self) -> None:
        """Give the folder and what is in it to the server's user."""
        if self._user is not None:
            for path in (self.dir, *self.dir.iterdir()):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)


def _first_user(names: Sequence[str]) -> pwd.struct_passwd:
    for name in (*names, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    msg = f"root cannot run this server, and there is no user {' or '.join(names)!r}"
    raise RuntimeError(msg)


def _environment() -> dict[str, str]:
    """Ours without what would set the server's zone, language or configuration."""
    dropped = ("PG", "MYSQL", "MARIADB", "LC_", "LANG")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {**kept, "TZ": "UTC", "LC_ALL": "C"}


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:  # no Linux: they end by themselves, a little later
        return []
    return [int(word) for word in text.split()]
