"""A backend: what it says, its secrets, and its store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.doctor.check import Check, Status
from sessctl.admin.ping import ping
from sessctl.config.checking import check_backend
from sessctl.config.opening import url_of
from sessctl.config.references import Nobody
from sessctl.config.secrets import is_reference, resolve, split_key_id
from sessctl.errors import ExitCode, SessctlError
from sessctl.stores.base import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sessctl.admin.ping import Pong
    from sessctl.config.model import Backend
    from sessctl.config.secrets import Asker


def check_one(
    backend: Backend, *, timeout_s: float, environ: Mapping[str, str], asker: Asker
) -> Iterator[Check]:
    """Everything about one backend; nothing is written, and no error is raised."""
    area = backend.name or url_of(backend).masked
    try:
        check_backend(backend)
        yield Check(area, "settings", Status.OK, f"settings are right ({backend.source})")
    except SessctlError as exc:
        yield _failed(area, "settings", exc)
        return
    yield from _secrets(area, backend, environ)
    found = ping(backend, timeout_s=timeout_s, environ=environ, asker=asker)
    if found.problem is not None:
        silent = not found.reached and found.problem.exit_code is ExitCode.UNREACHABLE
        yield _failed(area, "store", found.problem, unreachable=silent)
        return
    yield from _store(area, backend, found)


def _failed(area: str, name: str, exc: SessctlError, *, unreachable: bool = False) -> Check:
    fix = exc.hint or f"sessctl backends ping -b {area} -v"
    return Check(area, name, Status.FAIL, exc.message, fix, unreachable)


def _secrets(area: str, backend: Backend, environ: Mapping[str, str]) -> Iterator[Check]:
    """Every reference leads to something; which one it is, and never what."""
    right = 0
    for text in backend.named_secrets:
        if not is_reference(text) or split_key_id(text)[1] in ("prompt", "stdin"):
            right += 1
            continue
        try:
            resolve(text, environ=environ, asker=Nobody())
            right += 1
        except SessctlError as exc:
            yield Check(area, "secrets", Status.FAIL, exc.message, exc.hint)
    if right:
        counted = "1 secret" if right == 1 else f"{right} secrets"
        yield Check(area, "secrets", Status.OK, f"{counted} can be read")
    if not backend.secrets:
        yield Check(
            area, "secrets", Status.WARN, "no signing secret: cookies are not verified",
            'add secrets = ["env:SESSION_SECRET"] (sessctl help secrets)',
        )  # fmt: skip


def _store(area: str, backend: Backend, found: Pong) -> Iterator[Check]:
    server = found.server
    if server is not None:
        name = f"{server.name} {server.version}" if server.version else server.name
        who = f" as {found.login}" if found.login and found.login != "password" else ""
        yield Check(area, "store", Status.OK, f"{name} answers{who} in {found.latency_ms:.1f} ms")
    if server is not None and not url_of(backend).is_local:
        yield _tls(area, server.tls)
    yield _layout(area, found)
    ahead = found.skew.note if found.skew else None
    yield Check(
        area, "clock", Status.WARN if ahead else Status.OK, ahead or "the clocks agree",
        "set both clocks by NTP" if ahead else None,
    )  # fmt: skip
    yield from _writes(area, backend)
    for note in found.notes:
        if not note.startswith(("not encrypted", "encrypted, but")):  # said above
            yield Check(area, "note", Status.WARN, note)


def _tls(area: str, tls: Tls | None) -> Check:
    if tls is Tls.NONE:
        return Check(
            area, "tls", Status.WARN, "not encrypted, and not on this machine",
            "rediss:// or ?sslmode=verify-full; require_tls = true insists",
        )  # fmt: skip
    if tls is Tls.UNVERIFIED:
        return Check(
            area, "tls", Status.WARN, "encrypted, but nobody verified with whom",
            "?sslmode=verify-full, ?ssl-mode=VERIFY_IDENTITY or ca_file",
        )  # fmt: skip
    return Check(area, "tls", Status.OK, "encrypted, the host's name verified")


def _layout(area: str, found: Pong) -> Check:
    sure = [one for one in found.seen if one.sure]
    if found.fits is False:
        return Check(
            area, "layout", Status.FAIL,
            f"layout = {found.layout}, but the sessions look like {sure[0].layout} "
            f"at {sure[0].place}",
            f'layout = "{sure[0].layout}" (sessctl detect -b {area})',
        )  # fmt: skip
    if found.layout is None and sure:
        return Check(
            area, "layout", Status.WARN, f"no layout is named; the sessions are {sure[0].layout}'s",
            f'layout = "{sure[0].layout}": what writes needs it named',
        )  # fmt: skip
    if not sure:
        return Check(area, "layout", Status.OK, "nothing is there yet to compare the layout with")
    return Check(area, "layout", Status.OK, f"the sessions are {found.layout}'s")


def _writes(area: str, backend: Backend) -> Iterator[Check]:
    """What can be known of it without writing: files alone tell."""
    place = url_of(backend)
    if backend.read_only:
        yield Check(area, "writes", Status.OK, "read_only: nothing will be written")
    elif place.is_file:
        path = Path(place.path).expanduser()
        may = os.access(path, os.W_OK)
        yield Check(
            area, "writes", Status.OK if may else Status.WARN,
            "may be written" if may else "may be read only by this user",
            None if may else "run as the application's user, or set read_only = true",
        )  # fmt: skip
