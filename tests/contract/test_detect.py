"""Every engine's store tells its layout, and is not written on what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.errors import Refused
from sessctl.session import Query
from sessctl.stores.opening import detect_layouts, open_store
from tests.support.cli import DAY_MS, save

if TYPE_CHECKING:
    from tests.support.engines import Engine


def bare(engine: Engine) -> str:
    return engine.url.partition("?")[0]


def named(engine: Engine) -> str:
    return engine.url.partition("layout=")[2]


def test_its_own_layout_is_sure_and_no_other(engine: Engine) -> None:
    for number in range(30):
        save(engine, f"s{number:02}", number, left_ms=DAY_MS)
    engine.save(b"broken", b"{damaged", None)
    sure = [one for one in detect_layouts(bare(engine)) if one.sure]
    assert [one.layout for one in sure] == [named(engine)]
    assert dict(sure[0].settings) == {}
    with open_store(bare(engine)) as store:
        assert (store.count(Query()), store.layout.name) == (31, named(engine))


def test_nothing_is_opened_for_writing_without_a_layout(engine: Engine) -> None:
    save(engine, "abc", 42, left_ms=DAY_MS)
    with pytest.raises(Refused, match="nothing is written on a guess") as caught:
        open_store(bare(engine), write=True)
    assert f"layout={named(engine)}" in str(caught.value.hint)
