"""Write signed cookies of express-session or Flask, one a line.

    python -m tests.bench.loaders.gen_cookies FILE --count 1000000 --bad-every 100 --kind flask

Every so many lines one character of the signature is another.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.loaders import sessdata

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "keyboard cat"


def cookie(make: Callable[[int], str], index: int, bad_every: int) -> str:
    text = make(index)
    if bad_every and index % bad_every == bad_every - 1:
        return text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--bad-every", type=int, default=0)
    parser.add_argument("--kind", choices=("express", "flask"), default="express")
    given = parser.parse_args()
    now_s = int(time.time())
    kinds = {
        "express": lambda index: sessdata.express_cookie(index, SECRET),
        "flask": lambda index: sessdata.flask_cookie(index, SECRET, now_s),
    }
    make = kinds[given.kind]
    with given.path.open("w", encoding="ascii") as file:
        file.writelines(f"{cookie(make, i, given.bad_every)}\n" for i in range(given.count))


if __name__ == "__main__":
    main()
