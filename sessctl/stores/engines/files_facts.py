"""Who may read the session files of a directory, and whose they are."""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from sessctl.errors import StoreError
from sessctl.stores.engines.files_directory import reason_of
from sessctl.stores.facts import Fact, Topic
from sessctl.stores.rights import EVERYBODY, GROUP, readers, way_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.stores.engines.files_directory import Directory
    from sessctl.stores.engines.files_names import FileNames


def file_facts(directory: Directory, names: FileNames) -> Iterator[Fact]:
    """Two facts of all session files, at 2 us each; no file is opened.

    Raises:
        StoreError: the directory cannot be read.
    """
    place = str(directory.path)
    try:
        folder = directory.path.resolve(strict=True)
        way = [folder.stat(), *way_to(folder)]
    except OSError as exc:
        raise StoreError(f"cannot look at the directory ({reason_of(exc)})") from None
    open_to, owners = Counter[str](), set[int]()
    with directory.entries(names.folders) as entries:
        for name, entry in entries:
            if names.sid(name) is None:
                continue
            with suppress(FileNotFoundError):  # it may go while we look
                found = entry.stat(follow_symlinks=False)
                owners.add(found.st_uid)
                open_to[readers(found, way)] += 1
    worst = next((who for who in (EVERYBODY, GROUP) if open_to[who]), "")
    quoted = shlex.quote(place)
    yield Fact(Topic.READERS, worst, place, f"chmod 700 {quoted}", count=open_to[worst])
    yield Fact(Topic.OWNERS, len(owners), place, f"find {quoted} -not -user APP_USER -ls")
