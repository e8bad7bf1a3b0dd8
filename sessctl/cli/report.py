"""Errors as people and as programs read them.

    sessctl: error: cannot reach redis at cache.internal:6380 (connection refused)
      backend: prod (user config)
      hint: is it running, and is the port right?

With `-o json` or `jsonl` the same on one line of JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sessctl.errors import ExitCode, SessctlError
from sessctl.text import Secret, redact, short_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.cli.run import Run

_LONG_WORD = 20
_DASHED_ID = re.compile(r"(?=.*[A-Z0-9])-[A-Za-z0-9_-]{31}")  # read as an option, whatever came out
_DASH_HINT = "an id that starts with a dash goes after --: sessctl show -- -abc..."
_LONGEST = 1000  # one message; a hostile file name must not fill the screen


def report(exc: SessctlError, run: Run, argv: Sequence[str]) -> ExitCode:
    """Tell an error on standard error; its exit code."""
    code = ExitCode(exc.exit_code)
    _learn_passwords(argv)
    if code is ExitCode.USAGE and any(_DASHED_ID.fullmatch(word) for word in argv):
        exc.hint = _DASH_HINT
    if wants_json(run, argv):
        write_json_error(run, exc.code, code, exc.message, exc.hint, exc.where)
        return code
    say = run.streams.say
    say(("sessctl: error: ", "danger"), exc.message[:_LONGEST])
    for key, value in exc.where.items():
        say(f"  {key}: {value[:_LONGEST]}")
    if exc.hint:
        say(("  hint: ", "accent"), exc.hint[:_LONGEST])
    return code


def report_usage(exc: Any, run: Run, argv: Sequence[str]) -> ExitCode:
    """typer's own complaints in our shape. Help that nobody asked for goes to standard error."""
    message = str(exc.format_message())
    if type(exc).__name__ == "NoArgsIsHelpError" or message.lstrip().startswith(("Usage:", "Look")):
        for line in message.splitlines():
            run.streams.say(line)
        return ExitCode.USAGE
    text, _, suggestion = message.partition(". ")
    text = text[:1].lower() + text[1:].rstrip(".")
    for word in argv:  # a URL, an id or a whole cookie in a place where it does not belong
        if "://" in word and "@" in word:
            scheme, _, rest = word.partition("://")
            text = text.replace(word, f"{scheme}://***@{rest.rpartition('@')[2]}")
        elif len(word) >= _LONG_WORD and "/" not in word and not word.startswith("--"):
            text = text.replace(word, short_id(word))
    hint = suggestion[:1].lower() + suggestion[1:] or _usage_hint(message, argv)
    error = SessctlError(text, hint=hint)
    error.code, error.exit_code = "usage", ExitCode.USAGE
    return report(error, run, argv)


def _usage_hint(message: str, argv: Sequence[str]) -> str | None:
    if message.startswith(("No such option", "Missing argument", "Invalid value")) and any(
        len(word) > 12 and word.startswith("-") and not word.startswith("--") for word in argv
    ):
        return _DASH_HINT
    words = [word for word in argv[:1] if not word.startswith("-")]
    return f"sessctl {' '.join([*words, '--help'])}"


def _learn_passwords(argv: Sequence[str]) -> None:
    """A store URL in a place where it does not belong: `redact` hides its password from here on."""
    from contextlib import suppress

    from sessctl.stores.url import parse_store_url

    for word in argv:
        text = word.partition("=")[2] if word.startswith("--") else word
        if "://" in text:
            Secret(text.partition("://")[2].rpartition("@")[0].partition(":")[2])
            with suppress(SessctlError):
                parse_store_url(text, file_schemes=frozenset())


def report_bug(exc: BaseException, run: Run, argv: Sequence[str]) -> ExitCode:
    """Our fault: a short apology and a report file, without anybody's data.

    What an exception says may hold a session or a cookie: the file has the lines of code and the
    types only. --traceback shows the texts too, on the terminal of the person who asked.
    """
    import traceback

    path = _write_report(run, "\nwhich led to:\n\n".join(_wordless(exc)), argv)
    error = SessctlError(
        f"internal error: {type(exc).__name__}",
        hint=f"this is a bug of sessctl; please report it with {path}" if path else None,
    )
    if run.options.traceback:
        for line in "".join(traceback.format_exception(exc)).splitlines():
            run.streams.say(line)
    return report(error, run, argv)


def _wordless(exc: BaseException) -> list[str]:
    """The frames and the type of an exception and of those before it, the first one first."""
    from traceback import format_tb

    chain: dict[int, BaseException] = {}  # by identity: a chain may bite its own tail
    last: BaseException | None = exc
    while last is not None and id(last) not in chain:
        chain[id(last)] = last
        last = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
    return [
        "".join(
            [*format_tb(one.__traceback__), f"{type(one).__module__}.{type(one).__qualname__}\n"]
        )
        for one in reversed(chain.values())
    ]


def _write_report(run: Run, text: str, argv: Sequence[str]) -> str | None:
    import os
    import sys
    from contextlib import suppress

    from sessctl import __version__
    from sessctl.cli.table import ALIASES, COMMANDS
    from sessctl.config.paths import state_dir

    known = {*COMMANDS, *ALIASES}
    command = next((word for word in argv if word in known), "none")  # a URL may stand before it
    body = f"sessctl {__version__}, Python {sys.version.split()[0]}, command {command}\n\n{text}"
    with suppress(OSError):
        folder = state_dir(run.environ) / "reports"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{run.local_ms()}.txt"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(
            os.open(path, flags, 0o600), "w", encoding="utf-8", errors="replace"
        ) as file:
            file.write(body)
        return str(path)
    return None


def wants_json(run: Run, argv: Sequence[str]) -> bool:
    """-o json or jsonl, even where the command line could not be parsed to its end."""
    if run.options.output:
        return run.options.output in ("json", "jsonl")
    words = list(argv)
    for place, word in enumerate(words):
        if word in ("-o", "--output") and place + 1 < len(words):
            return words[place + 1] in ("json", "jsonl")
        if word in ("-ojson", "-ojsonl", "--output=json", "--output=jsonl"):
            return True
    return False


def write_json_error(
    run: Run, code: str, exit_code: int, message: str, hint: str | None, where: dict[str, str]
) -> None:
    """One line `{"error": {...}}` on standard error, ASCII only."""
    import json

    body: dict[str, Any] = {
        "code": code,
        "exit": int(exit_code),
        "message": redact(message)[:_LONGEST],
        "hint": redact(hint) if hint else None,
    }
    body |= {key: redact(value) for key, value in where.items()}
    run.streams.say_raw(json.dumps({"error": body}).encode().replace(b"\x7f", b"\\u007f") + b"\n")
