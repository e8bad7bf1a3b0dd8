"""All checks, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.doctor.backend import check_one
from sessctl.admin.doctor.check import Check, Status
from sessctl.admin.doctor.install import check_install
from sessctl.admin.doctor.journal import check_journal
from sessctl.admin.doctor.settings import AREA, check_config
from sessctl.config.file import load_config
from sessctl.config.model import Config
from sessctl.config.opening import choose_backend, url_of
from sessctl.config.paths import state_dir
from sessctl.config.references import Nobody
from sessctl.errors import ConfigError, SessctlError
from sessctl.stores.registry import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sessctl.config.model import Backend
    from sessctl.config.secrets import Asker


def diagnose(
    *,
    environ: Mapping[str, str],
    folder: Path,
    backends: Sequence[str] = (),
    config: str | None = None,
    asker: Asker | None = None,
    timeout_s: float = 10.0,
) -> Iterator[Check]:
    """Look at the installation, the configuration, the journals' folder and every backend.

        for check in diagnose(environ=environ, folder=Path.cwd()):
            print(check.status, check.area, check.text, check.fix or "")

    Nothing is written, and no error is raised: what is wrong is a check that failed.

    Args:
        backends: names or URLs; without them every configured one.
        config: this file alone, as `--config`.
        environ, folder: where variables and a project's configuration are looked for.
        asker: asked for passwords that have to be typed; without one such a backend fails.
        timeout_s: of each backend.
    """
    broken: ConfigError | None = None
    try:
        found = load_config(explicit=config, environ=environ, cwd=folder)
    except ConfigError as exc:
        found, broken = Config(), exc
    wanted: list[Backend] = []
    unknown: list[Check] = []
    for name in backends:
        try:
            wanted.append(choose_backend(found, name))
        except SessctlError as exc:
            unknown.append(Check(AREA, "backend", Status.FAIL, exc.message, exc.hint))
    wanted = wanted if backends else list(found.backends.values())
    yield from check_install(list(_kinds(wanted)))
    if broken is None:
        yield from check_config(found)
    else:
        where = broken.where.get("file")
        text = f"{where}: {broken.message}" if where else broken.message
        yield Check(AREA, "file", Status.FAIL, text, broken.hint or "sessctl config edit")
    yield from unknown
    configured = found.journal.directory
    journals = Path(configured).expanduser() if configured else state_dir(environ) / "journals"
    yield from check_journal(journals)
    for backend in wanted:
        yield from check_one(backend, timeout_s=timeout_s, environ=environ, asker=asker or Nobody())


def _kinds(backends: Sequence[Backend]) -> Iterator[str]:
    for backend in backends:
        try:
            yield kind_of(url_of(backend))
        except SessctlError:  # told by the backend's own checks
            continue
