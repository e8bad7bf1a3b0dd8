"""sessctl on a disk that is full, or broken: an injected writer, for limits of single files.

    python -P tinydisk.py KIND N ARGS...

`full`: journals may have N bytes together, then comes a short write, then ENOSPC.
`broken`: the Nth fsync of a journal fails with EIO, and so do all after it.
"""

from __future__ import annotations

import errno
import os
import runpy
import sys

KIND, LIMIT = sys.argv[1], int(sys.argv[2])
real_write, real_fsync = os.write, os.fsync
used = 0


def is_journal(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}").endswith(".journal")


def write(fd: int, data: bytes) -> int:
    global used
    if KIND == "full" and is_journal(fd):
        if used >= LIMIT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = bytes(data)[: LIMIT - used]
        used += len(data)
    return real_write(fd, data)


def fsync(fd: int) -> None:
    global used
    if KIND == "broken" and is_journal(fd):
        used += 1
        if used >= LIMIT:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
    real_fsync(fd)


if __name__ == "__main__":
    os.write, os.fsync = write, fsync
    sys.argv = ["sessctl", *sys.argv[3:]]
    runpy.run_module("sessctl", run_name="__main__", alter_sys=True)
