"""Who may read a file beside its owner: by its mode, and by every folder on the way to it.

A file of mode 0644 in a folder of mode 0700 is nobody else's. Access control lists are not looked
at by themselves; what they allow at the most shows in the mode of the group.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

EVERYBODY, GROUP, NOBODY = "everybody", "its group", ""


def readers_of(path: Path) -> str:
    """`everybody`, `its group`, or nothing: the owner alone.

    Raises:
        OSError: there is no such file, or it may not be looked at.
    """
    whole = path.resolve(strict=True)
    return readers(whole.stat(), way_to(whole))


def way_to(path: Path) -> list[os.stat_result]:
    """The folders that lead to a path, the nearest first. Raises OSError."""
    return [folder.stat() for folder in path.resolve(strict=True).parents]


def readers(found: os.stat_result, way: Sequence[os.stat_result]) -> str:
    """As `readers_of`, of what has been looked at already."""
    if found.st_mode & stat.S_IROTH and all(one.st_mode & stat.S_IXOTH for one in way):
        return EVERYBODY
    if found.st_mode & stat.S_IRGRP and all(_lets_in(one, found.st_gid) for one in way):
        return GROUP
    return NOBODY


def _lets_in(folder: os.stat_result, gid: int) -> bool:
    ours = folder.st_gid == gid and folder.st_mode & stat.S_IXGRP
    return bool(ours or folder.st_mode & stat.S_IXOTH)
