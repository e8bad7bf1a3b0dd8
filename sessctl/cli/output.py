"""Machine formats: json, jsonl, csv, tsv, name. Streamed, ASCII where JSON is concerned."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from sessctl.cli.items import SCHEMA
from sessctl.errors import UsageError
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sessctl.cli.run import Run

# What a spreadsheet takes for the start of a formula, in plain and in fullwidth form.
_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_HARMLESS = re.compile(r"[A-Za-z0-9_-]+")  # one session id in 64 starts with a dash


def _odd(value: Any) -> Any:
    if isinstance(value, bytes):
        from base64 import b64encode

        return {"__bytes__": b64encode(value).decode()}
    raise TypeError(type(value).__name__)


_encode = json.JSONEncoder(separators=(",", ":"), default=_odd).encode


def to_json(item: Any) -> bytes:
    """One line of ASCII JSON; control characters, DEL included, are spelled out."""
    return _encode(item).encode("ascii").replace(b"\x7f", b"\\u007f")


class Writer:
    """Writes items in one machine format; `columns` are keys of the items, in order.

    `name` is the key that `-o name` prints.
    """

    def __init__(
        self, run: Run, output: str, kind: str, columns: Sequence[str], *, name: str = "sid"
    ) -> None:
        self._streams = run.streams
        self._output = output
        self._kind = kind
        self._name = name
        self._all = tuple(columns)
        self.columns = chosen_fields(run, columns)
        self._narrow = run.options.fields is not None
        self._headers = not run.options.no_headers
        self._guard = not run.options.csv_raw
        self._count = 0
        self._started = False

    def start(self) -> None:
        """What stands before the first item; written with it, so that an early error leaves
        standard output empty."""
        if self._started:
            return
        self._started = True
        if self._output == "json":
            head = to_json({"schema": SCHEMA, "kind": self._kind})[:-1]
            self._streams.raw(head + b',"items":[')
        elif self._output in ("csv", "tsv") and self._headers:
            self._streams.raw(self._row(self.columns))

    def item(self, item: dict[str, Any]) -> None:
        """One item."""
        self.start()
        if self._output == "name":
            self._streams.line(str(item[self._name]))
        elif self._output in ("csv", "tsv"):
            self._streams.raw(self._row([cell(item[key]) for key in self.columns]))
        else:
            self.encoded(to_json({k: item[k] for k in self.columns} if self._narrow else item))

    def encoded(self, line: bytes) -> None:
        """One item that is encoded already: ASCII, without a line feed; JSON or a name."""
        if not self._started:
            self.start()
        if self._output == "json":
            self._streams.raw((b",\n" if self._count else b"\n") + line)
        else:
            self._streams.raw(line + b"\n")
        self._count += 1

    def lines(self, data: bytes) -> None:
        """Items that are encoded already, as this format's `item` does it, a line each."""
        if not data:
            return
        if self._output == "json":
            self.encoded(data[:-1].replace(b"\n", b",\n"))
        else:
            self.start()
            self._streams.raw(data)

    def end(self, **more: Any) -> None:
        """What stands after the last item; `more` are further keys of the document."""
        self.start()
        if self._output == "json":
            tail = to_json(more)[1:-1]
            self._streams.raw(b"\n]" + (b"," + tail if tail else b"") + b"}\n")
        elif self._output == "jsonl" and more:
            self._streams.raw(to_json(more) + b"\n")

    def _row(self, cells: Iterable[str]) -> bytes:
        if self._output == "tsv":
            return ("\t".join(escape(text) for text in cells) + "\n").encode()
        line = io.StringIO()
        guarded = [guard_formula(text) if self._guard else text for text in cells]
        csv.writer(line, lineterminator="\n").writerow([escape(text) for text in guarded])
        return line.getvalue().encode()


def chosen_fields(run: Run, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of --fields, else all. Raises UsageError listing the right names."""
    if run.options.fields is None:
        return tuple(columns)
    wanted = [name.strip() for name in run.options.fields.split(",") if name.strip()]
    for name in wanted:
        if name not in columns:
            raise UsageError(f"no field '{name}'", hint=f"fields are {', '.join(columns)}")
    return tuple(wanted)


def cell(value: Any) -> str:
    """A value in a cell: null is empty, data is JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and set(value) == {"code", "message"}:
        return f"{value['code']}: {value['message']}"
    if isinstance(value, dict | list):
        return to_json(value).decode()
    return str(value)


def guard_formula(text: str) -> str:
    """A leading quote before what a spreadsheet would run (S23)."""
    if _FORMULA.match(text) and not _HARMLESS.fullmatch(text):
        return "'" + text
    return text
