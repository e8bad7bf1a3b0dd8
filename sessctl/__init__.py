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
    from sessctl.admin.audit import audit
    from sessctl.admin.copy_api import (
        copy_sessions,
        diff_stores,
        export_sessions,
        import_sessions,
    )
    from sessctl.admin.create import create
    from sessctl.admin.data import set_data
    from sessctl.admin.doctor.diagnose import diagnose
    from sessctl.admin.plan import Permissions
    from sessctl.admin.stats import stats
    from sessctl.admin.touch import touch
    from sessctl.admin.watch import watch
    from sessctl.config.discovery.propose import discover
    from sessctl.cookies.api import decode_cookie, sign_cookie, verify_cookie
    from sessctl.cookies.batch.source import read_cookies
    from sessctl.cookies.wordlist import search_wordlist
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
    "audit",
    "copy_sessions",
    "create",
    "decode_cookie",
    "diagnose",
    "diff_stores",
    "discover",
    "expire",
    "export_sessions",
    "import_sessions",
    "open_store",
    "prune_journals",
    "purge",
    "read_cookies",
    "restore",
    "resume",
    "search_wordlist",
    "set_data",
    "sign_cookie",
    "stats",
    "touch",
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
    "copy_sessions": "sessctl.admin.copy_api",
    "create": "sessctl.admin.create",
    "audit": "sessctl.admin.audit",
    "decode_cookie": "sessctl.cookies.api",
    "diff_stores": "sessctl.admin.copy_api",
    "diagnose": "sessctl.admin.doctor.diagnose",
    "discover": "sessctl.config.discovery.propose",
    "expire": "sessctl.admin.api",
    "export_sessions": "sessctl.admin.copy_api",
    "import_sessions": "sessctl.admin.copy_api",
    "open_store": "sessctl.stores.opening",
    "prune_journals": "sessctl.admin.api",
    "purge": "sessctl.admin.api",
    "read_cookies": "sessctl.cookies.batch.source",
    "restore": "sessctl.admin.api",
    "resume": "sessctl.admin.api",
    "set_data": "sessctl.admin.data",
    "search_wordlist": "sessctl.cookies.wordlist",
    "sign_cookie": "sessctl.cookies.api",
    "touch": "sessctl.admin.touch",
    "stats": "sessctl.admin.stats",
    "verify_cookie": "sessctl.cookies.api",
    "watch": "sessctl.admin.watch",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sessctl' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
