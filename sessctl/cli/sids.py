"""Session ids as arguments: named, from standard input, or in the short form that we print."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING

from sessctl.errors import NotFound, UsageError
from sessctl.session import Need, Query
from sessctl.text import decode_id, is_short_id, short_id

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.session import Session
    from sessctl.stores.base import Store

_LOOKED_AT = 200_000  # sessions searched for a short form, at the most


def read_sids(run: Run, given: list[str]) -> list[str]:
    """The ids of a command line; `-` stands for standard input.

    Lines are ids, or JSON objects with a `sid`, as `list -o name` and `-o jsonl` print them.
    """
    found: list[str] = []
    for word in given:
        if word != "-":
            found.append(word)
            continue
        for line in run.stdin().splitlines():
            text = decode_id(line.strip())
            if text:
                found.append(_from_json(text) if text.startswith("{") else text)
    return list(dict.fromkeys(found))


def _from_json(text: str) -> str:
    try:
        item = json.loads(text)
        exact = item.get("extra", {}).get("sid_b64")
        return decode_id(b64decode(exact)) if exact else str(item["sid"])
    except (ValueError, KeyError, AttributeError):
        raise UsageError(
            "a line of standard input is neither a session id nor an item with one"
        ) from None


def find_session(store: Store, wanted: str) -> Session:
    """The session of an id: exact first, then the short form or a beginning of six characters.

    Raises:
        NotFound: there is none.
        UsageError: several begin like this; they are listed.
    """
    exact = store.get([wanted])
    if exact:
        return exact[0]
    start = wanted.partition("~")[0] if "~" in wanted else wanted
    candidates: list[str] = []
    if len(wanted) >= 6 and store.estimate() <= _LOOKED_AT:
        for session in store.scan(Query(), Need.ID):
            sid = session.sid
            if short_id(sid) == wanted or ("~" not in wanted and sid.startswith(start)):
                candidates.append(sid)
    if len(candidates) > 1:
        shown = ", ".join(short_id(sid) for sid in candidates[:5])
        raise UsageError(
            f"{len(candidates)} sessions begin like that: {shown}", hint="give more of it"
        )
    if not candidates:
        raise NotFound(
            f"no session {wanted if is_short_id(wanted) else short_id(wanted)}",
            hint="`sessctl list --show-ids` prints full ids",
        )
    return store.get(candidates)[0]
