"""References to secrets: `env:NAME`, `file:PATH`, `dotenv:PATH#NAME`, `keyring:SERVICE/USER`,
`cmd:PROGRAM ARGS`, `prompt`, `stdin`. A configuration and the flags ending in `-from` name a secret
and hold none.

`ID=REFERENCE` gives the secret an id, for cookies that say which of several secrets they need:
`2=env:NEW_PASSWORD`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sessctl.config.program import is_there, output_of, split_command
from sessctl.errors import MissingExtra, UsageError, did_you_mean
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("env", "file", "dotenv", "keyring", "cmd")
_WORDS = ("prompt", "stdin")
_FORMS = (
    "env:NAME, file:PATH, dotenv:PATH#NAME, keyring:SERVICE/USER, cmd:PROGRAM ARGS, prompt or stdin"
)
# Meant as a reference, and shown in an error; anything else could be the secret itself.
_SCHEME_LIKE = re.compile(r"(?:\d{1,9}=)?[a-z]{1,12}:")
_KEY_ID = re.compile(r"([A-Za-z0-9_.-]{1,64})=(.+)", re.DOTALL)


class Asker(Protocol):
    """Where secrets come from that only a person or a pipe has."""

    def prompt(self, label: str) -> str:
        """Ask without echo. Raises ConfirmationNeeded where nobody can be asked."""
        ...

    def stdin(self) -> bytes:
        """All of standard input."""
        ...

    @property
    def printed(self) -> dict[str, bytes]:
        """What the programs of `cmd:` references have printed: each runs once, and is kept here."""
        ...


def is_reference(text: str) -> bool:
    """The text names a secret instead of being one."""
    return _is_bare(split_key_id(text)[1])


def split_key_id(text: str) -> tuple[str | None, str]:
    """(id or None, reference). A secret with an `=` in it is no reference, and stays whole."""
    found = _KEY_ID.fullmatch(text)
    return (found[1], found[2]) if found and _is_bare(found[2]) else (None, text)


def _is_bare(text: str) -> bool:
    return text in _WORDS or (text.partition(":")[0] in _SCHEMES and ":" in text)


def refuse_unknown(text: str) -> None:
    """Raise UsageError for `evn:NAME`: a mistyped reference must not become the secret."""
    found = _SCHEME_LIKE.match(text)
    if found and not is_reference(text):
        raise UsageError(
            f"'{found[0]}' is no kind of reference to a secret",
            hint=did_you_mean(found[0], [f"{scheme}:" for scheme in _SCHEMES]),
        )


def check_form(reference: str) -> None:
    """Raise UsageError for a reference that can lead nowhere; nothing is fetched."""
    _, reference = split_key_id(reference)
    scheme, colon, rest = reference.partition(":")
    if colon and not rest:
        raise UsageError(f"'{scheme}:' names nothing", hint=f"write {_FORMS}")
    if scheme == "dotenv" and not all(rest.rpartition("#")):
        raise UsageError("a dotenv reference names a file and a variable", hint="dotenv:.env#NAME")
    if scheme == "keyring" and not all(rest.rpartition("/")):
        raise UsageError(
            "a keyring reference names a service and a user", hint="keyring:SERVICE/USER"
        )
    if scheme == "cmd":
        split_command(rest)


def runs_a_program(text: str) -> bool:
    """It is a `cmd:` reference."""
    return split_key_id(text)[1].startswith("cmd:")


def resolve(
    reference: str, *, environ: Mapping[str, str], asker: Asker, label: str = "secret"
) -> Secret:
    """Fetch what a reference names.

    One line feed at the end of a file, of standard input or of what a program printed is dropped;
    blanks are kept, as they are part of the key. What is no text is a key in bytes, and taken
    whole.

    Raises:
        UsageError: not a reference, and then it is not quoted: it could be the secret. Or there is
            nothing under that name, or nothing in it.
    """
    if not is_reference(reference):
        refuse_unknown(reference)
        raise UsageError("not a reference to a secret", hint=f"write {_FORMS}")
    check_form(reference)
    key_id, reference = split_key_id(reference)
    found = Secret(fetch(reference, environ, asker, label), reference, key_id=key_id)
    if not found.reveal():
        raise UsageError(f"the {label} from {reference} is empty")
    return found


def fetch(reference: str, environ: Mapping[str, str], asker: Asker, label: str) -> bytes | str:
    """What a well-formed reference names, as it is. Raises UsageError if there is nothing."""
    scheme, _, rest = reference.partition(":")
    if reference == "prompt":
        return asker.prompt(label)
    if reference == "stdin":
        return _chomp(asker.stdin())
    if scheme == "env":
        value = environ.get(rest)
        if value is None:
            raise UsageError(f"the environment has no variable '{rest}'", hint=f"export {rest}=...")
        return value
    if scheme == "file":
        return _chomp(_read(rest))
    if scheme == "dotenv":
        return _from_dotenv(rest)
    if scheme == "cmd":
        if rest not in asker.printed:
            asker.printed[rest] = output_of(rest, environ)
        return _chomp(asker.printed[rest])
    return _from_keyring(rest)


def describe(reference: str, *, environ: Mapping[str, str]) -> str:
    """A reference with whether it leads anywhere, as far as that shows without fetching it:
    `env:NAME (set)`. An inline secret is `***`."""
    if not is_reference(reference):
        return "***"
    scheme, _, rest = split_key_id(reference)[1].partition(":")
    if scheme == "env":
        value = environ.get(rest)
        return f"{reference} ({'not set' if value is None else 'set' if value else 'empty'})"
    if scheme == "file":
        return f"{reference} ({'found' if Path(rest).expanduser().is_file() else 'missing'})"
    if scheme == "cmd":
        return f"{reference} ({'program found' if is_there(rest, environ) else 'missing'})"
    if scheme == "keyring" and not _has_keyring():
        return f"{reference} (extra 'keyring' missing)"
    return reference


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        raise UsageError(
            f"cannot read the secret file {path} ({(exc.strerror or 'error').lower()})",
            hint="file:PATH is relative to this folder; file:~/PATH to your home",
        ) from None


def _chomp(raw: bytes) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _from_dotenv(rest: str) -> str:
    path, _, name = rest.rpartition("#")
    from dotenv import dotenv_values  # 7 ms

    if not Path(path).expanduser().is_file():
        raise UsageError(f"no file {path}", hint="dotenv:PATH#NAME")
    value = dotenv_values(Path(path).expanduser(), interpolate=False).get(name)
    if value is None:
        raise UsageError(f"{path} has no variable '{name}'")
    return value


def _from_keyring(rest: str) -> str:
    service, _, user = rest.rpartition("/")
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore] # 44 ms, an extra
        from keyring.errors import (  # type: ignore[import-not-found,unused-ignore]
            KeyringError,
            KeyringLocked,
            NoKeyringError,
        )
    except ImportError:
        raise MissingExtra(f"keyring:{rest}", "keyring") from None
    try:
        value: str | None = keyring.get_password(service, user)
    except KeyringLocked:
        raise UsageError(
            f"the keyring is locked, so nothing for '{service}' can be read",
            hint="unlock it (log in to the desktop, or start its daemon) and run it again",
        ) from None
    except NoKeyringError:
        raise UsageError(
            "this machine has no keyring that could be asked",
            hint="`python -m keyring diagnose` tells why; file:PATH and cmd:PROGRAM need none",
        ) from None
    except KeyringError as exc:
        raise UsageError(
            f"the keyring failed ({type(exc).__name__})", hint="`python -m keyring diagnose`"
        ) from None
    if value is None:
        raise UsageError(
            f"the keyring has nothing for '{service}' and user '{user}'",
            hint=f"keyring set {service} {user}",
        )
    return value


def _has_keyring() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec("keyring") is not None
    except ValueError:  # sys.modules says that there is none
        return False
