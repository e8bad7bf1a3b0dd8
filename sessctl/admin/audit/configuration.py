"""Checks of what the configuration says of a backend: its secrets, the files that hold them, how
the store is reached and guarded. Secrets are looked at and never told.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.audit.finding import Finding, Rule, Severity, Skipped
from sessctl.admin.audit.git import is_in_git
from sessctl.admin.audit.strength import bits_of, is_example, is_guessable
from sessctl.config.secrets import split_key_id
from sessctl.errors import StoreError
from sessctl.stores.registry import parse_url
from sessctl.stores.rights import EVERYBODY, readers_of

if TYPE_CHECKING:
    from sessctl.admin.audit.settings import Settings

Said = Iterator[Finding | Skipped]


@dataclass(frozen=True, slots=True)
class SettingsCheck:
    """A rule and what of the settings breaks it."""

    rule: Rule
    judge: Callable[[Rule, Settings], Said]


SETTINGS_CHECKS: list[SettingsCheck] = []


def check(
    id: str, severity: Severity, title: str, why: str, fix: str
) -> Callable[[Callable[[Rule, Settings], Said]], None]:
    """Add a check to those that the settings go through."""

    def add(judge: Callable[[Rule, Settings], Said]) -> None:
        SETTINGS_CHECKS.append(SettingsCheck(Rule(id, severity, title, why, fix), judge))

    return add


_NEW_SECRET = "openssl rand -base64 33   # new first, the old one after it until its cookies end"  # noqa: S105


def _unread(rule: Rule, s: Settings) -> Iterator[Skipped]:
    """Secrets that could not be looked at, or that there are none to look at."""
    if not s.secrets:
        yield rule.skipped(s.at("secrets"), "no secret is named there")
    for one in s.secrets:
        if one.secret is None:
            yield rule.skipped(s.at(one.place), one.problem)


@check(
    "secret.example",
    Severity.CRITICAL,
    "a secret is an example out of some documentation",
    "it is on every list: anybody can sign a cookie for any session, or log in to the store",
    _NEW_SECRET,
)
def _example(rule: Rule, s: Settings) -> Said:
    yield from _unread(rule, s)
    for one in s.secrets:
        if one.secret is not None and is_example(one.secret.reveal()):
            milder = None if one.signs else Severity.HIGH
            evidence = f"{one.reference}; a well-known text"
            yield rule.found(s.at(one.place), evidence, severity=milder)


@check(
    "secret.weak",
    Severity.HIGH,
    "a secret can be guessed",
    "guesses are cheap: one cookie is enough to try millions a second against what signs it",
    _NEW_SECRET,
)
def _weak(rule: Rule, s: Settings) -> Said:
    yield from _unread(rule, s)
    for one in s.secrets:
        if one.secret is None or is_example(value := one.secret.reveal()):
            continue
        bits = bits_of(value)
        # Passwords are tried at the server, one by one: not by millions.
        milder = None if one.signs else Severity.MEDIUM
        if is_guessable(value):
            evidence = f"{one.reference}; made of words that all use"
            yield rule.found(s.at(one.place), evidence, severity=milder)
        elif bits < 64:
            evidence = f"{one.reference}; {len(value)} bytes, about {bits:.0f} random bits"
            yield rule.found(s.at(one.place), evidence, severity=milder)
        elif bits < 112 and one.signs:
            evidence = f"{one.reference}; {len(value)} bytes, about {bits:.0f} bits; 128 are usual"
            yield rule.found(s.at(one.place), evidence, severity=Severity.MEDIUM)


@check(
    "secret.shared",
    Severity.MEDIUM,
    "backends share a secret",
    "a cookie of one is good for the other: what leaks in staging opens production",
    _NEW_SECRET,
)
def _shared(rule: Rule, s: Settings) -> Said:
    mine = {one.secret: one.place for one in s.secrets if one.secret is not None and one.signs}
    for other in s.config.backends.values():
        if not mine or other.name == s.backend.name or other.url == s.backend.url:
            continue
        for one in s.signing(other, quietly=True):
            if one.secret is None:
                yield rule.skipped(f"{other.name}: {one.place}", one.problem)
            elif one.secret in mine:
                evidence = f"the same as {one.place} of {other.name}"
                yield rule.found(s.at(mine[one.secret]), evidence)


@check(
    "secret.inline",
    Severity.LOW,
    "a secret is written into the configuration",
    "it goes wherever the file goes: backups, a repository, a shared screen",
    'secrets = ["file:~/.secrets/session-key"]   # or env:NAME, keyring:SERVICE/USER',
)
def _inline(rule: Rule, s: Settings) -> Said:
    for one in s.secrets:
        if one.reference == "inline":
            yield rule.found(s.at(one.place), f"in {s.config_file or s.backend.source}")
        elif one.place == "url" and s.backend.name and not s.backend.url_from:
            fix = 'password = "env:STORE_PASSWORD"   # and url without it'
            yield rule.found(s.at("url"), f"a password in {s.config_file}", fix=fix)


@check(
    "secret.single",
    Severity.INFO,
    "there is no second secret to rotate to",
    "the day a secret leaks, changing the only one logs everybody out at once",
    'secrets = ["file:NEW", "file:OLD"]   # the first signs, all verify',
)
def _single(rule: Rule, s: Settings) -> Said:
    if len(s.backend.secrets) == 1:
        yield rule.found(s.at("secrets"), "1 secret")


def _secret_files(s: Settings) -> Iterator[tuple[str, Path]]:
    """(place, file) of every secret that stands in a file of its own."""
    for one in s.secrets:
        scheme, _, rest = split_key_id(one.reference)[1].partition(":")
        if scheme in ("file", "dotenv"):
            path = rest.rpartition("#")[0] if scheme == "dotenv" else rest
            yield s.at(one.place), Path(path).expanduser().absolute()
    inline = any(one.reference in ("inline", "in the URL") for one in s.secrets)
    if s.config_file is not None and inline:
        yield s.at("configuration"), s.config_file.absolute()


def _readers(rule: Rule, where: str, path: Path) -> Said:
    try:
        who = readers_of(path)
    except OSError as exc:
        yield rule.skipped(where, f"{path}: {(exc.strerror or 'error').lower()}")
        return
    if who:
        mode = "700" if path.is_dir() else "600"
        milder = None if who == EVERYBODY else Severity.LOW
        evidence = f"{path} can be read by {who}"
        yield rule.found(
            where, evidence, severity=milder, fix=f"chmod {mode} {shlex.quote(str(path))}"
        )


@check(
    "secret.file-open",
    Severity.HIGH,
    "other users can read a file with a secret",
    "any program of any user of this machine can sign cookies with it",
    "chmod 600 FILE",
)
def _file_open(rule: Rule, s: Settings) -> Said:
    seen: set[Path] = set()
    for where, path in _secret_files(s):
        if path not in seen:
            seen.add(path)
            yield from _readers(rule, where, path)


@check(
    "secret.in-git",
    Severity.HIGH,
    "a file with a secret is in the repository",
    "everybody with a copy of the repository has it, and so has its history for ever",
    "git rm --cached FILE   # name it in .gitignore, and make a new secret",
)
def _in_git(rule: Rule, s: Settings) -> Said:
    for where, path in dict.fromkeys(_secret_files(s)):
        try:
            known = is_in_git(path)
        except StoreError as exc:
            yield rule.skipped(where, exc.message)
            continue
        if known:
            fix = rule.fix.replace("FILE", shlex.quote(str(path)), 1)
            yield rule.found(where, f"{path} is under version control", fix=fix)


@check(
    "config.dotenv-open",
    Severity.LOW,
    "other users can read the project's .env",
    "what such files usually hold is for the application alone",
    "chmod 600 .env",
)
def _dotenv(rule: Rule, s: Settings) -> Said:
    """Its rights only: a .env that nobody has named is never read."""
    if s.backend.source == "project file" and s.config_file is not None:
        path = s.config_file.absolute().with_name(".env")
        if path.is_file() and path not in [file for _, file in _secret_files(s)]:
            yield from _readers(rule, str(path), path)


@check(
    "config.unprotected",
    Severity.INFO,
    "a store on another machine is not protected",
    "without `protected` a --yes is enough to end all its sessions, and TLS is not insisted on",
    "protected = true   # in the backend's settings",
)
def _unprotected(rule: Rule, s: Settings) -> Said:
    if not s.is_local and not s.backend.protected and s.backend.name:
        host = parse_url(s.backend.url).host
        yield rule.found(s.at("protected"), f"the store is on {host}")


@check(
    "config.tls-optional",
    Severity.LOW,
    "nothing insists on an encrypted connection",
    "a changed URL or an answer without TLS on the way goes unnoticed",
    "require_tls = true   # in the backend's settings",
)
def _tls_optional(rule: Rule, s: Settings) -> Said:
    backend = s.backend
    if not s.is_local and backend.name and not (backend.require_tls or backend.protected):
        yield rule.found(s.at("require_tls"), f"the store is on {parse_url(backend.url).host}")


@check(
    "journal.open",
    Severity.HIGH,
    "other users can read the undo journals",
    "they hold whole sessions, which are logins",
    "chmod 700 FOLDER",
)
def _journals(rule: Rule, s: Settings) -> Said:
    if s.journals is not None and s.journals.is_dir():
        yield from _readers(rule, str(s.journals), s.journals)
