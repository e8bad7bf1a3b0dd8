"""`verify` of a million lines: cookies in their plain form are all alike, and take a short way.

The long way unwraps whatever was pasted around a cookie, ranks formats and builds an item: 30 us.
A line that is a cookie in the usual form and nothing else differs from the others by its sid, its
number and its verdict only: the first one of each verdict takes the long way, and its line of JSON
is the pattern for the others. 3 us, most of it the HMAC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.output import to_json
from sessctl.cookies.registry import cookie_format

if TYPE_CHECKING:
    from sessctl.cli.cookie_options import Judging
    from sessctl.cli.run import Run
    from sessctl.cookies.base import BatchJudge


class PlainCookies:
    """The short way, where the output allows it and the format of the batch has one."""

    def __init__(self, run: Run, how: Judging, output: str) -> None:
        self._is_usable = (
            output in ("json", "jsonl") and run.options.fields is None and not run.redacting
        )
        self._secrets = how.secrets
        self._format: str | None = None
        self._judge: BatchJudge = _leave
        self._patterns: dict[int | None, bytes] = {}

    def line(self, text: str, place: int | None) -> tuple[bytes, bool] | None:
        """(the cookie's line of JSON, whether it is valid); None: it has to take the long way."""
        found = self._judge(text)
        if found is None or place is None:
            return None
        sid, index = found
        pattern = self._patterns.get(index)
        return None if pattern is None else (pattern % (sid, place), index is not None)

    def learn(self, text: str, item: dict[str, Any]) -> None:
        """What came of a text that took the long way; a plain one is the pattern from now on."""
        if self._format is None and self._is_usable and item["format"] is not None:
            judge = cookie_format(item["format"]).batch_judge(self._secrets)
            if judge is not None:
                self._format, self._judge = item["format"], judge
        found = self._judge(text)
        if found is not None and item["format"] == self._format:
            line = to_json({**item, "sid": None, "input": None}).replace(b"%", b"%%")
            line = line.replace(b',"sid":null,', b',"sid":"%b",', 1)
            self._patterns[found[1]] = line.removesuffix(b"null}") + b"%d}"


def _leave(text: str, /) -> None:
    """The judge before a format is known: every text takes the long way."""
