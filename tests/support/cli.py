"""The command line inside this process: a few milliseconds a run instead of a few hundred.

What needs a real terminal, a real pipe or signals is run by `tests.support.run` instead.
"""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

from sessctl.cli.app import run_command
from sessctl.cli.streams import Streams
from tests.support.run import Result, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.engines import Engine

TERMINAL = (True, True, True)  # stdin, stdout, stderr
PIPES = (False, False, False)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Cli:
    """Runs one command line: `cli("list", "-b", url)`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(
        self,
        *args: str | Path,
        stdin: bytes | str = b"",
        env: Mapping[str, str] | None = None,
        terminals: tuple[bool, bool, bool] = PIPES,
    ) -> Result:
        out, err = io.BytesIO(), io.BytesIO()
        typed = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
        streams = Streams(typed, out, err, clean_environment(self.home, env), terminals=terminals)
        code = run_command([str(word) for word in args], streams)
        return Result(out.getvalue(), err.getvalue(), int(code))

    def config(self, text: str, name: str = "sessctl.toml") -> Path:
        """Write a project file into the folder where the commands run."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def user_config(self, text: str) -> Path:
        """Write the user's own file, which counts wherever the commands run."""
        (self.home / "config" / "sessctl").mkdir(parents=True, exist_ok=True)
        return self.config(text, "config/sessctl/config.toml")

    def journals(self) -> list[Path]:
        """The journals that runs have left, oldest first."""
        return sorted((self.home / "state" / "sessctl" / "journals").glob("*.journal"))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sid(letter: str, number: int = 0) -> str:
    """A session id of the usual 32 characters."""
    return f"{letter * 28}{number:04d}"


def stored(user: Any = None, /, *, left_ms: int | None = HOUR_MS, **data: Any) -> bytes:
    """A value as express-session writes it; `left_ms` None: until the browser closes."""
    expires = None if left_ms is None else _iso(now_ms() + left_ms)
    cookie = {"originalMaxAge": left_ms, "expires": expires, "httpOnly": True, "path": "/"}
    passport = {} if user is None else {"passport": {"user": user}}
    return json.dumps({"cookie": cookie, **passport, **data}, separators=(",", ":")).encode()


def save(
    engine: Engine, name: str, user: Any = None, /, *, left_ms: int = HOUR_MS, **data: Any
) -> None:
    """Store a session that ends in `left_ms`, or ended then."""
    engine.save(name.encode(), stored(user, left_ms=left_ms, **data), now_ms() + left_ms)


def fill(engine: Engine, letter: str, count: int, *, left_ms: int = HOUR_MS) -> list[str]:
    """Store many sessions at once; their ids."""
    names = [sid(letter, number) for number in range(count)]
    raw = stored(left_ms=left_ms)
    for name in names:
        engine.save(name.encode(), raw, now_ms() + left_ms)
    return names


def wait_for_journal(home: Path, lines: int = 2) -> Path:
    """Wait until a run has written a page to its journal; it has deleted nothing of it yet."""
    folder = home / "state" / "sessctl" / "journals"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in folder.glob("*.journal"):
            if path.read_bytes().count(b"\n") >= lines:
                return path
        time.sleep(0.01)
    msg = f"no journal in {folder}"
    raise TimeoutError(msg)


def _iso(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"
