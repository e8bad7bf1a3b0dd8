"""Read by mypy alone: the public names have the types that the documentation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, assert_type

from sessctl import (
    Access,
    Permissions,
    Query,
    Secret,
    SessctlError,
    Session,
    audit,
    copy_sessions,
    create,
    decode_cookie,
    diagnose,
    diff_stores,
    discover,
    expire,
    export_sessions,
    import_sessions,
    open_store,
    prune_journals,
    purge,
    restore,
    resume,
    search_wordlist,
    set_data,
    sign_cookie,
    stats,
    touch,
    verify_cookie,
    watch,
)
from sessctl.admin.audit import Severity
from sessctl.admin.copy import CopySummary
from sessctl.admin.doctor.check import Check
from sessctl.admin.stats import Stats
from sessctl.admin.watch import Change, Event, Pace
from sessctl.config.discovery.propose import Discovery
from sessctl.cookies.base import Cookie, DecodedCookie, Verdict
from sessctl.stores.base import Outcome, Result, Store


def cookies() -> None:
    cookie = sign_cookie("abc", Secret("keyboard cat"), name="connect.sid")[0]
    assert_type(cookie, Cookie)
    assert_type(cookie.header, str)
    decoded = decode_cookie(cookie.header, "express-session")
    assert_type(decoded, DecodedCookie)
    assert_type(decoded.sid, str | None)
    verdict = verify_cookie(
        cookie.value,
        ["new", b"old", Secret("older")],
        now=datetime.now(UTC),
        max_age=timedelta(days=1),
    )
    assert_type(verdict, Verdict)
    sealed = sign_cookie(
        {"user": 42}, {"1": "old", "2": "new"}, "koa-session",
        parameters={"digest": "sha256"}, ttl=timedelta(hours=1),
    )  # fmt: skip
    assert_type(verify_cookie("x", {"1": b"old"}, companion=sealed[1].value), Verdict)
    assert_type(verdict.valid, bool)
    assert_type(verdict.key_index, int | None)


def changes() -> None:
    with open_store("redis://localhost/0", layout="connect-redis", write=True) as store:
        made = create(store, {"userId": 42}, "keyboard cat", ttl=timedelta(hours=2))
        assert_type(made.session, Session)
        assert_type(made.cookies, list[Cookie])
        done = set_data(store, made.session.sid, {"role": "admin"}, journals=Path("journals"))
        assert_type(done.summary.journal, Path | None)
        touch(store, [made.session.sid], journals=Path("journals"))


def sessions() -> None:
    query = Query(user="42", expired=True, older_than=timedelta(days=7))
    with open_store("redis://localhost/0", layout="connect-redis", prefix="sess:") as store:
        assert_type(store, Store)
        for session in store.scan(query):
            assert_type(session, Session)
            assert_type(session.sid, str)
            assert_type(session.raw, bytes)
            assert_type(session.expires_at, datetime | None)
            assert_type(session.data, Any)
        results = store.delete(store.get(["abc"]))
        assert_type(results, list[Result])
        assert_type(results[0].outcome, Outcome)


def guessing(cookie: str) -> None:
    assert_type(search_wordlist(cookie, Path("rockyou.txt"), jobs=2), int | None)


def looking(store: Store) -> None:
    found = stats(store, Query(active=True), top=3)
    assert_type(found, Stats)
    assert_type(found.users.top, tuple[tuple[str, int], ...])
    for event in watch(store, pace=Pace(every_s=1, for_s=60), initial=True):
        assert_type(event, Event)
        assert_type(event.change, Change)
        assert_type(event.session, Session | None)
        assert_type(event.changed, tuple[str, ...] | None)


def ending(store: Store) -> None:
    folder = Path("journals")
    allowed = Permissions(max_delete=10)
    summary = purge(store, Query(expired=True), journals=folder, permissions=allowed)
    assert_type(summary.ended, int)
    assert_type(summary.journal, Path | None)
    if summary.journal is not None:
        assert_type(restore(store, summary.journal).counts, Counter[str])
        assert_type(restore(store, summary.journal, salvage=True).lost, str | None)
        assert_type(resume(store, summary.journal).complete, bool)
    assert_type(prune_journals(folder, timedelta(days=30)), list[Path])
    assert_type(expire(store, user="42", journals=folder).complete, bool)
    key = Path("journal.key")
    assert_type(expire(store, ["abc"], journals=folder, key_file=key).ended, int)


def access() -> Store:
    try:
        return open_store("sqlite:///x", access=Access(timeout_s=1.0, password=Secret("x")))
    except SessctlError as error:
        assert_type(error.code, str)
        assert_type(error.hint, str | None)
        raise


def change_stores(old: Store, new: Store, file: IO[bytes], folder: Path) -> None:
    done = copy_sessions(old, new, Query(user="42"), journals=folder, conflict="newer", move=True)
    assert_type(done, CopySummary)
    assert_type(done.counts, Counter[str])
    assert_type(export_sessions(old, file), int)
    assert_type(import_sessions(file, new, journals=folder), CopySummary)
    assert_type([change.sid for change in diff_stores(old, new)], list[str])


def auditing(store: Store) -> None:
    made = audit(store, sample=1000)
    assert_type(made.findings[0].severity, Severity)
    assert_type(made.findings[0].sids, tuple[str, ...])
    assert_type(made.skipped[0].reason, str)
    assert_type(made.worst, Severity | None)


def configuring() -> None:
    found = discover(Path())
    assert_type(found, Discovery)
    assert_type(found.proposals[0].name, str)
    assert_type(diagnose(environ={}, folder=Path()), Iterator[Check])
