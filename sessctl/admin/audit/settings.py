"""What is looked at beside the store: a backend's settings, with the secrets that they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.config.model import Backend, Config
from sessctl.config.secrets import is_reference, resolve, split_key_id
from sessctl.errors import SessctlError, UsageError
from sessctl.stores.registry import parse_url
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DISTURBING = ("keyring:", "cmd:")  # references that may ask somebody or run something


@dataclass(frozen=True, slots=True)
class Named:
    """A secret of a backend: where it stands, the reference that may be shown, what it is.

    `secret` is None where it could not be had; `problem` says why.
    """

    place: str
    reference: str
    secret: Secret | None
    problem: str = ""
    signs: bool = True  # and does not only open a door: a password


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is looked at beside the store.

    `journals`: the folder of the undo files; `printed`: by the programs of `cmd:` references that
    have run already, for each runs once.
    """

    backend: Backend
    config: Config = field(default_factory=Config)
    environ: Mapping[str, str] = field(default_factory=dict)
    journals: Path | None = None
    printed: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def secrets(self) -> list[Named]:
        """The backend's own, passwords too."""
        return [*self.signing(self.backend), *self._passwords()]

    def signing(self, backend: Backend, *, quietly: bool = False) -> Iterator[Named]:
        """The signing secrets of any backend; nobody is asked to type one. `quietly`: no keyring is
        opened and no program is run for them."""
        for key in ("secrets", "store_secrets"):
            for index, text in enumerate(getattr(backend, key)):
                if quietly and split_key_id(text)[1].startswith(_DISTURBING):
                    reason = "fetched for an audit of its own backend only"
                    yield Named(f"{key}[{index}]", text, None, reason)
                else:
                    yield self._named(f"{key}[{index}]", text)

    def _passwords(self) -> Iterator[Named]:
        for key in ("password", "sentinel_password"):
            if (text := getattr(self.backend, key)) is not None:
                yield self._named(key, text, signs=False)
        if (password := parse_url(self.backend.url).password) is not None:
            reference = self.backend.url_from or "in the URL"
            yield Named("url", reference, password, signs=False)

    def _named(self, place: str, text: str, *, signs: bool = True) -> Named:
        if not is_reference(text):
            return Named(place, "inline", Secret(text), signs=signs)
        try:
            secret = resolve(text, environ=self.environ, asker=_Nobody(self.printed))
        except SessctlError as exc:
            return Named(place, text, None, exc.message, signs)
        return Named(place, text, secret, signs=signs)

    def at(self, place: str) -> str:
        """A place in the backend's settings, as it is told."""
        return f"{self.backend.name or 'the URL'}: {place}"

    @property
    def is_local(self) -> bool:
        """The store is on this machine."""
        return parse_url(self.backend.url).is_local

    @cached_property
    def config_file(self) -> Path | None:
        """The file that the backend stands in; None: a URL of the command line."""
        files, source = self.config.files, self.backend.source
        if not files or not self.backend.name:
            return None
        if source == "user config":
            return Path(files[-1])
        return Path(files[0]) if source == "project file" else Path(source)


class _Nobody:
    """An audit runs unattended."""

    def __init__(self, printed: dict[str, bytes]) -> None:
        self.printed = printed

    def prompt(self, label: str) -> str:
        raise UsageError("it has to be typed")

    def stdin(self) -> bytes:
        raise UsageError("it comes from standard input")
