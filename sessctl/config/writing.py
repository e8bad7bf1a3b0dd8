"""Changing a configuration file: entries are added and a default is set, all else stays as it is.

Comments and order are kept (tomlkit). What would not be accepted when it is read is not written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sessctl.config.file import Source, load_config, named_config, project_sources
from sessctl.config.paths import private_folder, replace_file, user_config_path
from sessctl.errors import ConfigError
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sessctl.config.discovery.propose import Proposal
    from sessctl.config.model import Config


class ConfigFile:
    """A file to be changed: what it held when it was read, and what it is to hold."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.path = source.path
        if self.path.is_symlink():
            raise ConfigError(
                f"{self.path} is a symbolic link, and what is behind it is not written",
                hint=f"--config {self.path.resolve()}",
            )
        try:
            self._seen = self.path.read_bytes() if self.path.exists() else None
            self.text = "" if self._seen is None else self._seen.decode()
        except (OSError, UnicodeDecodeError) as exc:
            reason = (exc.strerror or "error") if isinstance(exc, OSError) else "not UTF-8"
            raise ConfigError(f"cannot read {self.path} ({reason.lower()})") from None

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> ConfigFile:
        return cls(Source(user_config_path(environ), "user config"))

    @classmethod
    def of_project(cls, folder: Path) -> ConfigFile:
        """The settings in this very folder, wherever they stand; else a new sessctl.toml."""
        found = [one for one in project_sources(folder) if one.path.parent == folder]
        own = Source(folder / "sessctl.toml", "project file", is_project=True)
        return cls(found[0] if found else own)

    @classmethod
    def named(cls, explicit: str | None, environ: Mapping[str, str]) -> ConfigFile | None:
        """The file of `--config` or SESSCTL_CONFIG, if there is one."""
        path = named_config(explicit, environ)
        return None if path is None else cls(Source(path, str(path)))

    def add(self, proposals: Sequence[Proposal], *, default: str | None) -> None:
        """Add backends, each key with where it was found."""
        try:
            self.text = added(self.text, self.source.table, proposals, default)
        except ConfigError as exc:
            raise exc.at(file=str(self.path)) from None

    def set_default(self, name: str) -> None:
        import tomlkit  # 8 ms

        document = tomlkit.parse(self.text)
        table = _inner(document, self.source.table)
        if "default_backend" in table or self.source.table:
            table["default_backend"] = name  # what stands behind it on its line stays
        else:
            first = tomlkit.document()
            first.add("default_backend", tomlkit.item(name))
            gap = "\n" if self.text.strip() else ""
            self.text = f"{tomlkit.dumps(first)}{gap}{self.text}"
            return
        self.text = tomlkit.dumps(document)

    def check(self, *, explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Config:
        """The configuration as it would be. Raises ConfigError as `load_config` does."""
        return load_config(
            explicit=explicit,
            environ=environ,
            cwd=cwd,
            instead=replace(self.source, text=self.text),
        )

    def write(self) -> None:
        """Put it in place, whole or not at all; a new file is for its owner alone.

        Raises:
            ConfigError: it has changed since it was read, or it cannot be written.
        """
        try:
            mode = 0o600
            if self._seen is None:
                if self.source.label == "user config":
                    private_folder(self.path.parent)
                if self.path.exists() or self.path.is_symlink():
                    raise _changed(self.path)
            else:
                if self.path.is_symlink() or self.path.read_bytes() != self._seen:
                    raise _changed(self.path)
                mode = self.path.stat().st_mode & 0o777
            replace_file(self.path, self.text.encode(), mode)
        except OSError as exc:
            raise ConfigError(
                f"cannot write {self.path} ({(exc.strerror or 'error').lower()})"
            ) from None


def _changed(path: Path) -> ConfigError:
    return ConfigError(f"{path} has changed meanwhile", hint="nothing was written; run it again")


def added(
    text: str, table: tuple[str, ...], proposals: Sequence[Proposal], default: str | None
) -> str:
    """The text of a file with these backends at its end, and a default where it has none.

    Raises:
        ConfigError: its backends stand in an inline table.
    """
    import tomlkit
    from tomlkit.items import InlineTable

    document = tomlkit.parse(text)
    place = _inner(document, table)
    if isinstance(place, InlineTable) or isinstance(place.get("backends"), InlineTable):
        raise ConfigError(
            "its backends stand in an inline table, to which none can be added",
            hint="write each as a table of its own, [backends.NAME]",
        )
    if default is not None and not table:
        document = tomlkit.parse(f'default_backend = "{default}"\n' + (f"\n{text}" if text else ""))
        place = document
    elif default is not None:
        place["default_backend"] = default
    if "backends" not in place:
        place["backends"] = tomlkit.table(is_super_table=True)
    for proposal in proposals:
        entry = tomlkit.table()
        for key, value in proposal.table().items():
            origins = {o for line in proposal.lines if line.key.partition(".")[0] == key
                       for o in line.origins}  # fmt: skip
            item = _inline(value) if isinstance(value, dict) else tomlkit.item(value)
            entry.add(key, item.comment(escape(", ".join(sorted(origins)))))
        place["backends"][proposal.name] = entry  # no `add`: pieces of a table have none
    if proposals:
        place["backends"][proposals[-1].name].add(tomlkit.nl())  # what follows stands apart
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def _inline(values: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table


def _inner(document: Any, table: tuple[str, ...]) -> Any:
    for key in table:
        document = document[key]
    return document
