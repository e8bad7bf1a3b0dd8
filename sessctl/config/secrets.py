"""References to secrets: `env:NAME`, `file:PATH`, `dotenv:PATH#NAME`, `keyring:SERVICE/USER`,
`prompt`, `stdin`. A configuration and the flags ending in `-from` name a secret and hold none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sessctl.errors import ConfigError, MissingExtra, UsageError
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("env", "file", "dotenv", "keyring", "cmd")
_WORDS = ("prompt", "stdin")


class Asker(Protocol):
    """Where secrets come from that only a person or a pipe has."""

    def prompt(self, label: str) -> str:
        """Ask without echo. Raises ConfirmationNeeded where nobody can be asked."""
        ...

    def stdin(self) -> bytes:
        """All of standard input."""
        ...


def is_reference(text: str) -> bool:
    """The text names a secret instead of being one."""
    return text in _WORDS or (text.partition(":")[0] in _SCHEMES and ":" in text)


def resolve(
    reference: str, *, environ: Mapping[str, str], asker: Asker, label: str = "secret"
) -> Secret:
    """Fetch what a reference names. A text that is no reference is the secret itself.

    One line feed at the end of a file or of standard input is dropped; blanks are kept, as they
    are part of the key.

    Raises:
        UsageError: nothing under that name; names the reference, which is no secret.
    """
    scheme, colon, rest = reference.partition(":")
    if reference == "prompt":
        return Secret(asker.prompt(label), "prompt")
    if reference == "stdin":
        return Secret(_chomp(asker.stdin()), "stdin")
    if not colon or scheme not in _SCHEMES:
        return Secret(reference, "")
    if scheme == "env":
        value = environ.get(rest)
        if value is None:
            raise UsageError(f"the environment has no variable '{rest}'", hint=f"export {rest}=...")
        return Secret(value, reference)
    if scheme == "file":
        return Secret(_chomp(_read(rest)), reference)
    if scheme == "dotenv":
        return Secret(_from_dotenv(rest), reference)
    if scheme == "keyring":
        return Secret(_from_keyring(rest), reference)
    raise ConfigError(
        f"'{scheme}:' references are not in this version yet",
        hint="use env:NAME, file:PATH, dotenv:PATH#NAME, keyring:SERVICE/USER, prompt or stdin",
    )


def describe(reference: str, *, environ: Mapping[str, str]) -> str:
    """A reference with whether it is set: `env:NAME (set)`. An inline secret is `***`."""
    if not is_reference(reference):
        return "***"
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        return f"{reference} ({'set' if rest in environ else 'not set'})"
    if scheme == "file":
        return f"{reference} ({'found' if Path(rest).expanduser().is_file() else 'missing'})"
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
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _from_dotenv(rest: str) -> str:
    path, _, name = rest.rpartition("#")
    if not path or not name:
        raise UsageError("a dotenv reference names a file and a variable", hint="dotenv:.env#NAME")
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
    except ImportError:
        raise MissingExtra(f"keyring:{rest}", "keyring") from None
    value: str | None = keyring.get_password(service, user)
    if value is None:
        raise UsageError(f"the keyring has nothing for '{service}' and user '{user}'")
    return value
