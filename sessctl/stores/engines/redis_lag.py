"""What `INFO replication` of a Redis primary says of its replicas.

    slave0:ip=10.0.0.7,port=6379,state=online,offset=1792,lag=1

Source: Redis 7.0 `replication.c`. `lag` counts seconds since the last acknowledgement.
"""

from __future__ import annotations

from sessctl.stores.base import Lag
from sessctl.text import escape


def replica_lags(info: bytes) -> list[Lag]:
    """One for each replica; a replica that is not online does not tell."""
    lags: list[Lag] = []
    for line in info.decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        if not (name.startswith("slave") and name[5:].isdigit()):
            continue
        parts = dict(part.partition("=")[::2] for part in text.split(","))
        where = escape(f"{parts.get('ip', '?')}:{parts.get('port', '?')}")
        lag = parts.get("lag", "")
        online = parts.get("state") == "online" and lag.isdigit()
        lags.append(Lag(where, float(lag) if online else None))
    return lags
