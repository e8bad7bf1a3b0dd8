"""The cookies of a cookies.txt, one by one: each with its `.sig` cookie, chunks as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cookies.batch.given import Given, has_cookie, header_of
from sessctl.cookies.netscape import Row, lines_of, parse_row
from sessctl.cookies.paste import Pasted
from sessctl.cookies.picking import gathered
from sessctl.errors import LimitExceeded, UnreadableInput
from sessctl.limits import DEFAULT, MIB
from sessctl.text import decode_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cookies.batch.lines import Readable


def read_cookies_txt(stream: Readable, name: str | None = None) -> Iterator[Given]:
    """The cookies in the order of their lines; with a `name`, those of this name.

    Raises:
        LimitExceeded: the file is larger than any browser's.
    """
    raw = stream.read(DEFAULT.unpacked_bytes + 1)
    if len(raw) > DEFAULT.unpacked_bytes:
        raise LimitExceeded(f"a cookies.txt of more than {DEFAULT.unpacked_bytes // MIB} MiB")
    found: list[Given] = []
    jars: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    for number, line in lines_of(decode_id(raw)):
        try:
            row = parse_row(line, number)
            if ";" in row.name + row.value:
                raise UnreadableInput(f"line {number} has a ';' in its name or value")
        except UnreadableInput as exc:
            found.append(Given(number, "", exc))
        else:
            jars.setdefault((row.domain, row.path), []).append((number, row))
    for rows in jars.values():
        found += _cookies(rows, name)
    yield from sorted(found, key=lambda one: one.place if isinstance(one.place, int) else 0)


def _cookies(rows: list[tuple[int, Row]], name: str | None) -> Iterator[Given]:
    """What a browser sends to one place, in as many texts as there are cookies."""
    numbers: dict[str, int] = {}
    for number, row in rows:
        numbers.setdefault(row.name, number)
    for one in gathered([Pasted(row.name, row.value) for _, row in rows]):
        own = one.name or ""
        if not one.value or (name is not None and not has_cookie(name, [own])):
            continue
        pairs = [(own, one.value)]
        if one.companion is not None:
            pairs.append((f"{own}.sig", one.companion))
        yield Given(numbers.get(own, numbers.get(f"{own}.0", 0)), header_of(pairs))
