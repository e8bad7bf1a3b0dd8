"""From a backend of the configuration to an opened store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.config.model import Backend
from sessctl.config.references import named_url
from sessctl.config.secrets import is_reference, resolve
from sessctl.errors import ConfigError, Refused, SessctlError
from sessctl.stores.access import Access
from sessctl.stores.opening import detect_layouts, open_store, replica_status
from sessctl.stores.registry import layout_for, parse_url, tells_its_layout
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sessctl.config.model import Config
    from sessctl.config.secrets import Asker
    from sessctl.stores.base import Lag, Store
    from sessctl.stores.detect import Candidate
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.url import StoreUrl


def choose_backend(config: Config, wanted: str | None) -> Backend:
    """The backend meant by `-b`: a name, a URL, or, without it, the only or the default one.

    Raises:
        ConfigError: none is configured, or several and no default.
    """
    if wanted is not None:
        if "://" in wanted:
            parse_url(wanted)  # learns and hides the password before anything can go wrong
            return Backend(url=wanted, source="command line")
        if "@" in wanted and wanted not in config.backends:
            # Not quoted: it may be a URL that lost its scheme, with its password.
            raise ConfigError("neither a URL nor a backend", hint="write redis://user:...@host/0")
        return config.backend(wanted)
    if config.default_backend is not None:
        return config.backend(config.default_backend)
    if len(config.backends) == 1:
        return next(iter(config.backends.values()))
    if not config.backends:
        raise ConfigError(
            "no backend is configured",
            hint="`sessctl config init` looks for one in this project, -b URL names one, "
            "`sessctl demo` needs none",
        )
    raise ConfigError(
        f"which backend? configured: {', '.join(config.backends)}",
        hint="name one with -b, or set default_backend",
    )


def url_of(backend: Backend) -> StoreUrl:
    """Where a backend's store is.

    Raises:
        ConfigError: its `url` is a reference that leads nowhere.
        UsageError: it is malformed.
    """
    if backend.url_problem:
        raise ConfigError(
            f"the url of backend '{backend.name}' leads nowhere: {backend.url_problem}",
            hint="`sessctl config validate` checks them all",
        )
    place = parse_url(backend.url)
    return replace(place, is_borrowed=True) if backend.url_from else place


def open_backend(
    backend: Backend,
    *,
    write: bool,
    timeout_s: float,
    environ: Mapping[str, str],
    asker: Asker,
    **reading: Any,
) -> Store:
    """Open a backend's store. `reading` are words of `Access` that no configuration says:
    `allow_stale`, `gentle`, `budget`.

    Raises:
        Refused: to be written, and the backend says `read_only`, or no layout is named for it.
        StoreError: no connection or no access.
    """
    try:
        if write and backend.read_only:
            raise Refused(
                "this backend is read-only",
                hint="`read_only = false` in its configuration allows it",
            )
        access = replace(_access(backend, timeout_s, environ, asker), **reading)
        options = backend.layout_options
        if backend.store_secrets:
            options["store_secrets"] = _secrets(backend, "store_secrets", environ, asker)
        if backend.cache is not None:
            options["cache"] = _cache_of(backend, environ)
        return open_store(url_of(backend), backend.layout, write=write, access=access, **options)
    except SessctlError as exc:
        raise exc.at(**place_of(backend)) from None


def _cache_of(backend: Backend, environ: Mapping[str, str]) -> str:
    """The URL of the cache beside a backend's store. Raises ConfigError."""
    cache = backend.cache or ""
    if "://" in cache:
        return cache
    try:
        return named_url(cache, environ)
    except SessctlError as exc:
        raise ConfigError(f"cache: {exc.message}", hint=exc.hint) from None


def usual_layout(backend: Backend) -> Layout | None:
    """The layout that a backend names, with the settings of its library; None: it names none.

    Raises:
        UsageError: there is no such layout, or not in this kind of store.
    """
    place = url_of(backend)
    named = backend.layout or dict(place.settings).get("layout")
    return None if named is None else layout_for(place, named)


def layouts_of(
    backend: Backend,
    *,
    timeout_s: float,
    environ: Mapping[str, str],
    asker: Asker,
    **reading: Any,
) -> list[Candidate]:
    """Which layouts a backend's store seems to have. Raises as `open_backend` does."""
    try:
        access = replace(_access(backend, timeout_s, environ, asker), **reading)
        return detect_layouts(url_of(backend), access=access, **backend.layout_options)
    except SessctlError as exc:
        raise exc.at(**place_of(backend)) from None


def is_laid_out(backend: Backend) -> bool:
    """Its layout is named, or told by the store itself: nothing has to be looked for."""
    place = url_of(backend)
    return bool(backend.layout or dict(place.settings).get("layout")) or tells_its_layout(place)


def laid_out_as(backend: Backend, candidates: Iterable[Candidate]) -> list[Backend]:
    """The backend once for each layout that its store surely has; as it is where none is sure."""
    return [
        msgspec.structs.replace(backend, layout=one.layout, **one.settings)
        for one in candidates
        if one.sure
    ] or [backend]


def replica_of(
    backend: Backend, *, timeout_s: float, environ: Mapping[str, str], asker: Asker
) -> Callable[[], Lag]:
    """What tells how far the replica that a backend names is behind. Raises as `open_backend`."""
    try:
        return replica_status(url_of(backend), _access(backend, timeout_s, environ, asker))
    except SessctlError as exc:
        raise exc.at(**place_of(backend)) from None


def _access(backend: Backend, timeout_s: float, environ: Mapping[str, str], asker: Asker) -> Access:
    return Access(
        timeout_s=timeout_s,
        username=_text(backend.username, environ, asker),
        password=_secret(backend.password, "store password", environ, asker),
        require_tls=backend.require_tls or (backend.protected and _is_remote(backend)),
        ca_file=backend.ca_file,
        sentinel_username=_text(backend.sentinel_username, environ, asker),
        sentinel_password=_secret(backend.sentinel_password, "sentinel password", environ, asker),
    )


def place_of(backend: Backend) -> dict[str, str]:
    """How an error names a backend: `prod (user config)`."""
    if not backend.name:
        return {"backend": url_of(backend).masked}
    return {"backend": f"{backend.name} ({backend.source})"}


def backend_secrets(backend: Backend, *, environ: Mapping[str, str], asker: Asker) -> list[Secret]:
    """The signing secrets of a backend, newest first; each knows its reference."""
    return _secrets(backend, "secrets", environ, asker)


def _secrets(backend: Backend, key: str, environ: Mapping[str, str], asker: Asker) -> list[Secret]:
    found = []
    for index, reference in enumerate(getattr(backend, key)):
        secret = _named_or_inline(reference, f"secret of {backend.name}", environ, asker)
        secret.reference = secret.reference or f"{key}[{index}]"
        found.append(secret)
    return found


def _named_or_inline(text: str, label: str, environ: Mapping[str, str], asker: Asker) -> Secret:
    """What a reference names; else the text itself, which stands in a file of the user's own."""
    if not is_reference(text):
        return Secret(text)
    return resolve(text, environ=environ, asker=asker, label=label)


def _secret(
    reference: str | None, label: str, environ: Mapping[str, str], asker: Asker
) -> Secret | None:
    if reference is None:
        return None
    return _named_or_inline(reference, label, environ, asker)


def _text(reference: str | None, environ: Mapping[str, str], asker: Asker) -> str | None:
    found = (
        _secret(reference, "user name", environ, asker) if reference and ":" in reference else None
    )
    return found.reveal_text() if found else reference


def _is_remote(backend: Backend) -> bool:
    return not url_of(backend).is_local
