"""The words that may stand where something is wanted; a source is imported when it is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sessctl.cli.completion.cursor import Cursor
    from sessctl.config.model import Config

Words = list[tuple[str, str]]  # what is put in, and what it means

_NAME_AT_THE_END = re.compile(r"(?<![\w.\"'])[A-Za-z_.]*\Z")
# What any shell takes as it is. A name of a store or a project that holds more is left out: it
# comes from strangers.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@%+=/-]*")
_PLAIN_DASHED = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:@%+=/-]*")


def words_for(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    """The words that fit; those who ask are silent about errors."""
    if not at.wants and not at.option:
        return _names(at)
    if source := _SOURCES.get(at.option) or _SOURCES.get(at.wants):
        return source(at, environ, cwd)
    if listed := at.values.get(at.option) or at.values.get(at.wants):
        return _fitting(at, listed.items())
    if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", at.wants):
        return _fitting(at, ((word, "") for word in at.wants.split("|")))
    return _names(at) if at.entry.get("commands") else []


def _names(at: Cursor) -> Words:
    """Commands, or options once a dash is typed."""
    if at.current.startswith("-") and not at.after_dashes:
        return _fitting(at, ((word, text) for spelled, _, text in at.options() for word in spelled))
    return _fitting(at, at.entry.get("commands", {}).items())


def _fitting(at: Cursor, words: Iterable[tuple[str, str]]) -> Words:
    return [(word, text) for word, text in words if word.startswith(at.current)]


def _safe(at: Cursor, words: Iterable[tuple[str, str]]) -> Words:
    """Of words that others have chosen, those which no shell could take for anything else."""
    plain = _PLAIN_DASHED if at.after_dashes else _PLAIN
    return [pair for pair in _fitting(at, words) if plain.fullmatch(pair[0])]


def _behind(at: Cursor, kept: str, words: Iterable[tuple[str, str]]) -> Words:
    """Words that go behind what is typed already."""
    return _fitting(at, ((kept + word, text) for word, text in words))


def _backends(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    if "://" in at.current:
        kept, asked, _ = at.current.rpartition("layout=")
        return _behind(at, kept + asked, at.values["LAYOUT"].items()) if asked else []
    config = _configuration(at, environ, cwd)
    named = [(name, one.layout or "") for name, one in (config.backends if config else {}).items()]
    urls = [(f"{scheme}://", "") for scheme in at.values["SCHEME"]] if at.current else []
    return [*_safe(at, named), *_fitting(at, urls)]


def _outputs(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    usual = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
    return _fitting(at, ((name, "") for name in at.entry.get("outputs", usual)))


def _fields(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    kept = at.current[: at.current.rfind(",") + 1]
    names = ((name, "") for name in at.entry.get("fields", ()) if name not in kept.split(","))
    return _behind(at, kept, names)


def _sort_keys(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    kept = at.current[: at.current.rfind(",") + 1]
    minus = "-" if at.current[len(kept) :].startswith("-") else ""
    used = kept.replace("-", "").split(",")
    names = ((name, "descending" if minus else "") for name in at.values[at.wants])
    return _behind(at, kept + minus, (pair for pair in names if pair[0] not in used))


def _condition(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    found = _NAME_AT_THE_END.search(at.current)
    if found is None or at.current.count('"') % 2:
        return []  # inside a text
    return _behind(at, at.current[: found.start()], at.values[at.wants].items())


def _references(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    if at.current.startswith("env:"):
        return _safe(at, ((f"env:{name}", "") for name in environ))
    return _fitting(at, at.values["REF"].items())


def _journals(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    from sessctl.config.paths import state_dir

    config = _configuration(at, environ, cwd)
    named = config.journal.directory if config else None
    folder = Path(named).expanduser() if named else state_dir(environ) / "journals"
    newest = sorted(folder.glob("*.journal"), reverse=True)[:50]
    paths = (str(path) for path in newest)
    return _fitting(at, ((path, "") for path in paths if _PLAIN.fullmatch(path.lstrip("/"))))


def _sids(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Words:
    from sessctl.cli.completion.sids import sids

    return _safe(at, sids(at, _configuration(at, environ, cwd), environ))


def _configuration(at: Cursor, environ: Mapping[str, str], cwd: Path) -> Config | None:
    """The configuration that the command would use; None: there is none."""
    from sessctl.cli.presence import may_have_config

    named = at.given.get("--config", [None])[-1]
    if not may_have_config(named, cwd, environ):
        return None
    from sessctl.config.file import load_config  # 11 ms with tomllib and msgspec

    return load_config(explicit=named, environ=environ, cwd=cwd)


_SOURCES: dict[str, Callable[[Cursor, Mapping[str, str], Path], Words]] = {
    "NAME|URL": _backends,
    "BACKEND": _backends,
    "--confirm": _backends,
    "--output": _outputs,
    "A,B,C": _fields,
    "KEY,...": _sort_keys,
    "EXPR": _condition,
    "REF": _references,
    "JOURNAL": _journals,
    "SID": _sids,
}
