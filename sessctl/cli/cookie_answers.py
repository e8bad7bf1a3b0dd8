"""What `decode` and `verify` say of one cookie: its item, its block, the session it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.cli.items import COOKIE_KEYS, cookie_item
from sessctl.cookies.api import judge
from sessctl.cookies.registry import detect
from sessctl.errors import MissingExtra, SessctlError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.cookie_options import Judging
    from sessctl.cli.output import Writer
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.config.model import Backend
    from sessctl.cookies.base import DecodedCookie
    from sessctl.cookies.batch.given import Place
    from sessctl.text import Masker


@dataclass(frozen=True, slots=True)
class Answer:
    """A cookie, read and, where secrets are at hand, judged."""

    item: dict[str, Any]
    decoded: DecodedCookie | None
    block: list[Line]  # the session it leads to, for people


def read_cookie(
    how: Judging,
    finder: Finder,
    text: str,
    place: Place,
    *,
    judges: bool,
    masker: Masker | None,
) -> Answer:
    """A cookie's answer. Unless it `judges`, one that cannot be verified here is only read.

    Args:
        masker: redaction is on.

    Raises:
        UnreadableInput: it cannot be decoded.
    """
    found = how.find(text)
    pasted, chosen, context = found.pasted, found.format, found.context
    matches = found.matches if how.format is None else detect(pasted.value, context)
    verdict, secret, unverified = None, None, list[str]()
    try:
        if how.secrets:
            verdict = judge(found, how.secrets, now=how.now, max_age=how.max_age)
    except MissingExtra as exc:
        if judges:
            raise
        unverified.append(f"not verified: {exc.message}")
    decoded = verdict.decoded if verdict else chosen.decode(pasted.value, context)
    if verdict and verdict.key_index is not None:
        reference = how.secrets[verdict.key_index].reference
        secret = reference or f"secrets[{verdict.key_index}]"
    taken = decoded.format if decoded else chosen.name  # a secret may have chosen another
    candidates = [(one.name, match) for one, match in matches if one.name != taken]
    session, block, notes = finder.find(decoded) if decoded else (None, [], [])
    item = cookie_item(
        name=context.name,
        decoded=decoded,
        verdict=verdict,
        candidates=candidates,
        secret=secret,
        session=session,
        notes=[
            *pasted.notes,
            *(verdict.notes if verdict else ()),
            *(decoded.notes if decoded else ()),
            *unverified,
            *notes,
        ],
        place=place,
        masker=masker,
    )
    return Answer(item, decoded, block)


def unreadable(exc: SessctlError, place: Place) -> Answer:
    """The answer of what cannot be decoded."""
    item = cookie_item(
        name=None, decoded=None, verdict=None, candidates=[], secret=None, session=None, notes=[],
        problem={"code": exc.code, "message": exc.message}, place=place,
    )  # fmt: skip
    return Answer(item, None, [])


class Finder:
    """Finds the session of a cookie in the backend at hand, opened at the first need."""

    def __init__(self, run: Run, backend: Backend | None, *, explicit: bool) -> None:
        self._run, self._backend, self._explicit = run, backend, explicit
        self._context: Any = None
        self._store: Any = None

    @property
    def looks(self) -> bool:
        """There is a backend, so that cookies of which nothing else differs may lead anywhere."""
        return self._backend is not None

    def find(self, cookie: DecodedCookie) -> tuple[dict[str, Any] | None, list[Line], list[str]]:
        """(item, block, notes). An unreachable store is a note, unless it was asked for."""
        if self._backend is None or cookie.sid is None:
            return None, [], []
        from sessctl.admin.lookup import find_session
        from sessctl.cli.commands.show import label, session_lines
        from sessctl.cli.items import session_item

        try:
            if self._store is None:
                self._context = self._run.store(self._backend)
                self._store = self._context.__enter__()
            session = find_session(cookie, self._store)
        except StoreError as exc:
            if self._explicit:
                raise
            self._backend = None
            return None, [], [f"not looked up: {exc.message}"]
        if session is None:
            return None, [], ["no session of this id is in the store"]
        where, now_ms = label(self._backend, self._store), self._store.now_ms()
        masker = self._run.masker() if self._run.redacting else None
        item = session_item(
            session, backend=where[0], layout=where[2], now_ms=now_ms, with_data=True, masker=masker
        )
        return item, list(session_lines(self._run, where, session, now_ms)), []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was opened."""
        if self._context is not None:
            self._context.__exit__(None, None, None)


class Answers:
    """Writes answers as they come: blocks for people, items for programs."""

    def __init__(self, run: Run, output: str) -> None:
        self._run, self._output = run, output
        self._writer: Writer | None = None
        if output not in ("table", "wide"):
            from sessctl.cli.output import Writer

            self._writer = Writer(run, output, "CookieList", COOKIE_KEYS)

    def add(self, answer: Answer) -> None:
        """One cookie."""
        if self._writer is None:
            _write_block(self._run, answer)
        elif self._output != "name" or answer.item["sid"] is not None:
            self._writer.item(answer.item)

    def add_encoded(self, line: bytes) -> None:
        """One cookie as a line of JSON, in the formats that are made of them."""
        if self._writer is not None:
            self._writer.encoded(line)

    def add_lines(self, data: bytes) -> None:
        """Cookies that are written already, a line each: by another process, or in a batch; not for
        blocks."""
        if self._writer is not None:
            self._writer.lines(data)

    def end(self) -> None:
        """What stands after the last one."""
        if self._writer is not None:
            self._writer.end()


def _write_block(run: Run, answer: Answer) -> None:
    from sessctl.cli.blocks import cookie_block, shown_sid
    from sessctl.cli.columns import write_block

    def lines() -> Iterator[Line]:
        item = answer.item
        if item["problem"] is not None:
            where = place_label(item["input"])
            yield [(f"{where}: ", "muted"), (item["problem"]["message"], "danger")]
            return
        sid = answer.decoded.sid if answer.decoded else None
        full = run.options.show_ids and not run.redacting
        yield from cookie_block(
            item,
            sid_label=shown_sid(sid, full=full) if sid is not None else None,
            where=place_label(item["input"]),
        )
        if answer.block:
            yield []
            yield from answer.block

    write_block(run, lines())


def place_label(place: Place) -> str:
    """Where a cookie stood, for people; empty where it was the only one."""
    if place is None:
        return ""
    if isinstance(place, int):
        return f"line {place}"
    return f"entry {place['entry']}" + (f", {place['message']}" if place["message"] else "")
