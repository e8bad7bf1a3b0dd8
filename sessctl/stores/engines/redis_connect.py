"""From a Redis URL to connections: redis-py's own, without its retries and its set-up chatter.

    redis://user:password@host:6379/0            rediss:// with TLS
    redis+unix:///run/redis.sock?db=0
    redis+sentinel://host1:26379,host2/mymaster/0   rediss+sentinel://
    redis+cluster://host1:7000,host2:7001           rediss+cluster://

`valkey` and `valkeys` stand for `redis` and `rediss` in all of them. User and password are those
of the servers; sentinels have their own (`?sentinel_username=`, `sentinel_password=`).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import Refused, UsageError
from sessctl.stores.base import Tls
from sessctl.stores.engines.redis_node import CLIENT_NAME, Node
from sessctl.stores.engines.redis_nodes import Nodes
from sessctl.stores.url import flags

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_node import Wire
    from sessctl.stores.url import StoreUrl
    from sessctl.text import Secret

_PORT, _SENTINEL_PORT = 6379, 26379
_SECURE = ("rediss", "valkeys")


@dataclass(frozen=True, slots=True)
class Target:
    """Which servers and database, and how to get there. `form`: "", unix, sentinel or cluster."""

    url: StoreUrl
    access: Access
    form: str
    db: int
    service: str = ""

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL. Raises UsageError; Refused where TLS is required and not asked for."""
        scheme, _, form = url.scheme.partition("+")
        options = dict(url.options)
        flags(options, ("db", "sentinel_username")[: 2 if form == "sentinel" else 1], url.scheme)
        path = "" if form == "unix" else url.path.strip("/")
        service, _, path = path.partition("/") if form == "sentinel" else ("", "", path)
        if form == "sentinel" and not service:
            raise UsageError(
                f"the {url.scheme} URL names no service",
                hint=f"{url.scheme}://host:26379/mymaster/0, as SENTINEL MASTERS lists it",
            )
        db = options.get("db") or path or "0"
        if not (db.isascii() and db.isdigit()):
            raise UsageError("the database of a Redis URL is a number", hint="redis://host:6379/0")
        if access.require_tls and scheme not in _SECURE and form != "unix":
            secure = f"{scheme}s{'+' if form else ''}{form}"
            raise Refused(
                "this backend requires TLS", hint=f"write {secure}:// instead of {url.scheme}://"
            )
        return cls(url, access, form, int(db), service)

    @property
    def host(self) -> str:
        return self.url.host or "localhost"

    @property
    def address(self) -> str:
        """host:port, or the socket's path; of several all, in a certain order."""
        if self.form == "unix":
            return self.url.path
        hosts = ",".join(sorted(address(*place) for place in self._places))
        return f"{self.service} by {hosts}" if self.service else hosts

    @property
    def label(self) -> str:
        return f"{self.service or self.host}/{self.db}"

    @property
    def is_open_to_others(self) -> bool:
        """Sessions and password travel unencrypted to another machine."""
        return not (self.is_secure or self.form == "unix" or self.url.is_local)

    @property
    def tls(self) -> Tls | None:
        """None: a socket. With TLS the host's name is always verified."""
        return None if self.form == "unix" else Tls.of(encrypted=self.is_secure, verifies=True)

    @property
    def is_secure(self) -> bool:
        """TLS, which is verified always."""
        return self.url.scheme.partition("+")[0] in _SECURE

    @property
    def username(self) -> str | None:
        return self.access.username or self.url.username

    @property
    def has_password(self) -> bool:
        return (self.access.password or self.url.password) is not None

    @property
    def _places(self) -> list[tuple[str, int]]:
        usual = _SENTINEL_PORT if self.form == "sentinel" else _PORT
        return [(host or "localhost", port or usual) for host, port in self.url.hosts]

    def nodes(self, remarks: Remarks) -> Nodes:
        """The servers of the store. Raises StoreError: those who should know them do not tell."""
        if self.form == "cluster":
            from sessctl.stores.engines.redis_cluster import ClusterNodes

            seeds = [self._node_at(*place) for place in self._places]
            return ClusterNodes(seeds, self._node_at, remarks, self.access)
        if self.form == "sentinel":
            from sessctl.stores.engines.redis_sentinel import SentinelNodes

            sentinels = [self._sentinel_at(*place) for place in self._places]
            return SentinelNodes(sentinels, self.service, self._node_at, remarks, self.access)
        return Nodes(self.node(), remarks, self.access)

    def node(self) -> Node:
        """The one server that is named, which makes connections when it is used."""
        if self.form == "unix":
            return Node(self.address, lambda: self._connect({"path": self.url.path}))
        return self._node_at(*self._places[0])

    def _node_at(self, host: str, port: int) -> Node:
        place = {"host": host, "port": port}
        return Node(address(host, port), lambda: self._connect(place), host)

    def _sentinel_at(self, host: str, port: int) -> Node:
        access = self.access
        username = access.sentinel_username or self.url.option("sentinel_username")
        login = _login(username, access.sentinel_password or self.url.sentinel_password)
        place = {"host": host, "port": port, "db": 0, **login}
        return Node(address(host, port), lambda: self._connect(place), host)

    def _connect(self, place: dict[str, Any]) -> Wire:
        # 97 ms; only this engine needs it
        from redis import connection as driver
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        access, url = self.access, self.url
        wanted: dict[str, Any] = {
            "db": self.db,
            **_login(self.username, access.password or url.password),
            "socket_timeout": access.timeout_s,
            "client_name": CLIENT_NAME,
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            "protocol": 2,
            "legacy_responses": True,
        } | place
        # redis-py 6.2 to 8 differ in what they know of these
        known = {"host", "port", "path"} | set(
            inspect.signature(driver.AbstractConnection.__init__).parameters
        )
        common = {key: value for key, value in wanted.items() if key in known}
        make: Any = driver  # its constructors carry no types
        wire: Wire
        if self.form == "unix":
            wire = make.UnixDomainSocketConnection(**common)
            return wire
        common["socket_connect_timeout"] = access.timeout_s
        if self.is_secure:
            tls = {"ssl_ca_certs": access.ca_file, "ssl_check_hostname": True}
            wire = make.SSLConnection(**tls, **common)
        else:
            wire = make.Connection(**common)
        return wire


def address(host: str, port: int) -> str:
    """How a server is called in messages and in journals."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _login(username: str | None, password: Secret | None) -> dict[str, str | None]:
    return {"username": username, "password": password.reveal_text() if password else None}
