"""Django's stores where no browser is needed: what a row and a cache may hold, and what becomes of
a session that is in both when one of them fails.

Rows and values are those that a real Django wrote (`tests/vectors/stores`).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.errors import ConfigError
from sessctl.session import Query, State
from sessctl.stores.base import Outcome
from sessctl.stores.engines.sqlite_dates import WallClock
from sessctl.stores.opening import detect_layouts, open_store
from sessctl.timespec import iso, parse_iso_ms
from tests.support.child import in_child
from tests.support.cli import Cli
from tests.support.engines import now_ms, with_layout
from tests.support.load_vectors import load_redis, load_sqlite
from tests.support.servers import RedisServer
from tests.support.vectors import VECTORS, hostile, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import RedisEngine

NEVER = ("pickle.", "marshal.", "os.system", "os.exec", "os.posix_spawn", "subprocess.", "ctypes.")
COPIES = ":1:django.contrib.sessions.cached_db"


def vector(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "stores" / f"{name}.json").read_bytes())
    return found


def save_row(path: Path, sid: str, text: str, ends: str = "2031-01-01 00:00:00") -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO django_session VALUES (?, ?, ?)", (sid, text, ends))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A table as Django left it."""
    load_sqlite(tmp_path / "db.sqlite3", vector("django-db")["raw"])
    return tmp_path / "db.sqlite3"


# -- which layout it is ----------------------------------------------------------------------------


def test_the_table_is_known_by_its_columns(rows: Path) -> None:
    sure = [one for one in detect_layouts(f"sqlite:///{rows}") if one.sure]
    assert [(one.layout, one.place, one.settings) for one in sure] == [
        ("django-db", "django_session", {})
    ]


def test_a_cache_is_known_by_the_name_in_its_keys(redis_engine: RedisEngine) -> None:
    found = vector("django-cache")
    load_redis(redis_engine, found["raw"], now_ms())
    url = redis_engine.url.partition("?")[0]
    for number in range(5):  # JSON of another program
        redis_engine.client.set(f"app:{number:032}", b'{"a": 1}', ex=600)
    sure = [one for one in detect_layouts(url) if one.sure]
    prefix = "shop:1:django.contrib.sessions.cache"
    assert [(one.layout, dict(one.settings)) for one in sure] == [
        ("django-cache", {"prefix": prefix})
    ]


def test_the_copies_of_cached_db_are_no_sessions_of_the_cache(redis_engine: RedisEngine) -> None:
    """`...sessions.cache` is the beginning of `...sessions.cached_db`."""
    load_redis(redis_engine, vector("django-cached_db")["raw"]["cache"], now_ms())
    with open_store(redis_engine.url.partition("?")[0], "django-cache") as store:
        assert list(store.scan(Query())) == store.get([f"d_db{'a' * 32}"]) == []
        assert (store.count(Query()), store.remarks.strangers) == (0, 0)


# -- what a row may hold ---------------------------------------------------------------------------


def test_a_row_from_before_django_3_1_is_read_and_written_in_its_own_form(rows: Path) -> None:
    old = vector("synthetic/django-db-legacy-30")
    (row,) = old["raw"]["tables"]["django_session"]
    save_row(rows, row["session_key"], stored(row["session_data"]).decode())
    with open_store(
        f"sqlite:///{rows}", "django-db", write=True, store_secrets=old["secret"]
    ) as store:
        (session,) = store.get([row["session_key"]])
        assert (session.user, session.data) == ("1", old["truth"][0]["data"])
        assert session.problem is None
        raw = session.reader.edited(session.raw, {**session.data, "views": 4})  # type: ignore[union-attr]
        assert store.replace([(session, store.with_value(session, raw))])[0].outcome is (
            Outcome.STORED
        )
        (again,) = store.get([row["session_key"]])
        assert (b":" in again.raw, again.data["views"], again.problem) == (False, 4, None)


def test_a_secret_that_is_out_of_date_hides_no_session_of_a_user(rows: Path) -> None:
    url = f"sqlite:///{rows}"
    with open_store(url, "django-db", store_secrets=["another"]) as store:
        found = list(store.scan(Query(user="1")))
        problems = {session.problem.message for session in found if session.problem}
    assert len(found) == 2
    assert problems == {"signed by none of the store secrets: Django reads it as empty"}


def test_a_fallback_key_verifies_and_the_newest_signs(rows: Path) -> None:
    secrets = ["the new one", "keyboard cat"]
    with open_store(f"sqlite:///{rows}", "django-db", write=True, store_secrets=secrets) as store:
        (session, *_) = store.scan(Query(user="1"))
        assert session.problem is None
        raw = session.reader.edited(session.raw, {"a": 1})  # type: ignore[union-attr]
        store.replace([(session, store.with_value(session, raw))])
    with open_store(f"sqlite:///{rows}", "django-db", store_secrets=["the new one"]) as store:
        (changed,) = store.get([session.sid])
        assert (changed.data, changed.problem) == ({"a": 1}, None)


# -- what a cache and a row must not do ------------------------------------------------------------


def test_the_hostile_corpus_is_listed_as_a_cache_s_values_and_in_rows(
    cli: Cli, rows: Path, redis_engine: RedisEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value of the corpus under a key of the cache, and in the body of a row: nothing is
    run, and each of them is listed."""
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("HOSTILE_MARKER_DIR", str(marks))
    cases = [case for case in hostile(kind="value") if 0 < len(case.raw) < 2**22]
    sids = {f"{place:032}": case.raw for place, case in enumerate(cases)}
    for sid, raw in sids.items():
        key = f":1:django.contrib.sessions.cache{sid}"
        redis_engine.client.set(key, raw, ex=3600)
        save_row(rows, sid, f"{b64encode(raw, b'-_').decode().rstrip('=')}:1xUTPb:{'A' * 43}")
    places = {
        "django-cache": redis_engine.url.partition("?")[0], "django-db": f"sqlite:///{rows}",
    }  # fmt: skip
    for layout, url in places.items():
        words = ("list", "--data", "-o", "jsonl", "-b", with_layout(url, layout))
        cli(*words)  # what is imported once, is no act of a value
        ran = in_child(lambda words=words: cli(*words))  # type: ignore[misc]
        listed = {item["sid"] for item in ran.answer.json_lines()}
        assert set(sids) <= listed
        assert list(marks.iterdir()) == []
        assert (ran.rss_mib < 256, ran.answer.code) == (True, 0)
        assert not [act for act in ran.acts if act.startswith(NEVER)]


# -- dates without a zone --------------------------------------------------------------------------


def test_dates_of_use_tz_false_are_read_in_the_zone_that_is_named(rows: Path) -> None:
    live = "l" * 32
    with closing(sqlite3.connect(rows)) as db:
        (text,) = db.execute("SELECT session_data FROM django_session LIMIT 1").fetchone()
    west = WallClock("America/New_York").write(now_ms() + 3_600_000)  # in UTC it would be over
    save_row(rows, live, text, west)
    url = f"sqlite:///{rows}"
    with open_store(url, "django-db") as store:
        assert store.get([live])[0].state(now_ms()) is State.EXPIRED
    with open_store(url, "django-db", expires_zone="America/New_York", write=True) as store:
        (session,) = store.get([live])
        assert session.state(now_ms()) is State.ACTIVE
        assert live not in {one.sid for one in store.scan(Query(expired=True))}
        ends_ms = now_ms() + 7_200_000
        assert store.set_expiry([session], ends_ms)[0].outcome is Outcome.STORED
        assert store.get([live])[0].expires_ms == ends_ms
    with pytest.raises(ConfigError, match="there is no time zone 'America/Nowhere'"):
        open_store(url, "django-db", expires_zone="America/Nowhere")


def test_dates_that_contradict_the_time_of_saving_are_told_and_not_purged_by(
    cli: Cli, rows: Path
) -> None:
    """A row says when it was saved: in the zone of an application without USE_TZ they disagree."""
    clock = WallClock("America/New_York")
    with closing(sqlite3.connect(rows)) as db, db:
        for sid, text in db.execute("SELECT session_key, expire_date FROM django_session"):
            ends_ms = parse_iso_ms(text[:19].replace(" ", "T") + ".000Z") or 0
            db.execute("UPDATE django_session SET expire_date = ? WHERE session_key = ?",
                       [clock.write(ends_ms), sid])  # fmt: skip
    url = with_layout(f"sqlite:///{rows}", "django-db")
    listed = cli("list", "-b", url)
    refused = cli("purge", "--expired", "-b", url)
    assert "end 5h earlier than 14d after they were saved" in listed.stderr
    assert ("--force=zone" in refused.stderr, refused.code) == (True, 4)
    right = cli("purge", "--expired", "-b", f"{url}&expires_zone=America/New_York")
    assert (right.counts, right.code) == ({"deleted": 1}, 0), right.stderr


@pytest.mark.parametrize(
    ("zone", "told", "instant"),
    [
        ("Europe/Istanbul", "2026-12-04 18:08:00.342205", "2026-12-04T15:08:00.343Z"),
        ("+05:30", "2026-12-04 18:08:00", "2026-12-04T12:38:00.000Z"),
        ("-03:30", "2026-12-04 18:08:00", "2026-12-04T21:38:00.000Z"),
        # 01:30 comes twice on this night, and the later one is meant: 06:30 and not 05:30.
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T06:30:00.000Z"),
        ("America/New_York", "2026-11-01 00:59:59", "2026-11-01T04:59:59.000Z"),
    ],
)
def test_a_wall_clock_is_read_as_the_instant_that_ends_nothing_early(
    zone: str, told: str, instant: str
) -> None:
    ms = WallClock(zone).read(told)
    assert ms is not None
    assert iso(ms) == instant == iso(parse_iso_ms(instant) or 0)


# -- a row and its copy ----------------------------------------------------------------------------


class Both:
    """A table and a cache with the same sessions in both, and commands on them."""

    def __init__(self, cli: Cli, rows: Path, server: RedisServer) -> None:
        self.cli, self.rows, self.server = cli, rows, server
        self.sids = ["a" * 32, "b" * 32]
        found = vector("django-cached_db")
        self._value = next(
            stored(row["value"]) for row in found["raw"]["cache"]["rows"]
            if stored(row["key"]).decode().endswith("d53qaz2gf6bgq200jo5eud861j9khaiy")
        )  # fmt: skip
        with closing(sqlite3.connect(rows)) as db, db:
            (text,) = db.execute(
                "SELECT session_data FROM django_session WHERE session_key LIKE 'pkg2f7%'"
            ).fetchone()
            db.execute("DELETE FROM django_session")
        for sid in self.sids:
            save_row(rows, sid, text)
            self.copy(sid)
        self.configure(server.url)

    def configure(self, cache: str) -> None:
        self.cli.config(
            f'[backends.shop]\nurl = "sqlite:///{self.rows}"\nlayout = "django-cached_db"\n'
            f'cache = "{cache}"\n'
        )

    def copy(self, sid: str) -> None:
        self.server.cli("-x", "SET", f"{COPIES}{sid}", stdin=self._value)
        self.server.cli("EXPIRE", f"{COPIES}{sid}", "86400")

    def there(self) -> tuple[set[str], set[str]]:
        """The ids in the table, and in the cache."""
        with closing(sqlite3.connect(self.rows)) as db:
            rows = {sid for (sid,) in db.execute("SELECT session_key FROM django_session")}
        keys = self.server.cli("KEYS", "*").split()
        return rows, {key.removeprefix(COPIES) for key in keys}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return Cli(home)


@pytest.fixture
def both(cli: Cli, rows: Path, redis_engine: RedisEngine) -> Both:
    return Both(cli, rows, redis_engine.server)


@pytest.fixture
def frail(cli: Cli, rows: Path) -> Iterator[Both]:
    """The cache is a server of its own, whose user `reader` may delete nothing."""
    acl = "user reader on >pw ~* +@all -del -unlink -eval -evalsha"
    with RedisServer(acl=[acl]) as server:
        yield Both(cli, rows, server)


def test_a_cache_that_is_gone_before_the_run_changes_nothing(frail: Both) -> None:
    frail.server.kill()
    result = frail.cli("expire", "--user", "1", "--yes")
    assert ("cannot reach redis" in result.stderr, result.code) == (True, 3)
    assert "  cache: redis://127.0.0.1" in result.stderr
    with open_store(f"sqlite:///{frail.rows}") as store:
        assert store.count(Query()) == 2


def test_a_cache_that_goes_during_the_run_costs_no_row(frail: Both) -> None:
    url = f"sqlite:///{frail.rows}"
    with open_store(url, "django-cached_db", cache=frail.server.url, write=True) as store:
        found = list(store.scan(Query()))
        frail.server.kill()
        with pytest.raises(Exception, match="cannot reach redis"):
            store.delete(found)
    with open_store(url) as store:
        assert store.count(Query()) == 2


def test_a_copy_that_cannot_be_dropped_is_a_session_that_did_not_end(frail: Both) -> None:
    frail.configure(frail.server.url_for("reader", "pw"))
    ended = frail.cli("expire", frail.sids[0], "--yes", "-o", "json")
    (item,) = ended.json()["items"]
    assert (item["outcome"], ended.code) == ("failed", 5)
    assert item["reason"].startswith("its row is gone, its copy is not: ")
    assert ended.json()["summary"]["deleted"] == 0
    # The application still takes it, and so it is listed; it can be ended later, or put back.
    frail.configure(frail.server.url)
    assert frail.there() == ({frail.sids[1]}, set(frail.sids))
    listed = frail.cli("list", "-o", "name")
    assert set(listed.stdout.split()) == set(frail.sids)
    back = frail.cli("restore", "--last", "--yes")
    assert (frail.there()[0], back.code) == (set(frail.sids), 0), back.stderr


def test_what_a_request_put_back_is_found_again_and_ended_once_more(both: Both) -> None:
    """It had read the row before it was deleted, and made its copy after that."""
    sid = both.sids[0]

    def put_back() -> None:
        deadline = time.monotonic() + 20
        while sid in both.there()[1] and time.monotonic() < deadline:
            time.sleep(0.01)
        both.copy(sid)

    writer = threading.Thread(target=put_back)
    writer.start()
    result = both.cli("expire", sid, "--yes", "--recheck", "2s", "-o", "json")
    writer.join()
    summary = result.json()["summary"]
    assert (summary["deleted"], summary["re-created"], result.code) == (1, 1, 0)
    assert both.there() == ({both.sids[1]}, {both.sids[1]})


def test_a_change_of_the_row_drops_the_copy_and_so_does_its_undoing(both: Both) -> None:
    sid = both.sids[0]
    result = both.cli("touch", sid, "--ttl", "1h", "--yes")
    assert (both.there()[1], result.code) == ({both.sids[1]}, 0), result.stderr
    both.copy(sid)
    undone = both.cli("restore", "--last", "--yes")
    assert (undone.counts, both.there()[1]) == ({"restored": 1}, {both.sids[1]})


def test_purge_ends_rows_that_are_over_with_their_copies(both: Both) -> None:
    with closing(sqlite3.connect(both.rows)) as db, db:
        db.execute("UPDATE django_session SET expire_date = '2026-01-01 00:00:00.123456' "
                   "WHERE session_key = ?", [both.sids[0]])  # fmt: skip
    result = both.cli("purge", "--expired")
    assert (result.counts, result.code) == ({"deleted": 1}, 0), result.stderr
    assert both.there() == ({both.sids[1]}, {both.sids[1]})


def test_copies_without_rows_are_counted_ended_and_put_back(both: Both) -> None:
    with closing(sqlite3.connect(both.rows)) as db, db:
        db.execute("DELETE FROM django_session WHERE session_key = ?", [both.sids[0]])
    assert both.cli("list", "--count").stdout.split()[-1] == "2"
    ended = both.cli("expire", "--user", "1", "--yes")
    assert ("Ended 2 sessions." in ended.stderr, ended.code) == (True, 0), ended.stderr
    assert both.there() == (set(), set())
    back = both.cli("restore", "--last", "--yes")
    assert (back.counts, back.code) == ({"restored": 2}, 0), back.stderr
    assert both.there() == ({both.sids[1]}, {both.sids[0]})


def test_without_its_cache_the_layout_is_refused(both: Both) -> None:
    both.cli.config(
        f'[backends.shop]\nurl = "sqlite:///{both.rows}"\nlayout = "django-cached_db"\n'
    )
    result = both.cli("list")
    assert "needs the cache beside its table" in result.stderr
    both.configure("sqlite:///x.db")
    other = both.cli("list")
    assert "a sqlite store is no cache of django-cached_db" in other.stderr
    assert (result.code, other.code) == (2, 2)


def test_the_url_of_a_cache_may_be_named_and_its_password_is_never_shown(both: Both) -> None:
    both.configure("env:CACHE")
    url = both.server.url.replace("redis://", "redis://:canary-pw@")
    env = {"CACHE": both.server.url}
    assert len(both.cli("list", "-o", "name", env=env).stdout.split()) == 2
    assert both.cli("doctor", env=env).code == 0
    missing = both.cli("list")
    assert ("cache: " in missing.stderr, missing.code) == (True, 2)
    both.configure(url)
    for words in (["config", "show"], ["list"], ["doctor"], ["list", "-v"]):
        shown = both.cli(*words)
        assert "canary" not in shown.stdout + shown.stderr
