"""`sessctl create`: a new session in the store, and its cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.create import check_looks_right, compose_new, put_new, with_user
from sessctl.admin.data import assigned, parse_assignment, parse_data
from sessctl.cli import cookie_options as c
from sessctl.cli.changing import confirm_if_protected, show_plan
from sessctl.cli.confirm import backend_label
from sessctl.cli.cookie_output import COOKIE_FORMATS, write_cookies
from sessctl.cli.items import SESSION_KEYS, session_item
from sessctl.cli.options import command
from sessctl.config.opening import usual_layout
from sessctl.errors import ExitCode, UsageError
from sessctl.text import MASK, decode_id, short_id
from sessctl.timespec import from_ms, parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.cookies.base import Cookie
    from sessctl.session import Session
    from sessctl.stores.base import Store

FORMATS = (*COOKIE_FORMATS, "json", "jsonl", "name")


@command("connection", "output", "safety")
def create(
    run: Run,
    *,
    content: Annotated[
        list[str] | None,
        typer.Argument(
            help="JSON, KEY=VALUE ... or KEY:=JSON ...; - for stdin.", metavar="DATA..."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Put where other sessions have it.", metavar="ID")
    ] = None,
    sid: Annotated[str | None, typer.Option("--sid", help="Else a new one.", metavar="SID")] = None,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="Else the layout's lifetime.", metavar="DURATION")
    ] = None,
    format: c.FormatToSign = None,
    name: c.Name = None,
    salt: c.Salt = None,
    digest: c.Digest = None,
    parameter: c.Parameters = None,
    secret_from: c.SecretFrom = None,
    secret: c.SecretValue = None,
    at: c.At = None,
) -> ExitCode:
    """Log somebody in without a login. An id that is taken is never overwritten (exit 4)."""
    output = run.output_format(FORMATS, terminal="value", pipe="value")
    backend, dry_run = run.backend(), run.options.dry_run
    settings = c.Settings(
        format, name, salt=salt, digest=digest, parameter=parameter,
        secret_from=secret_from, secret=secret,
    )  # fmt: skip
    given = content or []
    how = c.judging(run, backend, settings, at=at, takes_stdin=given == ["-"])
    if (usual := usual_layout(backend)) is not None and usual.signs_ids:
        how.require_secret()
    if sid == "" or not (given or user):
        raise UsageError("no data for the session", hint="sessctl create '{\"userId\": 42}'")
    data = _data(run, given)
    lifetime = parse_duration(ttl) if ttl is not None else None
    with run.store(backend, write=not dry_run) as store:
        layout = store.layout
        made = compose_new(store, with_user(store, data, user), sid=sid, ttl=lifetime)
        cookies = how.lead_to(made.sid, layout)
        check_looks_right(store, forced="wrong-store" in run.options.force)
        words = f"{short_id(made.sid)}, user {made.user}" if made.user else short_id(made.sid)
        ends_ms = made.expires_ms or 0
        rows = [("session", words), ("end", from_ms(ends_ms).strftime("%Y-%m-%d %H:%M:%SZ"))]
        label = backend_label(backend, store)
        show_plan(run, backend, store, rows, undo="sessctl expire")
        if dry_run:
            if store.get([made.sid]):
                run.note("there is a session of this id already: it would be refused")
            run.streams.say("Would create 1 session. Nothing was changed.")
            return ExitCode.OK
        confirm_if_protected(run, backend, store, f"Create 1 session in {label}?")
        run.start_writing()
        made = put_new(store, made)
        lasts = lifetime is not None or layout.cookie_lasts
        if output in COOKIE_FORMATS:
            expires_s = (ends_ms - layout.lingers_ms) // 1000 if lasts else None
            write_cookies(run, cookies, output, expires_s=expires_s)
        else:
            _write_item(run, store, made, cookies, output, label)
    return ExitCode.OK


def _data(run: Run, given: list[str]) -> dict[str, Any]:
    """The data as JSON, or put together of what each word says."""
    if given == ["-"]:
        return parse_data(decode_id(run.stdin()))
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        return parse_data(given[0])
    found: dict[str, Any] = assigned({}, [parse_assignment(text) for text in given])
    return found


def _write_item(
    run: Run, store: Store, session: Session, cookies: list[Cookie], output: str, label: str
) -> None:
    from sessctl.cli.output import Writer

    masker = run.masker() if run.redacting else None
    item = session_item(
        session, backend=label, layout=store.layout.name, now_ms=store.now_ms(), with_data=True,
        masker=masker,
    )  # fmt: skip
    values = [{"name": one.name, "value": MASK if masker else one.value} for one in cookies]
    writer = Writer(run, output, "SessionList", (*SESSION_KEYS, "cookies"))
    writer.item({**item, "cookies": values})
    writer.end()
