"""`sessctl decode` and `sessctl verify`: what a cookie says, and whether it is genuine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.items import COOKIE_KEYS, cookie_item
from sessctl.cli.options import command
from sessctl.cookies.api import judge
from sessctl.cookies.base import Verdict
from sessctl.cookies.registry import detect
from sessctl.errors import (
    ExitCode,
    MissingExtra,
    SessctlError,
    StoreError,
    UnreadableInput,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.output import Writer
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.config.model import Backend
    from sessctl.cookies.base import DecodedCookie

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")

CookieArgument = Annotated[
    str | None,
    typer.Argument(
        help="A value, name=value or header line; - or nothing for stdin.", metavar="COOKIE"
    ),
]
Lookup = Annotated[
    bool | None,
    typer.Option(
        "--lookup/--no-lookup", help="Find its session in the backend.", rich_help_panel="Cookie"
    ),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A cookie, read and, where secrets are at hand, judged."""

    item: dict[str, Any]
    decoded: DecodedCookie | None
    verdict: Verdict | None
    block: list[Line]  # the session it leads to, for people


@command("connection", "output")
def decode(
    run: Run,
    *,
    cookie: CookieArgument = None,
    format: c.Format = None,
    name: c.Name = None,
    companion: c.Companion = None,
    salt: c.Salt = None,
    digest: c.Digest = None,
    parameter: c.Parameters = None,
    secret_from: c.SecretFrom = None,
    secret: c.SecretValue = None,
    max_age: c.MaxAge = None,
    at: c.At = None,
    lookup: Lookup = None,
) -> ExitCode:
    """Read cookies; the verdict is shown, and `verify` is the judge."""
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    backend = c.backend_at_hand(run, wanted=lookup is True)
    settings = c.Settings(format, name, companion, salt, digest, parameter, secret_from, secret)
    how = c.judging(
        run, backend, settings, max_age=max_age, at=at, takes_stdin=cookie in (None, "-")
    )
    finder = Finder(run, None if lookup is False else backend, explicit=lookup is True)
    good, bad = 0, 0
    answers = Answers(run, output)
    for place, text in c.read_cookies(run, cookie):
        try:
            answer = _read(run, how, finder, text, place, judges=False)
        except UnreadableInput as exc:
            if place is None:
                raise exc.at(
                    input="standard input" if cookie in (None, "-") else "the argument"
                ) from None
            bad += 1
            answer = _unreadable(exc, place)
        else:
            good += 1
        answers.add(answer)
    answers.end()
    finder.close()
    if bad:
        run.note(f"{bad} of {good + bad} lines could not be decoded")
    return ExitCode.OK if not bad else ExitCode.PARTIAL if good else ExitCode.UNREADABLE


@command("connection", "output")
def verify(
    run: Run,
    *,
    cookie: CookieArgument = None,
    format: c.Format = None,
    name: c.Name = None,
    companion: c.Companion = None,
    salt: c.Salt = None,
    digest: c.Digest = None,
    parameter: c.Parameters = None,
    secret_from: c.SecretFrom = None,
    secret: c.SecretValue = None,
    max_age: c.MaxAge = None,
    at: c.At = None,
    wordlist: c.Wordlist = None,
    jobs: c.Jobs = None,
    export: c.Export = None,
) -> ExitCode:
    """Judge cookies. Exit 0 only if every one is valid."""
    from sessctl.cli.cookie_batch import PlainCookies

    named, given = bool(run.options.backend), bool(secret_from or secret)
    backend = None if given and not named else c.backend_at_hand(run, wanted=named)
    settings = c.Settings(format, name, companion, salt, digest, parameter, secret_from, secret)
    if wordlist is not None or jobs is not None or export is not None:
        from sessctl.cli.weak_secret import Guessing, examine

        asked = Guessing(wordlist, jobs, export, ages=(max_age, at) != (None, None))
        return examine(run, backend, settings, cookie, asked)
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    how = c.judging(
        run, backend, settings, max_age=max_age, at=at, takes_stdin=cookie in (None, "-")
    )
    if not how.secrets:
        raise UsageError(
            "no secret to verify with",
            hint="--secret-from env:NAME (or file:PATH, prompt ...), or `secrets` of a backend",
        )
    finder = Finder(run, None, explicit=False)
    answers = Answers(run, output)
    plain = PlainCookies(run, how, output)
    total, valid, unreadable = 0, 0, 0
    for place, text in c.read_cookies(run, cookie):
        total += 1
        if (judged := plain.line(text, place)) is not None:
            line, is_valid = judged
            answers.add_encoded(line)
            valid += is_valid
            continue
        try:
            answer = _read(run, how, finder, text, place)
        except UnreadableInput as exc:
            if place is None:
                raise
            unreadable += 1
            answer = _unreadable(exc, place)
        else:
            plain.learn(text, answer.item)
        valid += answer.verdict is not None and answer.verdict.valid
        answers.add(answer)
    answers.end()
    if unreadable:
        run.note(f"{unreadable} of {total} lines could not be decoded")
        return ExitCode.UNREADABLE if unreadable == total else ExitCode.PARTIAL
    return ExitCode.OK if valid == total else ExitCode.NO


def _read(
    run: Run, how: c.Judging, finder: Finder, text: str, place: int | None, *, judges: bool = True
) -> Answer:
    """A cookie's answer. Unless it `judges`, one that cannot be verified here is only read."""
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
        masker=run.masker() if run.redacting else None,
    )
    return Answer(item, decoded, verdict, block)


class Finder:
    """Finds the session of a cookie in the backend at hand, opened at the first need."""

    def __init__(self, run: Run, backend: Backend | None, *, explicit: bool) -> None:
        self._run, self._backend, self._explicit = run, backend, explicit
        self._context: Any = None
        self._store: Any = None

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

    def close(self) -> None:
        """Close what was opened."""
        if self._context is not None:
            self._context.__exit__(None, None, None)


def _unreadable(exc: SessctlError, place: int | None) -> Answer:
    item = cookie_item(
        name=None, decoded=None, verdict=None, candidates=[], secret=None, session=None, notes=[],
        problem={"code": exc.code, "message": exc.message}, place=place,
    )  # fmt: skip
    return Answer(item, None, None, [])


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
            yield [(f"line {item['input']}: ", "muted"), (item["problem"]["message"], "danger")]
            return
        sid = answer.decoded.sid if answer.decoded else None
        full = run.options.show_ids and not run.redacting
        yield from cookie_block(
            item, sid_label=shown_sid(sid, full=full) if sid is not None else None
        )
        if answer.block:
            yield []
            yield from answer.block

    write_block(run, lines())
