"""A MongoDB server for the tests, in a process of its own: `python -m tests.support.mongo_process`.

MongoDB's own server is in no package registry. SecantusDB speaks its wire protocol over the storage
engine of MongoDB, WiredTiger, and presents itself as a replica set of one: npm's driver and pymongo
talk to it as to mongod. One JSON object as argument sets `ttl_s`, how often expired documents are
removed (mongod: 60), and `auth`. It prints {"port": N} and ends when its stdin closes.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile

from secantus import SecantusDBServer  # type: ignore[import-untyped,unused-ignore]


def main() -> None:
    options = json.loads(sys.argv[1])
    logging.disable(logging.WARNING)  # a client that goes away is no news
    with (
        tempfile.TemporaryDirectory(prefix="sessctl-mongo-") as folder,
        SecantusDBServer(
            storage_path=folder,
            port=options.get("port", 0),
            ttl_sweep_seconds=options["ttl_s"],
            require_auth=options["auth"],
            tls_cert_file=options.get("cert"),
            tls_key_file=options.get("key"),
        ) as server,
    ):
        print(json.dumps({"port": server.port}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
