"""Every way sessctl can fail, each with a stable code, an exit code and a hint.

    SessctlError
    ├── UsageError                2   usage
    │   ├── ConfigError           2   config.invalid
    │   └── MissingExtra          2   extra.missing
    ├── NotFound                  1   session.unknown
    ├── StoreError                3   store.failed
    │   ├── StoreUnreachable      3   store.unreachable
    │   ├── AccessDenied          3   store.denied
    │   └── Incomplete            5   store.incomplete
    ├── HttpError                 3   http.<kind>
    ├── Refused                   4   refused
    │   ├── GuardRefused          4   refused.<guard>
    │   └── ConfirmationNeeded    4   refused.confirmation
    ├── JournalError              6   journal.failed
    └── UnreadableInput           7   input.unreadable
        ├── CookieError           7   cookie.unreadable
        └── SerializerError       7   value.unreadable
            └── LimitExceeded     7   input.limit

Catch wide or narrow. The text may change between releases, `code` and `exit_code` may not.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What a sessctl process answers with (cli-ux contract, section 7)."""

    OK = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    PARTIAL = 5
    JOURNAL = 6
    UNREADABLE = 7
    BUG = 70
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One line of prose for the table in the documentation."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done, including an empty list and a dry run",
    ExitCode.NO: "the answer is no: bad signature, no such session",
    ExitCode.USAGE: "bad flag, query or config, missing file; nothing was attempted",
    ExitCode.UNREACHABLE: "the store refused, timed out, failed TLS or denied access",
    ExitCode.REFUSED: "a guard or a missing confirmation or capability; nothing changed",
    ExitCode.PARTIAL: "ended early, or some sessions failed or could not be read",
    ExitCode.JOURNAL: "the journal or the disk failed",
    ExitCode.UNREADABLE: "the input could not be decoded",
    ExitCode.BUG: "our fault; the path of a report is printed",
    ExitCode.INTERRUPTED: "interrupted (SIGINT)",
    ExitCode.PIPE_CLOSED: "the output was closed while a store was being changed",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}


class SessctlError(Exception):
    """Base of everything sessctl raises on purpose.

    `message` is lower case without a full stop and never holds a secret or a full session id.
    `hint` is something to type or to change. `where` collects "name: value" lines; whoever knows
    the place (the backend, the file) adds one on the way up.
    """

    code = "internal"
    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None, **where: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where: dict[str, str] = dict(where)

    def at(self, **where: str) -> SessctlError:
        """Add places known only further up; what was said first stands."""
        self.where = {**where, **self.where}
        return self


class UsageError(SessctlError):
    """Wrong use: nothing was attempted."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A configuration file or an environment variable of ours is wrong."""

    code = "config.invalid"


class MissingExtra(UsageError):
    """A driver that lives in an optional extra is not installed."""

    code = "extra.missing"

    def __init__(self, what: str, extra: str, *, note: str = "") -> None:
        super().__init__(
            f"{what} needs the extra '{extra}', which is not installed",
            hint=f"pip install 'sessctl[{extra}]'{note}",
        )


class NotFound(SessctlError):
    """The question was understood and the answer is: no such session."""

    code = "session.unknown"
    exit_code = ExitCode.NO


class StoreError(SessctlError):
    """The store answered with an error."""

    code = "store.failed"
    exit_code = ExitCode.UNREACHABLE


class StoreUnreachable(StoreError):
    """No connection: refused, timed out, no such host or file, TLS failed."""

    code = "store.unreachable"


class AccessDenied(StoreError):
    """The store knows us and says no: wrong password, missing right."""

    code = "store.denied"


class Incomplete(StoreError):
    """Some sessions may not have been seen, so nobody may say that these were all."""

    code = "store.incomplete"
    exit_code = ExitCode.PARTIAL


class HttpError(SessctlError):
    """A request got no answer, or one that cannot be taken whole.

    `kind` is the word of `code` after `http.`: refused, unreachable, timeout, tls, closed,
    malformed, too-large, encoding.
    """

    code = "http.failed"
    exit_code = ExitCode.UNREACHABLE

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.code = f"http.{kind}"


class Refused(SessctlError):
    """We could, but must not; nothing was changed."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class GuardRefused(Refused):
    """A safety guard said no. `guard` is the word that `--force` takes."""

    def __init__(self, guard: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.guard = guard
        self.code = f"refused.{guard}"


class ConfirmationNeeded(Refused):
    """A person has to say yes and nobody could be asked."""

    code = "refused.confirmation"


class JournalError(SessctlError):
    """The journal could not be written or is not readable as one."""

    code = "journal.failed"
    exit_code = ExitCode.JOURNAL


class UnreadableInput(SessctlError):
    """What was given to us could not be decoded."""

    code = "input.unreadable"
    exit_code = ExitCode.UNREADABLE


class CookieError(UnreadableInput):
    """The text is not a cookie of the format it was read as."""

    code = "cookie.unreadable"


class SerializerError(UnreadableInput):
    """Stored bytes do not decode. `offset` is the byte where that was noticed, if known."""

    code = "value.unreadable"

    def __init__(self, message: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(message if offset is None else f"{message} at byte {offset}", hint=hint)
        self.offset = offset


class LimitExceeded(SerializerError):
    """Larger, deeper or longer than a `Budget` allows."""

    code = "input.limit"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a typo was meant to be, if one is near."""
    from difflib import get_close_matches  # 2 ms, for errors only

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def did_you_mean(word: str, known: Iterable[str], *, all_are: str = "known") -> str:
    """A hint for a word that is not known: the nearest one, else all of them."""
    words = list(known)
    near = nearest(word, words)
    return f"did you mean '{near}'?" if near else f"{all_are}: {', '.join(words) or 'none'}"
