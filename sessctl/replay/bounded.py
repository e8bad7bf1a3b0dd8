"""Searching a stranger's page in a process of its own, which is ended when it takes too long.

A selector as plain as `div div div i` takes hours on a page made for it, and so does many a
pattern; neither libxml2 nor `re` can be stopped from inside, not even by Ctrl-C. One child process
does all the searching of a run: 60 ms to start, a millisecond a search.

`python -m sessctl.replay.bounded` is that child. A question is a line of JSON with the body's size,
then the body; the answer is a line of JSON: `{"found": ...}` or `{"problem": ...}`.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import time
from contextlib import suppress
from threading import Lock
from typing import IO, Any, cast

from sessctl.errors import UsageError
from sessctl.text import shorten

SEARCH_S = 2.0  # of one search, the child's start not counted; a good one takes milliseconds
_START_S = 30.0  # on a machine that has other things to do


class TooSlow(UsageError):
    """A search that was ended because it took too long."""


def search_page(page: bytes, charset: str | None, xpath: str) -> Any:
    """What an XPath gives on an HTML page: a number, a text, true or false, or a list of nodes.

    A node is `[text, attributes]`; at most 100, and the text of the first one only: a page can
    nest them so that all their texts together are a hundred times its size.

    Raises:
        UsageError: the XPath cannot be evaluated.
        TooSlow: ended after `SEARCH_S`.
    """
    return _ask({"kind": "xpath", "expression": xpath, "charset": charset}, page)


def search_text(text: str, pattern: str) -> list[str | None] | None:
    """The whole first match of a pattern and its groups, None where there is none.

    Raises:
        TooSlow: ended after `SEARCH_S`.
    """
    found = _ask({"kind": "regex", "expression": pattern}, text.encode("utf-8", "surrogatepass"))
    return cast("list[str | None] | None", found)


# -- asking ----------------------------------------------------------------------------------------

_lock = Lock()
_child: subprocess.Popen[bytes] | None = None


def _ask(question: dict[str, Any], body: bytes) -> Any:
    with _lock:
        try:
            child = _started()
            head = json.dumps({**question, "size": len(body)}).encode() + b"\n"
            _write(child, head + body)
            line = _line_from(child, SEARCH_S)
        except TimeoutError:
            _end()
            raise TooSlow(
                f"the search for '{shorten(question['expression'], 80)}' was ended "
                f"after {SEARCH_S:.0f} s",
                hint="a selector with fewer levels, a pattern without (a+)+",
            ) from None
        except BaseException:  # interrupted: an answer that comes later is not the next one's
            _end()
            raise
    answer = json.loads(line)
    if "problem" in answer:
        raise UsageError(answer["problem"])
    return answer["found"]


def _started() -> subprocess.Popen[bytes]:
    global _child
    if _child is None or _child.poll() is not None:
        # -P: a file called lxml.py in this folder is not what we mean.
        _child = subprocess.Popen(
            [sys.executable, "-P", "-m", "sessctl.replay.bounded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _line_from(_child, _START_S)
        except TimeoutError:
            _end()
            raise UsageError("the process that searches pages did not start") from None
    return _child


def _write(child: subprocess.Popen[bytes], data: bytes) -> None:
    stdin = cast("IO[bytes]", child.stdin)
    with suppress(BrokenPipeError):  # then there is no answer either, and that is told
        stdin.write(data)
        stdin.flush()


def _line_from(child: subprocess.Popen[bytes], within_s: float) -> bytes:
    """A line of the child's answer. Raises TimeoutError, UsageError when the child has ended."""
    import os
    import select

    stdout = cast("IO[bytes]", child.stdout).fileno()
    deadline = time.monotonic() + within_s
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stdout], [], [], left)[0]:
            raise TimeoutError
        part = os.read(stdout, 1 << 20)
        if not part:
            raise UsageError("the process that searches pages has ended (out of memory?)")
        line += part
    return line


def _end() -> None:
    """Kill the child and forget it."""
    global _child
    child, _child = _child, None
    if child is not None:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):
                cast("IO[bytes]", pipe).close()


atexit.register(_end)


# -- answering -------------------------------------------------------------------------------------

_MEMORY_BYTES = 1 << 30


def _serve(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    stdout.write(b"ready\n")
    stdout.flush()
    for line in stdin:
        question = json.loads(line)
        body = stdin.read(question["size"])
        try:
            search = _match if question["kind"] == "regex" else _evaluate
            answer = {"found": search(question, body)}
        except ValueError as exc:
            answer = {"problem": str(exc)}
        stdout.write(json.dumps(answer).encode() + b"\n")
        stdout.flush()


def _match(question: dict[str, Any], body: bytes) -> list[str | None] | None:
    import re

    match = re.search(question["expression"], body.decode("utf-8", "surrogatepass"))
    return None if match is None else [match[0], *match.groups()]


def _evaluate(question: dict[str, Any], body: bytes) -> Any:
    from lxml import etree  # type: ignore[import-untyped]

    # Nothing is loaded from anywhere, and what is nested deeper than 255 levels is cut off.
    safe = {"no_network": True, "huge_tree": False, "remove_comments": True}
    try:
        parser = etree.HTMLParser(encoding=question["charset"], **safe)
    except LookupError:  # a charset that nobody knows
        parser = etree.HTMLParser(**safe)
    try:
        tree = etree.fromstring(body, parser) if body.strip() else None
    except (etree.LxmlError, ValueError):  # not HTML at all
        tree = None
    if tree is None:
        return []
    try:
        found = etree.XPath(question["expression"], regexp=False, smart_strings=False)(tree)
    except etree.XPathError as exc:
        raise ValueError(f"the XPath cannot be evaluated ({exc})") from None
    if not isinstance(found, list):
        return found
    return [[_text(one) if i == 0 else "", _attributes(one)] for i, one in enumerate(found[:100])]


def _text(node: Any) -> str:
    return node if isinstance(node, str) else "".join(node.itertext())


def _attributes(node: Any) -> dict[str, str]:
    return {} if isinstance(node, str) else dict(node.attrib)


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
