"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, and should not stay so
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """`area` is install, config, journal or a backend's name; `fix` can be typed or pasted.

    `unreachable`: the store could not be asked, so that nobody knows whether the rest is right.
    """

    area: str
    name: str
    status: Status
    text: str
    fix: str | None = None
    unreachable: bool = False
