"""Aligned columns for people: no boxes, the first rows decide the widths, the rest streams."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from sessctl.text import escape, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line, Piece

_MEASURED = 200
_WIDEST = 60
_WHOLE = 1000  # paths are there to be copied
_NARROWEST = 6
_GAP = "  "
_FOLDED = 20  # columns; in fewer than these nobody reads a sentence


def aligned(
    header: Sequence[str],
    rows: Iterable[Sequence[Piece]],
    *,
    widest: int = _WIDEST,
    room: int | None = None,
    yielding: Collection[int] = (),
) -> Iterator[Line]:
    """Lines of aligned cells. Cells are escaped before they are measured.

    Args:
        widest: cells are cut there.
        room: columns of the terminal; the widest cells are cut further until a line fits.
        yielding: the columns that are cut before the others.
    """
    from rich.cells import cell_len  # wide characters take two columns; 8 ms

    def safe(row: Sequence[Piece]) -> list[Piece]:
        return [(shorten(escape(text), widest), role) for text, role in row]

    source = (safe(row) for row in rows)
    first = list(islice(source, _MEASURED))
    widths = [0] * max((len(row) for row in first), default=len(header))
    for index, name in enumerate(header):
        widths[index] = cell_len(name)
    for row in first:
        for index, (text, _) in enumerate(row):
            widths[index] = max(widths[index], cell_len(text))
    if room is not None:
        widths = _narrowed(widths, room, yielding)
        source = (_cut(row, widths) for row in source)
        first = [_cut(row, widths) for row in first]
        header = [text for text, _ in _cut([(name, "muted") for name in header], widths)]
    if header:
        yield _padded([(name.upper(), "muted") for name in header], widths, cell_len)
    for row in chain(first, source):
        yield _padded(row, widths, cell_len)


def write_table(run: Run, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table of texts on standard output, through the pager if it is long."""
    plain: Iterator[list[Piece]] = ([(text, "plain") for text in row] for row in rows)
    run.streams.lines(aligned(() if run.options.no_headers else header, plain, widest=_WHOLE))


def write_block(run: Run, lines: Iterable[Line]) -> None:
    """A block on standard output, folded to the terminal, through the pager if it is long."""
    run.streams.lines(_folded(lines, terminal_room(run)))


def _folded(lines: Iterable[Line], room: int | None) -> Iterator[Line]:
    """The lines of a block, the last words of a long one below their beginning.

    What has no name in front, as data has, is left as it is: somebody may want to copy it.
    """
    for line in lines:
        *before, (text, role) = line or [("", "plain")]
        indent = sum(len(piece) for piece, _ in before)
        if room is None or room - indent < _FOLDED or not (before and before[0][0].strip()):
            yield line
            continue
        from textwrap import wrap  # 3 ms; only for a terminal

        first, *rest = wrap(
            escape(text), room - indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
        yield [*before, (first, role)]
        for more in rest:
            yield [(" " * indent, "plain"), (more, role)]


def terminal_room(run: Run) -> int | None:
    """The columns of the terminal that the answer goes to; None: it goes elsewhere."""
    if not run.streams.stdout_is_terminal:
        return None
    from sessctl.cli.pager import terminal_size

    return terminal_size()[0]


def _narrowed(widths: Sequence[int], room: int, yielding: Collection[int]) -> list[int]:
    """The same widths with as much taken off the widest as it needs."""
    found = list(widths)
    for places in (yielding, range(len(found))):
        while sum(found) + len(_GAP) * (len(found) - 1) > room:
            widest = max(places, key=lambda place: found[place], default=0)
            if not places or found[widest] <= _NARROWEST:
                break
            found[widest] -= 1
    return found


def _cut(row: Sequence[Piece], widths: Sequence[int]) -> list[Piece]:
    return [cut(cell, width) for cell, width in zip(row, widths, strict=False)]


def cut(cell: Piece, width: int) -> Piece:
    """An escaped text that takes `width` columns at the most, and says that it was cut."""
    from rich.cells import cell_len, set_cell_size

    text, role = cell
    if cell_len(text) <= width:
        return cell
    return set_cell_size(text, max(width - 3, 1)) + "...", role


def _padded(row: Sequence[Piece], widths: Sequence[int], cell_len: object) -> Line:
    line: Line = []
    for index, (text, role) in enumerate(row):
        line.append((text, role))
        if index + 1 < len(row):
            gap = widths[index] - cell_len(text)  # type: ignore[operator]
            line.append((" " * max(gap, 0) + _GAP, "plain"))
    return line
