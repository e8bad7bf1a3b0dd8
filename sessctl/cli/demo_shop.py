"""`sessctl demo --serve`: the shop runs until Ctrl-C, and what there is to try is said first."""

from __future__ import annotations

import secrets
import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.cli.signals import stoppable
from sessctl.demo.folder import configuration, write_private
from sessctl.demo.options import shop_options
from sessctl.demo.server import RunningShop
from sessctl.errors import ExitCode, SessctlError
from sessctl.stores.registry import parse_url
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Piece

_ONCE = ("prompt", "stdin")  # references that nobody can follow later
_TRY = (
    ("/cart", "put something in, come back later"),
    ("/login", "as mara with the password tea, or as jonas with coffee"),
    ("/session", "what the shop knows of you; any page is JSON with .json behind it"),
    ("/sent", "what your browser sent"),
    ("/storage", "cookie, localStorage, sessionStorage, session"),
)


def serve_shop(
    run: Run, *, port: int, store: str, references: list[str], settings: list[str]
) -> ExitCode:
    """Run the shop until a signal; its code says which one it was."""
    options = shop_options(settings)
    signers = run.secrets(references, None) or [Secret(secrets.token_urlsafe(48))]
    if store != "sqlite":
        return _run_shop(run, RunningShop(options, store=store, signers=signers, port=port), None)
    folder = Path(tempfile.mkdtemp(prefix="sessctl-demo-"))
    database = folder / "sessions.db"
    try:
        shop = RunningShop(options, store=f"sqlite:///{database}", signers=signers, port=port)
    except SessctlError:
        shutil.rmtree(folder)
        raise
    if not references:
        path = folder / "session-secret"
        write_private(path, f"{signers[0].reveal_text()}\n")
        references = [f"file:{path}"]
    known = [one for one in references if one not in _ONCE]
    write_private(folder / "sessctl.toml", configuration(folder, database, known))
    return _run_shop(run, shop, folder)


def _run_shop(run: Run, shop: RunningShop, folder: Path | None) -> ExitCode:
    line = run.streams.line
    with shop, stoppable(run.streams, saying="closing the shop") as flag:
        line(("The shop is open: ", "accent"), shop.url)
        for path, what in _TRY:
            line("  ", (f"{path:<10}", "accent"), (what, "muted"))
        for pieces in _admin(shop.store_url, folder):
            line(*pieces)
        line("Ctrl-C closes it.")
        run.streams.flush()
        while not flag():
            time.sleep(0.1)
    return flag.code or ExitCode.OK


def _admin(store: str, folder: Path | None) -> Iterator[list[Piece | str]]:
    """How to look at its sessions from another terminal."""
    if store == "memory":
        yield ["Its sessions are in its memory: nobody else can see them, and they end with it."]
        return
    yield ["In another terminal:"]
    if folder is None:
        yield ["  ", (f"sessctl list -b {shlex.quote(parse_url(store).masked)}", "accent")]
        return
    config = shlex.quote(str(folder / "sessctl.toml"))
    yield ["  ", (f"export SESSCTL_CONFIG={config}", "accent")]
    yield ["  ", ("sessctl list", "accent")]
    yield ["  ", (f"rm -r {shlex.quote(str(folder))}", "accent"), ("  when you are done", "muted")]
