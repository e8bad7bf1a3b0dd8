"""`verify` of a million lines: cookies in their plain form are all alike, and take a short way.

The long way unwraps whatever was pasted around a cookie, ranks formats and builds an item: 30 us.
A line that is a cookie in the usual form and nothing else differs from others of its kind by a few
keys and its number only: the first one of each kind takes the long way, and its line of JSON is the
pattern for the others. 3 us for a signed id, most of it the HMAC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cli.output import to_json
from sessctl.cookies.base import PlainJudge, PlainlyJudged
from sessctl.cookies.registry import cookie_format

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sessctl.cli.cookie_options import Judging
    from sessctl.cli.run import Run


class Pattern(NamedTuple):
    """A line of JSON with holes for the keys that are a cookie's own, and for its number."""

    line: bytes
    is_valid: bool


class PlainCookies:
    """The short way, where the output allows it and the format of the batch has one."""

    def __init__(self, run: Run, how: Judging, output: str) -> None:
        self._is_usable = (
            output in ("json", "jsonl")
            and run.options.fields is None
            and not run.redacting
            # A judge knows the library's defaults only: it would take a good cookie of an app that
            # is set up otherwise for the pattern of forged ones.
            and not (how.parameters or how.usual_parameters)
        )
        self._how = how
        self._format: str | None = None
        self._own, self._judge = PlainJudge((), _leave)
        self._patterns: dict[Hashable, Pattern] = {}

    def line(self, text: str, place: int | None) -> tuple[bytes, bool] | None:
        """(the cookie's line of JSON, whether it is valid); None: it has to take the long way."""
        found = self._judge(text)
        if found is None or place is None:
            return None
        kind, own = found
        pattern = self._patterns.get(kind)
        return None if pattern is None else (pattern.line % (*own, place), pattern.is_valid)

    def learn(self, text: str, item: dict[str, Any]) -> None:
        """What came of a text that took the long way; a plain one is the pattern from now on."""
        if self._format is None and self._is_usable and item["format"] is not None:
            self._choose(item["format"])
        found = self._judge(text)
        if found is not None and item["format"] == self._format:
            self._patterns[found[0]] = Pattern(self._with_holes(item), item["verdict"] == "valid")

    def _choose(self, name: str) -> None:
        format = cookie_format(name)
        if isinstance(format, PlainlyJudged):
            how = self._how
            self._format = name
            self._own, self._judge = format.plain_judge(
                how.secrets, now=how.now, max_age=how.max_age
            )

    def _with_holes(self, item: dict[str, Any]) -> bytes:
        holes = {**dict.fromkeys(self._own, b"%b"), "input": b"%d"}
        values = ((key, holes.get(key) or _literal(value)) for key, value in item.items())
        return b"{%b}" % b",".join(b"%b:%b" % (_literal(key), value) for key, value in values)


def _literal(value: Any) -> bytes:
    """JSON that stands in a pattern as it is."""
    return to_json(value).replace(b"%", b"%%")


def _leave(text: str, /) -> None:
    """The judge before a format is known: every text takes the long way."""
