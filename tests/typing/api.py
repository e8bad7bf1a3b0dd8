"""Read by mypy alone: the public names have the types that the documentation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, assert_type

from sessctl import (
    Access,
    Permissions,
    Query,
    Secret,
    SessctlError,
    Session,
    decode_cookie,
    diagnose,
    discover,
    expire,
    open_store,
    prune_journals,
    purge,
    restore,
    resume,
    sign_cookie,
    verify_cookie,
)
from sessctl.admin.doctor.check import Check
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


def access() -> Store:
    try:
        return open_store("sqlite:///x", access=Access(timeout_s=1.0, password=Secret("x")))
    except SessctlError as error:
        assert_type(error.code, str)
        assert_type(error.hint, str | None)
        raise


def configuring() -> None:
    found = discover(Path())
    assert_type(found, Discovery)
    assert_type(found.proposals[0].name, str)
    assert_type(diagnose(environ={}, folder=Path()), Iterator[Check])
