"""One directory of session files, held open: every name is looked up in it and nowhere else (S24).

A name may lead through folders of the directory, `1/11/11b98a.cache`; each is opened as such, one
after the other, and a symlink in the place of one leads nowhere.

No symlink is followed and nothing but a regular file is opened, without waiting; a name has been
checked by `FileNames` before it comes here. Only POSIX systems can look names up in an open
directory (`dir_fd`).
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NETWORK = ("nfs", "cifs", "smb", "9p", "ceph", "gluster", "afs", "fuse.sshfs", "lustre")


class Stamp(NamedTuple):
    """What tells two states of a file apart, beside its content."""

    inode: int
    size: int
    mtime_ns: int
    mode: int = 0o600
    uid: int = -1  # of whoever writes it
    gid: int = -1

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        mode = stat.S_IMODE(found.st_mode)
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, mode, found.st_uid, found.st_gid)


class OpenFile:
    """A regular file of the directory, open for reading."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.stamp = Stamp.of(os.fstat(fd))

    def content(self, limit: int) -> bytes | None:
        """All of it; None where it is longer than the limit. It is read from its beginning."""
        parts: list[bytes] = []
        held = 0
        while part := os.pread(self.fd, min(limit + 1 - held, 1 << 20), held):
            parts.append(part)
            held += len(part)
            if held > limit:
                return None
        return b"".join(parts)

    def is_as(self, stamp: Stamp, content: bytes) -> bool:
        """It is still in this state, to the byte."""
        now = Stamp.of(os.fstat(self.fd))
        return now == stamp and self.content(len(content)) == content

    def lock(self) -> bool:
        """Lock it until it is closed; False where a running request holds it (PHP does)."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks, or one that wants the file open for writing
        return True


class NotAFile(OSError):
    """The name is a directory, a symlink, a pipe or something else that is never opened."""


class Directory:
    """A directory that stays open until `close`.

    Raises:
        StoreUnreachable: there is none.
        AccessDenied: it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: set[str] = set()  # folders whose names have changed since the last `sync`
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            raise AccessDenied(f"no right to read the directory {escape(str(path))}") from None
        except OSError as exc:
            reason = (exc.strerror or "error").lower()
            raise StoreUnreachable(
                f"the directory {escape(str(path))} cannot be opened ({reason})",
                hint="file:///srv/app/sessions is absolute, file://sessions is in this folder",
            ) from None

    def owner(self) -> Stamp:
        """Whose it is; a file like that is its owner's alone."""
        return Stamp.of(os.fstat(self._fd))._replace(mode=0o600, mtime_ns=0)

    def require_writable(self) -> None:
        """Raises AccessDenied where no file can be removed or made."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self._fd, effective_ids=True):
            raise AccessDenied(f"no right to change the directory {escape(str(self.path))}")

    def free_bytes(self) -> int | None:
        """What an ordinary user may still write; None where the file system does not say."""
        found = os.fstatvfs(self._fd)
        return found.f_bavail * found.f_frsize if found.f_blocks else None

    @contextmanager
    def entries(self, folders: int = 0) -> Iterator[Iterator[tuple[str, os.DirEntry[str]]]]:
        """Everything in it with its name, as the system reads it: not sorted, and not kept in
        memory. What is so many folders down, and whatever is no folder on the way there.

        Raises:
            StoreError: reading it failed midway.
        """
        # A descriptor of its own: two that are duplicates would share one place in the directory.
        fd = os.open(".", _FOLDER, dir_fd=self._fd)
        found = self._below(fd, "", folders)
        try:
            yield found
        except OSError as exc:
            raise StoreError(
                f"cannot read the directory {escape(str(self.path))} ({reason_of(exc)})"
            ) from None
        finally:
            found.close()
            os.close(fd)

    def _below(
        self, fd: int, way: str, folders: int
    ) -> Generator[tuple[str, os.DirEntry[str]], None, None]:
        with os.scandir(fd) as found:
            for entry in found:
                name = way + entry.name
                if not (folders and entry.is_dir(follow_symlinks=False)):
                    yield name, entry
                    continue
                try:
                    inner = os.open(entry.name, _FOLDER, dir_fd=fd)
                except FileNotFoundError:
                    continue
                try:
                    yield from self._below(inner, f"{name}/", folders - 1)
                finally:
                    os.close(inner)

    @contextmanager
    def _at(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that a name is in, and what it is called there.

        Raises:
            FileNotFoundError: there is no such folder.
            NotAFile: something else stands in its place.
        """
        *folders, last = name.split("/")
        fd = self._fd
        try:
            for folder in folders:
                if make:
                    self._make(folder, fd)
                inner = os.open(folder, _FOLDER, dir_fd=fd)
                if fd != self._fd:
                    os.close(fd)
                fd = inner
            yield fd, last
        except NotADirectoryError:  # a symlink, too, that was not to be followed
            raise NotAFile(f"'{name}' is not a file") from None
        finally:
            if fd != self._fd:
                os.close(fd)

    def _make(self, folder: str, fd: int) -> None:
        """A folder as the directory is, where there is none."""
        try:
            os.mkdir(folder, 0o700, dir_fd=fd)
        except FileExistsError:
            return
        made, like = os.open(folder, _FOLDER, dir_fd=fd), os.fstat(self._fd)
        try:
            with suppress(PermissionError):  # only root gives files away
                os.fchown(made, like.st_uid, like.st_gid)
            os.fchmod(made, stat.S_IMODE(like.st_mode))
        finally:
            os.close(made)
        os.fsync(fd)

    def _changed(self, name: str) -> None:
        self._written.add(name.rpartition("/")[0])

    @contextmanager
    def opened(self, name: str) -> Iterator[OpenFile]:
        """A regular file.

        Raises:
            FileNotFoundError: there is none.
            NotAFile: the name is something else.
            OSError: it cannot be opened.
        """
        with self._at(name) as (folder, last):
            try:
                fd = os.open(last, os.O_RDONLY | _FLAGS, dir_fd=folder)
            except OSError as exc:
                if not isinstance(exc, FileNotFoundError) and not _is_regular(last, folder):
                    raise NotAFile(f"'{name}' is not a file") from None
                raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotAFile(f"'{name}' is not a file")
            yield OpenFile(fd)
        finally:
            os.close(fd)

    def age_s(self, name: str) -> float:
        """How long ago a name was made or changed, by this machine's clock; 0 if it is gone."""
        with suppress(OSError), self._at(name) as (folder, last):
            found = os.stat(last, dir_fd=folder, follow_symlinks=False)
            return time.time() - found.st_ctime
        return 0.0

    # -- writing ----------------------------------------------------------------------------------

    def inode(self, name: str) -> int:
        """Raises FileNotFoundError."""
        with self._at(name) as (folder, last):
            return os.stat(last, dir_fd=folder, follow_symlinks=False).st_ino

    def rename(self, name: str, new: str) -> None:
        with self._at(name) as (folder, last), self._at(new) as (into, called):
            os.rename(last, called, src_dir_fd=folder, dst_dir_fd=into)
        self._changed(name)

    def link(self, name: str, new: str) -> None:
        """A second name for a file. Raises FileExistsError: nothing is ever overwritten."""
        with self._at(name) as (folder, last), self._at(new) as (into, called):
            os.link(last, called, src_dir_fd=folder, dst_dir_fd=into, follow_symlinks=False)
        self._changed(new)

    def unlink(self, name: str) -> None:
        with suppress(FileNotFoundError), self._at(name) as (folder, last):
            os.unlink(last, dir_fd=folder)
        self._changed(name)

    def write(self, name: str, content: bytes, like: Stamp, *, keep_mtime: bool) -> None:
        """Make a file, on the disk when this returns, with the rights of another one; and the
        folders on the way to it, where they are missing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS
        with self._at(name, make=True) as (folder, last):
            fd = os.open(last, flags, 0o600, dir_fd=folder)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(fd, left) :]
            if (like.uid, like.gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # only root gives files away
                    os.fchown(fd, like.uid, like.gid)
            os.fchmod(fd, like.mode)
            if keep_mtime:
                os.utime(fd, ns=(like.mtime_ns, like.mtime_ns))
            os.fsync(fd)
        except BaseException:
            self.unlink(name)
            raise
        finally:
            os.close(fd)

    def sync(self) -> None:
        """What was removed and made stays so when the machine fails."""
        for folder in self._written:
            with suppress(OSError), self._at(f"{folder}/." if folder else ".") as (fd, _):
                os.fsync(fd)  # some network file systems know no such thing
        self._written.clear()

    def network(self) -> str | None:
        """The kind of network file system that it is on, if it is on one and Linux tells."""
        device = os.fstat(self._fd).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        with suppress(OSError), Path("/proc/self/mountinfo").open(encoding="utf-8") as mounts:
            for line in mounts:
                mount, _, rest = line.partition(" - ")
                kind = rest.partition(" ")[0]
                if mount.split(" ")[2:3] == [number] and kind.startswith(_NETWORK):
                    return kind
        return None

    def close(self) -> None:
        """Whoever goes on with it gets an error, and never what another descriptor leads to."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _is_regular(name: str, folder: int) -> bool:
    with suppress(OSError):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return stat.S_ISREG(found.st_mode)
    return True


def reason_of(exc: OSError) -> str:
    """The system's words for what went wrong, without the path."""
    return (exc.strerror or type(exc).__name__).lower()
