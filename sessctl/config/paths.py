"""Where the user's own files live: XDG, or the platform's place."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_config_path(environ: Mapping[str, str]) -> Path:
    """The user's configuration file, whether it exists or not."""
    if environ.get("XDG_CONFIG_HOME"):
        return Path(environ["XDG_CONFIG_HOME"]) / "sessctl" / "config.toml"
    if sys.platform == "linux":
        return Path(environ.get("HOME") or Path.home()) / ".config" / "sessctl" / "config.toml"
    from platformdirs import user_config_path as place  # 4 ms, and every start asks

    return place("sessctl") / "config.toml"


def state_dir(environ: Mapping[str, str]) -> Path:
    """The user's state directory, where journals live."""
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "sessctl"
    from platformdirs import user_state_path

    return user_state_path("sessctl")


def private_folder(folder: Path) -> None:
    """Create a folder for its owner alone (0700), and its parents where they are missing.

    Raises:
        OSError: it cannot be created.
    """
    if not folder.parent.exists():
        private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.stat()
    if found.st_mode & 0o077 and found.st_uid == os.getuid():
        folder.chmod(0o700)


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file for its owner alone, whole or not at all; a link is replaced, never followed.

    Args:
        mode: the file's, where it has to be another one.

    Raises:
        OSError: it cannot be written, or anybody may exchange files in its folder.
    """
    folder = path.parent.stat().st_mode
    if folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        raise PermissionError(errno.EACCES, "anybody may write its folder", str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
