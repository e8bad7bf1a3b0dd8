"""The tour of the demo: commands in an order that tells a story, each with a sentence before it.

Data only; who shows it runs the commands and compares the exit codes.
"""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.demo.sessions import SESSIONS

if TYPE_CHECKING:
    from sessctl.demo.sessions import Demo

WIDTH = 78


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the tour, without the program's name, and how it has to end."""

    sentence: str
    argv: tuple[str, ...]
    exit_code: int = 0

    @property
    def lines(self) -> list[str]:
        """The sentence in lines of at most `WIDTH` characters."""
        return textwrap.wrap(self.sentence, WIDTH)


def TOUR(demo: Demo) -> list[Step]:
    """The steps for a demo that was just built; each relies on the ones before."""
    user = demo.user
    return [
        Step(
            "A web shop remembers its visitors in sessions, one row each in its database. "
            f"These are 8 of its {SESSIONS}: whose they are, and how long they last.",
            ("list", "--limit", "8"),
        ),
        Step(
            f"User {user} is Mara. She is logged in on three devices, and each of them has "
            "a session of its own.",
            ("list", "--user", user),
        ),
        Step(
            "A session whose time is up is expired. Nobody can use it any more, but it "
            "stays in the database until somebody cleans up. How many are there?",
            ("list", "--count", "--expired"),
        ),
        Step(
            "All that Mara's browser keeps is this cookie: a session's id and a signature. "
            "Decoding it shows which session it stands for.",
            ("decode", demo.cookie),
        ),
        Step(
            "Anybody can write an id into a cookie. Only the shop can sign it, with a secret "
            "that it shows to nobody. Did the shop sign this one? Yes.",
            ("verify", demo.cookie),
        ),
        Step(
            "Here somebody signed an administrator's session id with a guessed secret. The "
            "signature is wrong, so it is refused: that is what the secret is for.",
            ("verify", demo.forged_cookie),
            exit_code=1,
        ),
        Step(
            "Now to clean up the expired sessions. A dry run says what would be removed, "
            "and changes nothing.",
            ("purge", "--expired", "--dry-run"),
        ),
        Step(
            "The same for real. Every session is first written down in a journal, a file "
            "from which it can be put back.",
            ("purge", "--expired", "--yes"),
        ),
        Step(
            "Mara has lost her phone. This ends all her sessions, which logs her out "
            "everywhere: her cookies, whoever has them, lead to nothing now.",
            ("expire", "--user", user, "--yes"),
        ),
        Step(
            "The phone was under the sofa. This undoes the last command: her three sessions "
            "come back, and her devices are logged in again.",
            ("restore", "--last", "--yes"),
        ),
    ]


def NEXT(demo: Demo) -> list[tuple[str, str]]:
    """Commands to type after the tour, and what each does; the last one removes the demo."""
    config, folder = shlex.quote(str(demo.config_path)), shlex.quote(str(demo.directory))
    return [
        (f"export SESSCTL_CONFIG={config}", "use these sessions in this shell"),
        ("sessctl list --expires-within 1h", "sessions that end within the hour"),
        (
            f"sessctl show {demo.hostile_sid}",
            "a session with hostile texts in it: shown, and harmless",
        ),
        (f"sessctl sign {demo.sid}", "make a cookie for a session, signed with the shop's secret"),
        ("sessctl journal list", "the files from which the tour's removals can be undone"),
        ("sessctl help", "all commands and topics"),
        (f"rm -r {folder}", "remove this folder when you are done"),
    ]


__all__ = ["NEXT", "TOUR", "WIDTH", "Step"]
