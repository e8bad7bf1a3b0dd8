"""From a Redis URL to connections: redis-py's own, without its retries and its set-up chatter."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import Refused, UsageError
from sessctl.stores.engines.redis_node import CLIENT_NAME, Node
from sessctl.stores.url import flags

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.engines.redis_node import Wire
    from sessctl.stores.url import StoreUrl


@dataclass(frozen=True, slots=True)
class Target:
    """Which server and database, and how to get there."""

    url: StoreUrl
    access: Access
    host: str
    port: int
    db: int

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL. Raises UsageError; Refused where TLS is required and not asked for."""
        options = dict(url.options)
        flags(options, ("db",), url.scheme)
        on_socket = url.scheme == "redis+unix"
        db = options.get("db") or ("" if on_socket else url.path.strip("/")) or "0"
        if not (db.isascii() and db.isdigit()):
            raise UsageError("the database of a Redis URL is a number", hint="redis://host:6379/0")
        if access.require_tls and url.scheme == "redis":
            raise Refused("this backend requires TLS", hint="write rediss:// instead of redis://")
        return cls(url, access, url.host or "localhost", url.port or 6379, int(db))

    @property
    def address(self) -> str:
        """host:port, or the socket's path."""
        if self.url.scheme == "redis+unix":
            return self.url.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def label(self) -> str:
        return f"{self.host}/{self.db}"

    @property
    def is_open_to_others(self) -> bool:
        """Sessions and password travel unencrypted to another machine."""
        return self.url.scheme == "redis" and not self.url.is_local

    def node(self) -> Node:
        """The server, which makes connections when it is used."""
        return Node(self._connect, self.address)

    def _connect(self) -> Wire:
        # 97 ms; only this engine needs it
        from redis import connection as driver
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        username = self.access.username or self.url.username
        password = self.access.password or self.url.password
        wanted: dict[str, Any] = {
            "db": self.db,
            "username": username,
            "password": password.reveal_text() if password else None,
            "socket_timeout": self.access.timeout_s,
            "client_name": CLIENT_NAME,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            "protocol": 2,
            "legacy_responses": True,
        }
        # redis-py 6.2 to 8 differ in what they know of these
        known = inspect.signature(driver.AbstractConnection.__init__).parameters
        common = {key: value for key, value in wanted.items() if key in known}
        make: Any = driver  # its constructors carry no types
        wire: Wire
        if self.url.scheme == "redis+unix":
            wire = make.UnixDomainSocketConnection(path=self.url.path, **common)
            return wire
        common |= {
            "host": self.host,
            "port": self.port,
            "socket_connect_timeout": self.access.timeout_s,
        }
        if self.url.scheme == "rediss":
            tls = {"ssl_ca_certs": self.access.ca_file, "ssl_check_hostname": True}
            wire = make.SSLConnection(**tls, **common)
        else:
            wire = make.Connection(**common)
        return wire
