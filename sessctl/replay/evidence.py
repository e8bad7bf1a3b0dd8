"""Where the state is kept: in the cookie or at the server, told from what was seen, not by a name.

Some of it comes with the runs anyway. The rest needs one more run, in which an earlier cookie is
presented again: after the state has moved on, and after the logout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sessctl.cookies.api import decode_cookie, recognise
from sessctl.cookies.registry import OPAQUE
from sessctl.errors import SessctlError
from sessctl.replay.compare import differences
from sessctl.replay.judge import cookies_sent, facts, facts_of, parts_of
from sessctl.replay.look import Fate
from sessctl.replay.scenario import Request, RunHook
from sessctl.replay.transcript import Rewind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.replay.compare import Facts
    from sessctl.replay.judge import JudgedStep
    from sessctl.replay.transcript import Exchange, StepRecord, Transcript

_LOGOUT = re.compile(r"(?i)log-?out|sign-?out|log out|sign out|/session/delete")
_SHORTEST_ID = 11  # characters: 64 bits in base64. A signed count looks like a signed id else.
_FIRM = 50  # of 100: how well a cookie has to fit a format to tell something
_RESTART = re.compile(r"(?i)restart")


class Kept(StrEnum):
    """Where the state is."""

    COOKIE = "in the cookie"
    SERVER = "at the server"
    BOTH = "both"
    UNKNOWN = "not told"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen.

    Attributes:
        points_to: None where it only adds to the picture.
        is_weak: it counts only where nothing stronger was seen.
    """

    text: str
    points_to: Kept | None = None
    is_weak: bool = False


def kept(evidence: Sequence[Evidence]) -> Kept:
    """What the evidence says together."""
    strong = {one.points_to for one in evidence if not one.is_weak} - {None}
    found = strong or {one.points_to for one in evidence} - {None}
    if found == {Kept.COOKIE}:
        return Kept.COOKIE
    if found == {Kept.SERVER}:
        return Kept.SERVER
    return Kept.BOTH if found else Kept.UNKNOWN


# -- what the runs have shown ----------------------------------------------------------------------


def seen(
    carrier: str, steps: Sequence[JudgedStep], stateful: Sequence[Transcript]
) -> Iterator[Evidence]:
    """Evidence out of the stateful runs alone: the one that is judged, then its controls."""
    yield from _decoded(carrier, stateful[0])
    yield from _moved_on(carrier, steps, stateful[1:])
    yield from _restarted(carrier, steps, stateful[0])
    yield from _stored(stateful[0])


def _decoded(carrier: str, stateful: Transcript) -> Iterator[Evidence]:
    value = next(
        (cookie.value for one in _exchanges(stateful) for cookie in one.choice.sent
         if cookie.name == carrier), None,
    )  # fmt: skip
    if value is None:
        return
    text = f"{carrier}={value}"
    try:
        _, matches = recognise(text, name=carrier)
        if not matches or matches[0][1].score < _FIRM:
            return  # it could be of some format, as a random text could
        cookie = decode_cookie(text, matches[0][0].name, name=carrier)
    except SessctlError:
        return
    if cookie.format == OPAQUE:
        return  # looks like an id, as a token of anything would
    if cookie.sid is not None and len(cookie.sid) < _SHORTEST_ID:
        yield Evidence(f"{carrier} is a signed value, too short for a session id ({cookie.format})")
    elif cookie.sid is not None:
        yield Evidence(f"{carrier} decodes to a session id ({cookie.format})", Kept.SERVER)
    elif cookie.payload is not None:
        yield Evidence(f"{carrier} decodes to a payload ({cookie.format})", Kept.COOKIE)


def _moved_on(
    carrier: str, steps: Sequence[JudgedStep], controls: Sequence[Transcript]
) -> Iterator[Evidence]:
    """The same request was answered otherwise: with the same cookies, or with another?"""
    pairs = _pairs(steps, controls)
    for earlier, later in pairs:
        cookies = _sent(earlier)
        if carrier in cookies and cookies == _sent(later):
            yield Evidence(
                f"steps {earlier.key} and {later.key} are answered differently "
                "while the cookie's value stays the same",
                Kept.SERVER,
            )
            return
    for earlier, later in pairs:
        one, other = sent_value(earlier, carrier), sent_value(later, carrier)
        if one is not None and other is not None and one != other:
            yield Evidence(
                f"the cookie's value changes between steps {earlier.key} and {later.key}, "
                "as the answer does"
            )
            return


def _restarted(
    carrier: str, steps: Sequence[JudgedStep], stateful: Transcript
) -> Iterator[Evidence]:
    """What was asked for before a restart is asked for again, with the cookie of before."""
    keys = [one.key for one in stateful.steps]
    hooks = [one for one in stateful.steps if isinstance(one.step, RunHook)]
    restart = next((one for one in hooks if _RESTART.search(_hook_name(one))), None)
    if restart is None:
        return
    at = keys.index(restart.key)
    before = [one for one in steps if keys.index(one.key) < at and _is_look(one, carrier)]
    asked = {_asks(one) for one in before}
    values = {sent_value(one, carrier) for one in before}
    after = [
        one
        for one in steps
        if keys.index(one.key) > at
        and isinstance(one.step, Request)
        and _asks(one) in asked
        and sent_value(one, carrier) in values
    ]
    if any(one.depends for one in after):
        yield Evidence("it is still there after the restart")
    elif after:
        yield Evidence("it is gone after the restart: it was in the memory of the app", Kept.SERVER)


def _hook_name(record: StepRecord) -> str:
    return record.step.hook if isinstance(record.step, RunHook) else ""


def _stored(stateful: Transcript) -> Iterator[Evidence]:
    looks = [one.look for one in _exchanges(stateful) if one.look is not None]
    if any(look.fate is not Fate.NONE and look.sid for look in looks):
        yield Evidence("the session was found in the store", Kept.SERVER)
    elif looks:
        yield Evidence("no session of it was found in the store")


# -- what another run can show ---------------------------------------------------------------------


def rewinds(
    carrier: str, steps: Sequence[JudgedStep], stateful: Sequence[Transcript]
) -> tuple[Rewind, ...]:
    """The earlier cookies that are worth presenting again."""
    found: list[Rewind] = []
    parts = parts_of(carrier, cookies_sent(stateful[0]))
    changed = next(
        (
            pair
            for pair in _pairs(steps, stateful[1:])
            if all(_is_look(one, carrier) for one in pair)
            and sent_value(pair[0], carrier) != sent_value(pair[1], carrier)
        ),
        None,
    )
    if changed is not None:
        earlier, later = changed
        found.append(Rewind(later.key, earlier.key, carrier, parts))
    logout = next((one for one in steps if _is_logout(one)), None)
    if logout is not None:
        before = [one for one in steps[: steps.index(logout)] if _is_look(one, carrier)]
        if before:
            found.append(Rewind(logout.key, before[-1].key, carrier, parts))
    return tuple(found)


def rewound(
    run: Transcript, steps: Sequence[JudgedStep], stateful: Transcript
) -> Iterator[Evidence]:
    """What the answers to earlier cookies say.

    Args:
        run: the one in which they were presented.
        stateful: another one, which shows what differs by itself.
    """
    judged = {one.key: one for one in steps}
    for record in run.steps:
        for rewind, exchange in record.rewound.items():
            then, again = run.step(rewind.step), stateful.step(rewind.step)
            if then is None or again is None or exchange.response is None:
                continue
            answer, expected = facts_of(exchange), [facts(then), facts(again)]
            without = judged[rewind.step].stateless
            nobody = facts(without) if without is not None else answer
            is_logout = _is_logout(judged[rewind.after])
            if _alike(expected, answer):
                yield _came_back(rewind, is_logout)
            elif is_logout and _lacks_the_same(expected, answer, nobody):
                yield Evidence(
                    "the cookie of before is worth nothing after the logout", Kept.SERVER
                )
            elif is_logout:
                yield Evidence(
                    "the cookie of before still works after the logout, and the state goes on",
                    Kept.SERVER,
                )
            elif not _alike([nobody], answer):
                yield Evidence(
                    f"with the cookie of step {rewind.step} again the state goes on", Kept.SERVER
                )
            else:
                yield Evidence(f"the cookie of step {rewind.step} is not taken a second time")


def _lacks_the_same(expected: Sequence[Facts], answer: Facts, nobody: Facts) -> bool:
    """Whether an answer lacks what the one without cookies lacks."""
    if expected[0].status != nobody.status:
        return answer.status == nobody.status
    texts = [one.text for one in expected]
    lost = {one.ours for one in differences(texts, [nobody.text])}
    return lost <= {one.ours for one in differences(texts, [answer.text])}


def _came_back(rewind: Rewind, is_logout: bool) -> Evidence:
    if is_logout:
        # Weak: an app may keep the session and only tell the browser to forget its cookie.
        return Evidence(
            "the cookie of before still works after the logout", Kept.COOKIE, is_weak=True
        )
    return Evidence(
        f"with the cookie of step {rewind.step} again the state goes back to it", Kept.COOKIE
    )


def _is_logout(step: JudgedStep) -> bool:
    request = step.step
    return isinstance(request, Request) and bool(
        _LOGOUT.search(request.name) or _LOGOUT.search(request.url)
    )


def _is_look(step: JudgedStep, carrier: str) -> bool:
    """A page that depends on state, was asked for without changing it, and with the cookie."""
    request = step.step
    return (
        step.depends
        and isinstance(request, Request)
        and request.method == "GET"
        and len(step.stateful.exchanges) == 1  # presented again, a redirect is not followed
        and sent_value(step, carrier) is not None
    )


def _pairs(
    steps: Sequence[JudgedStep], controls: Sequence[Transcript]
) -> list[tuple[JudgedStep, JudgedStep]]:
    """The same GET, asked twice and answered otherwise, beyond what differs by itself."""
    found = []
    looks = [one for one in steps if one.depends and isinstance(one.step, Request)]
    for place, earlier in enumerate(looks):
        again = [one for run in controls if (one := run.step(earlier.key)) is not None]
        for later in looks[place + 1 :]:
            if _asks(earlier) == _asks(later) and not _alike(
                [facts(earlier.stateful), *map(facts, again)], facts(later.stateful)
            ):
                found.append((earlier, later))
    return found


def _asks(step: JudgedStep) -> tuple[str, ...]:
    request = step.step
    assert isinstance(request, Request)
    # Anything but a GET is one of its own: sent again it may do something else.
    unique = "" if request.method == "GET" else step.key
    return request.method, request.url, str(request.query), request.client, unique


def sent_value(step: JudgedStep, carrier: str) -> str | None:
    """The cookie's value as the step's first request carried it."""
    return _sent(step).get(carrier)


def _sent(step: JudgedStep) -> dict[str, str]:
    sent = step.stateful.exchanges[0].choice.sent if step.stateful.exchanges else ()
    return {cookie.name: cookie.value for cookie in sent}


def _exchanges(transcript: Transcript) -> Iterator[Exchange]:
    return (one for record in transcript.steps for one in record.exchanges)


def _alike(ours: Sequence[Facts], other: Facts) -> bool:
    """Whether an answer is as the first of ours, but for what differs by itself."""
    return ours[0].status == other.status and not differences(
        [one.text for one in ours], [other.text]
    )
