"""One move at a time out of a store: two at once would each take what the other has ended at the
source for a logout, and end its copy.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from sessctl.admin.journal.lock import lock
from sessctl.config.paths import private_folder
from sessctl.errors import JournalError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sessctl.stores.base import Store


@contextmanager
def alone_in(folder: Path, source: Store) -> Iterator[None]:
    """No other run that keeps its journals in this folder moves sessions out of this store.

    Raises:
        Refused: one does.
        JournalError: the folder cannot be written.
    """
    where = json.dumps(source.identity.as_dict(), sort_keys=True).encode()
    path = folder / f"move-{sha256(where).hexdigest()[:16]}.lock"
    try:
        private_folder(folder)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise JournalError(f"cannot write to the journal folder {folder} ({reason})") from None
    try:
        if not lock(fd):
            raise Refused(
                "another run is moving sessions out of this store", hint="wait until it has ended"
            )
        yield
    finally:
        os.close(fd)
