"""The journal brings back exactly what went in, and says so when it cannot."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.admin.journal import JournalWriter, Summary, line, list_journals, open_journal
from sessctl.admin.journal import writer as module
from sessctl.admin.removal import Removal
from sessctl.config.paths import private_folder
from sessctl.errors import JournalError
from sessctl.session import Query, Session
from sessctl.stores.base import Outcome, Result, in_pages
from tests.support.memory import MemoryStore, session

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = {"command": "purge", "backend": "prod", "store": {}}


class CellStore(MemoryStore):
    """Freezes whatever a session's `original` holds."""

    def freeze(self, session: Session) -> dict[str, Any]:
        return {"cells": session.original}


def with_cells(sid: str, cells: dict[str, Any]) -> Session:
    return Session(sid=sid, raw=b"", location=sid, original=cells)


def written(folder: Path, pages: int = 2, *, end: bool = True) -> Path:
    """A journal of so many pages of two sessions."""
    writer = JournalWriter(folder / "journals", HEAD)
    for number in range(pages):
        page = [session(f"s{number}-{i}") for i in range(2)]
        writer.done(
            writer.page(MemoryStore(), page),
            [Result(page[0].sid, Outcome.DELETED), Result(page[1].sid, Outcome.CHANGED)],
        )
    if end:
        writer.end({"deleted": pages, "changed": pages}, complete=True)
    writer.close()
    return writer.path


def pages_of(path: Path) -> list[Any]:
    return list(open_journal(path).pages())


CELLS = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["sid", "sess", "expired"]), CELLS, min_size=2), min_size=1
    )
)
def test_every_cell_comes_back_with_its_type(tmp_path_factory, rows: list[dict[str, Any]]) -> None:
    writer = JournalWriter(tmp_path_factory.mktemp("j") / "private", HEAD)
    page = [with_cells(f"s{i}", cells) for i, cells in enumerate(rows)]
    writer.page(CellStore(), page)
    writer.close()
    found = [one["cells"] for one in pages_of(writer.path)[0].sessions]
    assert found == rows
    assert [{k: type(v) for k, v in row.items()} for row in found] == [
        {k: type(v) for k, v in row.items()} for row in rows
    ]


@pytest.mark.parametrize("sid", ["plain", "\x1b[0m\n", "\udcff\udcfe", "é", "a" * 5000])
def test_any_id_comes_back(tmp_path: Path, sid: str) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    writer.page(CellStore(), [with_cells(sid, {"a": 1, "b": 2})])
    writer.close()
    assert writer.path.read_bytes().isascii()
    assert pages_of(writer.path)[0].sessions[0]["sid"] == sid


def test_outcomes_come_back_by_position(tmp_path: Path) -> None:
    page = pages_of(written(tmp_path))[0]
    assert [one["sid"] for one in page.sessions] == ["s0-0", "s0-1"]
    assert page.outcomes == [Outcome.DELETED, Outcome.CHANGED]


def test_a_page_without_outcome_is_uncertain(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    for sid in ("a", "b"):
        writer.page(MemoryStore(), [session(sid)])
    writer.close()
    assert [page.outcomes for page in pages_of(writer.path)] == [None, None]
    assert open_journal(writer.path).summary() == Summary(2, 2, uncertain=2)


def test_the_head_tells_the_run(tmp_path: Path) -> None:
    head = open_journal(written(tmp_path)).head
    assert (head["format"], head["command"], head["backend"]) == (1, "purge", "prod")
    assert len(head["run"]) == 8


def test_the_summary_tells_how_it_ended(tmp_path: Path) -> None:
    assert open_journal(written(tmp_path)).summary() == Summary(
        4, 2, complete=True, counts=Counter(deleted=2, changed=2)
    )


def test_journals_are_listed_newest_first(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-a.journal", "20270101T000000Z-b.journal", "other"):
        (tmp_path / name).write_text("head")
    assert [path.name[:4] for path in list_journals(tmp_path)] == ["2027", "2026"]
    assert list_journals(tmp_path / "nowhere") == []


def test_no_file_before_the_first_page(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    writer.end({}, complete=True)
    assert not writer.is_open
    assert not (tmp_path / "j").exists()


class TestDamage:
    def test_a_torn_last_line_is_ignored_with_a_note(self, tmp_path: Path) -> None:
        path = written(tmp_path, end=False)
        path.write_bytes(path.read_bytes()[:-5])
        journal = open_journal(path)
        assert [page.outcomes for page in journal.pages()][-1] is None
        assert "torn" in journal.notes[0]

    def test_a_last_line_with_a_wrong_checksum_is_ignored(self, tmp_path: Path) -> None:
        path = written(tmp_path, end=False)
        raw = path.read_bytes()
        path.write_bytes(raw[:-4] + b"x" + raw[-3:])
        assert pages_of(path)[-1].outcomes is None

    @pytest.mark.parametrize("line", [1, 2, 3])
    def test_a_damaged_line_elsewhere_stops(self, tmp_path: Path, line: int) -> None:
        path = written(tmp_path)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[line] = lines[line].replace(b'"n":', b'"m":')
        path.write_bytes(b"".join(lines))
        with pytest.raises(
            JournalError, match=rf"line {line + 1} of .* is damaged \(wrong checksum\)"
        ):
            pages_of(path)

    def test_a_forged_line_stops_though_its_checksum_is_right(self, tmp_path: Path) -> None:
        path = written(tmp_path)
        lines = path.read_bytes().splitlines(keepends=True)
        body = json.loads(lines[2][9:])
        body["except"] = {"0": "gone"}
        payload = json.dumps(body, separators=(",", ":")).encode()
        lines[2] = b"%08x %b\n" % (zlib.crc32(payload), payload)
        path.write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match=r"line 4 of .*the line before it"):
            pages_of(path)

    @pytest.mark.parametrize("change", ["missing", "swapped"])
    def test_a_missing_or_swapped_line_stops(self, tmp_path: Path, change: str) -> None:
        path = written(tmp_path, pages=3)
        lines = path.read_bytes().splitlines(keepends=True)
        if change == "missing":
            del lines[3]
        else:
            lines[1], lines[3] = lines[3], lines[1]
        path.write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match="missing or was changed"):
            pages_of(path)

    @pytest.mark.parametrize("content", [b"", b"\n", b"hello\n", b"00000000 {}\n", b"\x00" * 100])
    def test_another_file_is_no_journal(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x.journal"
        path.write_bytes(content)
        with pytest.raises(JournalError):
            open_journal(path)

    def test_a_journal_of_the_future_is_refused(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(line, "FORMAT", 2)
        path = written(tmp_path)
        monkeypatch.undo()
        with pytest.raises(JournalError, match="has journal format 2, this version reads 1"):
            open_journal(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(JournalError, match="no such file"):
            open_journal(tmp_path / "x.journal")


class TestPrivacy:
    def test_only_the_owner_reads_it(self, tmp_path: Path) -> None:
        path = written(tmp_path)
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_an_existing_folder_of_ours_is_closed(self, tmp_path: Path) -> None:
        (tmp_path / "journals").mkdir(mode=0o755)
        assert written(tmp_path).parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
    def test_a_folder_that_others_may_write_is_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "journals").mkdir()
        (tmp_path / "journals").chmod(mode)
        with pytest.raises(JournalError, match="others may write"):
            written(tmp_path)
        assert list((tmp_path / "journals").iterdir()) == []

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "j").mkdir(mode=0o700)
        writer = JournalWriter(tmp_path / "j", HEAD)
        writer.path.symlink_to(tmp_path / "victim")
        with pytest.raises(JournalError):
            writer.page(MemoryStore(), [session("a")])
        assert not (tmp_path / "victim").exists()

    def test_an_existing_file_is_not_appended_to(self, tmp_path: Path) -> None:
        (tmp_path / "j").mkdir(mode=0o700)
        writer = JournalWriter(tmp_path / "j", HEAD)
        writer.path.write_bytes(b"mine")
        with pytest.raises(JournalError):
            writer.page(MemoryStore(), [session("a")])
        assert writer.path.read_bytes() == b"mine"

    @pytest.mark.parametrize("backend", ["../../etc/x", "a/b", "", "\x1b[0m", "x" * 300])
    def test_a_backends_name_makes_no_path(self, tmp_path: Path, backend: str) -> None:
        writer = JournalWriter(tmp_path, {"command": "purge", "backend": backend})
        assert writer.path.parent == tmp_path
        assert len(writer.path.name) < 120
        assert writer.path.name.isprintable()

    def test_ids_are_not_in_its_name_nor_in_the_clear_of_its_lines(self, tmp_path: Path) -> None:
        path = written(tmp_path)
        assert b"s0-0" not in path.read_bytes()


class Fault:
    """Replaces `os.write` or `os.fsync` of the journal and fails at the n-th call."""

    def __init__(self, real: Callable[..., Any], at: int, code: int) -> None:
        self.real, self.at, self.code, self.calls = real, at, code, 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.calls >= self.at:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*args)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("at", range(1, 8))
def test_nothing_is_deleted_after_the_first_failed_write(
    tmp_path, monkeypatch, call, at, code
) -> None:
    store = MemoryStore([session(f"s{i}", left_ms=-1000) for i in range(8)], page_size=2)
    fault = Fault(getattr(os, call), at, code)
    writer = JournalWriter(tmp_path / "j", HEAD)
    run = Removal(store, writer)
    monkeypatch.setattr(module.os, call, fault)
    with pytest.raises(JournalError, match=os.strerror(code).lower()):
        list(run.purge(Query(expired=True)))
    monkeypatch.undo()
    assert not writer.is_open
    gone = {sid for page in store.deletes for sid in page}
    journalled = (
        {s["sid"] for page in pages_of(writer.path) for s in page.sessions} if gone else set()
    )
    assert gone <= journalled
    assert len(store.sessions) == 8 - len(gone)
    assert not run.summary.complete or len(gone) == 8


def test_a_journal_that_failed_is_not_written_again(tmp_path: Path, monkeypatch) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    writer.page(MemoryStore(), [session("a")])
    monkeypatch.setattr(module.os, "fsync", Fault(os.fsync, 1, errno.EIO))
    with pytest.raises(JournalError):
        writer.page(MemoryStore(), [session("b")])
    monkeypatch.undo()
    with pytest.raises(JournalError, match="failed earlier"):
        writer.page(MemoryStore(), [session("c")])


def test_a_journal_whose_folder_cannot_be_synced_is_never_used(tmp_path: Path, monkeypatch) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    monkeypatch.setattr(module.os, "fsync", Fault(os.fsync, 1, errno.EIO))
    with pytest.raises(JournalError):
        writer.page(MemoryStore(), [session("a")])
    monkeypatch.undo()
    with pytest.raises(JournalError):
        writer.page(MemoryStore(), [session("b")])
    writer.end({}, complete=False)


def test_short_writes_are_continued(tmp_path: Path, monkeypatch) -> None:
    real = os.write
    monkeypatch.setattr(module.os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
    path = written(tmp_path)
    monkeypatch.undo()
    assert len(pages_of(path)) == 2


def test_a_file_size_limit_stops_the_deletes(tmp_path: Path) -> None:
    """The limit is the kernel's own, so it needs a process of its own."""
    script = """
import resource, sys
from pathlib import Path
from sessctl.admin.journal import JournalWriter, open_journal
from sessctl.admin.removal import Removal
from sessctl.config.paths import private_folder
from sessctl.errors import JournalError
from sessctl.session import Query
from tests.support.memory import MemoryStore, session
store = MemoryStore([session(f"s{i}", left_ms=-1000) for i in range(400)], page_size=10)
writer = JournalWriter(Path(sys.argv[1]) / "j", {"command": "purge", "backend": "x"})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    for _ in Removal(store, writer).purge(Query(expired=True)): pass
except JournalError: pass
else: sys.exit("no error")
journalled = {s["sid"] for page in open_journal(writer.path).pages() for s in page.sessions}
gone = {f"s{i}" for i in range(400)} - set(store.sessions)
print(len(gone), len(gone - journalled))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    gone, lost = map(int, done.stdout.split())
    assert gone > 0
    assert lost == 0


def test_the_folders_are_their_owner_s_alone(tmp_path: Path) -> None:
    state = tmp_path / "state" / "sessctl"
    state.mkdir(mode=0o755, parents=True)
    journal = JournalWriter(state / "journals", HEAD)
    journal.page(MemoryStore(), [session("a")])
    journal.close()
    assert stat.S_IMODE((state / "journals").stat().st_mode) == 0o700
    made = tmp_path / "other" / "sessctl" / "journals"
    private_folder(made)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (made, made.parent)} == {0o700}


def test_the_head_says_in_utc_when_it_began(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "journals", HEAD)
    journal.page(MemoryStore(), [session("a")])
    journal.close()
    started = open_journal(journal.path).head["started"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", started)


def test_a_page_of_large_sessions_is_cut_before_it_is_too_large_to_read(tmp_path: Path) -> None:
    """500 sessions of 1 MB would not unpack again within the limit of a reader."""
    big = [msgspec.structs.replace(session(f"s{i}"), raw=b"x" * 1_000_000) for i in range(70)]
    sizes = [len(page) for page in in_pages(iter(big), 500)]
    assert sum(sizes) == 70
    assert max(sizes) <= 34


def test_a_page_that_could_not_be_read_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessctl.admin.journal.sessions.MAX_PAGE_BYTES", 100)
    journal = JournalWriter(tmp_path / "journals", HEAD)
    with pytest.raises(JournalError, match="larger than a journal can give back"):
        journal.page(MemoryStore(), [session("a")])
