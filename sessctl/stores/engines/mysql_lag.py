"""How far a MySQL or MariaDB replica is behind, asked of itself: its primary does not know.

Source: `SHOW SLAVE STATUS` of MariaDB 10.11, `SHOW REPLICA STATUS` of MySQL 8.4; the same columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import StoreError
from sessctl.stores.base import Lag
from sessctl.stores.engines.mysql_connect import MysqlConnection

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl

_COLUMNS = ("Seconds_Behind_Master", "Seconds_Behind_Source")


class ReplicaStatus:
    """Asks one replica, over a connection that is kept."""

    def __init__(self, url: StoreUrl, access: Access) -> None:
        self._replica = MysqlConnection(url, access)

    def __call__(self) -> Lag:
        """Its lag; `seconds` is None where replication stands still.

        Raises:
            StoreError: it may not be asked, or is no replica.
        """
        for words in ("SHOW SLAVE STATUS", "SHOW REPLICA STATUS"):
            try:
                row = self._replica.first(words)
            except StoreError:
                continue
            if row is None:
                raise StoreError(f"{self._replica.address} is not a replica")
            seconds = next((row[name] for name in _COLUMNS if name in row), None)
            return Lag(self._replica.address, None if seconds is None else float(seconds))
        raise StoreError(
            f"{self._replica.address} does not let this user see its replication",
            hint="GRANT REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL)",
        )

    def close(self) -> None:
        """Close the connection."""
        self._replica.close()
