"""What a format is given besides the value, seen through a format of another package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import Secret, decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies import registry
from sessctl.cookies.base import (
    Cookie,
    CookieContext,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Note:
    """`note!TEXT`; it answers with what it was given."""

    name = "note"
    cookie_name = "note"
    carries_time = True
    carries_expiry = True
    parameters = {"salt": "of the key", "digest": "of the signature; sha1"}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return Match(90, "note!") if value.startswith("note!") else None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        given = [value, context.name, context.companion, dict(context.parameters)]
        return DecodedCookie(self.name, payload=given)

    def verify(
        self, value: str, secrets: Sequence[Secret], context: CookieContext, **times: Any
    ) -> Verdict:
        decoded = DecodedCookie(self.name, payload=[one.key_id for one in secrets])
        return Verdict(VerdictWord.VALID, Signature.VALID, decoded, 0, notes=(str(times),))

    def batch_judge(self, secrets: Sequence[Secret]) -> None:
        return None

    def sign(
        self, content: Any, secrets: Sequence[Secret], context: CookieContext, **times: Any
    ) -> list[Cookie]:
        signer = next(one for one in secrets if one.key_id in (None, "2"))
        return [Cookie(context.name or "?", f"note!{content}!{signer.reveal().decode()}!{times}")]


class Entry:
    name = "note"

    def load(self) -> type[Note]:
        return Note


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if a package with the entry point were installed."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Entry()])
    registry._third_party.cache_clear()
    yield
    registry._third_party.cache_clear()


def given(text: str, **options: Any) -> Any:
    return decode_cookie(text, **options).payload


def test_the_name_and_the_companion_come_from_the_header() -> None:
    header = "Cookie: note.sig=abc; theme=dark; note=note!x"
    assert given(header) == ["note!x", "note", "abc", {}]
    assert given(header, companion="other") == ["note!x", "note", "other", {}]


def test_a_bare_value_has_the_name_and_the_companion_that_are_given() -> None:
    assert given("note!x") == ["note!x", None, None, {}]
    assert given("note!x", name="n", companion="c") == ["note!x", "n", "c", {}]


def test_chunks_are_one_cookie_in_the_order_of_their_numbers() -> None:
    parts = [f"note.{number}={letter}" for number, letter in enumerate("note!abcdefgh")]
    header = "Cookie: a=1; " + "; ".join(reversed(parts))
    decoded = decode_cookie(header)
    assert decoded.payload[:2] == ["note!abcdefgh", "note"]
    assert decoded.notes == ("joined from the 13 cookies note.0 to note.12",)
    assert given(header, name="note")[0] == "note!abcdefgh"


@pytest.mark.parametrize(
    "header",
    [
        "note.0=note!a; note.2=c",  # one is missing
        "note.0=note!a; b=1",  # there is only one
        "note.0=note!a; note.01=b",
        "note.0=note!a; note.1=b; note=note!",  # the whole cookie is there
    ],
)
def test_what_is_not_a_row_of_chunks_is_left_as_it_is(header: str) -> None:
    assert given(f"Cookie: {header}") in (
        ["note!a", "note.0", None, {}],
        ["note!", "note", None, {}],
    )


def test_parameters_reach_the_format() -> None:
    parameters = {"salt": "s", "digest": "sha256"}
    assert given("note!x", parameters=parameters) == ["note!x", None, None, parameters]


@pytest.mark.parametrize("act", [decode_cookie, verify_cookie, sign_cookie])
def test_a_parameter_that_a_format_does_not_know_is_refused(act: Any) -> None:
    more = () if act is decode_cookie else ("secret",)
    with pytest.raises(UsageError, match="note has no parameter 'digets'") as caught:
        act("note!x", *more, "note", parameters={"digets": "sha256"})
    assert caught.value.hint == "did you mean 'digest'?"


def test_secrets_may_have_ids() -> None:
    secrets = {"1": "old", "2": Secret("new")}
    decoded = verify_cookie("note!x", secrets).decoded
    assert decoded is not None
    assert decoded.payload == ["1", "2"]
    assert sign_cookie("x", secrets, "note", now=NOW)[0].value.split("!")[2] == "new"


def test_times_reach_the_format() -> None:
    hour = timedelta(hours=1)
    verdict = verify_cookie("note!x", "secret", now=NOW, max_age=hour)
    assert verdict.notes == (str({"now": NOW, "max_age": hour}),)
    signed = sign_cookie("x", "secret", "note", name="n", now=NOW, ttl=hour)
    assert signed == [Cookie("n", f"note!x!secret!{ {'now': NOW, 'ttl': hour} }")]


def test_a_time_to_live_is_refused_where_the_cookie_has_none() -> None:
    with pytest.raises(UsageError, match="express-session carries no expiry"):
        sign_cookie("x", "secret", ttl=timedelta(hours=1))
