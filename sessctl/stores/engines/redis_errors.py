"""What Redis and its driver answer when something is wrong, as errors of ours.

redis-py 6.2 to 8 `_parsers/base.py`: the classes of error replies, whose first word it strips off.
"""

from __future__ import annotations

from typing import Any

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.text import escape, redact


class Reply(Exception):
    """An error that the server answered to one command; `word` is its first word."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.word = message.split(" ", 1)[0]


class NotPrimary(StoreUnreachable):
    """The server is not, or no longer, the one that takes writes; nothing was done there."""


def checked(reply: Any, command: str) -> Any:
    """The reply itself, or the error it is as a StoreError."""
    if isinstance(reply, Reply):
        raise reply_error(reply, command)
    return reply


def reply_error(reply: Reply, command: str) -> StoreError:
    """A server's error reply as one of ours."""
    text = escape(redact(str(reply)))
    if reply.word == "NOPERM":
        return AccessDenied(
            f"this Redis user may not run {command}", hint="see ACL SETUSER for the rights it needs"
        )
    if reply.word in ("NOAUTH", "WRONGPASS"):
        return AccessDenied("Redis wants a password", hint="set `password` for this backend")
    if reply.word in ("MOVED", "ASK", "CROSSSLOT"):
        return StoreError(
            "this server is a part of a Redis Cluster, and does not hold all sessions",
            hint="write redis+cluster://HOST:PORT",
        )
    return StoreError(f"Redis answered {command} with: {text}")


def words_of(exc: Exception) -> str:
    """The server's error reply with the code that redis-py strips off its known classes."""
    from redis import exceptions as known

    codes: tuple[tuple[type[Exception], str], ...] = (
        (known.NoPermissionError, "NOPERM"),
        (known.AuthenticationError, "WRONGPASS"),
        (known.NoScriptError, "NOSCRIPT"),
        (known.ReadOnlyError, "READONLY"),
        (known.ExecAbortError, "EXECABORT"),
        (known.MovedError, "MOVED"),
        (known.AskError, "ASK"),  # the class of MOVED, too
        (known.TryAgainError, "TRYAGAIN"),
        (known.ClusterCrossSlotError, "CROSSSLOT"),
        (known.MasterDownError, "MASTERDOWN"),
        (known.ClusterDownError, "CLUSTERDOWN"),  # the class of MASTERDOWN, too
    )
    code = next((word for kind, word in codes if isinstance(exc, kind)), None)
    text = str(exc)
    return text if code is None or text.startswith(code) else f"{code} {text}"


def mapped(exc: BaseException, address: str, *, sent: bool) -> StoreError | None:
    """redis-py's and the system's exceptions as ours; None for what is nobody's business."""
    import ssl

    from redis import exceptions as known

    if isinstance(exc, known.AuthenticationError | known.AuthenticationWrongNumberOfArgsError):
        return AccessDenied(
            f"redis at {address} refused the password",
            hint="check `username` and `password` of this backend",
        )
    if isinstance(exc, known.NoPermissionError):
        return AccessDenied(f"redis at {address} denied access")
    cause = exc.__cause__ or exc.__context__ or exc
    if (
        isinstance(exc, ssl.SSLError)
        or isinstance(cause, ssl.SSLError)
        or "certificate" in str(exc)
    ):
        return StoreUnreachable(
            f"TLS with redis at {address} failed ({_ssl_reason(exc, cause)})",
            hint="set `ca_file` for a private certificate authority",
        )
    if isinstance(exc, known.TimeoutError | TimeoutError):
        kind = LostReply if sent else StoreUnreachable
        return kind(f"redis at {address} did not answer in time", hint="try a longer --timeout")
    if isinstance(exc, known.ConnectionError | OSError):
        if sent:
            return LostReply(f"redis at {address} closed the connection")
        reason = _reason(exc)
        # Who is there and hangs up while it is greeted is worth another try.
        kind = LostReply if reason == "connection closed" else StoreUnreachable
        return kind(
            f"cannot reach redis at {address} ({reason})",
            hint="is it running, and is the port right?",
        )
    if isinstance(exc, known.ResponseError):
        return reply_error(Reply(words_of(exc)), "the connection")
    if isinstance(exc, known.RedisError):
        return StoreError(f"redis at {address}: {escape(redact(str(exc)))}")
    return None


def _ssl_reason(exc: BaseException, cause: BaseException) -> str:
    found = cause if cause is not exc else exc
    text = getattr(found, "verify_message", "") or getattr(found, "reason", "") or str(found)
    return escape(redact(str(text).lower()))[:120]


def _reason(exc: BaseException) -> str:
    text = str(exc).lower()
    for words, reason in (
        ("refused", "connection refused"),
        ("name or service", "no such host"),
        ("name resolution", "no such host"),
        ("no address", "no such host"),
        ("no such file", "no such socket"),
        ("permission denied", "permission denied"),
        ("unreachable", "network unreachable"),
        ("closed", "connection closed"),
    ):
        if words in text:
            return reason
    return escape(redact(str(exc)))[:120]
