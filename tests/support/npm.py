"""Install a peer's npm packages once and share them between runs and test workers.

An installation is named after the hash of its lock file and appears by a rename, so an interrupted
one is never used. `python -m tests.support.npm` installs every peer.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests" / "peers"
CACHE = ROOT / ".cache" / "npm"


def express_modules() -> Path:
    """Return the `node_modules` of the Express peer, installed if need be."""
    return modules(PEERS / "express")


def modules(peer: Path) -> Path:
    """Return the `node_modules` that belongs to the lock file of this peer."""
    digest = hashlib.sha256((peer / "package-lock.json").read_bytes()).hexdigest()
    home = CACHE / f"{peer.name}-{digest[:16]}"
    if not home.exists():
        with _lock(peer.name):
            if not home.exists():  # another worker may have been first
                _install(peer, home)
    return home / "node_modules"


def program(name: str) -> str:
    """Return the path of `node` or `npm`, or fail with the command that installs it."""
    found = shutil.which(name)
    if found is None:
        msg = f"{name!r} is not on PATH; run tests/run, or: apt-get install nodejs npm"
        raise FileNotFoundError(msg)
    return found


@contextmanager
def _lock(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file closes
        yield


def _install(peer: Path, home: Path) -> None:
    work = Path(tempfile.mkdtemp(prefix=f"{peer.name}-part-", dir=CACHE))
    try:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(peer / name, work / name)
        done = subprocess.run(
            [program("npm"), "ci"],
            cwd=work,
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode != 0:
            msg = f"npm ci failed for {peer.name}:\n{done.stdout[-4000:]}"
            raise RuntimeError(msg)
        work.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _build_environment() -> dict[str, str]:
    """Make native packages compile from what the lock file pins, with the headers at hand."""
    environment = dict(os.environ)
    # A prebuilt binary would be fetched from outside the lock file.
    environment["npm_config_build_from_source"] = "true"
    # SQLite takes 60 s to compile at -O3, half of that at -O1.
    environment.setdefault("CFLAGS", "-O1 -w")
    environment.setdefault("CXXFLAGS", "-O1 -w")
    environment.setdefault("JOBS", "max")
    prefix = Path(program("node")).resolve().parents[1]
    if (prefix / "include" / "node" / "node_api.h").exists():
        environment.setdefault("npm_config_nodedir", str(prefix))
    return environment


if __name__ == "__main__":
    for lock_file in sorted(PEERS.glob("*/package-lock.json")):
        modules(lock_file.parent)
