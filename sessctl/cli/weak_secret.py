"""`verify --wordlist` and `--export hashcat`: can the secret behind a cookie be guessed?

Nothing here is ever told the secret: what is found is the number of a line.
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cli import cookie_options as c
from sessctl.cli.cookie_inputs import texts_of
from sessctl.cli.output import Writer
from sessctl.cli.progress import Progress
from sessctl.cookies.api import judge
from sessctl.cookies.base import Signature
from sessctl.cookies.hashcat import hash_line
from sessctl.cookies.wordlist import WordlistSearch, open_words
from sessctl.errors import ExitCode, SessctlError, UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

    from sessctl.cli.cookie_inputs import Inputs
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.cookies.api import Found

KEYS = ("format", "found", "line", "wordlist", "tried", "complete", "jobs", "elapsed_s", "notes")
EXPORT_KEYS = ("format", "mode", "hash", "command")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv")
_SLOW = 10_000  # guesses a second and core, below which it is said what to expect


class Guessing(NamedTuple):
    """What was asked for. `ages`: options that judge a cookie by its time, too."""

    wordlist: str | None
    jobs: int | None
    export: str | None
    ages: bool


def examine(
    run: Run, backend: Backend | None, settings: c.Settings, inputs: Inputs, asked: Guessing
) -> ExitCode:
    """Try a list on one cookie, or print what hashcat takes."""
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    _check_options(run, inputs, settings, asked)
    takes_stdin = inputs.is_stdin
    if asked.export is not None:  # which needs no secret, so none is fetched
        settings = settings._replace(secret_from=None, secret=None)
        how = c.judging(run, _bare(backend), settings, takes_stdin=takes_stdin)
        remarks = list[str]()
    else:
        how, remarks = _judging(run, backend, settings, takes_stdin=takes_stdin)
    with texts_of(run, inputs, command="verify", name=how.name) as cookies:
        given = list(islice(cookies, 2))
    if len(given) != 1:
        raise UsageError(
            f"one cookie at a time: there are several in {inputs.place}", hint="head -n 1"
        )
    if given[0].problem is not None:
        raise given[0].problem
    found = how.find(given[0].text)
    if asked.export is not None:
        return _export(run, found, output)
    if how.secrets:
        _check_origin(found, how)
    return _try_list(run, found, asked, output, [*found.pasted.notes, *remarks])


def _check_options(run: Run, inputs: Inputs, settings: c.Settings, asked: Guessing) -> None:
    if asked.export is not None and asked.export != "hashcat":
        raise UsageError(f"no export '{asked.export}'", hint="--export takes hashcat")
    if asked.export is not None and asked.wordlist is not None:
        raise UsageError("a list and an export are both asked for", hint="one after the other")
    if asked.wordlist is None and asked.jobs is not None:
        raise UsageError("--jobs goes with --wordlist", hint="--wordlist FILE --jobs 2")
    if asked.wordlist == "":
        raise UsageError("--wordlist is empty", hint="--wordlist FILE")
    if asked.ages:
        raise UsageError(
            "whether a secret can be guessed does not depend on times",
            hint="leave --max-age and --at out",
        )
    if asked.export is not None and run.redacting:
        raise UsageError(
            "what hashcat takes holds the signed text whole, which redaction hides",
            hint="without --redact, SESSCTL_REDACT and [redact] always",
        )
    from_stdin = [inputs.is_stdin, asked.wordlist == "-"]
    from_stdin += [one.endswith("stdin") for one in settings.secret_from or []]
    if sum(from_stdin) > 1 and asked.wordlist == "-":
        raise UsageError(
            "standard input gives the cookie or the list, only one of the two",
            hint="sessctl verify COOKIE --wordlist -",
        )


def _judging(
    run: Run, backend: Backend | None, settings: c.Settings, *, takes_stdin: bool
) -> tuple[c.Judging, list[str]]:
    """How the cookie is read, with the secrets at hand: none is needed to try others."""
    try:
        return c.judging(run, backend, settings, takes_stdin=takes_stdin), []
    except SessctlError as exc:
        if backend is None or settings.secret_from or settings.secret:
            raise
        how = c.judging(run, _bare(backend), settings, takes_stdin=takes_stdin)
        return how, [f"not compared with the secrets of the backend: {exc.message}"]


def _bare(backend: Backend | None) -> Backend | None:
    """The backend's settings without its secrets."""
    if backend is None:
        return None
    import msgspec

    return msgspec.structs.replace(backend, secrets=[])


def _check_origin(found: Found, how: c.Judging) -> None:
    """A list says something of an app's secret only by a cookie that the app has signed."""
    verdict = judge(found, how.secrets, now=how.now, max_age=None)
    if verdict.signature is not Signature.VALID:
        raise UsageError(
            "none of the secrets at hand made this cookie, so a list would say nothing about them",
            hint="take a cookie that `sessctl sign` or the app has made; one whose secret is not "
            "known is tried without a backend and without --secret-from",
        )


def _try_list(run: Run, found: Found, asked: Guessing, output: str, notes: list[str]) -> ExitCode:
    assert asked.wordlist is not None
    is_stdin = asked.wordlist == "-"
    words: BinaryIO = run.streams.stdin if is_stdin else open_words(Path(asked.wordlist))
    started = time.monotonic()
    interrupted = False
    try:
        search = WordlistSearch(
            found.format, found.pasted.value, found.context, words, jobs=asked.jobs
        )
        _say_rate(run, found, search)
        total = None if is_stdin else Path(asked.wordlist).expanduser().stat().st_size
        interrupted = _run(run, search, total or None, started)
    finally:
        if not is_stdin:
            words.close()
    elapsed_s = time.monotonic() - started
    _write(run, output, found, asked.wordlist, search, elapsed_s, notes, not interrupted)
    if interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.NO if search.line is not None else ExitCode.OK


def _run(run: Run, search: WordlistSearch, total: int | None, started: float) -> bool:
    """Try the list; whether it was interrupted. All processes have ended when this returns."""
    shown = Progress(run, "trying words, bytes of the list", total)
    steps = search.run()
    try:
        for done in steps:
            rate = search.tried / max(time.monotonic() - started, 0.001)
            shown.advance(done, rate=f"{rate:,.0f} lines/s")
    except KeyboardInterrupt:
        return True
    finally:
        steps.close()
        shown.close()
    return False


def _say_rate(run: Run, found: Found, search: WordlistSearch) -> None:
    if search.rate < _SLOW:
        run.note(
            f"{found.format.name} makes its key slowly: about {search.rate:,.0f} words a second "
            f"and core, {search.rate * search.jobs * 3600:,.0f} an hour with {search.jobs}"
        )


def _write(
    run: Run,
    output: str,
    found: Found,
    wordlist: str,
    search: WordlistSearch,
    elapsed_s: float,
    notes: list[str],
    complete: bool,
) -> None:
    item: dict[str, Any] = {
        "format": found.format.name,
        "found": search.line is not None,
        "line": search.line,
        "wordlist": wordlist,
        "tried": search.tried,
        "complete": complete and search.line is None,
        "jobs": search.jobs,
        "elapsed_s": round(elapsed_s, 3),
        "notes": notes,
    }
    if output not in ("table", "wide"):
        writer = Writer(run, output, "WordlistCheck", KEYS)
        writer.item(item)
        writer.end()
        return
    from sessctl.cli.blocks import row

    line = run.streams.line
    line(("cookie ", "accent"), (found.context.name or "(no name)", "accent"))
    line(*row("format", found.format.name))
    if search.line is not None:
        where = f"line {search.line:,} of {wordlist}"
        line(*row("secret", (f"GUESSED: {where} made this signature", "danger")))
        line(*row("", "whoever has the list can sign cookies; put a random secret first in"))
        line(*row("", "the app's secrets, and take this one out once no cookie needs it"))
    elif complete:
        line(*row("secret", ("not in this list", "ok")))
    else:
        line(*row("secret", ("not found before it was interrupted", "warn")))
    per_s = search.tried / max(elapsed_s, 0.001)
    line(*row("tried", f"{search.tried:,} words in {elapsed_s:,.1f} s, {per_s:,.0f} a second"))
    for note in notes:
        line(*row("note", (note, "warn")))


def _export(run: Run, found: Found, output: str) -> ExitCode:
    made = hash_line(found.format, found.pasted.value, found.context)
    if output in ("table", "wide") or run.options.output is None:
        run.streams.line(made.text)
        run.note(f"hashcat mode {made.mode}; with this line in hash.txt: {made.command}")
        return ExitCode.OK
    writer = Writer(run, output, "HashcatExport", EXPORT_KEYS)
    writer.item(
        {
            "format": found.format.name,
            "mode": made.mode,
            "hash": made.text,
            "command": made.command,
        }
    )
    writer.end()
    return ExitCode.OK
