"""What a live Node process feels: pauses.py <store URL> <URL of its app>.

Prints {"open_ms", "page_ms", "p99_ms"}: the longest pause of its event loop while the store is
opened and its ids are taken, the longest while the pages are read, and the 99th percentile of
those. The app measures them itself (`/delay`).
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.request import urlopen

from sessctl.session import Query
from sessctl.stores.opening import open_store


def main(url: str, app: str) -> None:
    def delay() -> dict[str, Any]:
        with urlopen(f"{app}/delay") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    delay()  # begins anew
    with open_store(url) as store:
        reading = store.scan(Query())
        next(reading)
        opened = delay()
        for _ in reading:
            pass
        pages = delay()
    print(
        json.dumps(
            {"open_ms": opened["max_ms"], "page_ms": pages["max_ms"], "p99_ms": pages["p99_ms"]}
        )
    )


main(*sys.argv[1:])
