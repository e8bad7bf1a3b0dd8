"""What a layout declares. A layout knows a framework and no commands.

Most libraries are covered by a declaration of `KeyLayout` or `TableLayout`; see `express.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, ClassVar

from sessctl.errors import ConfigError
from sessctl.limits import DEFAULT, Budget
from sessctl.text import Secret, encode_id
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# (now, the session's end or None), both in ms since 1970 UTC, to the keys of a value that belong to
# the library.
Fresh = Callable[[int, "int | None"], dict[str, Any]]


def uid_safe() -> str:
    """24 random bytes in 32 characters, as uid-safe makes them. Source: uid-safe 2.1.5."""
    return token_urlsafe(24)


class Unit(StrEnum):
    """What an expiry column holds: a count since 1970 UTC, or a date."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    TIMESTAMP = "timestamp"  # a date column of the database

    @property
    def in_ms(self) -> int:
        """How many milliseconds one of it is."""
        return 1000 if self is Unit.SECONDS else 1

    @property
    def words(self) -> str:
        """For an error."""
        return {"ms": "milliseconds", "s": "seconds", "timestamp": "a timestamp"}[self.value]


class DateForm(StrEnum):
    """How a library writes a date where the database has no type for one: in SQLite.

    All are UTC, to the millisecond if no more is said, and so sort as they follow each other.
    """

    ISO = "iso"  # 2026-11-27T18:03:37.204Z
    ISO_OFFSET = "iso-offset"  # 2026-11-27T18:03:37.204+00:00
    SPACED = "spaced"  # 2026-11-27 18:03:37.204 +00:00
    NAIVE = "naive"  # 2026-11-27 18:03:37.204123, its fraction left out or of six digits
    MILLISECONDS = "ms"  # a number


class Fill(StrEnum):
    """What stands in a further column of a session that we write anew."""

    SID = "sid"
    NOW = "now"  # written as the expiry is


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What layouts of every engine have in common.

    `user` lists paths in the data, first hit wins; a value that is an object is looked into for
    `id`, `_id`, `email` and so on. `envelope` names the keys of the value that belong to the
    library and not to the application's data, the first of them an object; they are shown as
    `extra`. One of them holding a `mark` (an object, a number) tells the library's values from
    others. `own_keys` belong to the library too and stand among the data, as the application sees
    them; they stay behind where a session goes over to another library. `marks` are paths that
    every value of the library has, and as good as no other program's: a store is told by them.

    `data_key`: the key of the value under which the application's data stands, where it does not
    stand there by itself; all beside it is the library's. `user` is below it. `dates`: where the
    value says, in seconds, when the session began and when it was last seen; empty: it does not.

    `inner_expiry`: where a date stands in the value, ISO text or, with `inner_is_ms`, milliseconds.
    `inner_rules`: the library looks at it and takes a session past it for none, whatever the store
    says; so it moves when the session's end is moved.

    `ciphers` are those that the library can encrypt or sign a value with
    (`serializers/ciphers.py`), `store_secrets` their secrets, newest first. `seals_alike`: the
    library does it in one way; else a session of the store has to show how its application does.

    `fresh` makes the library's own part of a new session; None: none can be made. `new_sid` makes
    its id. `cookie_lasts`: an application that sets no lifetime gets a cookie with a date all the
    same, the lifetime's; else one that ends with the browser. `lingers_ms`: how much longer than
    the session what holds it is kept.

    `proves_login`: keys that a session has beside its user, and without which the application takes
    nobody for logged in. `looks_like`: a layout whose sessions look the same in their store, and
    which it is taken for when it is not named.

    `budget` is not the library's: how large a value whoever opens the store wants to have read.
    """

    name: str
    databases: tuple[str, ...]  # kinds of stores that it lives in: redis, sqlite, ...
    settings: ClassVar[tuple[str, ...]] = ()
    serializer: str = "json"
    cookie_format: str
    cookie_name: str
    user: tuple[str, ...]
    inner_expiry: str | None = None
    inner_is_ms: bool = False
    inner_rules: bool = False
    envelope: tuple[str, ...] = ()
    own_keys: tuple[str, ...] = ()
    data_key: str = ""
    dates: tuple[str, str] | None = None
    marks: tuple[str, ...] = ()
    mark: type = dict
    ciphers: tuple[str, ...] = ()
    store_secrets: tuple[Secret, ...] = ()
    seals_alike: bool = False
    lifetime_s: int
    fresh: Fresh | None = None
    new_sid: Callable[[], str] = uid_safe
    cookie_lasts: bool = False
    lingers_ms: int = 0
    proves_login: tuple[str, ...] = ()
    looks_like: str = ""
    budget: Budget = DEFAULT

    def configured(self, options: Mapping[str, Any]) -> Layout:
        """The same layout with a backend's own prefix, table, columns, lifetime or user path.

        Raises:
            ConfigError: an option that this layout has no use for.
            UsageError: a lifetime that is no duration.
        """
        changes: dict[str, Any] = {}
        for key, value in options.items():
            if key == "user":
                changes["user"] = (value,) if isinstance(value, str) else tuple(value)
            elif key == "cookie_name":
                changes["cookie_name"] = value
            elif key == "lifetime":
                changes["lifetime_s"] = int(parse_duration(value).total_seconds())
            elif key == "store_secrets":
                changes[key] = self._secrets(value)
            elif key in self.settings:
                changes.update(self._setting(key, value))
            else:
                raise ConfigError(
                    f"layout '{self.name}' has no setting '{key}'",
                    hint=f"it knows {', '.join((*self.settings, 'user'))}",
                )
        return replace(self, **changes)

    def _setting(self, key: str, value: Any) -> dict[str, Any]:
        if key != "columns":
            return {key: value}
        unknown = set(value) - {"sid", "data", "expires"}
        if unknown:
            raise ConfigError(
                f"layout '{self.name}' has no column '{sorted(unknown)[0]}'",
                hint="columns are sid, data and expires",
            )
        return dict(value)

    @property
    def keeps_endless(self) -> bool:
        """A session can be stored that never ends by itself."""
        return True

    def spells(self, user: str) -> bool:
        """A value of this user, of letters and digits, holds them as they are: a store can sift by
        them. Of a number only JSON does; what may be encrypted, packed or in base64 does not."""
        if self.ciphers or self.serializer in ("by-bytes", "beaker"):
            return False
        return self.serializer in ("json", "bson") or not user.isdecimal()

    @property
    def signs_ids(self) -> bool:
        """A cookie holds more than the id: a signature, which takes a secret."""
        return self.cookie_format != "opaque"

    def may_be_at(self, columns: frozenset[str]) -> bool:
        """A place with these columns or fields, or of none, could hold such sessions."""
        return not columns

    def _secrets(self, values: Sequence[Secret | str]) -> tuple[Secret, ...]:
        if not self.ciphers:
            raise ConfigError(
                f"layout '{self.name}' encrypts nothing in its store",
                hint="leave store_secrets out; what signs cookies are the `secrets`",
            )
        return tuple(value if isinstance(value, Secret) else Secret(value) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLayout(Layout):
    """A session is one string under `prefix + sid + suffix`; its TTL is its expiry.

    `sid_has_prefix`: the cookie's id begins with the prefix, as the key does. `flags`: what
    memcached keeps beside a value, and its client reads the value by. `sid_shape`: a pattern of
    every id; other keys under the prefix are not this library's. `prefix_ends`: what every prefix
    ends with, whatever an application puts in front; a store is told by it.
    """

    databases: tuple[str, ...] = ("redis",)
    settings: ClassVar[tuple[str, ...]] = ("prefix",)
    prefix: str
    suffix: str = ""
    sid_has_prefix: bool = False
    flags: int = 0
    sid_shape: str | None = None
    prefix_ends: str = ""

    def key_of(self, sid: str) -> bytes:
        """The key of a session; an id that no session can have makes none of `keys`."""
        return encode_id(f"{self._before_sid}{sid}{self.suffix}")

    def sid_of(self, key: str) -> str:
        """The session of a key, which is one of `keys`."""
        return key[len(self._before_sid) : len(key) - len(self.suffix)]

    @property
    def keys(self) -> re.Pattern[bytes]:
        """A pattern of the whole keys that sessions of this library can be under, to be kept by
        whoever has many to judge."""
        shape = b".*" if self.sid_shape is None else self.sid_shape.encode()
        ends = map(re.escape, map(encode_id, (self.prefix, self.suffix)))
        return re.compile(b"%b(?:%b)%b" % (next(ends), shape, next(ends)), re.DOTALL)

    @property
    def _before_sid(self) -> str:
        return "" if self.sid_has_prefix else self.prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout(Layout):
    """A session is a row; `expires` holds its end in `unit`s.

    `expires_zone`: where a date column has no zone, the one that the application writes in;
    `server` is that of a connection which sets none. One for each database where they differ.
    `date_forms`: what a date may look like in SQLite; new ones are written as the first.
    `null_is_never`: a session without an expiry never ends, where else that would be unknown.
    `destroyed`: a column which says when the library destroyed a session and left its row; a
    session of which it is not NULL is none any more. The table may do without it.
    `fills`: columns that may not be NULL and that no session brings along.
    `row_id`: a column of numbers that the database gives its rows; they say nothing of the session.
    `user_column`: holds the user where the application keeps one beside the data. `saved_s`: reads
    out of a value when it was saved, in seconds since 1970 UTC, where the library says so.
    """

    settings: ClassVar[tuple[str, ...]] = ("schema", "table", "columns", "expires_zone")
    schema: str | None = None
    table: str
    sid: str
    data: str
    expires: str
    unit: Unit
    date_forms: tuple[DateForm, ...] = (DateForm.ISO,)
    expires_zone: str | Mapping[str, str] | None = None
    null_is_never: bool = False
    destroyed: str | None = None
    fills: Mapping[str, Fill] = field(default_factory=dict)
    row_id: str | None = None
    user_column: str | None = None
    saved_s: Callable[[bytes], int | None] | None = None

    @property
    def before_sid(self) -> str:
        """What stands before an id in its column; a row without it is no session."""
        return ""

    @property
    def keeps_endless(self) -> bool:
        return self.null_is_never

    def zone_on(self, database: str) -> str | None:
        """The zone of dates without one, in this kind of database."""
        zone = self.expires_zone
        return zone if zone is None or isinstance(zone, str) else zone.get(database)

    def may_be_at(self, columns: frozenset[str]) -> bool:
        return {self.sid, self.data, self.expires} <= columns

    def _setting(self, key: str, value: Any) -> dict[str, Any]:
        if key != "columns":
            return {key: value}
        parts = {"sid": "sid", "data": "data", "expires": "expires", "user": "user_column"}
        if self.destroyed is not None:
            parts["destroyed"] = "destroyed"
        unknown = set(value) - set(parts)
        if unknown:
            raise ConfigError(
                f"layout '{self.name}' has no column '{sorted(unknown)[0]}'",
                hint=f"columns are {', '.join(parts)}",
            )
        return {parts[part]: name for part, name in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixedTableLayout(TableLayout):
    """A table whose ids begin with a prefix, as keys do; the cookie's id is what follows."""

    settings: ClassVar[tuple[str, ...]] = (*TableLayout.settings, "prefix")
    prefix: str

    @property
    def before_sid(self) -> str:
        return self.prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLayout(Layout):
    """A session is an item of named attributes under `prefix + sid`; `expires` holds seconds, with
    or without a fraction.

    `is_binary`: the value is bytes, else a text. `fixed`: texts that the library writes beside
    these, in every item.
    """

    databases: tuple[str, ...] = ("dynamodb",)
    settings: ClassVar[tuple[str, ...]] = ("prefix", "columns")
    prefix: str
    sid: str
    data: str
    expires: str
    is_binary: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLayout(Layout):
    """A session is a document: its id in `sid`, its value in `data`, its end, a date, in `expires`.

    `is_binary`: the value is bytes, and neither a text nor an object. `created` and `seen` name the
    dates that some versions or options write, first hit wins.
    """

    databases: tuple[str, ...] = ("mongodb",)
    settings: ClassVar[tuple[str, ...]] = ("collection",)
    collection: str
    sid: str = "_id"
    data: str
    expires: str
    is_binary: bool = False
    created: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    @property
    def before_sid(self) -> str:
        """What stands before an id in its field; a document without it is no session."""
        return ""

    def may_be_at(self, columns: frozenset[str]) -> bool:
        return {"_id", self.sid, self.data} <= columns


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixedDocumentLayout(DocumentLayout):
    """Documents whose ids begin with a prefix, as keys do; the cookie's id is what follows."""

    settings: ClassVar[tuple[str, ...]] = (*DocumentLayout.settings, "prefix")
    prefix: str

    @property
    def before_sid(self) -> str:
        return self.prefix
