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
from sessctl.stores.engines.lost import LostReply, after_lost_replace
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_keys import Call, Keys
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_scripts import (
    CHANGED,
    DONE,
    GONE,
    LAPSED,
    Script,
    scripts,
)
from sessctl.stores.engines.redis_watched import RENEWED, ends_as, write_watched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Pair, Remarks
    from sessctl.stores.engines.redis_keys import Answer
    from sessctl.stores.engines.redis_node import Channel, Node
    from sessctl.stores.engines.redis_nodes import Nodes
    from sessctl.stores.engines.redis_watched import Judge, Words

DELETE_PAGE = 500
NO_TTL = -1
# Servers before 7.0 tell only the remaining time; adding it to TIME is off by up to this.
OLD_TOLERANCE_MS = 2
_LOOKS, _BETWEEN_LOOKS_S = 20, 0.01  # a page of scripts is 110 KiB
_LEFT = {GONE: Outcome.GONE, CHANGED: Outcome.CHANGED, LAPSED: Outcome.LAPSED}


class RedisWriter:
    """What changes a Redis store.

    Args:
        key_of: the key of an id.
        read: the store's `get`, asked for what is there after a lost reply.
        absolute: the server knows PEXPIRETIME.
    """

    def __init__(
        self,
        nodes: Nodes,
        key_of: Callable[[str], bytes],
        *,
        read: Callable[[Sequence[str]], list[Session]],
        remarks: Remarks,
        absolute: bool,
    ) -> None:
        self._key_of = key_of
        self._read = read
        self._remarks = remarks
        self._absolute = absolute
        self._tolerance = 0 if absolute else OLD_TOLERANCE_MS
        self._delete, self._replace = scripts(absolute_expiry=absolute)
        self._may_script = True
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
        results = self._scripted(
            self._delete, sessions, [(due(session),) for session in sessions], Outcome.DELETED,
            lambda places: self._unanswered([sessions[place] for place in places]),
        )  # fmt: skip
        if results is not None:
            return results
        return [self._delete_watched(session, due(session)) for session in sessions]

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """See `Store.replace`."""
        results = self._scripted(
            self._replace, [was for was, _ in pairs], [_replacing(*pair) for pair in pairs],
            Outcome.STORED,
            lambda places: self._after_lost_replace([pairs[place] for place in places]),
        )  # fmt: skip
        if results is not None:
            return results
        return [self._replace_watched(was, new) for was, new in pairs]

    def _after_lost_replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """What the server had received before the cut it may still be at work on."""
        results = after_lost_replace(pairs, self._read, self._is_as)
        for _ in range(_LOOKS):
            if all(result.outcome is not Outcome.FAILED for result in results):
                break
            time.sleep(_BETWEEN_LOOKS_S)
            results = after_lost_replace(pairs, self._read, self._is_as)
        return results

    def _is_as(self, found: Session, session: Session) -> bool:
        same_end = ends_as(found.original, _ends(session), self._tolerance)
        return found.raw == session.raw and same_end

    def put(self, sessions: Sequence[Session], now_ms: int) -> list[Result]:
        """See `Store.put`; `now_ms` is the server's clock."""
        results: list[Result] = []
        for session in sessions:
            ends = _ends(session)
            if 0 <= ends <= now_ms:
                results.append(Result(session.sid, Outcome.LAPSED))
                continue
            key = self._key(session)
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
                results.append(self._compare(session))
        return results

    def confirmed(self, replicas: int, within_ms: int) -> int:
        """See `ConfirmingStore.confirmed`."""
        return min(map(int, self._keys.everywhere("WAIT", replicas, within_ms)))

    def _compare(self, session: Session) -> Result:
        found = self._read([session.sid])
        if not found:
            return Result(session.sid, Outcome.FAILED, "the key vanished, or holds another type")
        same = self._is_as(found[0], session)
        return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)

    def _scripted(
        self,
        script: Script,
        sessions: Sequence[Session],
        arguments: Sequence[Words],
        done: Outcome,
        after_loss: Callable[[Sequence[int]], list[Result]],
    ) -> list[Result] | None:
        """One script call a session, pipelined; None where this user may run no scripts.

        Of replies that got lost, `after_loss` is asked what became of their sessions.
        """
        if not self._may_script:
            return None
        try:
            return self._run(script, sessions, arguments, done, after_loss)
        except AccessDenied:
            self._may_script = False
            self._remarks.note("no right to run scripts: WATCH and MULTI are used instead, slower")
            return None

    def _run(
        self,
        script: Script,
        sessions: Sequence[Session],
        arguments: Sequence[Words],
        done: Outcome,
        after_loss: Callable[[Sequence[int]], list[Result]],
    ) -> list[Result]:
        if not sessions:
            return []
        calls: list[Call] = []
        for session, more in zip(sessions, arguments, strict=True):
            key = self._key(session)
            command = pack(
                "EVALSHA", script.sha, 1, key,
                sha1(session.raw, usedforsecurity=False).hexdigest(),
                session.original, self._tolerance, *more,
            )  # fmt: skip
            calls.append(Call(key, [command]))
        answers = self._keys.write(calls, prepare=partial(self._prepare, script))
        if all(_is_denied(answer) for answer in answers):
            raise AccessDenied("this Redis user may not run EVALSHA")
        lost = [place for place, answer in enumerate(answers) if isinstance(answer, LostReply)]
        looked = {result.sid: result for result in after_loss(lost)} if lost else {}
        return [
            looked.get(session.sid) or self._outcome(session, answer, done)
            for session, answer in zip(sessions, answers, strict=True)
        ]

    def _prepare(self, script: Script, channel: Channel, node: Node) -> None:
        """Before a page goes out to a server: it is a primary still, and it has the script."""
        role, known = channel.exchange(pack("ROLE") + pack("SCRIPT", "EXISTS", script.sha), 2)
        self._nodes.check_role(role, node)
        if isinstance(known, Reply) or known[0] == 0:
            checked(channel.exchange(pack("SCRIPT", "LOAD", script.text), 1)[0], "SCRIPT LOAD")

    @staticmethod
    def _outcome(session: Session, answer: Answer, done: Outcome) -> Result:
        if isinstance(answer, StoreError):
            return Result(session.sid, Outcome.FAILED, answer.message)
        (reply,) = answer
        if isinstance(reply, Reply):
            return Result(session.sid, Outcome.FAILED, reply_error(reply, "EVALSHA").message)
        outcome = done if reply == DONE else _LEFT[reply]
        return Result(session.sid, outcome, RENEWED if outcome is Outcome.CHANGED else None)

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

    # -- without scripts --------------------------------------------------------------------------

    def _delete_watched(self, session: Session, due: int | str) -> Result:
        def judge(now_ms: int) -> Outcome | None:
            return Outcome.CHANGED if due != "" and now_ms < int(due) else None

        try:
            return self._write_watched(
                session, judge, [("UNLINK", self._key(session))], Outcome.DELETED
            )
        except LostReply:
            return self._unanswered([session])[0]

    def _replace_watched(self, session: Session, new: Session) -> Result:
        key, ends = self._key(session), _ends(new)
        keep = ("PERSIST", key) if ends < 0 else ("PEXPIREAT", key, ends)

        def judge(now_ms: int) -> Outcome | None:
            return Outcome.LAPSED if 0 <= ends <= now_ms else None

        try:
            return self._write_watched(
                session, judge, [("SET", key, new.raw), keep], Outcome.STORED
            )
        except LostReply:
            return self._after_lost_replace([(session, new)])[0]

    def _write_watched(
        self, session: Session, judge: Judge, commands: Sequence[Words], done: Outcome
    ) -> Result:
        key = self._key(session)
        channel = self._keys.channel(self._nodes.of(key))
        return write_watched(
            channel, key, session, judge, commands, done,
            absolute=self._absolute, tolerance=self._tolerance,
        )  # fmt: skip

    def _key(self, session: Session) -> bytes:
        return self._key_of(session.sid)


def _ends(session: Session) -> int:
    """A session's end as its key has it; -1: none."""
    return session.original if isinstance(session.original, int) else _ttl_of(session)


def _replacing(session: Session, new: Session) -> Words:
    """What the script is told beside the session."""
    ends = _ends(new)
    words: Words = ("" if ends < 0 else ends,)
    return words if new.raw == session.raw else (*words, new.raw)


def _is_denied(answer: Answer) -> bool:
    return isinstance(answer, AccessDenied) or (
        not isinstance(answer, StoreError)
        and any(isinstance(reply, Reply) and reply.word == "NOPERM" for reply in answer)
    )


def _ttl_of(session: Session) -> int:
    if session.expiry is Expiry.STORE and session.expires_ms is not None:
        return session.expires_ms
    return NO_TTL
