"""The plan before a destructive run, and the question. `--yes` answers it, and lifts no guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import ConfirmationNeeded, Refused
from sessctl.text import short_id
from sessctl.timespec import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.admin.plan import Plan
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store

NAME_ABOVE = 100  # live sessions; then the backend's name has to be typed


def backend_label(backend: Backend, store: Store) -> str:
    """What is typed to confirm: the backend's name, or host/database of an ad-hoc URL."""
    return backend.name or store.identity.label


def show_plan(
    run: Run,
    backend: Backend,
    store: Store,
    query: Query,
    plan: Plan,
    undo: str,
    *,
    more: Iterable[tuple[str, str]] = (),
) -> None:
    """Everything a person needs to see before saying yes, on standard error.

    Args:
        more: further rows, before the way back.
    """
    if run.options.quiet:
        return
    where = store.identity
    label = backend_label(backend, store)
    about = "" if plan.exact else "~"
    rows = [
        ("backend", f"{label} ({where.engine} {where.address})"),
        ("where", f"database {where.database}, {where.scope}" if where.database else where.scope),
        ("query", query.describe()),
        (
            "sessions",
            f"{about}{plan.count:,} of {plan.store_total:,} ({plan.share:.0%}), "
            f"{about}{plan.live:,} live",
        ),
    ]
    if plan.by_cookie_date:
        rows.append(("", f"{plan.by_cookie_date:,} by cookie date only"))
    if plan.left_no_ttl:
        rows.append(
            (
                "left alone",
                f"{plan.left_no_ttl:,} past by cookie date only (--force=no-ttl takes them)",
            )
        )
    if plan.oldest_ms is not None and plan.newest_ms is not None:
        rows.append(("expiry", f"{_utc(plan.oldest_ms)} to {_utc(plan.newest_ms)}"))
    if plan.samples:
        rows.append(("samples", ", ".join(short_id(sid) for sid in plan.samples)))
    rows += [*more, ("undo", undo)]
    show_rows(run, rows)


def show_rows(run: Run, rows: Iterable[tuple[str, str]]) -> None:
    """Rows of a plan; not with -q."""
    if run.options.quiet:
        return
    for name, text in rows:
        run.streams.say((f"  {name:<10} ", "key"), text)


def confirm(
    run: Run, backend: Backend, store: Store, question: str, *, live: int, cron: bool = False
) -> None:
    """Get a yes, or refuse.

    Args:
        cron: `purge --expired` on an unprotected backend with the journal on, which needs no
            answer where nobody can give one.

    Raises:
        ConfirmationNeeded: nobody to ask and no --yes.
        Refused: the answer was no, or the wrong name.
    """
    label = backend_label(backend, store)
    options = run.options
    if options.confirm is not None:
        if options.confirm != label:
            raise Refused(
                f"--confirm names '{options.confirm}', the backend is '{label}'",
                hint=f"--confirm {label} if this is the one that you mean",
            )
        return
    needs_name = backend.protected or live > NAME_ABOVE
    if options.yes and not backend.protected:
        return
    if not run.can_ask:
        if cron and not backend.protected:
            return
        if backend.protected:
            raise ConfirmationNeeded(
                "this backend is protected", hint=f"--confirm {label} says that you mean it"
            )
        raise _nobody()
    if needs_name:
        answer = run.ask(f"{question} Type {label} to go on: ")
        if answer != label:
            raise Refused("not confirmed, nothing was changed")
    else:
        _ask(run, question)


def confirm_plainly(run: Run, question: str) -> None:
    """Get a yes where no backend is concerned. Raises ConfirmationNeeded or Refused."""
    if run.options.yes:
        return
    if not run.can_ask:
        raise _nobody()
    _ask(run, question)


def _ask(run: Run, question: str) -> None:
    if run.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise Refused("not confirmed, nothing was changed")


def _nobody() -> ConfirmationNeeded:
    return ConfirmationNeeded("nobody is here to confirm", hint="--yes says that you mean it")


def _utc(ms: int) -> str:
    return from_ms(ms).strftime("%Y-%m-%d %H:%M:%SZ")
