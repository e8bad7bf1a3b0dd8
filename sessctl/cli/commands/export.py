"""`sessctl export`: sessions as lines of JSON that `import` takes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.admin.portable import portable_item
from sessctl.cli import query_options as q
from sessctl.cli.items import SESSION_KEYS
from sessctl.cli.options import command
from sessctl.cli.outcomes import counted
from sessctl.cli.output import Writer
from sessctl.errors import ExitCode
from sessctl.text import short_id

if TYPE_CHECKING:
    from sessctl.cli.run import Run

FORMATS = ("jsonl",)
_SAMPLES = 3


@command("connection", "replicas", "output")
def export(
    run: Run,
    *,
    flags: q.QueryFlags,
    all_: q.All = False,
) -> ExitCode:
    """Write whole sessions, ids and data, one a line: who reads them can be these people."""
    query = flags.query(everything=all_)
    output = run.output_format(FORMATS, terminal="jsonl", pipe="jsonl")
    masker = run.masker() if run.redacting else None
    backend = run.backend()
    count = 0
    unread: list[str] = []
    with run.store(backend) as store:
        q.check_fields(query, store)
        name, layout, now_ms = (
            backend.name or store.identity.label,
            store.layout.name,
            store.now_ms(),
        )
        writer = Writer(run, output, "SessionList", SESSION_KEYS)
        for session in store.scan(query):
            item = portable_item(session, backend=name, layout=layout, now_ms=now_ms, masker=masker)
            count += 1
            if item["problem"] is not None:
                unread.append(short_id(session.sid)) if len(unread) < _SAMPLES else None
            writer.item(item)
        writer.end()
    if masker is not None:
        run.note("redacted: no import takes this back")
    if unread:
        run.note(f"exported as they are, for they cannot be decoded: {', '.join(unread)} ...")
    if run.options.out_file is not None:
        run.note(f"exported {counted(count)} to {run.options.out_file} (0600: it holds logins)")
    return ExitCode.OK
