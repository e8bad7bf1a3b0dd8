"""Room for a journal: about what a run will need, and what the disk has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sessctl.admin.journal.sessions import pack
from sessctl.errors import GuardRefused, JournalError
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sessctl.session import Session
    from sessctl.stores.base import Store

MAX_BYTES = 2**30  # sixty million dead rows are not worth 11 GB of undo
# Of what is free. It leaves the 1.3 x the estimate that have to be free, and room for others.
FREE_SHARE = 0.5
MARGIN = 1.3
SAMPLE, SAMPLE_BYTES = 100, 2**20
_USUAL_RATIO = 0.55  # 180 bytes for a session of 330, measured


def ratio_of(store: Store, sample: Sequence[Session]) -> float:
    """Bytes of journal for a byte of stored value, measured on a few sessions."""
    size = sum(session.size_bytes for session in sample)
    return len(pack(store, sample)) / size if size else _USUAL_RATIO


def free_bytes(folder: Path) -> int | None:
    """What an ordinary user may still write there; None where the file system does not say."""
    try:
        found = os.statvfs(next(p for p in (folder, *folder.parents) if p.exists()))
    except (OSError, StopIteration):
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def check_room(folder: Path, needed: int) -> None:
    """A run may write a journal of about `needed` bytes.

    Raises:
        GuardRefused: above 1 GiB, or above half of what is free; nothing was written.
    """
    free = free_bytes(folder)
    if needed > MAX_BYTES:
        limit = format_size(MAX_BYTES)
    elif free is not None and needed > free * FREE_SHARE:
        limit = f"half of the {format_size(free)} free for {folder}"
    else:
        return
    raise GuardRefused(
        "journal-size",
        f"the journal would take about {format_size(needed)}, more than {limit}",
        hint="--journal=ids keeps ids only; --no-journal, with --expired, keeps nothing",
    )


def check_page_room(path: Path, size: int) -> None:
    """The next `size` bytes fit on the disk. Raises JournalError before any of them is written."""
    free = free_bytes(path.parent)
    if free is not None and free < size * MARGIN:
        raise JournalError(
            f"no room for the next page of the journal {path} "
            f"({format_size(size)} wanted, {format_size(free)} free)",
            hint="nothing that is not in the journal was deleted; free the disk and run it again",
        )
