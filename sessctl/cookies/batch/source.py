"""Where the cookies of a batch come from, whatever its form; which one, its first bytes say."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from sessctl.cookies.batch.given import Given
from sessctl.cookies.batch.lines import LONGEST, Ahead, chunks, numbered
from sessctl.errors import LimitExceeded, UnreadableInput
from sessctl.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cookies.batch.lines import Chunk, Readable

_MARK = b"\xef\xbb\xbf"  # UTF-8's
_HAR = re.compile(rb'\{\s*"log"\s*:')
_NETSCAPE = re.compile(rb"# (?:Netscape )?HTTP Cookie File|(?:[^\t]+\t(?i:TRUE|FALSE)\t){2}")
_TAKES_HAR = "Chrome writes cookies only with 'Export HAR (with sensitive data)'"


class Form(StrEnum):
    """How the cookies of a batch are written down."""

    LINES = "lines"
    JSONL = "jsonl"
    HAR = "har"
    COOKIES_TXT = "cookies-txt"


def read_cookies(
    stream: Readable, form: Form | str | None = None, *, name: str | None = None
) -> Source:
    """The texts with cookies in a stream of bytes, for `decode_cookie` and `verify_cookie`.

        >>> for one in read_cookies(open("shop.har", "rb"), name="connect.sid"):
        ...     print(one.place, one.problem or verify_cookie(one.text, secret).word)

    Args:
        form: `lines`, `jsonl`, `har` or `cookies-txt`; told by the first bytes if not given.
        name: of a HAR and of a cookies.txt, only what has a cookie of this name.

    Raises:
        ValueError: there is no such form.
    """
    return Source(stream, Form(form) if form is not None else None, name)


class Source:
    """The texts of a batch, once, in their order. Iterating raises UnreadableInput where a HAR or a
    cookies.txt holds no cookie at all."""

    def __init__(self, stream: Readable, form: Form | None, name: str | None) -> None:
        first = stream.readline(LONGEST)
        second = stream.readline(LONGEST) if first.endswith(b"\n") else b""
        begin = first.removeprefix(_MARK) + second
        self.form = form or _form_of(begin)
        self.is_one = form is None and self.form is Form.LINES and _is_one(first, second)
        self._stream, self._name = Ahead(begin, stream), name

    @property
    def unit(self) -> str:
        """What it is counted in."""
        return "messages" if self.form is Form.HAR else "lines"

    @property
    def has_lines(self) -> bool:
        """It is read line by line, so that `chunks` can be."""
        return self.form in (Form.LINES, Form.JSONL) and not self.is_one

    def chunks(self) -> Iterator[Chunk]:
        """The lines in chunks, for `given_of`."""
        return chunks(self._stream)

    def __iter__(self) -> Iterator[Given]:
        if self.is_one:
            raw = self._stream.read(LONGEST + 1)
            return iter([_too_long(None) if len(raw) > LONGEST else Given(None, _text(raw))])
        if self.has_lines:
            return given_of(self._stream, self.form)
        return self._from_file()

    def _from_file(self) -> Iterator[Given]:
        if self.form is Form.HAR:
            from sessctl.cookies.batch.har import read_har as read  # 9 ms with msgspec
        else:
            from sessctl.cookies.batch.cookies_txt import read_cookies_txt as read
        found = read(self._stream, self._name)
        first = next(found, None)
        if first is None:
            named = f" named '{self._name}'" if self._name is not None else ""
            raise UnreadableInput(
                f"there is no cookie{named} in the input",
                hint=_TAKES_HAR if self.form is Form.HAR else None,
            )
        yield first
        yield from found


def given_of(stream: Readable, form: Form, first: int = 1) -> Iterator[Given]:
    """The texts of lines or of JSON Lines; `first` is the number of the first line."""
    if form is Form.LINES:
        for number, line in numbered(stream, first):
            yield _too_long(number) if line is None else Given(number, _text(line))
        return
    from sessctl.cookies.batch.json_lines import cookie_text  # 9 ms with msgspec

    for number, line in numbered(stream, first):
        if line is None:
            yield _too_long(number)
            continue
        try:
            yield Given(number, cookie_text(line))
        except UnreadableInput as exc:
            yield Given(number, "", exc)


def _form_of(begin: bytes) -> Form:
    if _HAR.match(begin.lstrip()):
        return Form.HAR
    if begin.startswith((b"#", b".")) or b"\t" in begin:
        first = next((line for line in begin.split(b"\n") if line.strip()), b"")
        if _NETSCAPE.match(first):
            return Form.COOKIES_TXT
    if begin.lstrip().startswith(b"{"):
        from sessctl.cookies.batch.json_lines import is_record  # 9 ms with msgspec

        if is_record(begin.lstrip().partition(b"\n")[0]):
            return Form.JSONL
    return Form.LINES


def _is_one(first: bytes, second: bytes) -> bool:
    """A single line, or a JSON value that spans several."""
    opens = first.lstrip()[:1] in (b"{", b"[")
    closes = first.rstrip()[-1:] in (b"}", b"]") and first.endswith(b"\n")
    return not second or (opens and not closes)


def _too_long(number: int | None) -> Given:
    return Given(number, "", LimitExceeded(f"a line of more than {LONGEST // MIB} MiB"))


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
