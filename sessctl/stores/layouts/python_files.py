"""Layouts of Python's libraries that keep sessions in files.

    flask-cachelib-file   83e3418128efca01....  four bytes of seconds, then a pickle
    beaker-file           container_file/7/7e/7eafb6fb....cache  a pickle of base64 of a pickle
    litestar-file         5e40741b27fd0519....  MessagePack of a date and JSON

Beaker's directory holds its caches beside the sessions; those are called after 40 hexadecimal
digits and not 32. Beaker ends no session where the application sets no `timeout`.

Source: Flask-Session 0.8.0 `filesystem/filesystem.py`, `cachelib/cachelib.py`, with cachelib 0.17.0
`file.py` (MD5 for names before 0.16); Beaker 1.14.1 `session.py`, `container.py`, `util.py`;
litestar 2.25.0 `stores/file.py`, `middleware/session/server_side.py`.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from sessctl.stores.layouts.files import FileEnd, FileLayout, HashedFileLayout, Naming
from sessctl.stores.layouts.python import USER

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing(_now_ms: int, _ends_ms: int | None) -> dict[str, Any]:
    return {}


_litestar_id: Callable[[], str] = token_urlsafe  # not its 64 digits, which names have as well

FLASK_CACHELIB_FILE = HashedFileLayout(
    name="flask-cachelib-file",
    serializer="cachelib",
    prefix="session:",
    naming=Naming(
        digests=("sha256", "md5"),
        in_flight=r"\.__wz_cache",
        counter="__wz_cache_count",
        unseen=".__wz_cache",
    ),
    end=FileEnd.HEADER,
    cookie_format="opaque",
    cookie_name="session",
    user=USER,
    own_keys=("_permanent",),
    marks=("_permanent",),
    lifetime_s=31 * 86_400,
)

BEAKER_FILE = FileLayout(
    name="beaker-file",
    serializer="beaker",
    directory="container_file",
    extension=".cache",
    naming=Naming(
        ids="[0-9a-f]{32}", folders=2, in_flight=r"\.temp", others=r"[0-9a-f]{40}\.cache(\.temp)?"
    ),
    end=FileEnd.ACCESSED,
    seen="_accessed_time",
    created="_creation_time",
    cookie_format="beaker",
    cookie_name="beaker.session.id",
    user=USER,
    envelope=("_accessed_time", "_creation_time", "_domain", "_path"),
    mark=float,
    marks=("_accessed_time", "_creation_time"),
    lifetime_s=0,  # `session.timeout` is None
)

LITESTAR_FILE = HashedFileLayout(
    name="litestar-file",
    serializer="litestar",
    naming=Naming(digests=("blake2s",), in_flight=r"\.tmp.{1,20}"),
    end=FileEnd.DATE,
    cookie_format="opaque",
    cookie_name="session",
    user=USER,
    lifetime_s=14 * 86_400,
    fresh=_nothing,
    new_sid=_litestar_id,
    cookie_lasts=True,
)
