"""Write signed express-session cookies, one a line.

    python -m tests.bench.loaders.gen_cookies FILE --count 1000000 --bad-every 100

Every so many lines one character of the signature is another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.bench.loaders import sessdata

SECRET = "keyboard cat"


def cookie(index: int, bad_every: int) -> str:
    text = sessdata.express_cookie(index, SECRET)
    if bad_every and index % bad_every == bad_every - 1:
        return text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--bad-every", type=int, default=0)
    given = parser.parse_args()
    with given.path.open("w", encoding="ascii") as file:
        file.writelines(f"{cookie(i, given.bad_every)}\n" for i in range(given.count))


if __name__ == "__main__":
    main()
