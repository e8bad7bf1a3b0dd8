"""How a demo shop behaves, as a value and as words that somebody typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from sessctl.errors import UsageError, did_you_mean
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopOptions:
    """How a shop remembers; each lesson is a choice of these.

    Args:
        keep: "session" has an id in the cookie and the data in a store; "cookie" has all of it in
            a signed cookie, as cookie-session does, and needs no store.
        regenerate: a new session id at login; without it, whoever planted the id is logged in too.
        rolling, resave, save_uninitialized, max_age_ms: as express-session means them.
        name: shown on the front page and in its JSON, to tell two instances apart.
    """

    keep: Literal["session", "cookie"] = "session"
    regenerate: bool = True
    rolling: bool = False
    resave: bool = False
    save_uninitialized: bool = False
    max_age_ms: int | None = None
    name: str = "shop"


def shop_options(settings: Iterable[str]) -> ShopOptions:
    """Options from `KEY=VALUE` texts: `rolling=yes`, `max-age=10s`, `keep=cookie`.

    Raises:
        UsageError: no such key, or a value that it does not take.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        word, equals, value = setting.partition("=")
        if word not in _KEYS:
            hint = did_you_mean(word, _KEYS, all_are="the shop knows")
            raise UsageError(f"the shop has no setting '{word}'", hint=hint)
        if not equals:
            raise UsageError(f"the setting '{word}' has no value", hint=f"{word}={_example(word)}")
        given[_KEYS[word]] = _value(word, value)
    return ShopOptions(**given)


_KEYS = {
    "max-age" if one.name == "max_age_ms" else one.name.replace("_", "-"): one.name
    for one in fields(ShopOptions)
}
_SWITCH = {"yes": True, "true": True, "no": False, "false": False}


def _value(word: str, text: str) -> Any:
    if word == "max-age":
        return round(parse_duration(text).total_seconds() * 1000)
    if word == "name":
        return text
    known: dict[str, Any] = (
        {"session": "session", "cookie": "cookie"} if word == "keep" else _SWITCH
    )
    if text not in known:
        raise UsageError(
            f"'{text}' is no value of '{word}'", hint=f"{word} takes {', '.join(known)}"
        )
    return known[text]


def _example(word: str) -> str:
    return {"max-age": "10s", "name": "a", "keep": "cookie"}.get(word, "yes")


__all__ = ["ShopOptions", "shop_options"]
