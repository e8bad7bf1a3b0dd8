"""A MongoDB server for the tests, in a process of its own: `python -m tests.support.mongo_process`.

MongoDB's own server is in no package registry. SecantusDB speaks its wire protocol over the storage
engine of MongoDB, WiredTiger, and presents itself as a replica set of one: npm's driver and pymongo
talk to it as to mongod. One JSON object as argument sets

    folder where the data goes
    ttl_s  how often documents that are over are removed; mongod: 60, 0: never
    user   [name, password]: who may read and write `shop`, and nobody else may do anything
    tls    a folder with `server.crt` and `server.key`

It prints {"port": N} when it is ready and ends when its stdin closes.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from secantus import SecantusDBServer  # type: ignore[import-untyped,unused-ignore]


def main() -> None:
    options = json.loads(sys.argv[1])
    logging.disable(logging.WARNING)  # a client that goes away is no news
    folder = options["folder"]
    given: dict[str, Any] = {"storage_path": folder, "ttl_sweep_seconds": options["ttl_s"]}
    if tls := options.get("tls"):
        given["tls_cert_file"] = str(Path(tls) / "server.crt")
        given["tls_key_file"] = str(Path(tls) / "server.key")
    if user := options.get("user"):
        _make_user(folder, *user)
        given["require_auth"] = True
    with SecantusDBServer(**given) as server:
        print(json.dumps({"port": server.port}), flush=True)
        sys.stdin.read()


def _make_user(folder: str, name: str, password: str) -> None:
    with SecantusDBServer(storage_path=folder) as server:
        client: MongoClient[Any] = MongoClient(server.uri)
        client["shop"].command("createUser", name, pwd=password, roles=["readWrite"])
        client["shop"]["sessions"].create_index("expires", expireAfterSeconds=0)
        client.close()


if __name__ == "__main__":
    main()
