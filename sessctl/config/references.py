"""A backend's `url` named instead of written, and paths that are relative to a project's file.

    url = "dotenv:.env#REDIS_URL"

The variable holds the whole URL of the application, its password included; the configuration holds
neither. What a project file says counts from its own folder, wherever in the project one stands.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sessctl.config.secrets import check_form, fetch, is_reference, split_key_id
from sessctl.errors import ConfirmationNeeded, SessctlError, UsageError
from sessctl.stores.url import FILE_SCHEMES, parse_store_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.config.model import Backend

# Of these it is known at once, and without asking anybody, what they name.
_URL_SCHEMES = ("env", "file", "dotenv")
URL_FORMS = "env:NAME, file:PATH or dotenv:PATH#NAME"


class Nobody:
    """An asker where nobody can be asked, and nothing is read from standard input."""

    def __init__(self) -> None:
        self.printed: dict[str, bytes] = {}

    def prompt(self, label: str) -> str:
        raise ConfirmationNeeded(f"the {label} has to be typed", hint="env:NAME needs nobody")

    def stdin(self) -> bytes:
        raise ConfirmationNeeded("a secret is to come from standard input, which is not read here")


def names_url(text: str) -> bool:
    """The text is a reference to a URL, and no URL itself."""
    return "://" not in text and text.partition(":")[0] in _URL_SCHEMES and is_reference(text)


def follow_url(backend: Backend, environ: Mapping[str, str]) -> Backend:
    """The backend with the URL that its reference names.

    One that leads nowhere stops nobody from using the other backends: `url_problem` says why, and
    is told when this one is asked for.
    """
    reference = backend.url
    try:
        url = named_url(reference, environ)
    except SessctlError as exc:
        return msgspec.structs.replace(backend, url_from=reference, url_problem=exc.message)
    return msgspec.structs.replace(backend, url=url, url_from=reference)


def named_url(reference: str, environ: Mapping[str, str]) -> str:
    """The URL that a reference names. Raises SessctlError where that leads nowhere."""
    check_form(reference)
    scheme, _, path = reference.partition(":")
    if scheme == "file" and not Path(path).expanduser().is_file():
        raise UsageError(f"no file {path}")  # a pipe would be waited for, by every command
    found = fetch(reference, environ, Nobody(), "url")
    url = found.decode(errors="replace") if isinstance(found, bytes) else found
    if "://" not in url:  # not quoted: it may be anything
        raise UsageError(f"{reference} holds no URL" if url else f"{reference} is empty")
    with suppress(SessctlError):  # learns the password, so that nothing ever prints it
        parse_store_url(url, file_schemes=FILE_SCHEMES)
    return url


def anchored(backend: Backend, folder: Path) -> Backend:
    """The backend with every relative path put behind `folder`."""
    changes: dict[str, object] = {
        "url": _anchored_url(backend.url, folder),
        "secrets": [_anchored(one, folder) for one in backend.secrets],
        "store_secrets": [_anchored(one, folder) for one in backend.store_secrets],
    }
    for key in ("password", "sentinel_password", "username", "sentinel_username"):
        value = getattr(backend, key)
        if value is not None:
            changes[key] = _anchored(value, folder)
    if backend.cache is not None:
        changes["cache"] = _anchored_url(backend.cache, folder)
    if backend.ca_file is not None:
        changes["ca_file"] = str(folder / Path(backend.ca_file).expanduser())
    return msgspec.structs.replace(backend, **changes)


def _anchored(text: str, folder: Path) -> str:
    if not is_reference(text):
        return text
    key_id, reference = split_key_id(text)
    scheme, _, rest = reference.partition(":")
    if scheme not in ("file", "dotenv"):
        return text
    path, hash_, name = rest.rpartition("#") if scheme == "dotenv" else (rest, "", "")
    place = f"{scheme}:{folder / Path(path).expanduser()}{hash_}{name}"
    return place if key_id is None else f"{key_id}={place}"


def _anchored_url(url: str, folder: Path) -> str:
    if "://" not in url:
        return _anchored(url, folder)
    if url.partition("://")[0] not in FILE_SCHEMES:
        return url
    try:
        place = parse_store_url(url, file_schemes=FILE_SCHEMES)
    except SessctlError:  # wrong, and that will be said when it is opened
        return url
    if not place.path or place.path == ":memory:":
        return url
    return replace(place, path=str(folder / Path(place.path).expanduser())).typed
