"""From a MongoDB URL to a client: pymongo's own, which never sees the URL.

Reads and writes go to the primary, acknowledged by a majority, whatever the URL of the application
says; the driver repeats reads once and writes never.

Source: MongoDB's connection string specification; pymongo 4.20 `MongoClient`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import MissingExtra, Refused, UsageError
from sessctl.stores.engines.mongo_errors import translated
from sessctl.stores.engines.sql_tls import check_wanted, remark
from sessctl.stores.url import flags, host_port

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl

try:
    from pymongo import MongoClient
except ImportError:
    raise MissingExtra("a mongodb store", "mongo") from None

STATEMENT_TIMEOUT_S = 30
_MAJORITY_TIMEOUT_S = 10
# How to get there; the words are the driver's own.
_OPTIONS = (
    "replicaSet", "directConnection", "authSource", "authMechanism", "tls", "ssl", "tlsCAFile",
    "tlsCertificateKeyFile", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames",
    "tlsInsecure",
)  # fmt: skip
# How an application wants to work; what sessctl does about these is its own affair.
_OF_THE_APP = (
    "retryWrites", "retryReads", "w", "wtimeoutMS", "journal", "readPreference", "readConcernLevel",
    "maxStalenessSeconds", "appName", "maxPoolSize", "minPoolSize", "maxIdleTimeMS", "compressors",
    "connectTimeoutMS", "socketTimeoutMS", "serverSelectionTimeoutMS", "waitQueueTimeoutMS",
    "heartbeatFrequencyMS", "localThresholdMS", "loadBalanced", "uuidRepresentation",
)  # fmt: skip
_TRUE = {"true": True, "1": True, "false": False, "0": False}
_UNVERIFIED = ("tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames", "tlsInsecure")


@dataclass(frozen=True, slots=True)
class Target:
    """Which servers and database, and how to get there."""

    url: StoreUrl
    access: Access
    options: dict[str, str]

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL.

        Raises:
            UsageError: an option that is not known, or a value that it does not take.
            Refused: TLS is required, and less is asked for.
        """
        # The driver's words are the same in any case.
        spelled = {word.lower(): word for word in (*_OPTIONS, *_OF_THE_APP)}
        given = {spelled.get(key.lower(), key): value for key, value in url.options}
        flags(given, (*_OPTIONS, *_OF_THE_APP), url.scheme)
        if "/" in url.path.strip("/"):
            raise UsageError(
                f"the {url.scheme} URL has no valid database", hint="write mongodb://host/database"
            )
        if url.scheme == "mongodb+srv" and url.port:
            raise UsageError("a mongodb+srv URL takes no port", hint="its DNS records have it")
        wanted = {key: value for key, value in given.items() if key in _OPTIONS}
        target = cls(url, access, wanted)
        check_wanted(url, access, verifies=target.encrypted and target.verifies, write="?tls=true")
        return target

    @property
    def database(self) -> str:
        """`test` is what npm's driver takes where the URL names none."""
        return self.url.path.strip("/") or "test"

    @property
    def address(self) -> str:
        """host:port, of each host of a list."""
        default = None if self.url.scheme == "mongodb+srv" else 27017
        return ",".join(host_port(h or "localhost", p or default) for h, p in self.url.hosts)

    @property
    def label(self) -> str:
        return f"{self.url.host or 'localhost'}/{self.database}"

    @property
    def encrypted(self) -> bool:
        asked = self._flag("tls") if "tls" in self.options else self._flag("ssl")
        return self.url.scheme == "mongodb+srv" if asked is None else asked

    @property
    def verifies(self) -> bool:
        """The certificate has to be trusted and to name the host."""
        return not any(self._flag(name) for name in _UNVERIFIED)

    @property
    def has_user(self) -> bool:
        """The connection says who it is."""
        return (self.access.username or self.url.username) is not None

    @property
    def note(self) -> str | None:
        """What should be said about TLS."""
        return remark(self.url, encrypted=self.encrypted, verifies=self.verifies)

    def client(self) -> MongoClient[Any]:
        """A client that has spoken to the primary. Raises StoreError."""
        with translated(self.address):
            client: MongoClient[Any] = MongoClient(**self._arguments())
        try:
            self._check_primary(client)
        except BaseException:
            client.close()
            raise
        return client

    def _check_primary(self, client: MongoClient[Any]) -> None:
        """A secondary that was asked for by `directConnection` is neither read nor written."""
        with translated(self.address):
            hello = client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            primary = hello.get("primary")
            raise Refused(
                f"mongodb at {self.address} is a secondary",
                hint=f"its primary is {primary}" if primary else "name its primary",
            )

    def _arguments(self) -> dict[str, Any]:
        access, timeout_ms = self.access, round(self.access.timeout_s * 1000)
        username = access.username or self.url.username
        password = access.password or self.url.password
        options: dict[str, Any] = {
            "host": self._hosts(),
            "appname": "sessctl",
            "serverSelectionTimeoutMS": timeout_ms,
            "connectTimeoutMS": timeout_ms,
            "socketTimeoutMS": (STATEMENT_TIMEOUT_S + 10) * 1000,
            "retryWrites": False,  # a write is never sent twice
            "readPreference": "primary",
            "readConcernLevel": "majority",
            "w": "majority",
            "wTimeoutMS": _MAJORITY_TIMEOUT_S * 1000,
            "maxPoolSize": 2,
            "tls": self.encrypted,
        }
        if username is not None:
            options["username"] = username
            options["password"] = password.reveal_text() if password else None
            # Without a word of the URL the users are in its database, else in `admin`.
            options["authSource"] = self.url.path.strip("/") or "admin"
        if access.ca_file and self.encrypted:
            options["tlsCAFile"] = access.ca_file
        for name, value in self.options.items():
            if name not in ("tls", "ssl"):
                flag = self._flag(name) if name in (*_UNVERIFIED, "directConnection") else None
                options[name] = value if flag is None else flag
        return options

    def _hosts(self) -> str | list[str]:
        if self.url.scheme == "mongodb+srv":  # the one form that the driver takes as a URL only
            return f"mongodb+srv://{self.url.host}/"
        return [host_port(host or "localhost", port or 27017) for host, port in self.url.hosts]

    def _flag(self, name: str) -> bool | None:
        value = self.options.get(name)
        if value is None:
            return None
        if value.lower() not in _TRUE:
            raise UsageError(f"{name} of a MongoDB URL is true or false")
        return _TRUE[value.lower()]
