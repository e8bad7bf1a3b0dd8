"""Express shops for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Cli
from tests.support.shops import shop_class
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    from pathlib import Path

OpenShop = Callable[[str], Shop]


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(home)
    return Cli(home)


@pytest.fixture
def open_shop_on(request: pytest.FixtureRequest, cli: Cli) -> Iterator[OpenShop]:
    """Open a shop on an empty store of a layout; its apps end with the test."""
    with ExitStack() as running:
        yield lambda layout: shop_class(layout)(request, cli, running)
