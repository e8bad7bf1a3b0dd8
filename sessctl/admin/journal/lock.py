"""One writer per journal: the lock that a run holds as long as its file is open."""

from __future__ import annotations

import fcntl


def lock(fd: int) -> bool:
    """Take the journal for this process until its file is closed; False: another run has it.

    The kernel gives it back when a process is killed. A file system without locks has none to
    give, and none to refuse.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
