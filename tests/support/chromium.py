"""A page in a real browser without a window: its DOM, what it asked for, what its console said."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.raw_http import RawServer, reply

if TYPE_CHECKING:
    from pathlib import Path

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--enable-logging=stderr",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """`requests` are the request lines that came while it was open, `console` its messages."""

    dom: str
    requests: list[str]
    console: list[str]


def open_page(html: str, folder: Path, *flags: str) -> Opened:
    """Serve a page on loopback and open it.

    Args:
        folder: for the browser's profile, which is new.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium; on Debian: apt-get install chromium"
    answer = reply(html.encode(), b"Content-Type: text/html; charset=utf-8", b"Connection: close")

    def script(connection: object, request: bytes) -> bool:
        connection.sendall(answer if request.startswith(b"GET / ") else reply(b"leaked"))  # type: ignore[attr-defined]
        return False

    with RawServer(script) as server:
        done = subprocess.run(
            [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, "--dump-dom",
             f"{server.url}/"],
            capture_output=True, timeout=120, check=True,
        )  # fmt: skip
        lines = [one.split(b"\r\n")[0].decode("latin-1") for one in server.requests]
    log = done.stderr.decode("utf-8", "replace").splitlines()
    return Opened(done.stdout.decode(), lines, [line for line in log if "CONSOLE" in line])
