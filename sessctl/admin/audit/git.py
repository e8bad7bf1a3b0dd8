"""Whether a file is under version control: git's own list is looked at, git is not run.

Source: git 2.39 `Documentation/gitformat-index.txt`, versions 2 to 4 with SHA-1. Of a repository
with SHA-256, or with a split index, nothing is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LARGEST = 128 * 2**20
_HEADER = 12  # DIRC, version, number of entries
_FLAGS = 60  # where they stand in an entry, behind times, mode, owner, size and SHA-1
_EXTENDED = 0x4000


def is_in_git(path: Path) -> bool:
    """The file stands in the index of the repository that it lies in.

    Raises:
        StoreError: there is an index, and it cannot be read.
    """
    for folder in path.parents:
        git = folder / ".git"
        try:
            if git.is_file():  # a worktree says where its own is
                git = folder / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            index = git / "index"
            if index.is_file():
                return _lists(index, path.relative_to(folder).as_posix().encode())
        except (OSError, ValueError, IndexError):
            raise StoreError(f"the index of {folder} cannot be read") from None
    return False


def _lists(index: Path, name: bytes) -> bool:
    with index.open("rb") as file:
        raw = file.read(_LARGEST)
    if raw[:4] != b"DIRC":
        raise ValueError
    return name.rpartition(b"/")[2] + b"\0" in raw and name in _names(raw)


def _names(raw: bytes) -> Iterator[bytes]:
    version, entries = (int.from_bytes(raw[at : at + 4]) for at in (4, 8))
    at, name = _HEADER, b""
    for _ in range(entries):
        flags = int.from_bytes(raw[at + _FLAGS : at + _FLAGS + 2])
        start = at + _FLAGS + (4 if flags & _EXTENDED else 2)
        kept = 0
        if version == 4:
            cut, start = _number(raw, start)
            kept = len(name) - cut
        end = raw.index(b"\0", start)
        name = name[:kept] + raw[start:end]
        yield name
        # Before version 4 an entry is filled with one to eight NULs, to a multiple of eight.
        at = end + 1 if version == 4 else at + ((end - at) // 8 + 1) * 8


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number in git's variable width, and where it ends."""
    value = raw[at] & 0x7F
    while raw[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (raw[at] & 0x7F)
    return value, at + 1
