"""What using a backend would refuse, told before anything is opened: `sessctl config validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.config.opening import place_of, url_of
from sessctl.config.secrets import check_form, is_reference
from sessctl.cookies.api import checked
from sessctl.cookies.registry import cookie_format
from sessctl.errors import ConfigError, SessctlError, UsageError
from sessctl.stores.registry import layout_for
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
        url_of(backend)
        if backend.layout is not None:
            _check_layout(backend, backend.layout)
        _check("cookie_format", backend.cookie_format, cookie_format)
        if backend.cookie_format is not None:
            checked(cookie_format(backend.cookie_format), backend.cookie_parameters)
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
    options = backend.layout_options
    if backend.store_secrets:  # not fetched, but does the layout have a use for them?
        options["store_secrets"] = ()
    if backend.cache is not None:
        options["cache"] = backend.cache
    layout_for(url_of(backend), name).configured(options)
