"""Work on many rows, some in a transaction each: nobody waits for one of ours for long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from sessctl.errors import StoreError
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.sql_connection import LostConnection, UnfitRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.stores.engines.sql_connection import SqlConnection

# Nobody is to wait for a transaction of ours for 100 ms (S15); half of that is aimed at.
_TRANSACTION_S = 0.05
_FIRST_SIZE, _LEAST_SIZE, _LARGEST_SIZE = 250, 10, 1000
Item = TypeVar("Item")


class Bites:
    """Transactions over one connection, as large as the last ones allow."""

    def __init__(self, connection: SqlConnection) -> None:
        self._connection = connection
        self._size = _FIRST_SIZE  # rows of one transaction

    def run(
        self,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], list[Result]],
        after_loss: Callable[[Sequence[Item]], list[Result]],
        *,
        sid_of: Callable[[Item], str],
    ) -> list[Result]:
        """What `work` says, some items in a transaction each: fewer after a slow one, more after
        quick ones.

        An error, of the commit as well, undoes its transaction. All that follow fail with it: a
        lock on the table is waited for once, and not by each of them. Only a row that the table
        does not take fails alone: it is found by halves.
        """
        results: list[Result] = []
        start = 0
        while start < len(items):
            bite = items[start : start + self._size]
            began = time.monotonic()
            try:
                with self._connection.transaction():
                    found = work(bite)
                self._size = next_size(self._size, len(bite), time.monotonic() - began)
            except LostConnection:
                found = after_loss(bite)
            except UnfitRow as exc:
                if len(bite) > 1:
                    self._size = len(bite) // 2
                    continue
                found = [Result(sid_of(bite[0]), Outcome.FAILED, exc.message)]
            except StoreError as exc:
                rest = items[start:]
                return results + [Result(sid_of(it), Outcome.FAILED, exc.message) for it in rest]
            results += found  # now that it is committed
            start += len(bite)
        return results


def next_size(size: int, done: int, took_s: float) -> int:
    """How many rows the next transaction takes, after one of `done` rows."""
    if took_s > _TRANSACTION_S:
        return max(int(done * _TRANSACTION_S / took_s), _LEAST_SIZE)
    if done == size and took_s < _TRANSACTION_S / 4:
        return min(size * 2, _LARGEST_SIZE)
    return size
