"""The libraries of the extra `crypto`: cryptography, PyNaCl, joserfc; imported when needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sessctl.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

# The note of `decode` on a cookie that says little without its secret.
ENCRYPTED = "encrypted: give the secret to read it (--secret-from env:NAME)"


@contextmanager
def crypto_for(format: str) -> Iterator[None]:
    """Around the import of such a library: MissingExtra names the format that needs it."""
    try:
        yield
    except ImportError:
        raise MissingExtra(f"the secret side of {format}", "crypto") from None
