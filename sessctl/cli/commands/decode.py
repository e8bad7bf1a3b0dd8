"""`sessctl decode` and `sessctl verify`: what a cookie says, and whether it is genuine."""

from __future__ import annotations

from typing import Annotated

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.cookie_answers import Finder
from sessctl.cli.cookie_inputs import Inputs, texts_of
from sessctl.cli.judging import judge_batch
from sessctl.cli.options import command
from sessctl.cli.run import Run
from sessctl.errors import ExitCode, UsageError

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
    file: c.File = None,
    input_format: c.InputFormat = None,
    jobs: c.Jobs = None,
) -> ExitCode:
    """Read cookies; the verdict is shown, and `verify` is the judge."""
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    backend = c.backend_at_hand(run, wanted=lookup is True)
    settings = c.Settings(format, name, companion, salt, digest, parameter, secret_from, secret)
    inputs = Inputs(cookie, file, input_format, jobs)
    inputs.check("decode")
    how = c.judging(run, backend, settings, max_age=max_age, at=at, takes_stdin=inputs.is_stdin)
    with (
        Finder(run, None if lookup is False else backend, explicit=lookup is True) as finder,
        texts_of(run, inputs, command="decode", name=how.name) as texts,
    ):
        _, code = judge_batch(run, how, finder, output, texts, judges=False, jobs=jobs)
    return code or ExitCode.OK


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
    export: c.Export = None,
    file: c.File = None,
    input_format: c.InputFormat = None,
    jobs: c.Jobs = None,
) -> ExitCode:
    """Judge cookies. Exit 0 only if every one is valid."""
    named, given = bool(run.options.backend), bool(secret_from or secret)
    backend = None if given and not named else c.backend_at_hand(run, wanted=named)
    settings = c.Settings(format, name, companion, salt, digest, parameter, secret_from, secret)
    inputs = Inputs(cookie, file, input_format, jobs)
    if wordlist is not None or export is not None:
        from sessctl.cli.weak_secret import Guessing, examine

        asked = Guessing(wordlist, jobs, export, ages=(max_age, at) != (None, None))
        return examine(run, backend, settings, inputs._replace(jobs=None), asked)
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    inputs.check("verify")
    how = c.judging(run, backend, settings, max_age=max_age, at=at, takes_stdin=inputs.is_stdin)
    if not how.secrets:
        raise UsageError(
            "no secret to verify with",
            hint="--secret-from env:NAME (or file:PATH, prompt ...), or `secrets` of a backend",
        )
    with texts_of(run, inputs, command="verify", name=how.name) as texts:
        finder = Finder(run, None, explicit=False)
        tally, code = judge_batch(run, how, finder, output, texts, judges=True, jobs=jobs)
    return code or (ExitCode.OK if tally.valid == tally.total else ExitCode.NO)
