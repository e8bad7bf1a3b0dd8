"""`CachedTableLayout`: a table that the application reads through a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sessctl.stores.layouts.base import TableLayout

if TYPE_CHECKING:
    from sessctl.stores.layouts.base import KeyLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTableLayout(TableLayout):
    """A session is a row, and a copy of it in a cache, which the application asks first.

    `copies` is how the copies are laid out, `cache` the URL of the store that holds them, whose
    query may say their settings: `redis://localhost:6379/1?prefix=shop:1:...`.
    """

    settings: ClassVar[tuple[str, ...]] = (*TableLayout.settings, "cache")
    copies: KeyLayout
    cache: str | None = None

    def may_be_at(self, columns: frozenset[str]) -> bool:
        """The table alone does not tell whether there is a cache."""
        return False

    def _setting(self, key: str, value: Any) -> dict[str, Any]:
        if key == "cache":
            return {key: value}
        return TableLayout._setting(self, key, value)  # super() needs the class before its slots
