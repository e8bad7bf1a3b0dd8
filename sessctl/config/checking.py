"""What using a backend would refuse, told before anything is opened: `sessctl config validate`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessctl.config.opening import place_of
from sessctl.config.secrets import check_form, is_reference
from sessctl.cookies.registry import cookie_format
from sessctl.errors import ConfigError, SessctlError, UsageError
from sessctl.stores.registry import ENGINES, LAYOUTS, find_layout, parse_url
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.config.model import Backend


def check_backend(backend: Backend) -> None:
    """Check the URL, the layout and whether it fits, the cookie format, durations and references.

    Nothing is connected to, and no secret is fetched.

    Raises:
        SessctlError: the first mistake, with the backend it is in.
    """
    try:
        parse_url(backend.url)
        if backend.layout is not None:
            _check_layout(backend, backend.layout)
        _check("cookie_format", backend.cookie_format, cookie_format)
        _check("lifetime", backend.lifetime, parse_duration)
        for reference in filter(is_reference, backend.named_secrets):
            check_form(reference)
    except SessctlError as exc:
        raise exc.at(**place_of(backend)) from None


def _check(key: str, value: str | None, read: Callable[[str], object]) -> None:
    if value is None:
        return
    try:
        read(value)
    except UsageError as exc:
        raise ConfigError(f"{key}: {exc.message}", hint=exc.hint) from None


def _check_layout(backend: Backend, name: str) -> None:
    layout = find_layout(name)
    layout.configured(backend.layout_options)
    scheme = parse_url(backend.url).scheme
    if scheme not in ENGINES:
        return  # a third party's engine; its own `open` judges the layout
    module, _, attribute = ENGINES[scheme].partition(":")
    engine: Any = getattr(import_module(module), attribute)  # with its driver, up to 250 ms
    if layout.engine != engine.kind:
        fits = [name for name in LAYOUTS if find_layout(name).engine == engine.kind]
        raise ConfigError(
            f"layout '{layout.name}' does not live in a {scheme} store",
            hint=f"layouts for it: {', '.join(fits)}",
        )
