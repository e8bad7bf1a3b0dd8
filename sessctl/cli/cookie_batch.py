"""Batches of `decode` and `verify`: one answer a cookie, in their order, and what came of all.

The long way to an answer unwraps whatever was pasted around a cookie, ranks formats and builds an
item. A line that is a cookie in the usual form and nothing else differs from others of its kind by
a few keys and its number only: the first one of each kind takes the long way, and its line of JSON
is the pattern for the others. 3 us for a signed id, most of it the HMAC.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cli.cookie_answers import Answers, read_cookie, unreadable
from sessctl.cli.output import to_json
from sessctl.cookies.api import known
from sessctl.cookies.base import PlainJudge, PlainlyJudged
from sessctl.cookies.registry import cookie_format
from sessctl.errors import ExitCode, UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from sessctl.cli.cookie_answers import Finder
    from sessctl.cli.cookie_options import Judging
    from sessctl.cli.run import Run
    from sessctl.cookies.batch.given import Given, Place
    from sessctl.cookies.batch.lines import Chunk
    from sessctl.cookies.batch.source import Form
    from sessctl.text import Masker

_KINDS = 64  # of a batch; strangers could make up as many as there are lines


class Tally(NamedTuple):
    """How many texts there were, how many cookies are valid, how many texts were none."""

    total: int = 0
    valid: int = 0
    unreadable: int = 0


class Batch:
    """Answers to one cookie after the other.

    Args:
        judges: a cookie that cannot be verified here is an error; else it is only read.
        masker: redaction is on.
    """

    def __init__(
        self,
        run: Run,
        how: Judging,
        finder: Finder,
        output: str,
        *,
        judges: bool,
        masker: Masker | None,
    ) -> None:
        self.answers = Answers(run, output)
        self.tally = Tally()
        self.how, self.output, self.judges = how, output, judges
        self._finder, self._masker = finder, masker
        self._plain = PlainCookies(
            how,
            is_usable=output in ("json", "jsonl")
            and run.options.fields is None
            and masker is None
            and not finder.looks,
        )

    def add_all(self, texts: Iterable[Given]) -> None:
        """Write the answers. Raises UnreadableInput where the only cookie cannot be decoded."""
        total = valid = unread = 0
        for place, text, problem in texts:
            total += 1
            if problem is None and (judged := self._plain.line(text, place)) is not None:
                self.answers.add_encoded(judged[0])
                valid += judged[1]
                continue
            try:
                if problem is not None:
                    raise problem
                answer = read_cookie(
                    self.how, self._finder, text, place, judges=self.judges, masker=self._masker
                )
            except UnreadableInput as exc:
                if place is None:
                    raise
                unread += 1
                answer = unreadable(exc, place)
            else:
                self._plain.learn(text, answer.item)
                valid += answer.item["verdict"] == "valid"
            self.answers.add(answer)
        self.count(Tally(total, valid, unread))

    @property
    def has_short_way(self) -> bool:
        """Lines may have one: they are best taken in chunks."""
        return self._plain.is_usable

    def add_lines(self, chunk: Chunk, form: Form) -> None:
        """Write the answers to a chunk of lines, as `add_all` does."""
        from sessctl.cookies.batch.source import Form, given_of  # only batches need it

        if form is not Form.LINES or not self.has_short_way:
            self.add_all(given_of(BytesIO(chunk.data), form, chunk.first))
            return
        lines = chunk.data.split(b"\n")
        if b"\r" in chunk.data:
            lines = [line.rstrip(b"\r") for line in lines]
        plain, written, valid, items = self._plain, 0, 0, list[bytes]()
        for number, line in enumerate(lines, chunk.first):
            found = plain.judge(line)
            pattern = plain.patterns.get(found[0]) if found is not None else None
            if found is not None and pattern is not None:
                items.append(pattern.line % (*found[1], number))
                valid += pattern.is_valid
                continue
            written += len(items)
            self._add_items(items)
            self.add_all(given_of(BytesIO(line), form, number))
        self.count(Tally(written + len(items), valid))
        self._add_items(items)

    def _add_items(self, items: list[bytes]) -> None:
        if items:
            items.append(b"")
            self.answers.add_lines(b"\n".join(items))
            items.clear()

    def count(self, more: Tally) -> None:
        """Add what was counted elsewhere."""
        self.tally = Tally(*map(sum, zip(self.tally, more, strict=True)))

    def end(self, run: Run, unit: str) -> ExitCode | None:
        """Write what stands behind the last answer, and say what could not be decoded; that is an
        exit code of its own."""
        self.answers.end()
        total, unread = self.tally.total, self.tally.unreadable
        if not unread:
            return None
        run.note(f"{unread} of {total} {unit} could not be decoded")
        return ExitCode.UNREADABLE if unread == total else ExitCode.PARTIAL


class Pattern(NamedTuple):
    """A line of JSON with holes for the keys that are a cookie's own, and for its number."""

    line: bytes
    is_valid: bool


class PlainCookies:
    """The short way, where the format of the batch has one.

    Args:
        is_usable: items are lines of JSON with all their keys, and as they are.
    """

    def __init__(self, how: Judging, *, is_usable: bool) -> None:
        self.is_usable = is_usable
        self.patterns: dict[Hashable, Pattern] = {}
        self._how = how
        self._format: str | None = None
        self._tried: set[str | None] = {None}  # formats that have no short way
        self._own, self.judge = PlainJudge((), _leave)

    def line(self, text: str, place: Place) -> tuple[bytes, bool] | None:
        """(the cookie's line of JSON, whether it is valid); None: it has to take the long way."""
        found = self.judge(_line(text))
        if found is None or type(place) is not int:
            return None
        kind, own = found
        pattern = self.patterns.get(kind)
        return None if pattern is None else (pattern.line % (*own, place), pattern.is_valid)

    def learn(self, text: str, item: dict[str, Any]) -> None:
        """What came of a text that took the long way; a plain one is the pattern from now on."""
        name = item["format"]
        if self.is_usable and self._format is None and name not in self._tried:
            self._choose(name)
        found = self.judge(_line(text))
        if found is not None and item["format"] == self._format and len(self.patterns) < _KINDS:
            self.patterns[found[0]] = Pattern(self._with_holes(item), item["verdict"] == "valid")

    def _choose(self, name: str) -> None:
        self._tried.add(name)
        format, how = cookie_format(name), self._how
        # Its judge knows the library's defaults only.
        is_usual = not how.parameters and not known(format, how.usual_parameters)
        if isinstance(format, PlainlyJudged) and is_usual:
            self._format = name
            self._own, self.judge = format.plain_judge(
                how.secrets, now=how.now, max_age=how.max_age
            )

    def _with_holes(self, item: dict[str, Any]) -> bytes:
        holes = {**dict.fromkeys(self._own, b"%b"), "input": b"%d"}
        values = ((key, holes.get(key) or _literal(value)) for key, value in item.items())
        return b"{%b}" % b",".join(b"%b:%b" % (_literal(key), value) for key, value in values)


def _literal(value: Any) -> bytes:
    """JSON that stands in a pattern as it is."""
    return to_json(value).replace(b"%", b"%%")


def _line(text: str) -> bytes:
    """A text as bytes, whatever is in it; no judge knows what is not ASCII."""
    return text.encode("utf-8", "surrogatepass")


def _leave(line: bytes, /) -> None:
    """The judge before a format is known: every line takes the long way."""
