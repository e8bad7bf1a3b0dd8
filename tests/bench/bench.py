"""What the cases share: how much, with which commands, on which data."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measure import Sample, cpu_of_process, interleaved, weigh
from tests.support.daemon import Daemon
from tests.support.npm import PEERS, ROOT, express_modules
from tests.support.peer import PeerApp
from tests.support.run import clean_environment
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.result import Measurement

HERE = Path(__file__).parent
FULL = 1_000_000
QUICK = FULL // 50
_QUICK_FACTOR = 0.7
# Below this many sessions the time to start is most of a run; it is measured on an empty store and
# taken off, of ours and of the peer's. Starting has a case of its own.
_SMALL = 200_000
# perf.md's R1M: one foreign key for every five sessions.
_FOREIGN = 5


class Missing(Exception):
    """A peer or a server is not installed: the case is skipped."""


def sessctl() -> str:
    """The command as people have it, for a shell; `-m` where it is not installed."""
    script = Path(sys.executable).with_name("sessctl")
    return shlex.quote(str(script)) if script.exists() else f"{python()} -m sessctl"


def python() -> str:
    """This Python, for a shell."""
    return shlex.quote(sys.executable)


def node(action: str) -> str:
    """The Express peer's `all.js`, for a shell.

    `all()` hands every key to one function call: beyond some 100 000 keys node's ordinary stack is
    too small for it ("Maximum call stack size exceeded").
    """
    script = shlex.quote(str(PEERS / "express" / "all.js"))
    return f"ulimit -s unlimited; node --stack-size=60000 {script} {action}"


def need(*programs: str) -> None:
    """Raises Missing for the first one that is not on PATH."""
    for name in programs:
        if shutil.which(name) is None:
            raise Missing(f"no {name}")


def node_modules() -> Path:
    """The Express peer's packages. Raises Missing where there is no node or npm install fails."""
    need("node")
    try:
        return express_modules()
    except (OSError, RuntimeError) as exc:
        raise Missing(f"npm packages of the peer: {exc}") from exc


# One contestant: `side(False)` does the work, `side(True)` the same where there is nothing to do.
Side = Callable[[bool], Sample]


@dataclass(slots=True)
class Bench:
    """One invocation of `tests/bench/run`. `work` is a folder that goes away with it."""

    work: Path
    n: int
    quick: bool
    report: Callable[[Measurement], None]
    _dumps: dict[int, Path] = field(default_factory=dict)

    @property
    def small(self) -> bool:
        return self.n < _SMALL

    @property
    def rounds(self) -> int:
        return 5 if self.small else 3

    def floor(self, figure: float) -> float:
        return figure * _QUICK_FACTOR if self.quick else figure

    def environment(self, **extra: str) -> dict[str, str]:
        """No user's configuration, state below `work`, and the sessctl of this checkout."""
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        return clean_environment(home, {"PYTHONPATH": str(ROOT), **extra})

    def say(self, text: str) -> None:
        print(f"bench: {text}", file=sys.stderr, flush=True)

    # -- measuring ---------------------------------------------------------------------------------

    def shell(
        self,
        script: str,
        *,
        server: RedisServer | Daemon | PeerApp | None = None,
        stdin: Path | None = None,
        expect: str | None = None,
        env: Mapping[str, str] | None = None,
        codes: tuple[int, ...] = (0,),
    ) -> Sample:
        """Weigh a pipeline; `expect` is what it has to print, else the figure means nothing."""
        sample = weigh(
            ["bash", "-o", "pipefail", "-c", script],
            env=self.environment(**(env or {})),
            cwd=self.work,
            stdin=stdin,
            server_cpu_s=(lambda: cpu_of(server)) if server is not None else lambda: 0.0,
            codes=codes,
        )
        if expect is not None and sample.stdout.strip() != expect:
            msg = f"{script}\nprinted {sample.stdout[:200]!r}, expected {expect!r}"
            raise RuntimeError(msg)
        return sample

    def race(self, sides: Mapping[str, Side]) -> dict[str, Sample]:
        """The medians of all sides, interleaved; without the start where counts are small."""
        runs: dict[str, Callable[[], Sample]] = {}
        for name, side in sides.items():
            runs[name] = lambda side=side: side(False)
            if self.small:
                runs[f"start of {name}"] = lambda side=side: side(True)
        found = interleaved(runs, self.rounds)
        if not self.small:
            return found
        return {name: found[name].without(found[f"start of {name}"]) for name in sides}

    # -- data --------------------------------------------------------------------------------------

    def load(self, loader: str, *args: str) -> None:
        """Run a loader in a process of its own, so that its memory is not ours."""
        subprocess.run(
            [sys.executable, "-m", f"tests.bench.loaders.{loader}", *args],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @contextmanager
    def redis(self, n: int | None = None) -> Iterator[RedisServer]:
        """A server with so many sessions in database 0 and nothing in database 1.

        They are loaded once, saved, and read from there by every further server.
        """
        need("redis-server", "redis-cli")
        count = self.n if n is None else n
        if count not in self._dumps:
            self._dumps[count] = self._dump(count)
        with RedisServer(settings=[f"dir {self._dumps[count]}"]) as server:
            yield server

    def _dump(self, count: int) -> Path:
        self.say(f"loading {count:,} sessions into Redis")
        folder = self.work / f"redis-{count}"
        folder.mkdir()
        with RedisServer(settings=[f"dir {folder}"]) as server:
            foreign = str(count // _FOREIGN)
            self.load(
                "load_redis",
                "--port",
                str(server.port),
                "--count",
                str(count),
                "--foreign",
                foreign,
            )
            server.cli("SAVE")
        return folder

    def config(self, url: str) -> Path:
        """A configuration with one backend, `bench`, whose keys without TTL may be purged."""
        path = self.work / "sessctl.toml"
        path.write_text(
            f'[backends.bench]\nurl = "{url}"\nlayout = "connect-redis"\nno_ttl = "cookie-date"\n',
            encoding="utf-8",
        )
        return path


def cpu_of(server: RedisServer | Daemon | PeerApp) -> float:
    """CPU seconds of all of a server; of Redis by its own account, to the microsecond."""
    if isinstance(server, Daemon | PeerApp):
        return cpu_of_process(server.pid)
    lines = dict(
        line.strip().split(":", 1) for line in server.cli("INFO", "cpu").splitlines() if ":" in line
    )
    return float(lines["used_cpu_sys"]) + float(lines["used_cpu_user"])


def expired(n: int) -> int:
    """How many of n sessions of `loaders/sessdata.py` are past."""
    return (n + 4) // 5
