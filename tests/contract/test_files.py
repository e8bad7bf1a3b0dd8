"""What is particular to session files: names, hostile directories, and files taken aside."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalWriter
from sessctl.admin.removal import Removal
from sessctl.errors import (
    AccessDenied,
    ConfigError,
    JournalError,
    StoreUnreachable,
    UsageError,
)
from sessctl.serializers.kruptein import Kruptein
from sessctl.session import Expiry, Query, Session
from sessctl.stores.base import Outcome
from sessctl.stores.engines.files_directory import Directory
from sessctl.stores.opening import open_store
from sessctl.stores.registry import parse_url
from sessctl.text import Secret
from tests.support.engines import FilesEngine, now_ms, value

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3_600_000
OLD = -1_000_000 * 1000  # ms from now: eleven days ago


def outcomes(results) -> list[Outcome]:
    return [result.outcome for result in results]


def stored(last_ms: Any, max_age: Any = None, **data: Any) -> bytes:
    """A session as the library writes it."""
    session = {"cookie": {"originalMaxAge": max_age, "expires": None}, **data}
    return json.dumps({**session, "__lastAccess": last_ms}, separators=(",", ":")).encode()


def only(engine: FilesEngine, raw: bytes, **options: Any) -> Session:
    """The one session of a directory with this file."""
    (engine.path / "one.json").write_bytes(raw)
    with engine.open(**options) as store:
        (session,) = store.scan(Query())
    return session


class TestExpiry:
    """`isExpired` of session-file-store, as JavaScript computes it."""

    @pytest.mark.parametrize(
        ("last", "max_age", "ends"),
        [
            (1_800_000_000_000, 60_000, 1_800_000_060_000),
            (1_800_000_000_000, None, 1_800_003_600_000),
            (1_800_000_000_000, 0, 1_800_003_600_000),
            (1_800_000_000_000, "", 1_800_003_600_000),
            (1_800_000_000_000, False, 1_800_003_600_000),
            (1_800_000_000_000, -60_000, 1_799_999_940_000),
            (1_800_000_000_000.5, 60_000, 1_800_000_060_000),
        ],
    )  # fmt: skip
    def test_it_is_the_last_access_and_the_max_age(self, files_engine, last, max_age, ends) -> None:
        session = only(files_engine, stored(last, max_age, user="7"))
        assert (session.expires_ms, session.expiry) == (ends, Expiry.STORE)
        assert session.seen_ms == 1_800_000_000_000
        assert session.decoded.extra["__lastAccess"] == last

    @pytest.mark.parametrize(
        ("last", "max_age"),
        [(None, 60_000), ("1800000000000", 60_000), (True, 1), ([], 1), (1, "60000"), (1, {}),
         (1, True), (0, None), (-1, 1)],
    )  # fmt: skip
    def test_what_is_no_instant_is_unknown(self, files_engine, last, max_age) -> None:
        if last == 0:
            last = -HOUR
        session = only(files_engine, stored(last, max_age))
        assert (session.expires_ms, session.expiry) == (None, Expiry.UNKNOWN)

    def test_an_end_beyond_the_calendar_is_never(self, files_engine) -> None:
        session = only(files_engine, stored(1e15))
        assert (session.expires_ms, session.expiry) == (None, Expiry.NEVER)

    def test_the_date_of_the_cookie_says_nothing(self, files_engine) -> None:
        raw = stored(now_ms()).replace(b'"expires":null', b'"expires":"2001-01-01T00:00:00.000Z"')
        assert only(files_engine, raw).expires_ms > now_ms()

    def test_a_lifetime_of_the_backends_own(self, files_engine) -> None:
        session = only(files_engine, stored(1_800_000_000_000), lifetime="2h")
        assert session.expires_ms == 1_800_007_200_000


class TestUrls:
    def test_absolute_relative_and_masked(self, tmp_path, monkeypatch) -> None:
        (tmp_path / "a b").mkdir()
        monkeypatch.chdir(tmp_path)
        for text in (f"file://{tmp_path}/a%20b", "file://a%20b", "file://./a b"):
            with open_store(text) as store:
                assert store.identity.address == str(tmp_path / "a b")
        assert parse_url("file:///srv/a b").masked == "file:///srv/a%20b"
        assert parse_url("file://srv").masked == "file://srv"

    def test_a_directory_below(self, files_engine) -> None:
        (files_engine.path / "one.json").write_bytes(stored(now_ms()))
        url = f"file://{files_engine.path.parent}"
        with open_store(url, directory="sessions") as store:
            assert store.count(Query()) == 1

    @pytest.mark.parametrize(
        ("url", "error", "message"),
        [
            ("file://", UsageError, "names no directory"),
            ("file:///no/such/place", StoreUnreachable, "no such file or directory"),
            ("file:///etc/passwd", StoreUnreachable, "not a directory"),
            ("file:///tmp?mode=rw", UsageError, "no option 'mode'"),
        ],
    )
    def test_what_is_wrong_is_said(self, url, error, message) -> None:
        with pytest.raises(error, match=message):
            open_store(url)

    @pytest.mark.parametrize("extension", ["/x", "a/../b", "x" * 21, "\n", "\u00e4"])
    def test_an_extension_is_part_of_a_name(self, files_engine, extension) -> None:
        with pytest.raises(ConfigError, match="extension"):
            files_engine.open(extension=extension)

    @pytest.mark.parametrize("extension", ["", ".sess", ".json.enc"])
    def test_an_extension_of_its_own(self, files_engine, extension) -> None:
        (files_engine.path / f"abc{extension}").write_bytes(stored(now_ms()))
        (files_engine.path / f"abc{extension}.123456").write_bytes(b"half a ses")  # in flight
        with files_engine.open(extension=extension) as store:
            assert [session.sid for session in store.scan(Query())] == ["abc"]
            assert store.remarks.strangers == 0

    def test_a_directory_without_rights(self, without_rights) -> None:
        without_rights.path.chmod(0o500)
        with pytest.raises(AccessDenied, match="no right to change"):
            without_rights.open(write=True)
        without_rights.path.chmod(0)
        with pytest.raises(AccessDenied, match="no right to read"):
            without_rights.open()
        without_rights.path.chmod(0o700)


STRANGE_NAMES = [
    b"a\nb.json", b"\x1b[2J.json", b"\xff\xfe.json", b".json", b"..json", b" .json", b"README.txt",
    b"old.json.bak", b".hidden.json", b"x" * 240 + b".json",
]  # fmt: skip


@pytest.fixture
def without_rights(files_engine: FilesEngine) -> Iterator[FilesEngine]:
    """The engine, and we are nobody in particular: root may do anything."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        engine = FilesEngine(Path(folder) / "sessions")
        (engine.path / "one.json").write_bytes(stored(now_ms()))
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(engine.path, 65534, -1)
            os.seteuid(65534)
        try:
            yield engine
        finally:
            if is_root:
                os.seteuid(0)


@pytest.fixture
def hostile(files_engine: FilesEngine) -> FilesEngine:
    """A live and an old session among all that a directory can hold."""
    path, now = files_engine.path, now_ms()
    outside = path.parent / "outside.json"
    outside.write_bytes(stored(now + OLD, user="outside"))
    (path / "live.json").write_bytes(stored(now, user="7"))
    (path / "old.json").write_bytes(stored(now + OLD, user="7"))
    (path / "link.json").symlink_to(outside)
    (path / "to-old.json").symlink_to("old.json")
    (path / "up.json").symlink_to("..")
    (path / "nowhere.json").symlink_to("no-such-file")
    os.mkfifo(path / "pipe.json")
    (path / "folder.json").mkdir()
    (path / "folder.json" / "old.json").write_bytes(stored(now + OLD))
    (path / "empty.json").write_bytes(b"")
    (path / "cut.json").write_bytes(b'{"cookie":{"orig')
    (path / "list.json").write_bytes(b"[1]")
    (path / "bytes.json").write_bytes(b"\x00\xff" * 50)
    with (path / "sparse.json").open("wb") as sparse:
        sparse.truncate(2**30)
    for name in STRANGE_NAMES:
        (path / os.fsdecode(name)).write_bytes(stored(now + OLD))
    (path / "old.json.4294967295").write_bytes(b'{"cookie":{')  # the library's, in flight
    return files_engine


SESSIONS = {"live", "old", "empty", "cut", "list", "bytes", "sparse"}


class TestHostileDirectory:
    def test_every_file_is_a_session_a_problem_or_a_stranger(self, hostile) -> None:
        with hostile.open() as store:
            found = {session.sid: session for session in store.scan(Query())}
            assert set(found) == SESSIONS
            assert store.count(Query()) == len(SESSIONS)
            problems = {sid for sid, session in found.items() if session.problem}
            assert problems == SESSIONS - {"live", "old"}
            assert found["sparse"].problem.code == "input.limit"
            assert found["sparse"].raw == b""
            assert store.remarks.strangers == 16

    def test_a_purge_takes_the_old_one_and_nothing_else(self, hostile, tmp_path) -> None:
        before, outside = hostile.everything(), tmp_path / "outside.json"
        kept = outside.read_bytes()
        with hostile.open(write=True) as store:
            journal = JournalWriter(tmp_path / "journals", {"command": "purge", "backend": "x"})
            run = Removal(store, journal, grace_ms=0)
            assert sum(map(len, run.purge(Query(expired=True)))) == 1
            assert run.summary.complete
        assert outside.read_bytes() == kept
        after = hostile.everything()
        assert before.keys() - after.keys() == {b"old.json"}
        assert {key: before[key] for key in after} == after

    @pytest.mark.parametrize(
        "sid",
        ["../outside", "..", ".", "", "/etc/passwd", "link", "to-old", "up", "nowhere", "pipe",
         "folder", "folder.json/old", "a\nb", "old.json", "old\x00", "x" * 240, "x" * 5000,
         "old.json.sessctl-0123456789abcdef"],
    )  # fmt: skip
    def test_an_id_that_is_no_session_s_reaches_nothing(self, hostile, sid) -> None:
        before = hostile.everything()
        outside = hostile.path.parent / "outside.json"
        with hostile.open(write=True) as store:
            assert store.get([sid]) == []
            made = Session(sid=sid, raw=stored(now_ms()), location="", expires_ms=now_ms() + HOUR)
            assert outcomes(store.delete([made]))[0] in (Outcome.GONE, Outcome.FAILED)
            assert outcomes(store.set_expiry([made], now_ms()))[0] in (Outcome.GONE, Outcome.FAILED)
            assert outcomes(store.put([made]))[0] in (Outcome.FAILED, Outcome.STORED)
        after = hostile.everything()
        assert {key: after.get(key) for key in before} == before
        assert b"outside" in outside.read_bytes()
        new = {key for key in after if key not in before}
        assert new <= {sid.encode() + b".json"}

    def test_what_could_not_be_read_is_never_deleted(self, hostile) -> None:
        with hostile.open(write=True) as store:
            (result,) = store.delete(store.get(["sparse"]))
        assert result.outcome is Outcome.FAILED
        assert "over the limit" in result.reason
        assert (hostile.path / "sparse.json").stat().st_size == 2**30

    def test_an_unreadable_file_is_an_item_with_a_problem(self, without_rights) -> None:
        os.mkfifo(without_rights.path / "pipe.json", 0)
        if os.getuid() == 0:  # root's alone
            os.seteuid(0)
            (without_rights.path / "one.json").chmod(0o600)
            os.seteuid(65534)
        else:
            (without_rights.path / "one.json").chmod(0)
        with without_rights.open(write=True) as store:
            (found,) = store.scan(Query())
            assert store.get(["pipe"]) == []
            assert (found.problem.code, found.problem.message) == (
                "store.denied", "permission denied",
            )  # fmt: skip
            assert outcomes(store.delete([found])) == [Outcome.FAILED]

    def test_a_file_that_becomes_a_symlink_is_not_followed(self, hostile) -> None:
        with hostile.open(write=True) as store:
            found = store.get(["old"])
            (hostile.path / "old.json").unlink()
            (hostile.path / "old.json").symlink_to("live.json")
            assert outcomes(store.delete(found)) == [Outcome.FAILED]
            assert outcomes(store.put(found)) == [Outcome.FAILED]
        assert (hostile.path / "live.json").exists()

    def test_a_locked_file_is_in_use(self, hostile) -> None:
        with hostile.open(write=True) as store, (hostile.path / "old.json").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            (result,) = store.delete(store.get(["old"]))
        assert (result.outcome, result.reason) == (
            Outcome.CHANGED, "in use: a running request holds its lock",
        )  # fmt: skip


class Renewing(Directory):
    """A directory in which the application writes at the worst moment."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.before_rename: bytes | None = None
        self.after_rename: bytes | None = None

    def rename(self, name: str, new: str) -> None:
        if self.before_rename is not None:
            self._renew(name, self.before_rename)
        super().rename(name, new)
        if self.after_rename is not None:
            self._renew(name, self.after_rename)

    def _renew(self, name: str, raw: bytes) -> None:
        part = self.path / f"{name}.1234"
        part.write_bytes(raw)
        part.rename(self.path / name)


class TestTakenAside:
    """Between the comparison and the removal, too, what the application writes stands."""

    @pytest.fixture
    def renewing(self, files_engine, monkeypatch) -> Renewing:
        (files_engine.path / "one.json").write_bytes(stored(now_ms(), user="7"))
        directory = Renewing(files_engine.path)
        monkeypatch.setattr("sessctl.stores.engines.files.Directory", lambda _path: directory)
        return directory

    @pytest.mark.parametrize("write", ["delete", "set_expiry"])
    @pytest.mark.parametrize(
        ("before", "after", "stands"),
        [(b"newer", None, b"newer"), (b"newer", b"newest", b"newest")],
    )
    def test_a_renewal_just_before_is_put_back(
        self, files_engine, renewing, write, before, after, stands
    ) -> None:
        with files_engine.open(write=True) as store:
            found = store.get(["one"])
            renewing.before_rename, renewing.after_rename = before, after
            more = [now_ms() + HOUR] if write == "set_expiry" else []
            (result,) = getattr(store, write)(found, *more)
        assert result.outcome is Outcome.CHANGED
        assert result.reason == "renewed since it was read"
        assert {name: kept for name, (kept, _) in files_engine.everything().items()} == {
            b"one.json": stands
        }

    def test_a_session_written_back_just_after_stands(self, files_engine, renewing) -> None:
        with files_engine.open(write=True) as store:
            found = store.get(["one"])
            renewing.after_rename = b"written back"
            assert outcomes(store.delete(found)) == [Outcome.DELETED]
            assert (files_engine.path / "one.json").read_bytes() == b"written back"
            renewing.after_rename = None
            found = store.get(["one"])
            (files_engine.path / "one.json").write_bytes(stored(now_ms()))
            found = store.get(["one"])
            renewing.after_rename = b"written back"
            assert outcomes(store.set_expiry(found, now_ms() + HOUR)) == [Outcome.CHANGED]
        assert {name: kept for name, (kept, _) in files_engine.everything().items()} == {
            b"one.json": b"written back"
        }

    def test_a_name_that_is_taken_while_putting_is_not_overwritten(
        self, files_engine, monkeypatch
    ) -> None:
        link = Directory.link

        def late(self: Directory, name: str, new: str) -> None:
            (self.path / new).write_bytes(b"the app's")
            link(self, name, new)

        monkeypatch.setattr(Directory, "link", late)
        with files_engine.open(write=True) as store:
            made = Session(sid="one", raw=stored(1), location="", expires_ms=now_ms())
            assert outcomes(store.put([made])) == [Outcome.NEWER]
        assert list(files_engine.everything()) == [b"one.json"]
        assert (files_engine.path / "one.json").read_bytes() == b"the app's"

    def test_what_an_interrupted_run_left_is_named(self, files_engine) -> None:
        left = files_engine.path / "one.json.sessctl-0123456789abcdef"
        left.write_bytes(stored(now_ms()))
        with files_engine.open() as store:
            assert list(store.scan(Query())) == []
            assert store.remarks.strangers == 0  # it may be at work
        with files_engine.open() as store, pytest.MonkeyPatch.context() as patch:
            patch.setattr(Directory, "age_s", lambda *_: 61.0)
            assert list(store.scan(Query())) == []
            assert "left by an interrupted sessctl" in store.remarks.stranger_samples[0]
            assert "*.sessctl-0123456789abcdef" in store.remarks.stranger_samples[0]
            assert (
                "one" not in store.remarks.stranger_samples[0].partition(" (")[0].rpartition("/")[2]
            )


class TestWriting:
    def test_a_moved_end_changes_the_last_access_alone(self, files_engine) -> None:
        raw = (
            b'{ "cookie": {"originalMaxAge": 60000}, "a":1.0, "n":1e3, "u":"\\u0131\xff", '
            b'"__lastAccess": 5, "deep":{"__lastAccess":7},"big":123456789012345678901234567890}'
        )
        (files_engine.path / "one.json").write_bytes(raw)
        ends = now_ms() + HOUR
        with files_engine.open(write=True) as store:
            assert outcomes(store.set_expiry(store.get(["one"]), ends)) == [Outcome.STORED]
            assert store.get(["one"])[0].expires_ms == ends
        written = (files_engine.path / "one.json").read_bytes()
        assert written == (
            b'{"cookie":{"originalMaxAge": 60000},"a":1.0,"n":1e3,"u":"\\u0131\xff",'
            b'"__lastAccess":%d,"deep":{"__lastAccess":7},"big":123456789012345678901234567890}'
            % (ends - 60_000)
        )

    def test_half_an_emoji_is_no_obstacle(self, files_engine) -> None:
        """`"..".slice()` leaves such; JSON.stringify writes it as an escape."""
        (files_engine.path / "one.json").write_bytes(stored(1, user="\ud83d"))
        ends = now_ms() + HOUR
        with files_engine.open(write=True) as store:
            assert outcomes(store.set_expiry(store.get(["one"]), ends)) == [Outcome.STORED]
            (found,) = store.get(["one"])
        assert (found.expires_ms, found.data) == (ends, {"user": "\ud83d"})

    @pytest.mark.parametrize("raw", [b"{nonsense", b"[1]", stored(1, "60000")])
    def test_what_has_no_end_to_move_is_failed_and_stays(self, files_engine, raw) -> None:
        (files_engine.path / "one.json").write_bytes(raw)
        with files_engine.open(write=True) as store:
            assert outcomes(store.set_expiry(store.get(["one"]), now_ms())) == [Outcome.FAILED]
        assert list(files_engine.everything()) == [b"one.json"]
        assert (files_engine.path / "one.json").read_bytes() == raw

    def test_no_session_is_without_an_end(self, files_engine) -> None:
        (files_engine.path / "one.json").write_bytes(stored(now_ms()))
        with files_engine.open(write=True) as store:
            (result,) = store.set_expiry(store.get(["one"]), None)
        assert (result.outcome, result.reason) == (
            Outcome.FAILED, "sessions in files always have an end",
        )  # fmt: skip

    def test_mode_owner_and_time_come_back_with_the_session(self, files_engine) -> None:
        file = files_engine.path / "one.json"
        file.write_bytes(stored(now_ms()))
        file.chmod(0o640)
        os.utime(file, ns=(1, 1_700_000_000_123_456_789))
        before = files_engine.everything()
        with files_engine.open(write=True) as store:
            found = store.get(["one"])
            frozen = {"sid": "one", **store.freeze(found[0])}
            store.delete(found)
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
        assert files_engine.everything() == before

    def test_a_session_of_another_store_is_written_as_the_others_are(self, files_engine) -> None:
        (files_engine.path / "other.json").write_bytes(stored(now_ms()))
        (files_engine.path / "other.json").chmod(0o664)
        ends = now_ms() + HOUR
        made = Session(sid="one", raw=value("42"), location="", expires_ms=ends)
        with files_engine.open(write=True) as store:
            assert outcomes(store.put([made, made])) == [Outcome.STORED, Outcome.NEWER]
            (found,) = store.get(["one"])
            assert outcomes(store.put([found])) == [Outcome.PRESENT]
        assert (found.user, found.expires_ms, found.expiry) == ("42", ends, Expiry.STORE)
        mode = (files_engine.path / "one.json").stat().st_mode
        assert stat.S_IMODE(mode) == 0o664

    def test_without_an_end_it_gets_the_librarys(self, files_engine) -> None:
        made = Session(sid="one", raw=value("42"), location="", expiry=Expiry.NEVER)
        with files_engine.open(write=True) as store:
            store.put([made])
            (found,) = store.get(["one"])
        assert abs(found.expires_ms - now_ms() - HOUR) < 5000

    def test_a_mode_of_the_journal_is_only_a_mode(self, files_engine) -> None:
        with files_engine.open(write=True) as store:
            frozen = {"kind": "file", "content": b"{}", "mtime_ns": 1, "mode": 0o104755,
                      "uid": os.getuid(), "gid": os.getgid()}  # fmt: skip
            assert outcomes(store.put([store.thaw({"sid": "one", **frozen})])) == [Outcome.STORED]
            for key in frozen:
                broken = {"sid": "one", **frozen, key: "x"}
                with pytest.raises(JournalError):
                    store.thaw(broken)
            with pytest.raises(JournalError):
                store.thaw({"sid": "../one", **frozen})
        assert (files_engine.path / "one.json").stat().st_mode == 0o100755


class TestEncrypted:
    SECRET = "keyboard cat"

    @pytest.fixture
    def sealed(self, files_engine) -> FilesEngine:
        raw = Kruptein([Secret(self.SECRET)]).seal(stored(now_ms(), user="7"), None)
        (files_engine.path / "one.json").write_bytes(raw)
        return files_engine

    def test_with_its_secret_it_is_as_any_other(self, sealed) -> None:
        ends = now_ms() + 2 * HOUR
        with sealed.open(write=True, store_secrets=["new", self.SECRET]) as store:
            (found,) = store.scan(Query(user="7"))
            assert found.data == {"user": "7"}
            assert outcomes(store.set_expiry([found], ends)) == [Outcome.STORED]
            (moved,) = store.get(["one"])
            assert (moved.expires_ms, moved.data) == (ends, {"user": "7"})
            assert b"user" not in moved.raw
            frozen = {"sid": "one", **store.freeze(moved)}
            before = sealed.everything()
            assert outcomes(store.delete([moved])) == [Outcome.DELETED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            assert sealed.everything() == before  # never encrypted anew

    @pytest.mark.parametrize("secrets", [[], ["dog"]])
    def test_without_it_is_an_item_with_a_problem_that_restores(self, sealed, secrets) -> None:
        before = sealed.everything()
        with sealed.open(write=True, store_secrets=secrets) as store:
            (found,) = store.scan(Query())
            assert "encrypted" in found.problem.message
            assert (found.expiry, list(store.scan(Query(expired=True)))) == (Expiry.UNKNOWN, [])
            assert outcomes(store.set_expiry([found], now_ms())) == [Outcome.FAILED]
            frozen = {"sid": "one", **store.freeze(found)}
            assert outcomes(store.delete([found])) == [Outcome.DELETED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
        assert sealed.everything() == before

    def test_a_session_of_another_store_is_encrypted(self, sealed) -> None:
        made = Session(sid="two", raw=value("42"), location="", expires_ms=now_ms() + HOUR)
        with sealed.open(write=True, store_secrets=[self.SECRET]) as store:
            assert outcomes(store.put([made])) == [Outcome.STORED]
            (found,) = store.get(["two"])
        assert (found.user, b"passport" in found.raw) == ("42", False)
