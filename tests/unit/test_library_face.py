"""The library in five lines, and what these lines do not load."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import sessctl
from sessctl import (
    Access,
    Permissions,
    Query,
    Secret,
    SessctlError,
    Session,
    audit,
    decode_cookie,
    expire,
    open_store,
    prune_journals,
    purge,
    restore,
    resume,
    search_wordlist,
    sign_cookie,
    stats,
    verify_cookie,
    watch,
)
from sessctl.admin.watch import Pace
from sessctl.errors import GuardRefused, JournalError, Refused, UsageError
from tests.support.engines import SqliteEngine, now_ms, value

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there() -> None:
    for name in sessctl.__all__:
        assert getattr(sessctl, name) is not None
    assert set(sessctl.__all__) <= set(dir(sessctl)) | set(sessctl._HOME)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = sessctl.nonsense


def test_cookies_in_five_lines() -> None:
    cookie = sign_cookie("abc", "keyboard cat")[0]
    assert cookie.header.startswith("Cookie: connect.sid=s%3Aabc.")
    assert decode_cookie(cookie.header).sid == "abc"
    assert verify_cookie(cookie.header, ["new", Secret("keyboard cat")]).key_index == 1
    assert not verify_cookie(cookie.value, "other").valid


def test_an_audit_in_five_lines(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "shop.db")
    engine.save(b"a", value(), now_ms() - 2 * 86_400_000)
    with open_store(engine.url) as store:
        ids = [finding.id for finding in audit(store).findings]
    engine.client.close()
    assert "expiry.left-over" in ids


@pytest.mark.parametrize("secrets", [[], "", b"", ["new", ""], Secret("")])
def test_there_is_no_judging_without_a_secret(secrets: object) -> None:
    cookie = sign_cookie("abc", "keyboard cat")[0]
    with pytest.raises(UsageError, match="secret"):
        verify_cookie(cookie.value, secrets)


def test_there_is_no_signing_without_a_secret() -> None:
    with pytest.raises(UsageError, match="secret"):
        sign_cookie("abc", "")


@pytest.mark.parametrize("name", ["", "x y", "x;", "x=", "é", "x\n"])
def test_a_cookie_s_name_is_a_token(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a cookie's name"):
        sign_cookie("abc", "keyboard cat", name=name)


def test_sessions_in_five_lines(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "sessions")
    engine.save(b"abc", value("42"), now_ms() + 60_000)
    engine.client.close()
    with open_store(f"sqlite:///{tmp_path}/sessions", layout="connect-sqlite3") as store:
        found = list(store.scan(Query(user="42")))
    assert isinstance(found[0], Session)
    assert (found[0].sid, found[0].data) == ("abc", {"passport": {"user": "42"}})
    assert found[0].expires_at is not None
    assert found[0].expires_at.tzinfo is not None


def test_numbers_and_events_in_five_lines(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "sessions")
    engine.save(b"abc", value("42"), now_ms() + 60_000)
    with open_store(f"sqlite:///{tmp_path}/sessions", layout="connect-sqlite3") as store:
        found = stats(store, Query(active=True))
        assert (found.sessions, found.users.top, found.sizes.max) == (
            1, (("42", 1),), len(value("42")),
        )  # fmt: skip
        for event in watch(store, Query(user="42"), initial=True):
            assert (event.change, event.sid, event.changed) == ("appeared", "abc", ())
            break
        assert list(watch(store, pace=Pace(for_s=0))) == []
    engine.client.close()


def test_ending_and_restoring_in_five_lines(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "sessions")
    engine.save(b"over", value("42"), now_ms() - 3_600_000)
    engine.save(b"live", value("42"), now_ms() + 3_600_000)
    before = engine.everything()
    with open_store(f"sqlite:///{tmp_path}/sessions", "connect-sqlite3", write=True) as store:
        ended = purge(store, Query(expired=True), journals=tmp_path / "journals")
        assert (ended.ended, ended.complete, set(engine.everything())) == (1, True, {b"live"})
        logged_out = expire(store, user="42", journals=tmp_path / "journals")
        assert (logged_out.ended, engine.everything()) == (1, {})
        for summary in (ended, logged_out):
            assert restore(store, summary.journal, lapsed=True).counts == {"restored": 1}
    assert engine.everything() == before
    engine.client.close()


def test_going_on_and_cleaning_up_in_five_lines(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "sessions")
    for number in range(3):
        engine.save(b"s%d" % number, value("42"), now_ms() + 3_600_000)
    before, folder = engine.everything(), tmp_path / "journals"
    with open_store(f"sqlite:///{tmp_path}/sessions", "connect-sqlite3", write=True) as store:
        few = Permissions(max_delete=1)
        begun = purge(store, Query(user="42"), journals=folder, permissions=few)
        assert (begun.ended, begun.complete, begun.journal is None) == (1, False, False)
        rest = resume(store, begun.journal)
        assert (rest.ended, rest.complete, rest.journal) == (2, True, begun.journal)
        with pytest.raises(Refused, match="has come to its end"):
            resume(store, begun.journal)
        damage(begun.journal)
        with pytest.raises(JournalError, match="line 2 of "):
            restore(store, begun.journal)
        assert engine.everything() == {}
        undo = restore(store, begun.journal, salvage=True)
        assert (undo.counts, "at least 1 page" in undo.lost) == ({"restored": 2}, True)
    assert len(engine.everything()) == len(before) - 1
    assert prune_journals(folder, timedelta(days=30)) == []
    assert prune_journals(folder, timedelta(0)) == [begun.journal]
    engine.client.close()


def damage(path: Path) -> None:
    """Flip a bit of the first page."""
    head, page, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, page[:50] + bytes([page[50] ^ 1]) + page[51:], *rest]))


def test_the_guards_hold_for_programs_too(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "sessions")
    for number in range(101):
        engine.save(b"s%d" % number, value("42"), now_ms() + 3_600_000)
    everything, where = Query(everything=True), {"journals": tmp_path / "journals"}
    with open_store(f"sqlite:///{tmp_path}/sessions", "connect-sqlite3", write=True) as store:
        with pytest.raises(GuardRefused, match="101 live sessions"):
            purge(store, everything, **where)
        assert len(engine.everything()) == 101
        assert purge(store, everything, permissions=Permissions(max_delete=200), **where).complete
    engine.client.close()


def test_everything_that_goes_wrong_is_one_of_ours() -> None:
    for wrong in (
        lambda: decode_cookie(""),
        lambda: open_store("x://"),
        lambda: open_store("sqlite:////nowhere/x", access=Access()),
        lambda: sign_cookie({}, "x"),
    ):
        with pytest.raises(SessctlError):
            wrong()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import sessctl",
            ["redis", "sqlalchemy", "typer", "rich", "msgspec", "sessctl.errors"],
        ),
        (
            "from sessctl import decode_cookie; decode_cookie('s:a.' + 'A' * 43)",
            ["redis", "sqlalchemy", "typer", "rich", "sessctl.stores", "importlib.metadata"],
        ),
        (
            "from sessctl import sign_cookie, verify_cookie;"
            "verify_cookie(sign_cookie('a', 'x')[0].value, 'x')",
            ["redis", "sqlalchemy", "typer", "rich", "sessctl.stores", "importlib.metadata"],
        ),
        (
            "from sessctl import decode_cookie; decode_cookie('{\"cookie\":{}}')",
            ["redis", "sqlalchemy", "typer", "rich", "sessctl.stores", "importlib.metadata"],
        ),
        (
            "import sessctl\ntry: sessctl.open_store('sqlite:////nowhere/x')\n"
            "except sessctl.SessctlError: pass",
            ["redis", "typer", "rich"],
        ),
        (
            "import sessctl\ntry: sessctl.open_store('redis://127.0.0.1:1/0')\n"
            "except sessctl.SessctlError: pass",
            ["sqlalchemy", "typer", "rich"],
        ),
    ],
    ids=["import", "decode", "verify", "stored-json", "sqlite", "redis"],
)
def test_only_what_is_used_is_loaded(code: str, absent: list[str]) -> None:
    script = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_changing_stores_in_five_lines(tmp_path: Path) -> None:
    old, new = SqliteEngine(tmp_path / "old"), SqliteEngine(tmp_path / "new")
    old.save(b"abc", value("42"), now_ms() + 60_000)
    before = old.everything()
    with old.open(write=True) as source, new.open(write=True) as target:
        done = sessctl.copy_sessions(source, target, journals=tmp_path / "j", move=True)
        assert (done.counts, done.complete, new.everything()) == ({"moved": 1}, True, before)
        assert restore(source, done.source_journal).counts == {"restored": 1}
        assert not list(sessctl.diff_stores(source, target))
        with pytest.raises(ValueError, match="nonsense"):
            sessctl.copy_sessions(source, target, journals=tmp_path / "j", conflict="nonsense")
    assert old.everything() == before
    old.client.close()
    new.client.close()


def test_a_list_of_secrets_is_tried_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("123456\nkeyboard cat\n")
    weak, strong = (sign_cookie("abc", one)[0].value for one in ("keyboard cat", "a-random-one"))
    assert search_wordlist(weak, tmp_path / "words") == 2
    assert search_wordlist(strong, tmp_path / "words") is None


def test_an_encrypted_journal_in_five_lines(tmp_path: Path) -> None:
    shop = SqliteEngine(tmp_path / "shop.db")
    shop.save(b"abc", value(), now_ms() + 60_000)
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    with open_store(shop.url, write=True) as store:
        done = expire(store, ["abc"], journals=tmp_path / "journals", key_file=key)
        assert (done.ended, shop.everything()) == (1, {})
        assert done.journal is not None
        with pytest.raises(UsageError, match="is encrypted"):
            restore(store, done.journal)
        assert restore(store, done.journal, key_file=key).counts["restored"] == 1
    assert len(shop.everything()) == 1
    shop.client.close()
