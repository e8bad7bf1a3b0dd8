"""Every engine's store tells its layout, and is not written on what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.errors import Refused
from sessctl.session import Query
from sessctl.stores.opening import detect_layouts, open_store
from sessctl.stores.registry import parse_url, tells_its_layout
from tests.support.cli import DAY_MS, now_ms, save, stored

if TYPE_CHECKING:
    from tests.support.engines import Engine, RedisEngine
    from tests.support.memcached import MemcachedEngine
    from tests.support.mongo import MongoEngine


def bare(engine: Engine) -> str:
    """The store's URL without the layout, which stands at its end."""
    return engine.url.rpartition("layout=")[0][:-1]


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
    if tells_its_layout(parse_url(engine.url)):
        return
    with pytest.raises(Refused, match="nothing is written on a guess") as caught:
        open_store(bare(engine), write=True)
    assert f"layout={named(engine)}" in str(caught.value.hint)


def test_a_collection_of_another_name_is_found(mongo_engine: MongoEngine) -> None:
    save(mongo_engine, "abc", 42, left_ms=DAY_MS)
    database = mongo_engine.server.database()
    database["sessions"].rename("web")
    database["users"].insert_one({"_id": 1, "session": "none of ours"})
    sure = [one for one in detect_layouts(bare(mongo_engine)) if one.sure]
    assert [(one.layout, one.place, one.settings) for one in sure] == [
        ("connect-mongo", "web", {"collection": "web"})
    ]


def test_prefixes_of_memcached_are_found(memcached_engine: MemcachedEngine) -> None:
    save(memcached_engine, "abc", 42, left_ms=DAY_MS)
    for number in range(5):
        memcached_engine.client.set(f"app:{number:032}", stored(7), expire=600)
        memcached_engine.client.set(f"page:{number}", b"<p>", expire=600)
    sure = {one.place for one in detect_layouts(bare(memcached_engine)) if one.sure}
    assert sure == {"*", "app:*"}


def test_koa_and_express_in_one_redis_are_told_apart(redis_engine: RedisEngine) -> None:
    save(redis_engine, "a" * 32, 42, left_ms=DAY_MS)
    ends = now_ms() + DAY_MS
    for number in range(3):
        key = f"app:39e76b48-d6c1-4ced-99b2-2f0552d48e3{number}"
        value = f'{{"views":3,"_expire":{ends},"_maxAge":{DAY_MS}}}'
        redis_engine.client.set(key, value, px=DAY_MS)
    sure = {(one.layout, one.place) for one in detect_layouts(bare(redis_engine)) if one.sure}
    assert sure == {("connect-redis", "sess:*"), ("koa-session", "app:*")}
