"""Which SQL server and database a URL leads to, by a host or by a unix socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl
    from sessctl.text import Secret


@dataclass(frozen=True, slots=True)
class SqlTarget:
    """A server and a database of it; each kind of server knows how to get there.

    `socket` is what the server's own URL option says: PostgreSQL's folder, MySQL's file.
    """

    default_port: ClassVar[int]

    url: StoreUrl
    access: Access
    database: str
    socket: str | None

    @property
    def host(self) -> str:
        """The host's name, or the socket's path."""
        return self.socket or self.url.host or "localhost"

    @property
    def port(self) -> int:
        return self.url.port or self.default_port

    @property
    def address(self) -> str:
        """host:port, or the socket's path."""
        return self.socket or f"{self.host}:{self.port}"

    @property
    def label(self) -> str:
        return f"{self.host}/{self.database}"

    @property
    def username(self) -> str | None:
        return self.access.username or self.url.username

    @property
    def password(self) -> Secret | None:
        return self.access.password or self.url.password
