"""What a configuration holds. The keys of these structs are the keys of the TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sessctl.errors import ConfigError, did_you_mean
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from datetime import timedelta


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One named store: an engine (by its URL), a layout, and what belongs to its cookies.

    `secrets` sign cookies, `store_secrets` open values that the library encrypts in its store.
    These and the passwords hold references such as `env:NAME`, or, in a file that nobody else can
    read, the secret itself. `url` may be a reference, too, and so may `cache`, the URL of a cache
    that the application has beside the store.
    """

    url: str
    layout: str | None = None
    prefix: str | None = None
    schema: str | None = None
    table: str | None = None
    columns: dict[str, str] | None = None
    collection: str | None = None
    directory: str | None = None
    extension: str | None = None
    cache: str | None = None
    user: str | list[str] | None = None
    secrets: list[str] = []
    store_secrets: list[str] = []
    cookie_name: str | None = None
    cookie_format: str | None = None
    salt: str | None = None
    digest: str | None = None
    password: str | None = None
    username: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    require_tls: bool = False
    ca_file: str | None = None
    expires_zone: str | None = None
    no_ttl: Literal["never", "cookie-date"] = "never"
    lifetime: str | None = None
    protected: bool = False
    read_only: bool = False
    # Not keys of the file. `url_from`: the reference that names the URL; `url_problem`: why it
    # names none.
    name: str = ""
    source: str = ""
    url_from: str = ""
    url_problem: str = ""

    @property
    def named_secrets(self) -> list[str]:
        """Every entry that names a secret or is one."""
        passwords = [one for one in (self.password, self.sentinel_password) if one is not None]
        return [*self.secrets, *self.store_secrets, *passwords]

    @property
    def every_reference(self) -> list[str]:
        """All that may be a reference: secrets, passwords, user names."""
        users = [one for one in (self.username, self.sentinel_username) if one is not None]
        return [*self.named_secrets, *users]

    @property
    def cookie_parameters(self) -> dict[str, str]:
        """What the cookie's format is configured with."""
        found = {"salt": self.salt, "digest": self.digest}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def layout_options(self) -> dict[str, Any]:
        """What the layout is configured with."""
        keys = (
            "prefix",
            "schema",
            "table",
            "columns",
            "collection",
            "directory",
            "extension",
            "expires_zone",
            "lifetime",
            "user",
            "cookie_name",
        )
        return {key: value for key in keys if (value := getattr(self, key)) is not None}

    @property
    def urls(self) -> list[str]:
        """Where its sessions are, as it is written: of the store, of the cache beside it."""
        return [self.url] if self.cache is None else [self.url, self.cache]


class JournalSettings(msgspec.Struct, frozen=True):
    """`[journal]`: how long undo files are kept, and where."""

    keep: str = "30d"
    directory: str | None = None

    @property
    def keep_for(self) -> timedelta:
        return parse_duration(self.keep)


class RedactSettings(msgspec.Struct, frozen=True):
    """`[redact]`: redaction everywhere, and what else is sensitive."""

    always: bool = False
    keys: list[str] = []
    shapes: list[str] = []

    def joined(self, other: RedactSettings) -> RedactSettings:
        """What either of the two hides: no file makes visible what another one hides."""
        return RedactSettings(
            always=self.always or other.always,
            keys=[*self.keys, *other.keys],
            shapes=[*self.shapes, *other.shapes],
        )


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All sources merged. `origins` tells which file each top-level value came from."""

    backends: dict[str, Backend] = {}
    default_backend: str | None = None
    journal: JournalSettings = JournalSettings()
    redact: RedactSettings = RedactSettings()
    origins: dict[str, str] = {}
    files: list[str] = []
    notes: list[str] = []

    def backend(self, name: str) -> Backend:
        """A backend by its name. Raises ConfigError with the nearest name."""
        if name in self.backends:
            return self.backends[name]
        raise ConfigError(
            f"no backend '{name}' is configured",
            hint=did_you_mean(name, self.backends, all_are="configured"),
        )


_NOT_WRITTEN = ("name", "source", "url_from", "url_problem")
BACKEND_KEYS = tuple(f for f in Backend.__struct_fields__ if f not in _NOT_WRITTEN)
TOP_KEYS = ("default_backend", "backends", "journal", "redact")
