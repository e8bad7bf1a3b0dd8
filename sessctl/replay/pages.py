"""Values out of an HTML page by CSS selector or XPath, and out of any text by pattern.

Needs the extra `sessctl[replay]`: lxml with cssselect for pages, `regex` for patterns, because the
standard library's `re` cannot be stopped and a page is a stranger's. lxml loads nothing from
anywhere, an HTML page has no entities of its own, and trees deeper than 255 are cut off.
"""

from __future__ import annotations

from typing import Any

from sessctl.errors import MissingExtra, SessctlError, UsageError
from sessctl.text import is_utf8, shorten

PATTERN_S = 1.0  # of one search; a good pattern takes milliseconds for 2 MiB


def select(page: bytes, charset: str | None, *, css: str, attr: str | None = None) -> str | None:
    """The first element's text, blanks joined, or its attribute; None where there is neither.

    Args:
        charset: of the page's header; None: UTF-8 if it is that, else what the page says itself.

    Raises:
        UsageError: not a selector.
        MissingExtra: lxml or cssselect is not installed.
    """
    found = _evaluate(page, charset, css_to_xpath(css))
    for element in found if isinstance(found, list) else []:
        if attr is None:
            return _text_of(element)
        if (value := element.get(attr)) is not None:
            return str(value)
    return None


def evaluate(page: bytes, charset: str | None, *, xpath: str) -> str | None:
    """What an XPath 1.0 gives: the first node's text, a number, or true or false.

    Raises:
        UsageError: not an XPath.
        MissingExtra: lxml is not installed.
    """
    found = _evaluate(page, charset, compile_xpath(xpath))
    if isinstance(found, list):
        return _text_of(found[0]) if found else None
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return str(found)


def css_to_xpath(css: str) -> Any:
    """A compiled selector. Raises UsageError, MissingExtra."""
    try:
        from cssselect import HTMLTranslator, SelectorError  # 13 ms
    except ImportError:
        raise _missing("css") from None
    try:
        return compile_xpath(HTMLTranslator().css_to_xpath(css))
    except SelectorError as exc:
        raise UsageError(f"'{shorten(css, 80)}' is no CSS selector ({_said(exc)})") from None


def compile_xpath(xpath: str) -> Any:
    """A compiled XPath, without the pattern functions of EXSLT. Raises UsageError, MissingExtra."""
    try:
        from lxml import etree  # type: ignore[import-untyped]  # 20 ms
    except ImportError:
        raise _missing("css and xpath") from None
    try:
        return etree.XPath(xpath, regexp=False, smart_strings=False)
    except (etree.XPathError, ValueError) as exc:
        raise UsageError(f"'{shorten(xpath, 80)}' is no XPath ({_said(exc)})") from None


def _evaluate(page: bytes, charset: str | None, xpath: Any) -> Any:
    from lxml import etree

    if charset is None and is_utf8(page.decode("utf-8", "surrogateescape")):
        charset = "utf-8"  # libxml2 would guess Latin-1 where the page does not say
    try:
        parser = etree.HTMLParser(
            encoding=charset, no_network=True, huge_tree=False, remove_comments=True
        )
    except LookupError:  # the page names a charset that nobody knows
        parser = etree.HTMLParser(no_network=True, huge_tree=False, remove_comments=True)
    try:
        tree = etree.fromstring(page, parser) if page.strip() else None
        return [] if tree is None else xpath(tree)
    except etree.XPathError as exc:
        raise UsageError(f"the XPath cannot be evaluated ({_said(exc)})") from None
    except (etree.LxmlError, ValueError):  # not HTML at all
        return []


def _text_of(node: Any) -> str:
    text = node if isinstance(node, str) else "".join(node.itertext())
    return " ".join(text.split())


# -- patterns --------------------------------------------------------------------------------------


def compile_pattern(pattern: str) -> Any:
    """A compiled pattern. Raises UsageError for what is none, MissingExtra."""
    try:
        import regex  # type: ignore[import-untyped]  # 25 ms
    except ImportError:
        raise _missing("patterns (regex, matches)") from None
    try:
        return regex.compile(pattern)
    except regex.error as exc:
        raise UsageError(f"'{shorten(pattern, 80)}' is no pattern ({_said(exc)})") from None


def search(pattern: str, text: str) -> str | None:
    """The first group of the first match, or the whole match; None where there is none.

    Raises:
        UsageError: not a pattern.
        PatternTooSlow: stopped after a second.
        MissingExtra: `regex` is not installed.
    """
    match = _search(pattern, text)
    if match is None:
        return None
    found = match[1] if match.re.groups else match[0]
    return None if found is None else str(found)


def matches(pattern: str, text: str) -> bool:
    """The pattern is found in the text. Raises as `search` does."""
    return _search(pattern, text) is not None


def _search(pattern: str, text: str) -> Any:
    try:
        return compile_pattern(pattern).search(text, timeout=PATTERN_S)
    except TimeoutError:
        raise PatternTooSlow(
            f"the pattern '{shorten(pattern, 80)}' was stopped after {PATTERN_S:.0f} s",
            hint="repeats inside repeats, as in (a+)+, make a pattern slow",
        ) from None


class PatternTooSlow(UsageError):
    """A pattern that took too long on what it was given."""


def _missing(what: str) -> SessctlError:
    return MissingExtra(what, "replay")


def _said(exc: Exception) -> str:
    text = str(exc) or type(exc).__name__
    return shorten(text[:1].lower() + text[1:], 100)
