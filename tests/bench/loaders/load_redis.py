"""Fill a Redis server with express-session data over a plain socket.

    python -m tests.bench.loaders.load_redis --port 6380 --count 1000000 --foreign 200000

Sessions are `sess:<sid>`, JSON text. Four of five have a TTL that fits `cookie.expires`; one of
five has a date in the past and no TTL, which is what disableTTL, PERSIST or a restored dump leaves
behind. Foreign keys: `cache:*` strings, `user:*` hashes, `queue:*` lists.
"""

from __future__ import annotations

import argparse
import socket
import time
from typing import TYPE_CHECKING

from tests.bench.loaders import sessdata

if TYPE_CHECKING:
    from collections.abc import Iterator

Command = tuple[object, ...]
_BLOCK = 2000


def commands(count: int, foreign: int) -> Iterator[Command]:
    now_s = time.time()
    for index in sessdata.shuffled(count):
        command: Command = (
            "SET",
            f"sess:{sessdata.sid(index)}",
            sessdata.express_json(index, now_s),
        )
        if not sessdata.expired(index):
            command += ("EX", int(sessdata.expires_at_s(index, now_s) - now_s))
        yield command
    for index in range(foreign):
        if index % 4 == 1:
            mail = f"u{index}@example.org"
            yield ("HSET", f"user:{index}", "name", f"n{index}", "mail", mail)
        elif index % 4 == 2:
            yield ("RPUSH", f"queue:{index}", "x")
        else:
            yield ("SET", f"cache:page:{index}", "x" * 40)


def packed(command: Command) -> bytes:
    words = [str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def send(port: int, commands: Iterator[Command]) -> None:
    """All commands in blocks; each is answered with one line."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        replies = connection.makefile("rb", 1 << 16)
        waiting: list[bytes] = []
        for command in commands:
            waiting.append(packed(command))
            if len(waiting) == _BLOCK:
                _exchange(connection, replies, waiting)
        _exchange(connection, replies, waiting)


def _exchange(connection: socket.socket, replies: object, waiting: list[bytes]) -> None:
    connection.sendall(b"".join(waiting))
    for _ in waiting:
        reply = replies.readline()  # type: ignore[attr-defined]
        if reply[:1] == b"-":
            raise SystemExit(reply.decode())
    waiting.clear()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--foreign", type=int, default=0)
    given = parser.parse_args()
    send(given.port, commands(given.count, given.foreign))


if __name__ == "__main__":
    main()
