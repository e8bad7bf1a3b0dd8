"""A process on this Linux machine, looked at from outside before it is sent a signal.

Source: proc(5), pidfd_open(2); Node 20.20 `src/inspector_agent.cc`: SIGUSR1 opens the inspector,
and a process that does not catch it dies of it; `lib/internal/cluster/primary.js`: a primary
passes it on.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sessctl.errors import AccessDenied, Refused, StoreUnreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = IPv4Address | IPv6Address
Listening = dict[int, list[Address]]  # ports, and the addresses that each is open at

_NODE = re.compile(r"node(js)?[\d.]*( \(deleted\))?")  # after an upgrade the file is another
_SPACED = ("--inspect-port", "--debug-port")  # these take their value as the next word, too
_OPTIONS = "NODE_OPTIONS="
_LISTEN = "0A"
_INSPECT = re.compile(
    r"--(?:inspect(?:-brk|-wait|-port)?|debug-port)=(?:(.*):)?(\d+)|--inspect\S*=(\D\S*)"
)


class NodeProcess:
    """A running Node process, held by a pidfd: a number that is used again cannot be mistaken
    for it.

    Raises:
        Refused: not Linux, or not Node.
        StoreUnreachable: no such process.
        AccessDenied: another user's.
    """

    def __init__(self, pid: int) -> None:
        if sys.platform != "linux":
            raise Refused(
                "node+pid:// needs Linux, whose /proc tells whether a signal is safe",
                hint="start the app with --inspect=127.0.0.1:9229 and use node://127.0.0.1:9229",
            )
        self.pid = pid
        self._folder = Path(f"/proc/{pid}")
        try:
            self._handle = os.pidfd_open(pid)
        except OSError:
            raise StoreUnreachable(f"there is no process {pid}") from None
        try:
            self._check_kind()
        except BaseException:
            self.close()
            raise

    @classmethod
    def of(cls, text: str) -> Self:
        """The process of a URL. Raises UsageError for what is no number."""
        if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
            raise UsageError("a node+pid URL names a process", hint="node+pid://1234")
        return cls(int(text))

    def _check_kind(self) -> None:
        with self._reading():
            program = (self._folder / "exe").readlink().name
        if _NODE.fullmatch(program) is None:
            raise Refused(f"process {self.pid} is not Node: it runs {program[:40]!a}")

    @property
    def own_pid(self) -> int:
        """Its number as it knows it itself, which a container counts on its own."""
        return int(self._status("NSpid").split()[-1])

    @property
    def inspector_at(self) -> tuple[str, int]:
        """Host and port that its command line or NODE_OPTIONS gives its inspector; port 0 means
        any."""
        with self._reading():
            words = (self._folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            environment = (self._folder / "environ").read_bytes().decode("utf-8", "replace")
        for variable in environment.split("\0"):
            if variable.startswith(_OPTIONS):  # the command line has the last word
                words = [*variable.removeprefix(_OPTIONS).split(), *words]
        spaced = [f"{word}={after}" for word, after in pairwise(words) if word in _SPACED]
        host, port = "127.0.0.1", 9229
        for word in [*words, *spaced]:
            if found := _INSPECT.fullmatch(word):
                host = (found[1] or found[3] or host).strip("[]")
                port = int(found[2]) if found[2] else port
        return host, port

    def listening(self) -> Listening:
        """The TCP ports that the process itself listens on."""
        with self._reading():
            links = [self._link(each) for each in (self._folder / "fd").iterdir()]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        return _ports(line for line in self._sockets() if line[9] in inodes)

    def is_taken(self, port: int) -> bool:
        """Somebody listens on this port, whoever it is."""
        return port in _ports(self._sockets())

    def check_signal(self) -> None:
        """SIGUSR1 would open the inspector, here, and for this machine alone. Raises Refused."""
        caught = int(self._status("SigCgt"), 16)
        if not caught >> (signal.SIGUSR1 - 1) & 1:
            raise Refused(
                f"process {self.pid} does not catch SIGUSR1 and would die of it: not sent",
                hint="started with --disable-sigusr1, or not yet up? --inspect=127.0.0.1:9229 "
                "opens the inspector from the start",
            )
        if workers := self._cluster_workers():
            # Node's primary hands the signal on to its workers, and never closes theirs again.
            raise Refused(
                f"process {self.pid} is the primary of a cluster: its workers hold the sessions",
                hint="one after the other: "
                + ", ".join(f"node+pid://{pid}" for pid in workers[:8]),
            )
        with self._reading():
            elsewhere = _network(self._folder) != _network(Path("/proc/self"))
        if elsewhere:
            raise Refused(
                f"process {self.pid} is in a container with a network of its own",
                hint=f"run sessctl in there: nsenter -t {self.pid} -n -p",
            )

    def _cluster_workers(self) -> list[int]:
        """The children that Node's module `cluster` has started."""
        found: list[int] = []
        for task in (self._folder / "task").iterdir():
            with suppress(OSError):  # a thread that has ended
                for child in map(int, (task / "children").read_text(encoding="ascii").split()):
                    environment = Path(f"/proc/{child}/environ").read_bytes()
                    if b"\0NODE_UNIQUE_ID=" in b"\0" + environment:
                        found.append(child)
        return sorted(found)

    def check_alive(self) -> None:
        """Raises StoreUnreachable when the process has ended."""
        if self._status("State").startswith(("Z", "X")):
            raise StoreUnreachable(f"process {self.pid} has ended")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process."""
        with self._reading():
            signal.pidfd_send_signal(self._handle, number)

    def close(self) -> None:
        os.close(self._handle)

    def _status(self, word: str) -> str:
        with self._reading():
            text = (self._folder / "status").read_text(encoding="utf-8", errors="replace")
        return next(
            line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(word)
        )

    def _sockets(self) -> Iterator[list[str]]:
        """The rows of listening sockets in the process's network."""
        for name in ("tcp", "tcp6"):
            path = self._folder / "net" / name
            if not path.exists():  # no IPv6
                continue
            with self._reading():
                rows = path.read_text(encoding="ascii").splitlines()[1:]
            yield from (row for row in map(str.split, rows) if row[3] == _LISTEN)

    @staticmethod
    def _link(path: Path) -> str:
        try:
            return str(path.readlink())
        except FileNotFoundError:  # closed in between
            return ""

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise AccessDenied(
                f"process {self.pid} belongs to {self._owner()}",
                hint="run sessctl as that user, or as root",
            ) from None
        except (FileNotFoundError, ProcessLookupError):
            raise StoreUnreachable(f"process {self.pid} has ended") from None

    def _owner(self) -> str:
        import pwd  # not on every system, and only to say who

        try:
            number = self._folder.stat().st_uid
            return f"user {pwd.getpwuid(number).pw_name}"
        except (OSError, KeyError):
            return "another user"


def _network(folder: Path) -> Path:
    return (folder / "ns" / "net").readlink()


def _ports(rows: Iterator[list[str]]) -> Listening:
    found: Listening = {}
    for row in rows:
        address, _, port = row[1].partition(":")
        found.setdefault(int(port, 16), []).append(_address(address))
    return found


def _address(text: str) -> Address:
    """An address of /proc/net/tcp: words of 32 bits in the machine's order."""
    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)
