"""Finding, reading, merging and checking configuration files.

Nearest wins, and per backend the nearest definition wins whole: `--config` or SESSCTL_CONFIG alone;
else `sessctl.toml` or `[tool.sessctl]` of pyproject.toml from here up to the repository's root,
then the user's own file. Some things differ, as a repository is not to be trusted with them:
`[redact]` is that of all files together, `[journal]` of a project file is ignored, and a program
(`cmd:`) in one is refused.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.config.model import (
    BACKEND_KEYS,
    TOP_KEYS,
    Backend,
    Config,
    JournalSettings,
    RedactSettings,
)
from sessctl.config.paths import user_config_path
from sessctl.config.references import URL_FORMS, anchored, follow_url, names_url
from sessctl.config.secrets import is_reference, refuse_unknown, runs_a_program
from sessctl.errors import ConfigError, SessctlError, UsageError, did_you_mean
from sessctl.stores.url import FILE_SCHEMES, parse_store_url
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Source:
    """A file that takes part, and how people call it.

    `folder` is put before relative paths in it; None: they count from where one stands. `text` is
    what it would hold; None: what it holds.
    """

    path: Path
    label: str  # "user config", "project file" or the path of --config
    table: tuple[str, ...] = ()  # where in the file: ("tool", "sessctl") in a pyproject.toml
    is_project: bool = False
    folder: Path | None = None
    text: str | None = None


def load_config(
    *,
    explicit: str | None,
    environ: Mapping[str, str],
    cwd: Path,
    instead: Source | None = None,
) -> Config:
    """Read every source and merge them.

    Args:
        explicit: the path of `--config`; then, or with SESSCTL_CONFIG, this file alone counts.
        instead: a file as it would be, to see whether it may be written.

    Raises:
        ConfigError: a file that was named is missing, TOML is broken, a key is unknown or has the
            wrong type, or secrets in a file lie open to other users.
    """
    notes: list[str] = []
    alone = named_config(explicit, environ)
    if instead is not None and alone is not None:
        return _merge([instead], notes, environ)
    sources = _sources(explicit, environ, cwd, notes)
    if instead is not None:
        others = [source for source in sources if source.path != instead.path]
        sources = [instead, *others] if instead.is_project else [*others, instead]
    return _merge(sources, notes, environ)


def _sources(
    explicit: str | None, environ: Mapping[str, str], cwd: Path, notes: list[str]
) -> list[Source]:
    """The files that take part, nearest first."""
    named = named_config(explicit, environ)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"no config file at {named}", hint="check --config or SESSCTL_CONFIG")
        return [Source(named, str(named))]
    sources = [s for s in project_sources(cwd) if _is_trusted(s.path, notes)]
    user = user_config_path(environ)
    if user.is_file():
        sources.append(Source(user, "user config"))
    return sources


def named_config(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The one file of `--config` or SESSCTL_CONFIG."""
    named = explicit if explicit is not None else environ.get("SESSCTL_CONFIG") or None
    return None if named is None else Path(named).expanduser()


def project_sources(cwd: Path) -> list[Source]:
    """sessctl.toml or pyproject.toml with our table, from here up to the repository's root."""
    for folder in (cwd, *cwd.parents):
        base = None if folder == cwd else folder
        own = folder / "sessctl.toml"
        if own.is_file():
            return [Source(own, "project file", is_project=True, folder=base)]
        shared = folder / "pyproject.toml"
        if shared.is_file() and b"[tool.sessctl" in shared.read_bytes():
            table = ("tool", "sessctl")
            return [Source(shared, "project file", table, is_project=True, folder=base)]
        if (folder / ".git").exists():
            break
    return []


def _is_trusted(path: Path, notes: list[str]) -> bool:
    """A project file that strangers may write decides nothing."""
    found = path.stat()
    if found.st_mode & stat.S_IWOTH:
        notes.append(f"{path} is ignored: anybody may write it")
        return False
    if hasattr(os, "getuid") and found.st_uid not in (0, os.getuid()):
        notes.append(f"{path} is ignored: it belongs to another user")
        return False
    return True


def _merge(sources: list[Source], notes: list[str], environ: Mapping[str, str]) -> Config:
    backends: dict[str, Backend] = {}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source in sources:
        table = _read(source)
        _check_keys(table, TOP_KEYS, source)
        entries = table.pop("backends", {})
        if not isinstance(entries, dict):
            raise ConfigError("backends is not a table").at(file=str(source.path))
        for name, entry in entries.items():
            if name not in backends:
                backends[name] = _backend(name, entry, source, notes, environ)
        for key, value in table.items():
            section = _section(key, value, source)
            if isinstance(section, JournalSettings) and source.is_project:
                notes.append(
                    f"[journal] in {source.path} is ignored: "
                    "it counts in the user's own config only"
                )
            elif isinstance(section, RedactSettings) and key in values:
                values[key] = values[key].joined(section)
                origins[key] += f", {source.label}"
            elif key not in values:
                values[key] = section
                origins[key] = source.label
    config = Config(
        backends=backends,
        origins=origins,
        files=[str(source.path) for source in sources],
        notes=notes,
        **values,
    )
    if config.default_backend is not None and config.default_backend not in backends:
        raise ConfigError(
            f"default_backend names '{config.default_backend}', which is not configured",
            hint=f"configured: {', '.join(backends) or 'none'}",
        ).at(file=origins["default_backend"])
    return config


def _read(source: Source) -> dict[str, Any]:
    try:
        text = source.path.read_text(encoding="utf-8") if source.text is None else source.text
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(
            f"not TOML: {str(exc)[:1].lower()}{str(exc)[1:]}",
            hint="mend it; sessctl config validate",
        ).at(file=str(source.path)) from None
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise ConfigError(f"cannot read the config file ({reason})").at(
            file=str(source.path)
        ) from None
    for key in source.table:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError("the sessctl settings are not a table").at(file=str(source.path))
    return dict(table)


def _check_keys(
    table: dict[str, Any], known: tuple[str, ...], source: Source, prefix: str = ""
) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"unknown key '{prefix}{key}'", hint=did_you_mean(key, known)).at(
                file=str(source.path)
            )


def _section(key: str, value: Any, source: Source) -> Any:
    types: dict[str, Any] = {
        "journal": JournalSettings,
        "redact": RedactSettings,
        "default_backend": str,
    }
    kind = types[key]
    if isinstance(value, dict) and hasattr(kind, "__struct_fields__"):
        _check_keys(value, kind.__struct_fields__, source, f"{key}.")
    section = _convert(value, kind, key, source)
    if isinstance(section, JournalSettings):
        try:
            section.keep_for  # noqa: B018 - a bad duration is a mistake of the file, said here
        except SessctlError as exc:
            raise ConfigError(f"journal.keep: {exc.message}", hint=exc.hint).at(
                file=str(source.path)
            ) from None
    if isinstance(section, RedactSettings):
        for shape in section.shapes:
            try:
                re.compile(shape)
            except re.error as exc:
                raise ConfigError(f"redact.shapes: '{shape}' is not a pattern ({exc})").at(
                    file=str(source.path)
                ) from None
    return section


def _convert(value: Any, kind: Any, key: str, source: Source) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        reason, _, place = str(exc).partition(" - at `$")
        path = key + place.rstrip("`")
        raise ConfigError(
            f"{path}: {reason[:1].lower()}{reason[1:]}", hint="the keys and their types: README.md"
        ).at(file=str(source.path)) from None


def _backend(
    name: str, entry: Any, source: Source, notes: list[str], environ: Mapping[str, str]
) -> Backend:
    key = f"backends.{name}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{key} is not a table").at(file=str(source.path))
    _check_keys(entry, BACKEND_KEYS, source, f"{key}.")
    backend: Backend = _convert(entry, Backend, key, source)
    is_named = names_url(backend.url)
    if "://" not in backend.url and not is_named:
        raise ConfigError(
            f"{key}.url is not a URL", hint=f'write url = "redis://host:6379/0", or {URL_FORMS}'
        ).at(file=str(source.path))
    if backend.cache is not None and "://" not in backend.cache and not names_url(backend.cache):
        raise ConfigError(
            f"{key}.cache is not a URL", hint=f'write cache = "redis://host:6379/1", or {URL_FORMS}'
        ).at(file=str(source.path))
    _check_references(key, backend, source)
    _check_inline_secrets(key, backend, source, notes)
    backend = msgspec.structs.replace(backend, name=name, source=source.label)
    if source.folder is not None:
        backend = anchored(backend, source.folder)
    return follow_url(backend, environ) if is_named else backend


def _password_in(url: str) -> tuple[bool, bool]:
    """(there is a password in the URL, it is for this machine), read as the engines read it."""
    try:
        found = parse_store_url(url, file_schemes=FILE_SCHEMES)
    except SessctlError:  # wrong, and that will be said when it is opened
        return "@" in url, False
    return found.password is not None, found.is_local


def _check_references(key: str, backend: Backend, source: Source) -> None:
    """No mistyped reference passes for a secret, and no secret is empty."""
    for text in backend.named_secrets:
        try:
            refuse_unknown(text)
            if not text:
                raise UsageError("a secret is empty", hint="env:NAME or file:PATH names one")
        except UsageError as exc:
            raise ConfigError(f"{key}: {exc.message}", hint=exc.hint).at(
                file=str(source.path)
            ) from None
    if any(map(runs_a_program, backend.every_reference)):
        _check_programs(key, source)


def _check_programs(key: str, source: Source) -> None:
    """Programs run only where the user himself has written them: a clone must run nothing."""
    if source.is_project:
        raise ConfigError(
            f"{key} names a program to run (cmd:), which a project file may not",
            hint="write this backend into your own config (`sessctl config path` names it), or "
            "give --secret-from cmd:...",
        ).at(file=str(source.path))
    notes: list[str] = []
    if not _is_trusted(source.path, notes):
        raise ConfigError(
            f"{key} names a program to run (cmd:), in a file that others can change",
            hint=f"chmod 600 {source.path}, and own it",
        ).at(file=str(source.path))


def _check_inline_secrets(key: str, backend: Backend, source: Source, notes: list[str]) -> None:
    """Secrets written into a file must not lie open to others (S26)."""
    inline = [text for text in backend.named_secrets if not is_reference(text)]
    for secret in inline:
        Secret(secret)  # known from here on, so that nothing ever prints it
    told = [_password_in(url) for url in backend.urls]
    in_url, is_local = any(has for has, _ in told), all(local for has, local in told if has)
    if not inline and not in_url:
        return
    mode = source.path.stat().st_mode if source.path.exists() else 0  # a new one is private
    if not mode & (stat.S_IRGRP | stat.S_IROTH):
        return
    if source.is_project and is_local and not inline:  # git checks files out 0644
        notes.append(f"{source.path}: {key} holds a password that others can read")
        return
    raise ConfigError(
        f"{key} holds a secret in a file that others can read",
        hint=f"chmod 600 {source.path}, or write a reference such as env:NAME or file:PATH",
    ).at(file=str(source.path))
