"""Writes to Redis: conditional, one session at a time on the server, pipelined by page.

A session is deleted or changed by a single-key script that compares value and expiry with what was
read (`redis_scripts.py`), or with WATCH and MULTI where the user may not run scripts. A reply that
gets lost is looked into by reading again; nothing is ever sent twice.
"""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha1
from typing import TYPE_CHECKING

from sessctl.errors import AccessDenied, StoreError
from sessctl.session import Expiry
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_keys import Call, Keys
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_scripts import CHANGED, DONE, GONE, Script, scripts
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_keys import Answer
    from sessctl.stores.engines.redis_node import Channel, Node
    from sessctl.stores.engines.redis_nodes import Nodes

DELETE_PAGE = 500
_NO_TTL = -1
# Servers before 7.0 tell only the remaining time; adding it to TIME is off by up to this.
_OLD_TOLERANCE_MS = 2
_LOOKS, _BETWEEN_LOOKS_S = 20, 0.01  # a page of scripts is 110 KiB
_RENEWED = "renewed since it was read"


class RedisWriter:
    """What changes a Redis store.

    Args:
        read: the store's `get`, asked for what is there after a lost reply.
        absolute: the server knows PEXPIRETIME.
    """

    def __init__(
        self,
        nodes: Nodes,
        prefix: bytes,
        *,
        read: Callable[[Sequence[str]], list[Session]],
        remarks: Remarks,
        absolute: bool,
    ) -> None:
        self._prefix = prefix
        self._read = read
        self._remarks = remarks
        self._absolute = absolute
        self._tolerance = 0 if absolute else _OLD_TOLERANCE_MS
        self._delete, self._expire = scripts(absolute_expiry=absolute)
        self._scripting = True
        self._nodes = nodes
        self._keys = Keys(nodes)
        # Connects, so that a replica is refused before anything is journalled.
        self._keys.everywhere("PING")

    def close(self) -> None:
        self._keys.close()

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        """See `Store.delete`."""

        def due(session: Session) -> int | str:
            return "" if grace_ms is None else (session.expires_ms or 0) + grace_ms

        if grace_ms is not None:  # unknown is not expired, whoever asks (S3)
            unknown = [s for s in sessions if s.expires_ms is None]
            if unknown:
                known = [s for s in sessions if s.expires_ms is not None]
                refused = [Result(s.sid, Outcome.CHANGED, "expiry unknown") for s in unknown]
                return [*self.delete(known, grace_ms=grace_ms), *refused]
        outcomes = {DONE: Outcome.DELETED, GONE: Outcome.GONE, CHANGED: Outcome.CHANGED}
        if self._scripting:
            try:
                return self._run(self._delete, sessions, [(due(s),) for s in sessions], outcomes)
            except AccessDenied:
                self._scripting = False
                self._remarks.note(
                    "no right to run scripts: WATCH and MULTI are used instead, slower"
                )
        return [self._delete_watched(session, due(session)) for session in sessions]

    def set_expiry(
        self, sessions: Sequence[Session], expires_ms: int | None, moved: Sequence[bytes]
    ) -> list[Result]:
        """See `Store.set_expiry`; `moved` holds the values that go with the new expiry."""
        outcomes = {DONE: Outcome.STORED, GONE: Outcome.GONE, CHANGED: Outcome.CHANGED}
        ends: int | str = "" if expires_ms is None else expires_ms
        arguments = [
            (ends, b"" if value == session.raw else value)
            for session, value in zip(sessions, moved, strict=True)
        ]
        return self._run(self._expire, sessions, arguments, outcomes)

    def put(self, sessions: Sequence[Session], now_ms: int) -> list[Result]:
        """See `Store.put`; `now_ms` is the server's clock."""
        results: list[Result] = []
        for session in sessions:
            ends = session.original if isinstance(session.original, int) else _ttl_of(session)
            if 0 <= ends <= now_ms:
                results.append(Result(session.sid, Outcome.LAPSED))
                continue
            key = self._prefix + encode_id(session.sid)
            words: list[bytes | str | int] = ["SET", key, session.raw, "NX"]
            if ends >= 0:
                words += ["PXAT", ends]
            (answer,) = self._keys.write([Call(key, [pack(*words)])])
            reply = None if isinstance(answer, StoreError) else answer[0]  # what is there now tells
            if isinstance(reply, Reply):
                results.append(Result(session.sid, Outcome.FAILED, str(reply_error(reply, "SET"))))
            elif reply is not None:
                results.append(Result(session.sid, Outcome.STORED))
            else:
                results.append(self._compare(session, ends))
        return results

    def confirmed(self, replicas: int, within_ms: int) -> int:
        """See `ConfirmingStore.confirmed`."""
        return min(map(int, self._keys.everywhere("WAIT", replicas, within_ms)))

    def _compare(self, session: Session, ends: int) -> Result:
        found = self._read([session.sid])
        if not found:
            return Result(session.sid, Outcome.FAILED, "the key vanished, or holds another type")
        same = found[0].raw == session.raw and abs(found[0].original - ends) <= self._tolerance
        return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)

    def _run(
        self,
        script: Script,
        sessions: Sequence[Session],
        arguments: Sequence[tuple[bytes | str | int, ...]],
        outcomes: dict[int, Outcome],
    ) -> list[Result]:
        """One script call a session, pipelined; a reply that gets lost is looked into."""
        if not sessions:
            return []
        calls: list[Call] = []
        for session, more in zip(sessions, arguments, strict=True):
            key = self._prefix + encode_id(session.sid)
            command = pack(
                "EVALSHA", script.sha, 1, key,
                sha1(session.raw, usedforsecurity=False).hexdigest(),
                session.original, self._tolerance, *more,
            )  # fmt: skip
            calls.append(Call(key, [command]))
        answers = self._keys.write(calls, prepare=partial(self._prepare, script))
        if all(_is_denied(answer) for answer in answers):
            raise AccessDenied("this Redis user may not run EVALSHA")
        lost = [s for s, a in zip(sessions, answers, strict=True) if isinstance(a, LostReply)]
        looked = {result.sid: result for result in self._unanswered(lost)} if lost else {}
        return [
            looked.get(session.sid) or self._outcome(session, answer, outcomes)
            for session, answer in zip(sessions, answers, strict=True)
        ]

    def _prepare(self, script: Script, channel: Channel, node: Node) -> None:
        """Before a page goes out to a server: it is a primary still, and it has the script."""
        role, known = channel.exchange(pack("ROLE") + pack("SCRIPT", "EXISTS", script.sha), 2)
        self._nodes.check_role(role, node)
        if isinstance(known, Reply) or known[0] == 0:
            checked(channel.exchange(pack("SCRIPT", "LOAD", script.text), 1)[0], "SCRIPT LOAD")

    @staticmethod
    def _outcome(session: Session, answer: Answer, outcomes: dict[int, Outcome]) -> Result:
        if isinstance(answer, StoreError):
            return Result(session.sid, Outcome.FAILED, answer.message)
        (reply,) = answer
        if isinstance(reply, Reply):
            return Result(session.sid, Outcome.FAILED, reply_error(reply, "EVALSHA").message)
        outcome = outcomes[reply]
        return Result(
            session.sid,
            outcome,
            _RENEWED if outcome is Outcome.CHANGED else None,
        )

    def _unanswered(self, sessions: Sequence[Session]) -> list[Result]:
        """Replies were lost: a session that is absent now is `unconfirmed`, never `deleted`.

        What the server had received before the cut, it still works through, 16 KiB of a connection
        at a time: so what is there is looked at again and again before it counts as there.
        """
        there = self._there([session.sid for session in sessions])
        for _ in range(_LOOKS):
            if not there:
                break
            time.sleep(_BETWEEN_LOOKS_S)
            there = self._there(there)
        return [
            Result(s.sid, Outcome.FAILED, "connection lost, still there")
            if s.sid in there
            else Result(s.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
            for s in sessions
        ]

    def _there(self, sids: Sequence[str]) -> list[str]:
        return [session.sid for session in self._read(sids)]

    def _delete_watched(self, session: Session, due: int | str) -> Result:
        """The same without scripts: WATCH, read again, MULTI, UNLINK, EXEC."""
        key = self._prefix + encode_id(session.sid)
        ends = pack("PEXPIRETIME" if self._absolute else "PTTL", key)
        channel = self._keys.channel(self._nodes.of(key))
        try:
            watched, value, end, clock = channel.exchange(
                pack("WATCH", key) + pack("GET", key) + ends + pack("TIME"), 4
            )
            for reply, word in ((watched, "WATCH"), (value, "GET"), (end, "PEXPIRETIME")):
                checked(reply, word)
            now = int(clock[0]) * 1000 + int(clock[1]) // 1000
            if not self._absolute and end >= 0:
                end += now
            same = value == session.raw and abs(end - session.original) <= self._tolerance
            if value is None or not same or (due != "" and now < int(due)):
                channel.exchange(pack("UNWATCH"), 1)
                if value is None:
                    return Result(session.sid, Outcome.GONE)
                return Result(session.sid, Outcome.CHANGED, _RENEWED)
            replies = channel.exchange(pack("MULTI") + pack("UNLINK", key) + pack("EXEC"), 3)
        except LostReply:
            return self._unanswered([session])[0]
        except StoreError as exc:
            channel.close()
            return Result(session.sid, Outcome.FAILED, exc.message)
        done = replies[2]
        if isinstance(done, Reply):
            return Result(session.sid, Outcome.FAILED, reply_error(done, "UNLINK").message)
        if done is None:
            return Result(session.sid, Outcome.CHANGED, _RENEWED)
        return Result(session.sid, Outcome.DELETED if done[0] else Outcome.GONE)


def _is_denied(answer: Answer) -> bool:
    return isinstance(answer, AccessDenied) or (
        not isinstance(answer, StoreError)
        and any(isinstance(reply, Reply) and reply.word == "NOPERM" for reply in answer)
    )


def _ttl_of(session: Session) -> int:
    if session.expiry is Expiry.STORE and session.expires_ms is not None:
        return session.expires_ms
    return _NO_TTL
