"""What the words of `diff` mean: a file, a cookie, or a session id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sessctl.admin.diff import contents
from sessctl.cli.sids import find_session
from sessctl.errors import ConfigError, CookieError, NotFound, UnreadableInput, UsageError
from sessctl.limits import MIB, Budget
from sessctl.serializers.json import decode
from sessctl.text import MASK, short_id
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from contextlib import ExitStack

    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.stores.base import Store

# What an item holds beside the library's own part (`items.session_item`, `portable`).
_BESIDE = frozenset({"expiry", "notes", "sid_b64", "raw", "raw_b64", "serializer"})
_BUDGET = Budget(value_bytes=40 * MIB, depth=202)

# A value by the names of its parts: `data`, and where it has them `expires_at`, `extra`, `cookie`.
Side = dict[str, Any]


class Sides:
    """Reads the words of one command line; opens the backend only if one of them needs it."""

    def __init__(self, run: Run, opened: ExitStack) -> None:
        self._run = run
        self._opened = opened
        self._store: Store | None = None

    def of(self, word: str) -> Side:
        """What a word stands for.

        Raises:
            UsageError: none of these, or an id, and there is no such session.
            UnreadableInput: a file that is not JSON, a cookie or session that does not decode.
        """
        if word == "-" or Path(word).is_file():
            return self._file(word)
        return self._cookie(word) or session_side(self._backend_store(), word)

    def _file(self, word: str) -> Side:
        name = "standard input" if word == "-" else word
        try:
            raw = self._run.stdin() if word == "-" else _read(Path(word))
            value = decode(raw, _BUDGET).data
        except UnreadableInput as exc:
            raise exc.at(file=name) from None
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            if len(value["items"]) != 1:
                raise UsageError(
                    f"{name} holds {len(value['items'])} sessions, and one is compared"
                )
            (value,) = value["items"]
        if isinstance(value, dict) and "sid" in value and "data" in value:
            extra = value.get("extra")
            own = extra if isinstance(extra, dict) else {}
            return {
                "data": value["data"],
                "expires_at": value.get("expires_at"),
                "extra": {key: item for key, item in own.items() if key not in _BESIDE},
            }
        return {"data": value}

    def _cookie(self, word: str) -> Side | None:
        """None: it is no cookie, or nothing but an id."""
        from sessctl.cookies.api import decode_cookie

        try:
            found = decode_cookie(word)
        except CookieError:
            return None
        if found.format == "opaque":
            return None
        about = {"format": found.format, "sid": found.sid}
        ends = None if found.expires_at is None else iso(to_ms(found.expires_at))
        if found.sid is None:
            return {"data": found.payload, "cookie": {**about, "expires_at": ends}}
        store = self._store_if_any()
        sessions = store.get([found.sid]) if store is not None else []
        side = contents(sessions[0]) if sessions else {"data": found.payload}
        return {**side, "cookie": {**about, "expires_at": ends}}

    def _store_if_any(self) -> Store | None:
        try:
            return self._backend_store()
        except ConfigError:  # none is configured: cookies can be compared without
            return None

    def _backend_store(self) -> Store:
        if self._store is None:
            self._store = self._opened.enter_context(self._run.store(self._run.backend()))
        return self._store


def session_side(store: Store, word: str) -> Side:
    """A session by its id, or by the short form that we print.

    Raises:
        UsageError: there is none: nothing was compared, which is another answer than "they differ".
    """
    try:
        return contents(find_session(store, word))
    except NotFound as exc:
        hint = "diff takes ids, cookies, and JSON files that are there"
        raise UsageError(exc.message, hint=hint) from None


def backend_words(run: Run, words: list[str]) -> list[Backend]:
    """Backends, if all words name some; else none."""
    known = run.config.backends
    if len(words) != 2 or not all("://" in word or word in known for word in words):
        return []
    return [run.other_backend(word) for word in words]


def shown_value(run: Run, keys: tuple[str | int, ...], value: Any, *, mask: bool) -> Any:
    """A value of a change as it may be shown: masked for people, by its keys and its shape."""
    if not mask:
        return value
    if keys == ("cookie", "sid") and isinstance(value, str):
        return short_id(value)
    masker = run.masker()
    if any(isinstance(key, str) and masker.hides(key) for key in keys):
        return value if value in (None, "", {}, []) else MASK
    return masker.mask(value)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_BUDGET.value_bytes + 1)
    except OSError as exc:
        raise UsageError(f"cannot read {path} ({(exc.strerror or 'error').lower()})") from None
