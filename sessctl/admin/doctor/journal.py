"""The folder of the journals: private, and with room."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sessctl.admin.doctor.check import Check, Status
from sessctl.admin.journal.space import free_bytes
from sessctl.limits import MIB
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AREA = "journal"
_LITTLE = 100 * MIB


def check_journal(folder: Path) -> Iterator[Check]:
    """Undo files hold live credentials, and a run without room for one is refused."""
    above = next((one for one in (folder, *folder.parents) if one.exists()), None)
    if above is None or not os.access(above, os.W_OK | os.X_OK):
        yield Check(
            AREA, "folder", Status.FAIL, f"{folder} cannot be written",
            "set XDG_STATE_HOME, or [journal] directory in your own config",
        )  # fmt: skip
        return
    if above == folder and folder.stat().st_mode & 0o077:
        yield Check(
            AREA, "folder", Status.WARN, f"{folder} is open to others, and holds credentials",
            f"chmod 700 {folder}",
        )  # fmt: skip
    else:
        there = "" if above == folder else " (made by the first run)"
        yield Check(AREA, "folder", Status.OK, f"{folder}{there}")
    free = free_bytes(folder)
    if free is not None:
        little = free < _LITTLE
        yield Check(
            AREA, "space", Status.WARN if little else Status.OK, f"{format_size(free)} free",
            "sessctl journal prune" if little else None,
        )  # fmt: skip
