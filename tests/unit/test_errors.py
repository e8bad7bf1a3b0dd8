"""Codes and exit codes are contracts: a row a class, a row an exit code."""

from __future__ import annotations

import re

import pytest

from sessctl import errors
from sessctl.errors import ExitCode, SessctlError

ROWS = {
    "SessctlError": ("internal", 70),
    "UsageError": ("usage", 2),
    "ConfigError": ("config.invalid", 2),
    "MissingExtra": ("extra.missing", 2),
    "NotFound": ("session.unknown", 1),
    "StoreError": ("store.failed", 3),
    "StoreUnreachable": ("store.unreachable", 3),
    "AccessDenied": ("store.denied", 3),
    "Incomplete": ("store.incomplete", 5),
    "HttpError": ("http.failed", 3),
    "Refused": ("refused", 4),
    "GuardRefused": ("refused", 4),
    "ConfirmationNeeded": ("refused.confirmation", 4),
    "JournalError": ("journal.failed", 6),
    "UnreadableInput": ("input.unreadable", 7),
    "CookieError": ("cookie.unreadable", 7),
    "SerializerError": ("value.unreadable", 7),
    "LimitExceeded": ("input.limit", 7),
}
FAMILY = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, SessctlError)
}


def test_every_class_has_its_row() -> None:
    assert set(FAMILY) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_code_and_exit_code_are_stable(name: str) -> None:
    assert (FAMILY[name].code, int(FAMILY[name].exit_code)) == ROWS[name]


def test_the_tree_is_the_one_drawn() -> None:
    drawn = re.findall(r"^    [ │├└─]*(\w+) +(\d+) ", errors.__doc__ or "", re.MULTILINE)
    assert {name: int(code) for name, code in drawn} == {
        name: int(kind.exit_code) for name, kind in FAMILY.items() if name != "SessctlError"
    }


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    assert code.meaning


def test_exit_codes_are_those_of_the_contract() -> None:
    assert sorted(ExitCode) == [0, 1, 2, 3, 4, 5, 6, 7, 70, 130, 141, 143]


def test_a_guard_names_itself() -> None:
    error = errors.GuardRefused("share", "12 live sessions would end", hint="--force=share")
    assert (error.guard, error.code, error.exit_code) == ("share", "refused.share", 4)


def test_a_failed_request_names_its_kind() -> None:
    error = errors.HttpError("timeout", "no answer within 30s")
    assert (error.kind, error.code, error.exit_code) == ("timeout", "http.timeout", 3)


def test_a_missing_extra_tells_how_to_install_it() -> None:
    error = errors.MissingExtra("a mysql store", "mysql")
    assert error.message == "a mysql store needs the extra 'mysql', which is not installed"
    assert error.hint == "pip install 'sessctl[mysql]'"


def test_an_offset_is_part_of_the_message() -> None:
    assert str(errors.SerializerError("not JSON", offset=7)) == "not JSON at byte 7"
    assert str(errors.SerializerError("not JSON")) == "not JSON"


def test_what_was_said_first_about_the_place_stands() -> None:
    error = SessctlError("x", file="inner").at(file="outer", backend="prod")
    assert error.where == {"file": "inner", "backend": "prod"}
