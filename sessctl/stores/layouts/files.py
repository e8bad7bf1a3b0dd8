"""`FileLayout`: a session is a file; how it is called, and what tells when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from sessctl.stores.layouts.base import Layout


class FileEnd(StrEnum):
    """What tells when a session in a file is over."""

    LAST_ACCESS = "last-access"  # its own max age, or the lifetime, after it; both in ms
    ACCESSED = "accessed"  # the lifetime after it, in s; without a lifetime never
    HEADER = "header"  # seconds in four bytes before the value; 0 is never
    MTIME = "mtime"  # the lifetime after the file was written, or what the data says
    DATE = "date"  # a date beside the data; none is never


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How a library calls its files: `before`, the session's id, the layout's extension.

    `ids` is a pattern of the ids that are looked for. `folders`: a file is so many folders down,
    called after its first character, its first two.
    `digests`: not the id stands in the name, but one of these hashes, in hexadecimal, of the
    layout's prefix with the id; so no id can be told from a name, and the name stands for it.

    `in_flight` is a pattern of what the library puts after a name while it writes, `others` one of
    names of its own that are no sessions. `counter`: the key under whose hash it counts its files.
    `unseen`: an ending with which it passes over a file.
    `shared`: other programs keep their files in the same place; what begins otherwise is theirs.
    """

    ids: str = r"(?!\.)[!-.0-~]{1,200}"
    before_is_cookie: bool = False
    folders: int = 0
    digests: tuple[str, ...] = ()
    in_flight: str = r"(?!)"  # none
    others: str = r"(?!)"
    counter: str = ""
    unseen: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout(Layout):
    """A session is a file; `naming` says which. `directory` is below the one that the URL names.

    `end` tells when it is over; `seen` is where the value holds its last access, `max_age` its own
    lifetime, `created` its begin, where they stand there. No lifetime is 0.
    """

    databases: tuple[str, ...] = ("file",)
    settings: ClassVar[tuple[str, ...]] = ("directory", "extension")
    directory: str = ""
    extension: str = ""
    naming: Naming = Naming()
    end: FileEnd = FileEnd.LAST_ACCESS
    seen: str = ""
    max_age: str = ""
    created: str = ""

    @property
    def before_sid(self) -> str:
        """What stands before the id in a name."""
        return self.cookie_name if self.naming.before_is_cookie else ""

    @property
    def keeps_endless(self) -> bool:
        return self.end in (FileEnd.HEADER, FileEnd.DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedFileLayout(FileLayout):
    """A session is a file called after the hash of `prefix + sid`."""

    settings: ClassVar[tuple[str, ...]] = ("directory", "prefix")
    prefix: str = ""
