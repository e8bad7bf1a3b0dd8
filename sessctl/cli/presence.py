"""Whether there is any configuration to read: asked before tomllib and msgspec are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def may_have_config(named: str | None, cwd: Path, environ: Mapping[str, str]) -> bool:
    """A config file is named, or stands in one of the places. Costs a few `stat`s, no import."""
    if named is not None or environ.get("SESSCTL_CONFIG"):
        return True
    for folder in (cwd, *cwd.parents):
        if (folder / "sessctl.toml").is_file() or (folder / "pyproject.toml").is_file():
            return True
        if (folder / ".git").exists():
            break
    from sessctl.config.paths import user_config_path

    return user_config_path(environ).is_file()
