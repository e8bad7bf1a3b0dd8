"""What is particular to session files of Python's libraries, beside the libraries themselves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
import shutil
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from cachelib import FileSystemCache
from litestar.stores.file import FileStore

from sessctl.admin.journal import JournalWriter
from sessctl.admin.removal import Removal
from sessctl.errors import ConfigError, JournalError, StoreError
from sessctl.serializers.django import StoredSession
from sessctl.session import Expiry, Query, State
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from sessctl.text import Secret
from sessctl.timespec import parse_iso_ms
from tests.support.engines import now_ms
from tests.support.python_files import clear_django_sessions

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.session import Session
    from sessctl.stores.base import Store

HOUR, DAY = 3_600, 86_400
KEY = "k" * 50


def outcomes(results: Any) -> list[Outcome]:
    return [result.outcome for result in results]


def opened(folder: Path, layout: str, *, write: bool = True, **options: Any) -> Store:
    return open_store(f"file://{folder}", layout, write=write, **options)


def purge(folder: Path, layout: str) -> int:
    """`purge --expired --grace 0`; how many went."""
    with opened(folder, layout) as store:
        journal = JournalWriter(folder.parent / "journals", {"command": "purge", "backend": "x"})
        run = Removal(store, journal, grace_ms=0)
        gone = sum(map(len, run.purge(Query(expired=True))))
        assert run.summary.complete
    return gone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


@pytest.fixture
def cache(folder: Path) -> FileSystemCache:
    """Three sessions that are over, three that are not, one that never is."""
    made = FileSystemCache(str(folder), threshold=500)
    for number in range(3):
        made.set(f"session:old{number}", {"_permanent": True, "user_id": number}, timeout=-HOUR)
        made.set(f"session:new{number}", {"_permanent": True, "user_id": number}, timeout=HOUR)
    made.set("session:ever", {"_permanent": True, "_user_id": "7"}, timeout=0)
    return made


class TestCachelib:
    def test_a_purge_takes_what_the_library_would_and_keeps_its_count(
        self, cache: FileSystemCache, folder: Path
    ) -> None:
        other = folder.parent / "other"
        shutil.copytree(folder, other)
        assert purge(folder, "flask-cachelib-file") == 3
        cleaned = FileSystemCache(str(other), threshold=500)
        cleaned._remove_expired(time.time())
        assert sorted(os.listdir(folder)) == sorted(os.listdir(other))
        assert cache._file_count == cleaned._file_count == 4
        assert len(list(cache._list_dir())) == 4

    def test_too_high_a_count_would_cost_live_sessions_their_place(self, folder: Path) -> None:
        """What the number is kept for: over its limit, cachelib throws out the oldest."""
        cache = FileSystemCache(str(folder), threshold=6)
        for number in range(6):
            cache.set(f"session:{number}", {"_permanent": True}, timeout=HOUR + number)
        with opened(folder, "flask-cachelib-file") as store:
            found = store.get([str(number) for number in range(4)])
            frozen = [{"sid": one.sid, **store.freeze(one)} for one in found]
            assert set(outcomes(store.delete(found))) == {Outcome.DELETED}
            for number in range(10, 13):
                cache.set(f"session:{number}", {"_permanent": True}, timeout=HOUR)
            assert all(cache.has(f"session:{number}") for number in (4, 5, 10, 11, 12))
            again = [store.thaw(one) for one in frozen]
            assert set(outcomes(store.put(again))) == {Outcome.STORED}
            assert cache._file_count == 9
            assert set(outcomes(store.put(again))) == {Outcome.PRESENT}
            assert cache._file_count == 9

    def test_a_session_is_found_by_its_cookie_and_by_its_file(
        self, cache: FileSystemCache, folder: Path
    ) -> None:
        digest = hashlib.sha256(b"session:new1").hexdigest()
        old = hashlib.md5(b"session:old0", usedforsecurity=False).hexdigest()
        (folder / hashlib.sha256(b"session:old0").hexdigest()).rename(folder / old)
        with opened(folder, "flask-cachelib-file") as store:
            by_id, by_name, before_016 = store.get(["new1", digest, "old0"])
            assert (by_id.sid, by_name.sid, by_id.location) == ("new1", digest, by_name.location)
            assert before_016.location.endswith(f"/{old}")
            assert before_016.state(now_ms()) is State.EXPIRED
            for sid in ("__wz_cache_count", "", "../x", "a/b", "\udcff", "x" * 300, digest[:63]):
                assert store.get([sid]) == []
            frozen = {"sid": "old0", **store.freeze(before_016)}
            assert outcomes(store.delete([before_016])) == [Outcome.DELETED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            with pytest.raises(JournalError):
                store.thaw({**frozen, "name": digest})
            assert (folder / old).exists()

    def test_a_session_of_another_prefix_is_found_with_it(self, folder: Path) -> None:
        FileSystemCache(str(folder)).set("app:one", {"_permanent": True}, timeout=HOUR)
        with opened(folder, "flask-cachelib-file", prefix="app:") as store:
            assert [one.sid for one in store.get(["one"])] == ["one"]

    def test_a_moved_end_is_four_bytes(self, cache: FileSystemCache, folder: Path) -> None:
        file = folder / hashlib.sha256(b"session:old1").hexdigest()
        was, ends = file.read_bytes(), now_ms() + DAY * 1000
        with opened(folder, "flask-cachelib-file") as store:
            assert outcomes(store.set_expiry(store.get(["old1"]), ends)) == [Outcome.STORED]
            now = file.read_bytes()
            assert (now[4:], struct.unpack("<I", now[:4])[0]) == (was[4:], -(-ends // 1000))
            assert cache.get("session:old1")["user_id"] == 1
            assert outcomes(store.set_expiry(store.get(["old1"]), None)) == [Outcome.STORED]
            assert file.read_bytes()[:4] == b"\0\0\0\0"
            (never,) = store.get(["old1"])
            assert never.expiry is Expiry.NEVER
            far = 2**32 * 1000
            assert outcomes(store.set_expiry([never], far)) == [Outcome.FAILED]

    @pytest.mark.parametrize("protocol", [1, 2, 5])
    def test_two_pickles_of_old_werkzeug(self, folder: Path, protocol: int) -> None:
        ends = int(time.time()) + HOUR
        file = folder / hashlib.md5(b"session:one", usedforsecurity=False).hexdigest()
        data = pickle.dumps({"_permanent": True, "user_id": 7}, protocol)
        file.write_bytes(pickle.dumps(ends, protocol).replace(b"\x95\x06" + bytes(7), b"") + data)
        with opened(folder, "flask-cachelib-file") as store:
            (found,) = store.get(["one"])
            assert (found.user, found.expires_ms, found.problem) == ("7", ends * 1000, None)
            assert outcomes(store.set_expiry([found], (ends + 60) * 1000)) == [Outcome.STORED]
        raw = file.read_bytes()
        assert (pickle.loads(raw), raw.endswith(data)) == (ends + 60, True)

    def test_what_is_damaged_has_a_problem_and_its_end_still_counts(self, folder: Path) -> None:
        over, cut = "0" * 64, "1" * 32
        (folder / over).write_bytes(struct.pack("<I", 1_700_000_000) + b"\x80\x05not a pickle")
        (folder / cut).write_bytes(b"ab")
        with opened(folder, "flask-cachelib-file") as store:
            found = {one.sid: one for one in store.scan(Query())}
        assert {one.problem is not None for one in found.values()} == {True}
        assert found[over].state(now_ms()) is State.EXPIRED
        assert found[cut].expiry is Expiry.UNKNOWN

    def test_another_programs_file_of_such_a_name_is_never_over(
        self, cache: FileSystemCache, folder: Path
    ) -> None:
        """Pictures, digests, texts: their first bytes are a number, too."""
        contents = (b"\x01\0\0\0 and more", b"\xff\xd8\xff\x10JFIF", b"Kindly. Yours", b"abcd", b"")
        for number, content in enumerate(contents):
            (folder / f"{number:064x}").write_bytes(content)
        cache.set("session:live", {"_permanent": True}, timeout=HOUR)
        with opened(folder, "flask-cachelib-file", write=True) as store:
            others = [one for one in store.scan(Query()) if len(one.sid.strip("0")) < 2]
            assert {one.expiry for one in others} == {Expiry.UNKNOWN}
            assert not any(len(s.sid.strip("0")) < 2 for s in store.scan(Query(expired=True)))
            assert set(outcomes(store.delete(others, grace_ms=0))) == {Outcome.CHANGED}

    def test_our_names_are_none_that_the_library_counts(
        self, cache: FileSystemCache, folder: Path
    ) -> None:
        with opened(folder, "flask-cachelib-file") as store:
            aside = store._names.aside("0" * 64)
        (folder / aside).write_bytes(b"x")
        (folder / "tmpabcdefgh.__wz_cache").write_bytes(b"half")
        assert len(list(cache._list_dir())) == 7
        with opened(folder, "flask-cachelib-file", write=False) as store:
            assert (store.count(Query()), store.remarks.strangers) == (7, 0)


def django(
    folder: Path, key: str, data: Any, *, age_s: float = 0, raw: bytes | None = None
) -> Path:
    """A session of Django, written so long ago."""
    file = folder / f"sessionid{key * 32}"
    text = StoredSession([Secret(KEY)]).seal(_json(data), None) if raw is None else raw
    file.write_bytes(text)
    at = time.time() - age_s
    os.utime(file, (at, at))
    return file


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


class TestDjango:
    def only(self, folder: Path, **options: Any) -> Session:
        with opened(folder, "django-file", **options) as store:
            (found,) = store.scan(Query())
        return found

    @pytest.mark.parametrize(
        ("inner", "ends"),
        [
            (None, 14 * DAY), (0, 14 * DAY), (60, 60), (-60, -60), (1.5, 1.5),
            ("2031-05-06T07:08:09+00:00", "fixed"), ("2031-05-06T07:08:09", None),
            ("soon", None), (True, None), ([1], None),
        ],
    )  # fmt: skip
    def test_it_ends_as_its_data_says(self, folder: Path, inner: Any, ends: Any) -> None:
        data = {"_auth_user_id": "7", **({} if inner is None else {"_session_expiry": inner})}
        written = django(folder, "a", data, age_s=100).stat().st_mtime_ns // 1_000_000
        found = self.only(folder)
        if ends is None:
            assert (found.expires_ms, found.expiry, found.user) == (None, Expiry.UNKNOWN, "7")
        else:
            fixed = parse_iso_ms("2031-05-06T07:08:09Z")
            assert found.expires_ms == (fixed if ends == "fixed" else written + ends * 1000)

    def test_a_lifetime_of_the_application_s_own(self, folder: Path) -> None:
        django(folder, "a", {}, age_s=HOUR)
        assert self.only(folder, lifetime="30m").state(now_ms()) is State.EXPIRED
        assert self.only(folder, lifetime="2h").state(now_ms()) is State.ACTIVE

    def test_an_empty_file_is_a_session_about_to_be_written(self, folder: Path) -> None:
        """And, when it is as old as a session may be, one that never was."""
        django(folder, "a", None, raw=b"")
        fresh = self.only(folder)
        assert (fresh.problem.code, fresh.state(now_ms())) == ("value.missing", State.ACTIVE)
        assert purge(folder, "django-file") == 0
        django(folder, "a", None, raw=b"", age_s=15 * DAY)
        assert purge(folder, "django-file") == 1

    def test_what_does_not_decode_is_never_over(self, folder: Path) -> None:
        django(folder, "a", None, raw=b"gibberish", age_s=1000 * DAY)
        found = self.only(folder)
        assert (found.problem.code, found.expiry) == ("value.unreadable", Expiry.UNKNOWN)
        assert purge(folder, "django-file") == 0

    def test_a_purge_takes_what_clearsessions_takes(self, folder: Path, tmp_path: Path) -> None:
        secret = "keyboard cat keyboard cat keyboard cat keyboard cat"  # the peer's
        data = {"_auth_user_id": "7"}
        seal = StoredSession([Secret(secret)]).seal
        for key, age, more in (
            ("a", 0, {}), ("b", 15 * DAY, {}), ("c", 13 * DAY, {}), ("d", HOUR, {}),
            ("e", 15 * DAY, {"_session_expiry": "2031-05-06T07:08:09+00:00"}),
            ("f", 0, {"_session_expiry": "2021-05-06T07:08:09+00:00"}),
        ):  # fmt: skip
            django(folder, key, None, raw=seal(_json({**data, **more}), None), age_s=age)
        other = tmp_path / "other"
        shutil.copytree(folder, other)
        assert purge(folder, "django-file") == 2
        clear_django_sessions(other)
        assert sorted(os.listdir(folder)) == sorted(os.listdir(other))

    def test_the_time_of_the_file_moves_and_comes_back(self, folder: Path) -> None:
        file = django(folder, "a", {"_auth_user_id": "7"}, age_s=100)
        file.chmod(0o640)
        was, ends = (file.read_bytes(), file.stat().st_mtime_ns), now_ms() + DAY * 1000
        with opened(folder, "django-file") as store:
            (found,) = store.scan(Query())
            frozen = {"sid": found.sid, **store.freeze(found)}
            assert outcomes(store.set_expiry([found], ends)) == [Outcome.STORED]
            assert store.get([found.sid])[0].expires_ms == ends
            assert file.read_bytes() == was[0]
            # Its content is the same and its end is not: something newer is there.
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.NEWER]
            assert outcomes(store.delete(store.get([found.sid]))) == [Outcome.DELETED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.PRESENT]
        at = file.stat()
        assert (file.read_bytes(), at.st_mtime_ns, at.st_mode & 0o777) == (*was, 0o640)

    def test_a_renewal_that_changed_the_time_alone_is_seen(self, folder: Path) -> None:
        file = django(folder, "a", {}, age_s=15 * DAY)
        with opened(folder, "django-file") as store:
            found = list(store.scan(Query(expired=True)))
            os.utime(file)
            assert outcomes(store.delete(found, grace_ms=0)) == [Outcome.CHANGED]
        assert file.exists()

    def test_changed_data_keeps_the_end_and_is_signed(self, folder: Path) -> None:
        file = django(folder, "a", {"_auth_user_id": "7"}, age_s=100)
        was = file.stat().st_mtime_ns
        with opened(folder, "django-file", store_secrets=[KEY]) as store:
            (found,) = store.scan(Query())
            new = store.with_value(found, found.reader.edited(found.raw, {"_auth_user_id": "8"}))
            assert outcomes(store.replace([(found, new)])) == [Outcome.STORED]
            assert [one.user for one in store.scan(Query())] == ["8"]
        assert file.stat().st_mtime_ns == was

    def test_in_a_folder_that_others_use_nothing_else_is_touched_or_named(
        self, folder: Path
    ) -> None:
        old = 1000 * DAY
        taken = django(folder, "a", {}, age_s=old)
        text = taken.read_bytes()
        others = [
            "x", "passwords.txt", "sessionid", "sessionid" + "a" * 31, "sessionid" + "a" * 33,
            "sessionid" + "A" * 32, "sessionid" + "a" * 31 + ".", "csrftoken" + "a" * 32,
            "sessionid" + "a" * 32 + "_out_abcd1234", "a" * 32, ".sessionid" + "a" * 32,
        ]  # fmt: skip
        for name in others:
            (folder / name).write_bytes(text)
            os.utime(folder / name, (1, 1))
        (folder / f"sessionid{'b' * 32}").symlink_to(folder / "passwords.txt")
        (folder / f"sessionid{'c' * 32}").mkdir()
        os.mkfifo(folder / f"sessionid{'d' * 32}")
        before = set(os.listdir(folder))
        assert purge(folder, "django-file") == 1
        assert before - set(os.listdir(folder)) == {taken.name}
        with opened(folder, "django-file", write=False) as store:
            assert store.count(Query(everything=True, active=True)) == 0
            assert store.remarks.strangers == 8  # which begin as a session does, and are none
            assert not any("password" in one for one in store.remarks.stranger_samples)

    def test_the_files_begin_with_the_cookie_s_name(self, folder: Path) -> None:
        django(folder, "a", {}).rename(folder / ("shop" + "a" * 32))
        assert self.only(folder, cookie_name="shop").sid == "a" * 32
        for name in ("../x", "a/b", ".hidden", "x" * 60):
            with pytest.raises(ConfigError, match="cookie name"):
                opened(folder, "django-file", cookie_name=name)


class TestLitestar:
    def test_a_purge_takes_what_the_library_would(self, folder: Path, tmp_path: Path) -> None:
        async def fill() -> None:
            store = FileStore(folder)
            for number in range(3):
                await store.set(f"old{number}", b"{}", expires_in=-HOUR)
                await store.set(f"new{number}", b'{"user_id":7}', expires_in=HOUR)
            await store.set("ever", b"{}")

        asyncio.run(fill())
        other = tmp_path / "other"
        shutil.copytree(folder, other)
        assert purge(folder, "litestar-file") == 3
        asyncio.run(FileStore(other).delete_expired())
        assert sorted(os.listdir(folder)) == sorted(os.listdir(other))

    def test_what_is_written_is_as_the_library_writes_it(self, folder: Path) -> None:
        library = FileStore(folder)
        asyncio.run(library.set("one", b'{"user_id":7}', expires_in=HOUR))
        (file,) = folder.iterdir()
        was, ends = file.read_bytes(), now_ms() + DAY * 1000
        with opened(folder, "litestar-file") as store:
            assert outcomes(store.set_expiry(store.get(["one"]), ends)) == [Outcome.STORED]
            (found,) = store.scan(Query())
            assert (found.sid, found.expires_ms, found.user) == (file.name, ends, "7")
            assert asyncio.run(library.get("one")) == b'{"user_id":7}'
            same = store.with_end(found, now_ms() + HOUR * 1000)
            assert len(same.raw) == len(was)
            assert outcomes(store.set_expiry([found], None)) == [Outcome.STORED]
        assert asyncio.run(library.expires_in("one")) == -1  # it never ends


class TestBeaker:
    @pytest.fixture
    def data_dir(self, folder: Path) -> Path:
        """Two sessions, a cache of Beaker's own and what else can lie about."""
        for sid, seen in (("ab" * 16, time.time()), ("cd" * 16, time.time() - DAY)):
            self.save(folder, sid, {"_accessed_time": seen, "_creation_time": seen, "user_id": 7})
        self.save(folder, "ab" * 20, {"_accessed_time": 1.0})
        self.save(folder, "ef" * 16, None, name="temp")
        lock = folder / "container_file_lock" / "a"
        lock.mkdir(parents=True)
        (lock / "x.lock").write_bytes(b"")
        return folder

    @staticmethod
    def save(data_dir: Path, sid: str, data: Any, name: str = "") -> Path:
        from base64 import b64encode

        file = data_dir / "container_file" / sid[:1] / sid[:2] / f"{sid}.cache"
        file.parent.mkdir(parents=True, exist_ok=True)
        file = file.with_name(f"{file.name}.{name}") if name else file
        file.write_bytes(pickle.dumps({"session": b64encode(pickle.dumps(data, 2))}))
        return file

    def test_without_a_lifetime_none_is_over_and_it_says_so(self, data_dir: Path) -> None:
        with opened(data_dir, "beaker-file", write=False) as store:
            found = {one.sid: one for one in store.scan(Query())}
            assert set(found) == {"ab" * 16, "cd" * 16}
            assert {one.expiry for one in found.values()} == {Expiry.NEVER}
            assert {one.user for one in found.values()} == {"7"}
            assert store.remarks.strangers == 0
            assert "no session here is ever over" in next(iter(store.remarks.notes))
        with opened(data_dir, "beaker-file", write=False, lifetime="1h") as store:
            assert [one.sid for one in store.scan(Query(expired=True))] == ["cd" * 16]
            assert not store.remarks.notes

    def test_ended_and_back_even_without_its_folder(self, data_dir: Path) -> None:
        file = data_dir / "container_file" / "c" / "cd" / f"{'cd' * 16}.cache"
        file.chmod(0o644)
        was = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode)
        root = data_dir / "container_file"
        with opened(data_dir, "beaker-file") as store:
            found = store.get(["cd" * 16])
            frozen = {"sid": "cd" * 16, **store.freeze(found[0])}
            assert outcomes(store.delete(found)) == [Outcome.DELETED]
            file.parent.rmdir()
            file.parent.parent.rmdir()
            assert store.get(["cd" * 16]) == []
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            (result,) = store.set_expiry(store.get(["cd" * 16]), now_ms())
            assert (result.outcome, "never written" in result.reason) == (Outcome.FAILED, True)
        assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode) == was
        assert file.parent.stat().st_mode == root.stat().st_mode

    def test_no_way_leads_through_a_symlink(self, data_dir: Path, tmp_path: Path) -> None:
        root, outside = data_dir / "container_file", tmp_path / "outside"
        shutil.move(root / "c", outside)
        (root / "c").symlink_to(outside)
        (root / "a" / "ef").symlink_to(outside / "cd")
        (root / "b").write_bytes(b"no folder")
        kept = (outside / "cd" / f"{'cd' * 16}.cache").read_bytes()
        with opened(data_dir, "beaker-file") as store:
            assert [one.sid for one in store.scan(Query())] == ["ab" * 16]
            assert store.get(["cd" * 16]) == []
            assert store.remarks.strangers >= 2
            made = store.get(["ab" * 16])[0]
            frozen = {**store.freeze(made), "sid": "cd" * 16}
            frozen.pop("name", None)
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.FAILED]
        assert (outside / "cd" / f"{'cd' * 16}.cache").read_bytes() == kept
        assert os.listdir(outside / "cd") == [f"{'cd' * 16}.cache"]

    def test_the_url_names_the_data_dir_or_the_folder_in_it(self, data_dir: Path) -> None:
        for place in (data_dir, data_dir / "container_file"):
            with open_store(f"file://{place}") as store:
                assert (store.layout.name, store.count(Query())) == ("beaker-file", 2)
        with pytest.raises(StoreError, match="no folder 'container_file'"):
            opened(data_dir / "container_file_lock", "beaker-file")


def test_a_listing_of_a_shared_folder_says_which_of_five_layouts_it_is(folder: Path) -> None:
    """Nothing but the folder is known; one damaged session in three is no obstacle."""
    django(folder, "a", {"_auth_user_id": "7"})
    django(folder, "b", {"_auth_user_id": "7"})
    django(folder, "c", None, raw=b"")
    with open_store(f"file://{folder}") as store:
        assert (store.layout.name, store.count(Query(user="7"))) == ("django-file", 2)


def test_a_folder_of_other_things_says_that_nothing_was_found(tmp_path: Path) -> None:
    """`sessctl list -b file:///tmp`; an empty folder is a store without sessions yet."""
    words = "no session of a known layout was found here; read as session-file-store"
    for number in range(3):
        with open_store(f"file://{tmp_path}") as store:
            assert (words in store.remarks.notes) is (number > 0)
            assert list(store.scan(Query())) == []
        (tmp_path / f"{number}.log").write_bytes(b"none of ours")
