"""An encrypted journal: what its bytes give away, and what becomes of lines that were touched."""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalKey, JournalWriter, line, open_journal, reopen
from sessctl.errors import JournalError, MissingExtra, Refused, UsageError
from sessctl.stores.base import Outcome, Result
from tests.support.memory import MemoryStore, session

if TYPE_CHECKING:
    from pathlib import Path

KEY = JournalKey(b"k" * 32)
HEAD = {
    "command": "purge", "backend": "prod", "layout": "connect-redis", "query": "user ana-71",
    "select": {"user": "ana-71"},
    "store": MemoryStore().identity.as_dict(),
}  # fmt: skip
CANARIES = (b"ana-71", b"canary-sid", b"zlib", b"deleted")


def written(folder: Path, pages: int = 3, *, end: bool = True, key: JournalKey = KEY) -> Path:
    """A journal of so many pages of one session."""
    writer = JournalWriter(folder / "journals", HEAD, key=key)
    for number in range(pages):
        one = session(f"canary-sid-{number}")
        writer.done(writer.page(MemoryStore(), [one]), [Result(one.sid, Outcome.DELETED)])
    if end:
        writer.end({"deleted": pages}, complete=True)
    writer.close()
    return writer.path


def read(path: Path, *, salvage: bool = False, key: JournalKey | None = KEY) -> list[str]:
    journal = open_journal(path, salvage=salvage, key=key)
    found = [one["sid"] for page in journal.pages() for one in page.sessions]
    back = [one["sid"] for page in journal.pages_newest_first() for one in page.sessions]
    assert back == found[::-1]
    return found


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def chained(lines: list[bytes]) -> bytes:
    """The lines with checksums and chain made anew, as somebody without the key could."""
    out, previous = b"", ""
    for one in lines:
        content = {**json.loads(one[9:]), "prev": previous}
        payload = json.dumps(content, separators=(",", ":")).encode()
        whole = b"%08x %b\n" % (zlib.crc32(payload), payload)
        out, previous = out + whole, line.digest(whole)
    return out


def changed(one: bytes, **values: Any) -> bytes:
    """A line that says something else, its checksum right."""
    payload = json.dumps({**json.loads(one[9:]), **values}, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


ALL = [f"canary-sid-{n}" for n in range(3)]


def test_it_comes_back_with_its_key(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = open_journal(path, key=KEY)
    assert read(path) == ALL
    assert (journal.head["select"], journal.head["format"]) == ({"user": "ana-71"}, 2)
    found = journal.summary()
    assert (found.sessions, found.complete, found.counts) == (3, True, {"deleted": 3})


def test_its_bytes_give_no_session_away(tmp_path: Path) -> None:
    path = written(tmp_path)
    raw = path.read_bytes()
    assert raw.isascii()
    assert [word for word in CANARIES if word in raw] == []
    assert {json.loads(one[9:])["kind"] for one in lines_of(path)} == {"head", "sealed"}
    assert set(json.loads(lines_of(path)[0][9:])) == {
        "kind", "prev", "salt", "box",
        "format", "run", "started", "keep", "command", "backend", "store", "layout",
    }  # fmt: skip


def test_the_same_sessions_never_look_the_same(tmp_path: Path) -> None:
    first, second = (lines_of(written(tmp_path / name)) for name in "ab")
    boxes = [json.loads(one[9:])["box"] for one in (*first, *second)]
    assert len(set(boxes)) == len(boxes)


def test_without_its_key_the_outside_is_seen(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = open_journal(path)
    assert (journal.encrypted, journal.is_closed, journal.line_count()) == (True, True, 8)
    assert (journal.head["command"], journal.head["store"]) == ("purge", HEAD["store"])
    assert "query" not in journal.head
    for reading in (journal.summary, lambda: list(journal.pages())):
        with pytest.raises(UsageError, match="is encrypted") as caught:
            reading()
        assert "--journal-key-file" in str(caught.value.hint)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(UsageError, match="this key does not open"):
        open_journal(path, key=JournalKey(b"K" * 32))


@pytest.mark.parametrize("name", ["run", "salt", "box"])
def test_a_head_that_was_changed_does_not_open(tmp_path: Path, name: str) -> None:
    path = written(tmp_path)
    first, *rest = lines_of(path)
    other = json.loads(lines_of(written(tmp_path / "other"))[0][9:])[name]
    path.write_bytes(chained([changed(first, **{name: other}), *rest]))
    with pytest.raises(UsageError, match="this key does not open"):
        read(path)


def test_what_the_head_says_in_the_open_does_not_count(tmp_path: Path) -> None:
    path = written(tmp_path)
    first, *rest = lines_of(path)
    path.write_bytes(chained([changed(first, command="expire", started="2000"), *rest]))
    assert open_journal(path, key=KEY).head["command"] == "purge"


@pytest.mark.parametrize("fix", [chained, b"".join], ids=["chain made anew", "chain broken"])
@pytest.mark.parametrize(
    "meddle",
    [
        lambda lines: [*lines[:3], *lines[5:]],  # a page and its end taken out
        lambda lines: [*lines[:3], *lines[1:3], *lines[5:]],  # one put in the place of another
        lambda lines: [lines[0], *lines[3:5], *lines[1:3], *lines[5:]],  # swapped
        lambda lines: [*lines[:5], lines[3], *lines[5:]],  # said twice
        lambda lines: [*lines[:-1], lines[-3], lines[-1]],
    ],
)
def test_lines_count_in_their_own_place_only(tmp_path: Path, meddle, fix) -> None:
    path = written(tmp_path)
    path.write_bytes(fix(meddle(lines_of(path))))
    with pytest.raises(JournalError, match="is damaged"):
        read(path)


def test_a_line_of_another_journal_does_not_open(tmp_path: Path) -> None:
    path, other = written(tmp_path), written(tmp_path / "other")
    lines = lines_of(path)
    lines[3] = lines_of(other)[3]
    path.write_bytes(chained(lines))
    with pytest.raises(JournalError, match=r"line 4 of .* does not open here"):
        read(path)


@pytest.mark.parametrize("place", [3, 8])
def test_a_plain_line_among_encrypted_ones_is_not_believed(tmp_path: Path, place: int) -> None:
    """Else anybody could tell `restore` what to put back."""
    path = written(tmp_path)
    plain = JournalWriter(tmp_path / "plain", HEAD)
    plain.page(MemoryStore(), [session("an-intruder")])
    plain.close()
    lines = lines_of(path)
    lines.insert(place, lines_of(plain.path)[1])
    path.write_bytes(chained(lines))
    with pytest.raises(JournalError, match="is not encrypted, as the others are"):
        read(path)
    journal = open_journal(path, salvage=True)  # and it is noticed without the key
    journal.line_count()
    assert place + 1 in journal.damage


def test_salvage_gives_what_still_opens(tmp_path: Path) -> None:
    path = written(tmp_path)
    lines = lines_of(path)
    lines[3] = lines[3].replace(b'"box":"', b'"box":"AAAA')
    path.write_bytes(b"".join(lines))
    assert read(path, salvage=True) == [ALL[0], ALL[2]]
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))  # the line gone altogether
    assert read(path, salvage=True) == [ALL[0], ALL[2]]
    lines[3] = b"torn\napart\n"  # one line has become two
    path.write_bytes(b"".join(lines))
    assert read(path, salvage=True) == [ALL[0], ALL[2]]
    with pytest.raises(JournalError, match="line 4"):
        read(path)


def test_a_torn_last_line_is_ignored(tmp_path: Path) -> None:
    path = written(tmp_path, end=False)
    path.write_bytes(path.read_bytes()[:-9])
    journal = open_journal(path, key=KEY)
    assert [page.outcomes for page in journal.pages()][-1] is None
    assert "torn and ignored" in journal.notes[0]


def test_a_resumed_run_never_uses_a_nonce_twice(tmp_path: Path) -> None:
    """The torn line had a number; the line that takes its place is sealed with another key."""
    path = written(tmp_path, end=False)
    torn = lines_of(path)[-1]
    for _ in range(3):
        path.write_bytes(path.read_bytes()[:-9])
        writer = reopen(open_journal(path, key=KEY), MemoryStore())
        writer.page(MemoryStore(), [session("a-later-one")])
        writer.close()
    salts = [json.loads(one[9:])["salt"] for one in lines_of(path) if b'"salt"' in one]
    assert len(set(salts)) == 4
    assert read(path)[:3] == ALL
    assert torn not in lines_of(path)
    assert open_journal(path, key=KEY).summary().resumed == 3


def test_a_resumed_run_stays_encrypted(tmp_path: Path) -> None:
    path = written(tmp_path, end=False)
    writer = reopen(open_journal(path, key=KEY), MemoryStore())
    number = writer.page(MemoryStore(), [session("canary-sid-3")])
    writer.done(number, [Result("canary-sid-3", Outcome.DELETED)])
    writer.end({}, complete=True)
    assert read(path) == [*ALL, "canary-sid-3"]
    assert [word for word in CANARIES if word in path.read_bytes()] == []


@pytest.mark.parametrize("number", [8, 9, 10])
def test_a_line_of_the_first_part_is_none_of_the_second(tmp_path: Path, number: int) -> None:
    path = written(tmp_path, end=False)
    writer = reopen(open_journal(path, key=KEY), MemoryStore())
    writer.page(MemoryStore(), [session("canary-sid-3")])
    writer.close()
    lines = lines_of(path)
    lines[number - 1] = changed(lines[3], line=number)
    path.write_bytes(chained(lines))
    with pytest.raises(JournalError, match="damaged"):
        read(path)


def test_a_plain_journal_does_not_go_on_encrypted(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", HEAD)
    writer.page(MemoryStore(), [session("s")])
    writer.close()
    before = writer.path.read_bytes()
    with pytest.raises(Refused, match="is not encrypted"):
        reopen(open_journal(writer.path, key=KEY), MemoryStore())
    assert writer.path.read_bytes() == before
    assert read(writer.path) == ["s"]  # to read it, no key is needed, and one does no harm


def test_a_later_format_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    first, *rest = lines_of(path)
    path.write_bytes(chained([changed(first, format=3), *rest]))
    with pytest.raises(JournalError, match=r"has journal format 3, .* 1 and, encrypted, 2"):
        open_journal(path)


# -- the key file ----------------------------------------------------------------------------------


def key_file(tmp_path: Path, material: bytes = b"m" * 32, mode: int = 0o600) -> Path:
    path = tmp_path / "journal.key"
    path.write_bytes(material)
    path.chmod(mode)
    return path


def test_all_its_bytes_are_the_key(tmp_path: Path) -> None:
    path = written(tmp_path, key=JournalKey.from_file(key_file(tmp_path, b"m" * 32 + b"\n")))
    assert read(path, key=JournalKey(b"m" * 32 + b"\n")) == ALL
    with pytest.raises(UsageError):
        read(path, key=JournalKey(b"m" * 32))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o777])
def test_a_key_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UsageError, match="others may read or change") as caught:
        JournalKey.from_file(key_file(tmp_path, mode=mode))
    assert caught.value.hint == f"chmod 600 {tmp_path / 'journal.key'}"


@pytest.mark.parametrize(
    ("material", "message"),
    [(b"", "32 bytes at the least, not 0"), (b"x" * 31, "not 31"), (b"x" * 65537, "more than")],
)
def test_a_key_has_a_certain_size(tmp_path: Path, material: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        JournalKey.from_file(key_file(tmp_path, material))


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="cannot read the journal key"):
            JournalKey.from_file(path)


def test_a_key_may_be_a_link(tmp_path: Path) -> None:
    """As mounted secrets are."""
    (tmp_path / "link").symlink_to(key_file(tmp_path))
    assert stat.S_ISLNK(os.lstat(tmp_path / "link").st_mode)
    JournalKey.from_file(tmp_path / "link")


def test_without_the_library_nothing_is_written_plain(tmp_path: Path, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra) as caught:
        JournalKey.from_file(key_file(tmp_path))
    assert caught.value.hint == "pip install 'sessctl[crypto]'"


def test_a_key_shows_nothing_of_itself() -> None:
    assert "kkk" not in f"{KEY!r} {KEY}"
