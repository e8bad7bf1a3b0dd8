"""What a backend can do, in words: its engine together with its layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessctl.serializers.ciphers import encrypts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.config.model import Backend
    from sessctl.stores.base import Store


class Ability(NamedTuple):
    """`name` is stable; `text` says what the answer means for whoever uses the store."""

    name: str
    has: bool
    text: str


def abilities(store: Store, backend: Backend) -> Iterator[Ability]:
    """Everything that differs from store to store, in one order for all."""
    can, layout = store.capabilities, store.layout
    yield _of(
        "expires_by_itself", can.expires_by_itself,
        "the store removes what is over", "what is over stays until somebody purges it",
    )  # fmt: skip
    yield _of(
        "stores_created", can.stores_created,
        "--older-than works", "nobody notes when a session began: --older-than finds nothing",
    )  # fmt: skip
    yield _of(
        "stores_seen", can.stores_seen,
        "--idle works", "nobody notes the last visit: --idle finds nothing",
    )  # fmt: skip
    yield _of(
        "orders_by_expiry", can.orders_by_expiry,
        "an index gives the sessions in the order of their end",
        "no index on the expiry: --sort expires reads every session",
    )  # fmt: skip
    parts = " and ".join(f"--{part}" for part in can.answers)
    yield _of(
        "sifts", bool(can.answers),
        f"the server itself sifts by {parts}", "every session is read, and sifted here",
    )  # fmt: skip
    yield _of(
        "counts_fast", can.counts_fast,
        "an exact count costs little", "large counts are estimates; --exact counts them all",
    )  # fmt: skip
    yield _of(
        "confirms_writes", can.confirms_writes,
        "--wait-replicas works", "replicas are not waited for",
    )  # fmt: skip
    yield _of(
        "creates", layout.fresh is not None,
        "sessions can be made anew", "this layout's sessions are read, ended and put back only",
    )  # fmt: skip
    yield _of(
        "decrypts", encrypts(layout.ciphers),
        "encrypted values are read with store_secrets", "the library encrypts nothing",
    )  # fmt: skip
    yield _of(
        "writes", not backend.read_only,
        "expire, purge, touch; restore undoes them", "the configuration says read_only",
    )  # fmt: skip


def _of(name: str, has: bool, yes: str, no: str) -> Ability:
    return Ability(name, has, yes if has else no)
