"""Look after web sessions: list, show, decode, verify, expire, purge, restore.

    from sessctl import Query, open_store, purge, restore
    from sessctl import decode_cookie, sign_cookie, verify_cookie

Everything the command line does can be done with these names; what they return is documented
where they are defined. Names are imported at their first use, so that `decode_cookie` loads no
database driver.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: that import is half of what --version costs
if TYPE_CHECKING:
    from typing import Any

    from sessctl.admin.api import expire, prune_journals, purge, restore, resume
    from sessctl.admin.plan import Permissions
    from sessctl.admin.stats import stats
    from sessctl.admin.watch import watch
    from sessctl.cookies.api import decode_cookie, sign_cookie, verify_cookie
    from sessctl.errors import SessctlError
    from sessctl.session import Query, Session
    from sessctl.stores.access import Access
    from sessctl.stores.opening import open_store
    from sessctl.text import Secret

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Permissions",
    "Query",
    "Secret",
    "SessctlError",
    "Session",
    "__version__",
    "decode_cookie",
    "expire",
    "open_store",
    "prune_journals",
    "purge",
    "restore",
    "resume",
    "sign_cookie",
    "stats",
    "verify_cookie",
    "watch",
]

_HOME = {
    "Access": "sessctl.stores.access",
    "Permissions": "sessctl.admin.plan",
    "Query": "sessctl.session",
    "Secret": "sessctl.text",
    "SessctlError": "sessctl.errors",
    "Session": "sessctl.session",
    "decode_cookie": "sessctl.cookies.api",
    "expire": "sessctl.admin.api",
    "open_store": "sessctl.stores.opening",
    "prune_journals": "sessctl.admin.api",
    "purge": "sessctl.admin.api",
    "restore": "sessctl.admin.api",
    "resume": "sessctl.admin.api",
    "sign_cookie": "sessctl.cookies.api",
    "stats": "sessctl.admin.stats",
    "verify_cookie": "sessctl.cookies.api",
    "watch": "sessctl.admin.watch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sessctl' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
