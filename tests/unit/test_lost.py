"""What is said of a write whose reply was lost: only what stands there tells."""

from __future__ import annotations

import pytest

from sessctl.session import Session
from sessctl.stores.base import Outcome
from sessctl.stores.engines.lost import after_lost_replace


def session(raw: bytes) -> Session:
    return Session(sid="a", raw=raw, location="")


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (b"new", Outcome.STORED),
        (b"old", Outcome.FAILED),
        (b"other", Outcome.CHANGED),
        (None, Outcome.UNCONFIRMED),
    ],
)
def test_what_became_of_a_replaced_session(now: bytes | None, outcome: Outcome) -> None:
    def read(sids) -> list[Session]:
        return [] if now is None else [session(now)]

    pairs = [(session(b"old"), session(b"new"))]
    (result,) = after_lost_replace(pairs, read, lambda found, one: found.raw == one.raw)
    assert result.outcome is outcome
    assert "connection lost" in (result.reason or "")
