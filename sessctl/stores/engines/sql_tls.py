"""TLS to a database server: whether what was asked for is enough, and what to say of it (S27)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import Refused

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl


def check_wanted(url: StoreUrl, access: Access, *, verifies: bool, write: str) -> None:
    """Refuse less than a verified host name where TLS is required.

    Raises:
        Refused: with what to write.
    """
    if access.require_tls and not verifies and not url.is_local:
        raise Refused("this backend requires TLS with a verified host name", hint=f"write {write}")


def remark(url: StoreUrl, *, encrypted: bool, verifies: bool) -> str | None:
    """One line where somebody on the way could read or answer; None where nobody can."""
    if url.is_local:
        return None
    if not encrypted:
        return f"not encrypted: the connection to {url.host}"
    return None if verifies else f"encrypted, but the certificate of {url.host} is not verified"
