"""Values out of an HTML page by CSS selector or XPath, and out of any text by pattern.

CSS and XPath need the extra `sessctl[replay]`: lxml with cssselect.
"""

from __future__ import annotations

import re
from typing import Any

from sessctl.errors import MissingExtra, UsageError
from sessctl.text import is_utf8, shorten


def select(page: bytes, charset: str | None, *, css: str, attr: str | None = None) -> str | None:
    """The first element's text, blanks joined, or its attribute; None where there is neither.

    Args:
        charset: of the page's header; None: UTF-8 if it is that, else what the page says itself.

    Raises:
        UsageError: not a selector; TooSlow, which is one, when the page takes too long.
        MissingExtra: lxml or cssselect is not installed.
    """
    for text, attributes in _nodes(page, charset, css_to_xpath(css)):
        if attr is None:
            return _joined(text)
        if attr in attributes:
            return str(attributes[attr])
    return None


def evaluate(page: bytes, charset: str | None, *, xpath: str) -> str | None:
    """What an XPath 1.0 gives: the first node's text, a number, or true or false.

    Raises:
        UsageError: not an XPath; TooSlow, which is one, when the page takes too long.
        MissingExtra: lxml is not installed.
    """
    compile_xpath(xpath)
    found = _nodes(page, charset, xpath)
    if isinstance(found, list):
        return _joined(found[0][0]) if found else None
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return str(found)


def css_to_xpath(css: str) -> str:
    """A selector as XPath. Raises UsageError, MissingExtra."""
    try:
        from cssselect import HTMLTranslator, SelectorError  # 13 ms
    except ImportError:
        raise MissingExtra("css", "replay") from None
    try:
        xpath: str = HTMLTranslator().css_to_xpath(css)
    except SelectorError as exc:
        raise UsageError(f"'{shorten(css, 80)}' is no CSS selector ({_said(exc)})") from None
    compile_xpath(xpath)
    return xpath


def compile_xpath(xpath: str) -> None:
    """Raise UsageError for what is no XPath, MissingExtra without lxml."""
    try:
        from lxml import etree  # type: ignore[import-untyped]  # 20 ms
    except ImportError:
        raise MissingExtra("css and xpath", "replay") from None
    try:
        etree.XPath(xpath, regexp=False)
    except (etree.XPathError, ValueError) as exc:
        raise UsageError(f"'{shorten(xpath, 80)}' is no XPath ({_said(exc)})") from None


def _nodes(page: bytes, charset: str | None, xpath: str) -> Any:
    from sessctl.replay.bounded import search_page

    if charset is None and is_utf8(page.decode("utf-8", "surrogateescape")):
        charset = "utf-8"  # libxml2 would guess Latin-1 where the page does not say
    return search_page(page, charset, xpath)


def _joined(text: str) -> str:
    return " ".join(text.split())


# -- patterns --------------------------------------------------------------------------------------


def compile_pattern(pattern: str) -> None:
    """Raise UsageError for what is no pattern of Python's `re`."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as exc:
        raise UsageError(f"'{shorten(pattern, 80)}' is no pattern ({_said(exc)})") from None


def search(pattern: str, text: str) -> str | None:
    """The first group of the first match, or the whole match; None where there is none.

    Raises:
        UsageError: not a pattern; TooSlow, which is one, when it takes too long on this text.
    """
    found = _search(pattern, text)
    return None if found is None else found[min(1, len(found) - 1)]


def matches(pattern: str, text: str) -> bool:
    """The pattern is found in the text. Raises as `search` does."""
    return _search(pattern, text) is not None


def _search(pattern: str, text: str) -> list[str | None] | None:
    from sessctl.replay.bounded import search_text

    compile_pattern(pattern)
    return search_text(text, pattern)


def _said(exc: Exception) -> str:
    text = str(exc) or type(exc).__name__
    return shorten(text[:1].lower() + text[1:], 100)
