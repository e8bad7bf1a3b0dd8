"""The session cookie among the cookies of a pasted text: by its name, else by name and shape.

A header holds consents, tags of analytics and CSRF tokens beside the session; `<name>.sig` belongs
to `<name>`, and `<name>.0`, `<name>.1` (`<name>-0`, `<name>-1` in Litestar) are one cookie that was
too long for a browser.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from sessctl.cookies.base import CookieContext
from sessctl.cookies.paste import Pasted, unwrap
from sessctl.cookies.registry import detect, is_known
from sessctl.errors import CookieError, did_you_mean
from sessctl.limits import DEFAULT, Budget

_NAMES = 10  # in a hint; a header may hold thousands
_COMPANION = ".sig"
_CHUNK = re.compile(r"(.+)([.-])(0|[1-9][0-9]{0,2})")
LITESTAR_CHUNK = 4096 - 64  # characters of all its chunks but the last one


def pick(
    text: str,
    *,
    name: str | None = None,
    usual_name: str | None = None,
    budget: Budget = DEFAULT,
) -> Pasted:
    """The session cookie among the cookies of a pasted text.

    Args:
        name: the cookie to take. A bare value has no name, and is taken as it is.
        usual_name: the cookie to take if it is there. Else the one that fits a format best.

    Raises:
        CookieError: there is none, or none of this name.
        LimitExceeded: larger than `budget.cookie_bytes`.
    """
    if not text.lstrip().startswith(("{", "[")):
        budget.check_cookie(len(text))
    found = gathered(unwrap(text))
    names = [one.name for one in found if one.name is not None]
    wanted = name if names and name is not None else usual_name
    for one in found:
        if wanted is not None and one.name == wanted:
            return one
    if names and name is not None:
        raise CookieError(
            f"no cookie named '{name}' in the input",
            hint=did_you_mean(name, names[:_NAMES], all_are="it has"),
        )
    chosen = next(iter(ranked(found)), found[0]) if len(found) > 1 else found[0]
    if not chosen.value:
        raise CookieError("there is no cookie in the input", hint="sessctl decode COOKIE")
    return chosen


def gathered(found: list[Pasted]) -> list[Pasted]:
    """The cookies of one browser as an app sees them.

    The first of each name counts, as servers read a header; a companion goes with its cookie,
    chunks become one.
    """
    if len(found) == 1:
        return found
    return _with_companions(_joined(_without_repeats(found)))


def ranked(found: list[Pasted]) -> list[Pasted]:
    """The cookies that fit a format, the likeliest session first."""
    from sessctl.cookies.names import weight_of  # 1 ms; a value alone needs no weighing

    for third_parties in (False, True):  # ours first: asking for others' takes 15 ms
        matches = [detect(one.value, _context(one), third_parties=third_parties) for one in found]
        if any(map(is_known, matches)):
            break
    scored = [
        (fitting[0][1].score + weight_of(one.name, fitting[0][0].name), one)
        for one, fitting in zip(found, matches, strict=True)
        if fitting
    ]
    return [one for _, one in sorted(scored, key=lambda pair: -pair[0])]


def _context(one: Pasted) -> CookieContext:
    return CookieContext(name=one.name, companion=one.companion)


def _with_companions(found: list[Pasted]) -> list[Pasted]:
    values = {one.name: one.value for one in found}
    result = []
    for one in found:
        name = one.name or ""
        if name.endswith(_COMPANION) and name.removesuffix(_COMPANION) in values:
            continue
        result.append(replace(one, companion=values.get(f"{name}{_COMPANION}")))
    return result


def _joined(found: list[Pasted]) -> list[Pasted]:
    """Chunks as the one cookie they are, in the order of their numbers, where the first was.

    Source: iron-session 9 and Auth.js 5 write `name.0`, `name.1` and so on, Litestar 2 `name-0`.
    """
    chunks: dict[str, dict[int, Pasted]] = {}
    for one in found:
        stem, number = _chunk(one)
        if number is not None:
            chunks.setdefault(stem, {})[number] = one
    names = {one.name for one in found}
    whole = {
        stem: [parts[place] for place in range(len(parts))]
        for stem, parts in chunks.items()
        if stem[:-1] not in names and _are_whole(stem, parts)
    }
    result = []
    for one in found:
        stem, number = _chunk(one)
        if stem not in whole:
            result.append(one)
        elif number == 0:
            result.append(_join(stem, whole[stem]))
    return result


def _are_whole(stem: str, parts: dict[int, Pasted]) -> bool:
    """Whether these are the chunks of one cookie: several, and none is missing.

    A dash with a number ends many a name: behind it the chunks have Litestar's size, too.
    """
    last = len(parts) - 1
    if last < 1 or sorted(parts) != list(range(len(parts))):
        return False
    return stem.endswith(".") or all(len(parts[i].value) == LITESTAR_CHUNK for i in range(last))


def _chunk(one: Pasted) -> tuple[str, int | None]:
    """(name and the sign behind it, number) of a chunk; the number is None for any other cookie."""
    found = _CHUNK.fullmatch(one.name or "")
    return (found[1] + found[2], int(found[3])) if found else ("", None)


def _join(stem: str, parts: list[Pasted]) -> Pasted:
    notes = tuple(note for one in parts for note in one.notes)
    return Pasted(
        stem[:-1],
        "".join(one.value for one in parts),
        (f"joined from the {len(parts)} cookies {stem}0 to {stem}{len(parts) - 1}", *notes),
    )


def _without_repeats(found: list[Pasted]) -> list[Pasted]:
    """The first cookie of each name; a note where there were more."""
    counts = Counter(one.name for one in found)
    firsts: dict[str | int, Pasted] = {}
    for place, one in enumerate(found):
        firsts.setdefault(place if one.name is None else one.name, one)
    return [
        one if one.name is None or counts[one.name] == 1 else _repeated(one, counts[one.name])
        for one in firsts.values()
    ]


def _repeated(first: Pasted, count: int) -> Pasted:
    note = (
        f"'{first.name}' is there {count} times; the first is taken: "
        "browsers send the most specific path's first"
    )
    return replace(first, notes=(note,))
