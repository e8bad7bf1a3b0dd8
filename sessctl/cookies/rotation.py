"""Which of several secrets is the newest: the one that signs from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.cookies.base import CookieFormat, Verdict
    from sessctl.text import Secret


@runtime_checkable
class ChoosesSecret(Protocol):
    """A format in which another secret than the first one may sign. Most have no such method."""

    def signing_index(self, secrets: Sequence[Secret]) -> int:
        """The place of the secret that signs. Never raises."""
        ...


def rotation_note(
    format: CookieFormat, verdict: Verdict, secrets: Sequence[Secret]
) -> tuple[str, ...]:
    """What to say of a cookie that an older secret has signed; nothing of any other."""
    index = verdict.key_index
    if index is None or len(secrets) == 1:
        return ()
    newest = format.signing_index(secrets) if isinstance(format, ChoosesSecret) else 0
    if index == newest:
        return ()
    name = secrets[index].reference or f"secrets[{index}]"
    return (
        f"signed with {name}, not the newest secret: that one has to stay in the list until the "
        "app has signed such cookies anew",
    )
