"""The journal of a run: where it lives, what it keeps, what to type to undo or resume the run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.journal import (
    JournalWriter,
    Keep,
    check_room,
    head_for,
    old_journals,
    remove_journals,
)
from sessctl.admin.journal.sealing import GROWTH
from sessctl.cli.confirm import backend_label
from sessctl.errors import GuardRefused, JournalError, UsageError, did_you_mean
from sessctl.timespec import format_duration, format_size, from_ms

if TYPE_CHECKING:
    from sessctl.admin.journal import Journal
    from sessctl.admin.plan import Plan
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store


def choose_keep(run: Run, query: Query, word: str | None, *, no_journal: bool) -> Keep | None:
    """What the journal is to keep; None: there is to be none.

    Raises:
        UsageError: no such word; or --journal, --recheck or --journal-key-file together with
            --no-journal; or the key is none.
        MissingExtra: it cannot be encrypted, so nothing is written.
        GuardRefused: --no-journal is for expired sessions; otherwise it takes --force=journal.
    """
    if word is not None and word not in list(Keep):
        raise UsageError(
            f"no kind of journal '{word}'",
            hint=did_you_mean(word, Keep, all_are="--journal takes"),
        )
    key = run.journal_key  # before anything is looked at
    if not no_journal:
        return Keep(word or Keep.FULL)
    if word is not None or key is not None:
        raise UsageError(
            "a journal and no journal are both asked for",
            hint="give --journal or --no-journal, not both; a key file is for a journal",
        )
    if not query.expired and "journal" not in run.options.force:
        raise GuardRefused(
            "journal",
            "without a journal these sessions could not be brought back",
            hint="--no-journal goes with --expired, or with --force=journal",
        )
    if run.options.recheck is not None:
        raise UsageError("--recheck reads the journal", hint="leave --no-journal out")
    return None


def journal_directory(run: Run) -> Path:
    """Where journals live: `[journal] directory`, else the user's state directory."""
    from sessctl.config.paths import state_dir

    configured = run.config.journal.directory
    if configured:
        return Path(configured).expanduser()
    return state_dir(run.environ) / "journals"


def journal_for(
    run: Run,
    command: str,
    backend: Backend,
    store: Store,
    query: Query,
    keep: Keep | None,
    *,
    again: Query | None = None,
) -> JournalWriter | None:
    """A journal whose file comes into being with the first page; `again` is what to ask for when
    the run is resumed."""
    if keep is None:
        return None
    label = backend_label(backend, store)
    head = head_for(store, command, query, backend=label, force=run.options.force, again=again)
    return JournalWriter(journal_directory(run), head, keep=keep, key=run.journal_key)


def check_journal_room(run: Run, plan: Plan, keep: Keep | None) -> None:
    """There is room for a journal of whole sessions. Raises GuardRefused before anything is
    written."""
    if keep is Keep.FULL:
        check_room(journal_directory(run), _journal_bytes(run, plan))


def _journal_bytes(run: Run, plan: Plan) -> int:
    return round(plan.journal_bytes * (1 if run.journal_key is None else GROWTH))


def undo_line(run: Run, plan: Plan, keep: Keep | None) -> str:
    """What the plan says about the way back."""
    if keep is None:
        return "none (--no-journal)"
    if keep is Keep.IDS:
        return "none (--journal=ids keeps ids and digests only)"
    size = f" of about {format_size(_journal_bytes(run, plan))}" if plan.matches else ""
    return f"journal{size}{'' if run.journal_key is None else ', encrypted'}"


def prune_old(run: Run, store: Store, *, spare: Path | None = None) -> None:
    """Remove the journals that are older than `[journal] keep`, and say so; not `spare`, from
    which a run restores.

    A folder that cannot be cleaned up stops nobody from ending a session.
    """
    keep, folder = run.config.journal.keep_for, journal_directory(run)
    try:
        old = [one for one in old_journals(folder, keep, from_ms(run.local_ms()))
               if spare is None or one.path.resolve() != spare.resolve()]  # fmt: skip
        gone = remove_journals(old)
    except JournalError as exc:
        store.remarks.note(f"old journals were not removed: {exc.message}")
        return
    if gone:
        span = format_duration(keep.total_seconds())
        store.remarks.note(f"removed {journals_counted(len(gone))} older than {span} ({folder})")


def journals_counted(count: int) -> str:
    """`1 journal`, `12 journals`."""
    return f"{count:,} journal{'' if count == 1 else 's'}"


def age_s(run: Run, journal: Journal) -> float:
    """How long ago its run began. Raises JournalError if it does not say."""
    try:
        started = datetime.fromisoformat(str(journal.head.get("started")))
        return run.local_ms() / 1000 - started.timestamp()
    except (ValueError, OverflowError):
        raise JournalError(f"{journal.path} does not say when it was written") from None


def backend_of(run: Run, journal: Journal) -> Backend:
    """The backend named, else the one that the journal was written for."""
    name = str(journal.head.get("backend"))
    if (
        not run.options.backend
        and not run.environ.get("SESSCTL_BACKEND")
        and name in run.config.backends
    ):
        return run.config.backend(name)
    return run.backend()


def undo_command(
    run: Run,
    backend: Backend,
    *,
    lapsed: bool = False,
    journal: Path | None = None,
    named: bool = False,
) -> str:
    """What to type to undo this run; `journal` where it is not the newest, `named` where the
    backend is not the one that is meant without -b."""
    words = ["restore", "--last" if journal is None else str(journal)]
    if lapsed:
        words.append("--lapsed")
    return _typed(run, backend, words, named=named)


def resume_command(run: Run, backend: Backend, journal: Path, *, max_delete: int | None) -> str:
    """What to type to go on with a purge that was interrupted: its limits are said again."""
    words = ["purge", "--resume", str(journal)]
    words += [f"--force={guard}" for guard in run.options.force]
    if max_delete is not None:
        words += ["--max-delete", str(max_delete)]
    return _typed(run, backend, words)


def _typed(run: Run, backend: Backend, words: list[str], *, named: bool = False) -> str:
    """A command line, with the backend where it has no name to be found by."""
    import shlex

    from sessctl.stores.registry import parse_url

    words = ["sessctl", *words]
    if run.options.journal_key_file:
        words += ["--journal-key-file", run.options.journal_key_file]
    if run.options.config:
        words += ["--config", run.options.config]
    if not backend.name and (run.options.backend or named):
        words += ["-b", parse_url(backend.url).typed]
    elif run.options.several_backends:
        words += ["-b", backend.name]
    return shlex.join(words)
