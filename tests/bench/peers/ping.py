"""Another client of the same Redis: a PING every two milliseconds until stdin closes.

    python ping.py PORT

Then {"pings", "p50_ms", "p99_ms", "max_ms"} on stdout.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

_EVERY_S = 0.002


def main() -> None:
    times_ms: list[float] = []
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not times_ms or not select.select([sys.stdin], [], [], _EVERY_S)[0]:
            started = time.perf_counter()
            connection.sendall(b"PING\r\n")
            connection.recv(64)
            times_ms.append((time.perf_counter() - started) * 1000)
    times_ms.sort()
    found = {
        "pings": len(times_ms),
        "p50_ms": times_ms[len(times_ms) // 2],
        "p99_ms": times_ms[len(times_ms) * 99 // 100],
        "max_ms": times_ms[-1],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
