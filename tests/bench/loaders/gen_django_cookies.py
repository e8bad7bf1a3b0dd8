"""Write session cookies of Django's `signed_cookies`, one a line, as Django itself signs them.

    python -m tests.bench.loaders.gen_django_cookies FILE --count 1000000 --bad-every 100

Every so many lines one character of the signature is another.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

from django.core.signing import TimestampSigner, b62_encode

from tests.bench.loaders.sessdata import DAY_S, USERS

SECRET = "keyboard cat"
SALT = "django.contrib.sessions.backends.signed_cookies"


def session(index: int) -> dict[str, Any]:
    """What the session of somebody who is logged in holds, and one in ten who is not."""
    if index % 10 == 3:
        return {"cart": [index % 1000, 1], "lang": "en"}
    return {
        "_auth_user_id": str(index % USERS),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": hashlib.sha256(b"%d" % index).hexdigest(),
        "views": index % 97,
    }


class Signer(TimestampSigner):  # type: ignore[misc]
    """Django's, at the second that it is told."""

    now_s = 0

    def timestamp(self) -> str:
        return str(b62_encode(self.now_s))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--bad-every", type=int, default=0)
    given = parser.parse_args()
    signer, now_s = Signer(key=SECRET, salt=SALT, fallback_keys=[]), int(time.time())
    with given.path.open("w", encoding="ascii") as file:
        for index in range(given.count):
            signer.now_s = now_s - index % DAY_S
            text = signer.sign_object(session(index), compress=True)
            if given.bad_every and index % given.bad_every == given.bad_every - 1:
                text = text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]
            file.write(f"{text}\n")


if __name__ == "__main__":
    main()
