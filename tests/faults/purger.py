"""A purge in a process of its own that waits for the word, so that two of them start as one.

    python -m tests.faults.purger URL FOLDER [SEED]

says `ready`, waits for a line, purges all and answers with {outcome: [sid, ...]}. With a seed it
names the sessions one by one, in an order of its own.
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from sessctl.admin.journal import JournalWriter
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.session import Query
from sessctl.stores.opening import open_store


def main() -> None:
    url, folder, *seed = sys.argv[1:]
    found: dict[str, list[str]] = defaultdict(list)
    with open_store(url, write=True) as store:
        sids = [session.sid for session in store.scan(Query())] if seed else []
        random.Random(*seed).shuffle(sids)
        print("ready", flush=True)
        sys.stdin.readline()
        journal = JournalWriter(Path(folder), {"command": "purge", "backend": "x"})
        run = Removal(store, journal, permissions=Permissions(max_delete=10**9))
        for page in run.expire(sids) if seed else run.purge(Query(everything=True)):
            for result in page:
                found[result.outcome.value].append(result.sid)
        assert run.summary.complete, run.summary
    print(json.dumps(found))


if __name__ == "__main__":
    main()
