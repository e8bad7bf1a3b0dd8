"""What is changed in place is journalled with what our write left, and undone only while that
stands: on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import create, restore, set_data, touch, verify_cookie
from sessctl.admin.journal import open_journal
from sessctl.errors import NotFound, Refused, UsageError
from sessctl.session import Query
from tests.contract.test_stores import DAY, HOUR, STEP, now_ms
from tests.support.engines import value

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.admin.restore import Restore
    from sessctl.stores.base import Store
    from tests.support.engines import Engine

SECRET = "keyboard cat"


@pytest.fixture
def two(engine: Engine) -> Engine:
    engine.save(b"one", value("7"), now_ms() + HOUR)
    engine.save(b"two", value("8"), now_ms() + HOUR)
    return engine


def undo(store: Store, path: Path | None, **how: bool) -> Restore:
    assert path is not None
    return restore(store, path, **how)


def test_data_is_set_and_set_back(two: Engine, tmp_path: Path) -> None:
    before = two.everything()
    with two.open(write=True) as store:
        (was,) = store.get(["one"])
        done = set_data(store, "one", {"passport.user": "70", "n": 1.5}, journals=tmp_path / "j")
        (now,) = store.get(["one"])
        assert now.data == {"passport": {"user": "70"}, "n": 1.5}
        assert (now.expires_ms, now.user) == (was.expires_ms, "70")
        assert now.decoded.extra == was.decoded.extra
        path = done.summary.journal
        assert undo(store, path).counts == {"restored": 1}
        assert two.everything() == before
        assert undo(store, path).counts == {"present": 1}
    assert two.everything() == before


def test_an_end_is_moved_and_moved_back(two: Engine, tmp_path: Path) -> None:
    before = two.everything()
    with two.open(write=True) as store:
        done = touch(store, ["one", "two", "nobody"], journals=tmp_path / "j")
        assert done.summary.counts == {"stored": 2, "gone": 1}
        ends = [one.expires_ms - now_ms() for one in store.get(["one", "two"])]
        assert all(abs(left - store.layout.lifetime_s * 1000) < 30_000 for left in ends)
        assert undo(store, done.summary.journal).counts == {"restored": 2}
    assert two.everything() == before


def test_what_was_written_since_is_newer(two: Engine, tmp_path: Path) -> None:
    two.save(b"gone", value("9"), now_ms() + HOUR)
    with two.open(write=True) as store:
        paths = [
            set_data(store, sid, {"a": 1}, journals=tmp_path / "j").summary.journal
            for sid in ("one", "two", "gone")
        ]
        (touched,) = store.get(["two"])
        two.save(b"one", value("12"), now_ms() + DAY)
        two.touch(b"two", touched.expires_ms + STEP)
        two.drop(b"gone")
        before = two.everything()
        assert [dict(undo(store, path).counts) for path in paths] == [
            {"newer": 1}, {"newer": 1}, {"gone": 1},
        ]  # fmt: skip
    assert two.everything() == before


def test_nothing_to_change_writes_nothing(two: Engine, tmp_path: Path) -> None:
    before = two.everything()
    with two.open(write=True) as store:
        done = set_data(store, "one", {"passport.user": "7"}, unset=["x.y"], journals=tmp_path)
        assert (done.summary.counts, done.summary.journal) == ({"present": 1}, None)
        with pytest.raises(NotFound):
            set_data(store, "nobody", {"a": 1}, journals=tmp_path)
        with pytest.raises(UsageError, match="belongs to"):
            set_data(store, "one", {"cookie.path": "/x"}, journals=tmp_path)
    assert two.everything() == before


def test_a_created_session_is_one_of_the_store(two: Engine) -> None:
    with two.open(write=True) as store:
        made = create(store, {"cart": ["tea"]}, SECRET, user="42")
        again = create(store, {}, SECRET, user="43", sid="mine")
        with pytest.raises(Refused, match="already"):
            create(store, {}, SECRET, user="44", sid="mine")
        found = {one.sid: one for one in store.scan(Query())}
        life = found[made.session.sid].expires_ms - store.now_ms()
        assert all(store.recognises(one) for one in found.values() if one.sid != "one")
        assert abs(life - store.layout.lifetime_s * 1000) < 30_000
    assert found.keys() == {"one", "two", "mine", made.session.sid}
    assert (found["mine"].user, again.session.user) == ("43", "43")
    assert found[made.session.sid].data == {"cart": ["tea"], "passport": {"user": "42"}}
    assert verify_cookie(made.cookies[0].value, SECRET).decoded.sid == made.session.sid


def test_a_page_without_its_outcome_is_put_back_only_where_it_was_not_written(
    two: Engine, tmp_path: Path
) -> None:
    """Killed between write and record: nobody knows whose the value is, so it stands."""
    with two.open(write=True) as store:
        done = set_data(store, "one", {"a": 1}, journals=tmp_path / "j")
        path = done.summary.journal
        assert path is not None
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
        assert [page.outcomes for page in open_journal(path).pages()] == [None]
        before = two.everything()
        assert undo(store, path).counts == {"newer": 1}
        assert two.everything() == before
        two.drop(b"one")
        assert undo(store, path).counts == {"gone": 1}
