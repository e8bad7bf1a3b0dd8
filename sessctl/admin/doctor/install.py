"""The installation: versions, and which extras are there."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from sessctl import __version__
from sessctl.admin.doctor.check import Check, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AREA = "install"
_OLDEST = (3, 11)


class Extra(NamedTuple):
    """`module` tells whether it is there, `package` which version."""

    name: str
    module: str
    package: str
    what: str


EXTRAS = (
    Extra("postgres", "psycopg", "psycopg", "PostgreSQL stores"),
    Extra("mysql", "pymysql", "pymysql", "MySQL and MariaDB stores"),
    Extra("mongo", "pymongo", "pymongo", "MongoDB stores"),
    Extra("memcached", "pymemcache", "pymemcache", "memcached stores"),
    Extra("dynamodb", "boto3", "boto3", "DynamoDB stores"),
    Extra("node", "websockets", "websockets", "sessions in the memory of Node processes"),
    Extra("crypto", "cryptography", "cryptography", "encrypted cookies and values, JWT"),
    Extra("keyring", "keyring", "keyring", "keyring: references to secrets"),
    Extra("replay", "lxml", "lxml", "css and xpath in scenarios"),
)
_OF_KIND = {
    "postgresql": "postgres", "mysql": "mysql", "mongodb": "mongo", "memcached": "memcached",
    "dynamodb": "dynamodb", "node": "node",
}  # fmt: skip


def check_install(kinds: Sequence[str]) -> Iterator[Check]:
    """Versions and extras; one that a configured kind of store needs has to be there."""
    yield Check(AREA, "sessctl", Status.OK, f"sessctl {__version__}")
    python = ".".join(map(str, sys.version_info[:3]))
    is_new = sys.version_info >= _OLDEST
    yield Check(
        AREA, "python", Status.OK if is_new else Status.FAIL, f"Python {python}",
        None if is_new else "install Python 3.11 or newer",
    )  # fmt: skip
    needed = {_OF_KIND.get(kind) for kind in kinds}
    for extra in EXTRAS:
        if _is_there(extra.module):
            yield Check(AREA, extra.name, Status.OK, f"{extra.what}: {_version(extra.package)}")
            continue
        is_needed = extra.name in needed
        yield Check(
            AREA, extra.name, Status.FAIL if is_needed else Status.OK,
            f"{extra.what}: not installed" + (", and a backend needs it" if is_needed else ""),
            f"pip install 'sessctl[{extra.name}]'" if is_needed else None,
        )  # fmt: skip


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # sys.modules says that there is none
        return False


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
