"""Deterministic sessions and cookies of express-session.

Everything follows from (seed, index), so that a check can recompute what it should find:

    index % 5 == 0     already past
    index % 10 == 3    nobody is logged in
    everything else    user id = index % USERS
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
import zlib
from math import gcd
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_S = 86_400
USERS = 50_000
SEED = 1


def sid(index: int, seed: int = SEED, length: int = 32) -> str:
    """URL-safe base64 text, as uid-safe makes it for express-session."""
    digest = hashlib.sha256(b"%d/%d" % (seed, index)).digest()
    return base64.urlsafe_b64encode(digest).decode()[:length]


def expired(index: int) -> bool:
    return index % 5 == 0


def expires_at_s(index: int, now_s: float) -> float:
    """1 to 14 days away from now, on one side or the other; seconds since 1970."""
    span = DAY_S + (index * 7919) % (13 * DAY_S)
    return now_s - span if expired(index) else now_s + span


def express_json(index: int, now_s: float) -> str:
    """The value as express-session stores it, about 330 bytes."""
    return json.dumps(_express_session(index, now_s), separators=(",", ":"))


def _express_session(index: int, now_s: float) -> dict[str, Any]:
    session: dict[str, Any] = {
        "cookie": {
            "originalMaxAge": 14 * DAY_S * 1000,
            "expires": _iso(expires_at_s(index, now_s)),
            "secure": bool(index & 1),
            "httpOnly": True,
            "path": "/",
            "sameSite": "lax",
        },
        "views": index % 97,
        "csrfSecret": sid(index, SEED + 1000, 24),
        "returnTo": f"/account/orders?page={index % 9}",
        "locale": ("en-GB", "de-DE", "pt-BR", "ja-JP")[index % 4],
    }
    if index % 10 == 3:
        session["cart"] = [{"sku": f"A-{index % 1000}", "qty": 1 + index % 3}]
        return session
    user = index % USERS
    session["passport"] = {"user": user}
    session["user"] = {
        "id": user,
        "email": f"user{user}@example.org",
        "roles": ["member"] if user % 50 else ["admin", "member"],
    }
    return session


def _iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def flask_cookie(index: int, secret: str, now_s: int) -> str:
    """A session of Flask with the keys of Flask-Login and Flask-WTF, of today or yesterday."""
    data = {
        "_fresh": True,
        "_id": hashlib.sha512(b"%d" % index).hexdigest(),
        "_user_id": str(index % USERS),
        "csrf_token": hashlib.sha256(b"%d" % index).hexdigest()[:40],
    }
    raw = json.dumps(data, separators=(",", ":")).encode()
    small = zlib.compress(raw)
    body = b"." + _base64(small) if len(small) < len(raw) - 1 else _base64(raw)
    text = body + b"." + _base64((now_s - index % DAY_S).to_bytes(4, "big"))
    key = hmac.digest(secret.encode(), b"cookie-session", "sha1")
    return (text + b"." + _base64(hmac.digest(key, text, "sha1"))).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def express_cookie(index: int, secret: str) -> str:
    """A signed cookie, percent-decoded: s:<sid>.<HMAC-SHA256, base64 without padding>."""
    session_id = sid(index)
    mac = hmac.digest(secret.encode(), session_id.encode(), "sha256")
    return f"s:{session_id}.{base64.b64encode(mac).rstrip(b'=').decode()}"


def shuffled(count: int) -> Iterator[int]:
    """0 to count - 1 in a fixed pseudo-random order and constant memory."""
    step = random.Random(SEED).randrange(1, count) | 1 if count > 1 else 1
    while gcd(step, count) != 1:
        step += 2
    index = 0
    for _ in range(count):
        yield index
        index = (index + step) % count
