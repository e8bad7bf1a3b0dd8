"""The `CookieFormat` protocol and what its methods answer.

`decode` reads and proves nothing; `verify` is the judge. The two words never mean the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from sessctl.limits import DEFAULT, Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.text import Secret


# The notes on a value that a library reads and never writes.
UNUSED_BITS = ("base64 with unused bits set, which the library takes too",)


class Signature(StrEnum):
    """What is known about a cookie's signature."""

    VALID = "valid"
    INVALID = "invalid"
    UNVERIFIED = "unverified"  # there is one, and no secret to check it with
    NONE = "none"


class VerdictWord(StrEnum):
    """The outcome of a verification; a closed set that scripts rely on."""

    VALID = "valid"
    BAD_SIGNATURE = "bad_signature"
    DECRYPT_FAILED = "decrypt_failed"
    EXPIRED = "expired"
    FROM_FUTURE = "from_future"
    NOT_YET_VALID = "not_yet_valid"
    MALFORMED = "malformed"
    MISSING_SIGNATURE = "missing_signature"
    UNKNOWN_KEY = "unknown_key"
    NAME_MISMATCH = "name_mismatch"
    PURPOSE_MISMATCH = "purpose_mismatch"
    VERSION_NOT_ALLOWED = "version_not_allowed"
    ALG_NOT_ALLOWED = "alg_not_allowed"
    PAYLOAD_ERROR = "payload_error"
    UNSAFE_PICKLE = "unsafe_pickle"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie as it goes over the wire."""

    name: str
    value: str

    @property
    def header(self) -> str:
        """`Cookie: name=value`, to paste into a request."""
        return f"Cookie: {self.name}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieContext:
    """What a format is given besides the value: where it stood, and how its app is set up.

    Chunks (`name.0`, `name.1`) are joined before a format sees them; `name` is without the number.
    """

    name: str | None = None  # of the cookie; None for a bare value
    companion: str | None = None  # the value of `<name>.sig`, which some libraries write beside it
    # The app's settings where they differ from the library's defaults (`digest`, `salt`, ...), as
    # text; only names of `CookieFormat.parameters`.
    parameters: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = DEFAULT


@dataclass(frozen=True, slots=True)
class Match:
    """How well a value fits a format: 0 to 100, and the evidence in words."""

    score: int
    evidence: str


@dataclass(frozen=True, slots=True)
class DecodedCookie:
    """What a cookie says about itself; nothing of it is proven.

    An opaque cookie carries a `sid`, a client-side one a `payload`. Instants are aware UTC.
    """

    format: str
    sid: str | None = None
    payload: Any = None
    signed: bool = True
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a verification with its evidence.

    `key_index` is the position in the list of secrets of the one that fits. `decoded` is there
    whenever the value could be read, whatever the verdict.
    """

    word: VerdictWord
    signature: Signature
    decoded: DecodedCookie | None = None
    key_index: int | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def valid(self) -> bool:
        return self.word is VerdictWord.VALID


class PlainJudge(NamedTuple):
    """A fast `verify` for a batch: for cookies in their usual form that differ in little.

    It judges lines (bytes, without their end) that are such a cookie, with nothing around it, that
    no other format could claim otherwise than any cookie of their kind, and whose app has the
    library's defaults; it leaves every other line to `verify`.
    """

    own: tuple[str, ...]  # the keys of a cookie's item that are its own, in the item's order
    # (kind, the values of `own` as JSON): cookies of a kind are alike in all else, their verdict
    # among it. None: not plain.
    judge: Callable[[bytes], tuple[Hashable, tuple[bytes, ...]] | None]


@runtime_checkable
class PlainlyJudged(Protocol):
    """A format whose cookies have a fast way through a batch. Most have none."""

    def plain_judge(
        self, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
    ) -> PlainJudge:
        """The judge of a batch by these secrets; the arguments are those of `verify`."""
        ...


class CookieFormat(Protocol):
    """How one library writes its cookie. Stateless; one instance serves all.

    Values are text as pasted: in wire form, or already percent-decoded. Secrets come newest first:
    the first signs, all verify. Where a library tells them apart by an id, `Secret.key_id` has it.
    """

    @property
    def name(self) -> str:
        """The format's id, the same as its vector file's name."""
        ...

    @property
    def cookie_name(self) -> str:
        """What the library calls its cookie unless told otherwise."""
        ...

    @property
    def carries_time(self) -> bool:
        """The cookie says when it was issued, so that its age can be judged."""
        ...

    @property
    def carries_expiry(self) -> bool:
        """The cookie says when it ends, so that it can be signed for a time to live."""
        ...

    @property
    def parameters(self) -> Mapping[str, str]:
        """The settings it knows, each with what it means and its default: `-p NAME=VALUE`.

        `salt` and `digest` are also options and keys of a backend.
        """
        ...

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        """How likely the value is of this format; None for impossible. Never raises."""
        ...

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        """Read the value without proving anything.

        Raises:
            CookieError: the value is another format's.
            UsageError: a parameter has a value that it cannot have. So do `verify` and `sign`.
        """
        ...

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        """Judge the value by these secrets, as strictly as the library, never laxer.

        A value that is not of this format is `malformed`; nothing is raised. `max_age` comes only
        to a format that carries a time.
        """
        ...

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        """The cookies the library would set: some write two.

        Args:
            content: a session id for an opaque format, the payload for a client-side one.
            ttl: how long it counts; None for the library's default. It comes only to a format that
                carries an expiry.

        Raises:
            UsageError: the content does not fit the format.
        """
        ...
