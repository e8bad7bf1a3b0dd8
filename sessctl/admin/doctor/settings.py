"""The configuration: its files, and what is said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.admin.doctor.check import Check, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.config.model import Config

AREA = "config"


def check_config(config: Config) -> Iterator[Check]:
    """A configuration that could be read; unknown keys and open secrets are errors before that."""
    for file in config.files:
        yield Check(AREA, "file", Status.OK, file)
    for note in config.notes:
        yield Check(AREA, "note", Status.WARN, note)
    count = len(config.backends)
    if not count:
        yield Check(
            AREA, "backends", Status.WARN, "no backend is configured",
            "sessctl config init (looks for one in this project), or sessctl demo",
        )  # fmt: skip
        return
    default = config.default_backend
    if count > 1 and default is None:
        yield Check(
            AREA, "backends", Status.WARN, f"{count} backends and no default: -b has to be said",
            f"sessctl config use {next(iter(config.backends))}",
        )  # fmt: skip
        return
    which = default or next(iter(config.backends))
    counted = "1 backend" if count == 1 else f"{count} backends"
    yield Check(AREA, "backends", Status.OK, f"{counted}; without -b: {which}")
