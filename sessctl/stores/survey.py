"""`Place`: what an engine sees of a store without knowing frameworks, for the search of layouts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLACES = 40  # of one store; a database may have thousands of tables, a cache as many prefixes
_ID_LENGTHS = (32, 36, 43, 40, 64)  # of ids: express-session, UUIDs, 32 bytes in base64, digests
_ID_WITHIN = re.compile(r"(?P<prefix>.*[:/])(?P<id>[0-9a-f]{32})(?P<suffix>:[a-z]{1,20})", re.S)
_NAME_AND_ID = re.compile(r"(?P<name>[A-Za-z_]+\.[A-Za-z_.]*[A-Za-z_])[a-z0-9]{32}")


@dataclass(frozen=True, slots=True)
class Place:
    """One spot where sessions may be: the keys under a prefix, a table.

    `settings` are those of a layout that looks there; `columns` a table's, or the fields of a
    document, in their own spelling; `suffix` stands behind each id in its key;
    `sids` ids that were met, where naming them is cheaper than a scan.
    """

    name: str  # `sess:*`, `public.session`
    settings: Mapping[str, Any]
    columns: frozenset[str] = frozenset()
    sids: tuple[str, ...] | None = None
    suffix: str = ""


def places_of_keys(keys: Iterable[str], *, sample: int) -> list[Place]:
    """The prefixes of a number of keys, the commonest first, with up to `sample` ids of each.

    A prefix ends at the last `:` or `/`; else the key's end is as long as an id of a known kind.
    So it is, too, where a name with dots follows: `:1:django.contrib.sessions.cache` and the id.
    An id may stand between a prefix and a word: `beaker_cache:`, 32 digits and `:session`.
    """
    ids: dict[tuple[str, str], list[str]] = {}
    met: Counter[tuple[str, str]] = Counter()
    for key in keys:
        prefix, sid, suffix = _parts(key)
        met[prefix, suffix] += 1
        known = ids.setdefault((prefix, suffix), [])
        if len(known) < sample:
            known.append(sid)
    return [
        Place(
            f"{prefix}*{suffix}", {"prefix": prefix}, sids=tuple(ids[prefix, suffix]), suffix=suffix
        )
        for (prefix, suffix), _ in met.most_common(PLACES)
    ]


def _parts(key: str) -> tuple[str, str, str]:
    """(prefix, id, suffix) of a key."""
    if (within := _ID_WITHIN.fullmatch(key)) is not None:
        return within["prefix"], within["id"], within["suffix"]
    prefix = _prefix(key)
    return prefix, key[len(prefix) :], ""


def _prefix(key: str) -> str:
    at = max(key.rfind(":"), key.rfind("/")) + 1
    if (named := _NAME_AND_ID.fullmatch(key, at)) is not None:
        return key[: named.end("name")]
    if at:
        return key[:at]
    for length in _ID_LENGTHS:
        head = key[:-length]
        if head and not head[-1].isalnum():
            return head
    return ""
