"""A lesson's shops, opened for one part of it, and the study that is played against them.

with staged(part) as study:
    async for event in study.run(): ...
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from sessctl.admin.lookup import session_id_of
from sessctl.demo.server import RunningShop
from sessctl.replay.http import Network
from sessctl.replay.join import StoreWatcher
from sessctl.replay.load import load_scenario
from sessctl.replay.runner import Runner
from sessctl.replay.sender import App, Options
from sessctl.replay.study import Study
from sessctl.replay.url import parse_url
from sessctl.stores.opening import open_store
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.demo.lessons.lesson import Part
    from sessctl.stores.base import Store

COOKIE = "connect.sid"


@contextmanager
def staged(part: Part) -> Iterator[Study]:
    """A part's study, ready to run; its shops are open, and their sessions gone at the end.

    Raises:
        StoreError: no room for the shops' sessions.
    """
    scenario = load_scenario(part.path)
    # What a shop of this machine holds is nobody's secret: the variables are plain texts.
    values = {one.name: one.text or "" for one in scenario.variables}
    with ExitStack() as stack:
        url = "memory"
        if part.store == "sqlite":
            folder = stack.enter_context(TemporaryDirectory(prefix="sessctl-lesson-"))
            url = f"sqlite:///{quote(str(Path(folder) / 'sessions.db'))}"
        shops = _open(part, url, stack)
        addresses = [parse_url(shop.url) for shop in shops]
        names = [shop.options.name for shop in part.shops]
        instances = dict(zip(names, addresses, strict=True)) if len(shops) > 1 else {}
        store: Store | None = None
        if part.joined:
            store = stack.enter_context(open_store(url, layout="connect-sqlite3"))
        app = App(
            addresses[0],
            instances,
            Network(addresses),
            Options(hooks={"restart": partial(_restart, shops)}),
            StoreWatcher(store, partial(session_id_of, name=COOKIE)) if store else None,
        )
        yield Study(
            Runner(scenario, app, values),
            control=part.control,
            store=store.identity.engine if store else "",
        )


def _open(part: Part, store: str, stack: ExitStack) -> list[RunningShop]:
    keys: dict[str, Secret] = {}
    opened = []
    for shop in part.shops:
        for name in shop.secrets:
            keys.setdefault(name, Secret(secrets.token_urlsafe(48)))
        signers = [keys[name] for name in shop.secrets]
        running = RunningShop(shop.options, store=store, signers=signers)
        opened.append(stack.enter_context(running))
    return opened


async def _restart(shops: Sequence[RunningShop]) -> None:
    for shop in shops:
        await asyncio.to_thread(shop.restart)


__all__ = ["staged"]
