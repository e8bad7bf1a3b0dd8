"""A real memcached, and the face of `engines` over it."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote_to_bytes

from pymemcache.client.base import Client  # type: ignore[import-untyped,unused-ignore]

from sessctl.stores.opening import open_store
from tests.support.engines import with_layout
from tests.support.servers import find_program, free_port

if TYPE_CHECKING:
    from sessctl.stores.base import Store

START_TIMEOUT_S = 20.0


class MemcachedServer:
    """A memcached on a free loopback port; started on construction, ended by `stop`."""

    def __init__(self, *options: str) -> None:
        program = find_program("memcached", "memcached")
        for _attempt in range(5):  # somebody else may take the port before it does
            self.port = free_port()
            where = ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "nobody"]
            self._process = subprocess.Popen(
                [program, *where, *options], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if self._is_ready():
                return
            self.stop()
        msg = "memcached did not start"
        raise RuntimeError(msg)

    @property
    def url(self) -> str:
        return f"memcached://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self) -> Client:
        return Client(("127.0.0.1", self.port), default_noreply=False, timeout=10)

    def empty(self) -> None:
        client = self.client()
        # `flush_all` hides only what is older than this second; what is deleted is gone.
        for key in _keys(self.port):
            client.delete(key)
        client.close()

    def ends_s(self, key: str) -> int:
        """When an item ends, as the server's crawler tells it; -1: never."""
        return int(_keys(self.port)[key.encode()])

    def stop(self) -> None:
        """End the server; harmless when repeated."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _is_ready(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            client = self.client()
            try:
                return bool(client.stats()[b"pid"] == self.pid)
            except OSError:
                time.sleep(0.01)
            finally:
                client.close()
        return False


class MemcachedEngine:
    """connect-memcached's items on a real server; ends are whole seconds, the next one."""

    name = "memcached"

    def __init__(self, server: MemcachedServer) -> None:
        self.server = server
        self.url = with_layout(server.url, "connect-memcached")
        self.client = server.client()

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        ends_s = 0 if expires_ms is None else -(-expires_ms // 1000)
        self.client.set(sid, raw, expire=ends_s, flags=2)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.touch(sid, -(-expires_ms // 1000))

    def drop(self, sid: bytes) -> None:
        self.client.delete(sid)

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        text = all(0x20 < byte != 0x7F for byte in sid)
        return sid != beside and text and len(sid) <= 250

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        found: dict[bytes, tuple[Any, Any]] = {}
        for key, ends_s in _keys(self.server.port).items():
            reply = self.client.raw_command(b"mg %b f" % key, b"\r\n")
            if reply != b"EN":
                found[key] = (self.client.get(key), (reply, ends_s))
        return found


def _keys(port: int) -> dict[bytes, bytes]:
    """Every key and its end, as the server's crawler tells them."""
    with socket.create_connection(("127.0.0.1", port)) as plain, plain.makefile("rb") as lines:
        plain.sendall(b"lru_crawler metadump hash\r\n")
        words = [line.split() for line in iter(lines.readline, b"END\r\n")]
    return {unquote_to_bytes(found[0][4:]): found[1][4:] for found in words}
