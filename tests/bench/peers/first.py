"""How long a store takes to give its first sessions by expiry, in ms: the median of many.

python first.py URL COUNT
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from statistics import median

from sessctl import Query, open_store

_TIMES = 25


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    times_ms: list[float] = []
    with open_store(url) as store:
        for _ in range(_TIMES):
            started = time.perf_counter()
            found = list(islice(store.by_expiry(Query(), first=count), count))
            times_ms.append((time.perf_counter() - started) * 1000)
            assert len(found) == count
    print(median(times_ms))


if __name__ == "__main__":
    main()
