"""What people write with redis-py to find the sessions of one user.

    python find_user.py URL USER LIMIT

Looks at the first LIMIT keys and prints how many are the user's; on stderr {"wall", "cpu"} in
seconds, without the imports.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice

import redis


def main() -> None:
    url, user, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = redis.Redis.from_url(url)
    wall, cpu = time.perf_counter(), time.process_time()
    found = 0
    for key in islice(client.scan_iter("sess:*"), limit):
        value = client.get(key)
        if value is not None:
            session = json.loads(value)
            found += session.get("passport", {}).get("user") == user
    used = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(found)
    print(json.dumps(used), file=sys.stderr)


if __name__ == "__main__":
    main()
