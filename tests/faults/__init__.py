"""What happens when something breaks: kills, full disks, lost replies, renewals in between."""

from __future__ import annotations

from pathlib import Path


def tinydisk_path() -> str:
    """The program of `tinydisk.py`, which is run by its path in another folder."""
    return str(Path(__file__).with_name("tinydisk.py"))
