"""What DynamoDB has of its own: ends with a fraction, items without a session, more attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped,unused-ignore]
    ClientError,
    ReadTimeoutError,
)

from sessctl.errors import AccessDenied, Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Query
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.engines import now_ms, value
from tests.support.servers import free_port

if TYPE_CHECKING:
    from tests.support.dynamodb import DynamoEngine

DAY = 86_400_000


def put(engine: DynamoEngine, sid: str, **attributes: dict[str, Any]) -> None:
    item = {"id": {"S": f"sess:{sid}"}, **attributes}
    engine.server.client.put_item(TableName=engine.server.TABLE, Item=item)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("dynamodb://ann:secret-word@eu-west-1/sessions", "take no credentials"),
        ("dynamodb:///sessions", "names no region"),
        ("dynamodb+http://127.0.0.1:1/sessions", "names no region"),
        ("dynamodb://eu-west-1:80/sessions", "has no port"),
        ("dynamodb://eu-west-1/a", "no valid table name"),
        ("dynamodb://eu-west-1/sessions?zone=a", "have no option 'zone'"),
    ],
)
def test_what_a_url_cannot_say_is_refused(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_store(url)
    assert "secret-word" not in str(caught.value)


def test_nobody_there_is_said(dynamodb_engine: DynamoEngine) -> None:
    with pytest.raises(StoreUnreachable, match="cannot reach DynamoDB in 127"):
        open_store(f"dynamodb+http://127.0.0.1:{free_port()}/sessions?region=local")


def test_a_table_that_is_not_there_is_named(dynamodb_engine: DynamoEngine) -> None:
    with pytest.raises(StoreError, match="no table 'other'"):
        open_store(dynamodb_engine.url.replace("/sessions", "/other"))


def test_a_backend_that_requires_tls_is_refused(dynamodb_engine: DynamoEngine) -> None:
    with pytest.raises(Refused, match="requires TLS"):
        open_store(dynamodb_engine.url, access=Access(require_tls=True))


def test_without_credentials_it_says_where_they_go(
    dynamodb_engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(AccessDenied, match="no AWS credentials") as caught:
        dynamodb_engine.open()
    assert "AWS_PROFILE" in (caught.value.hint or "")


def test_another_hash_key_is_a_setting(dynamodb_engine: DynamoEngine) -> None:
    dynamodb_engine.server.empty(key="sid")
    item = {"sid": {"S": "sess:a"}, "sess": {"S": value("7").decode()}}
    dynamodb_engine.server.client.put_item(TableName="sessions", Item=item)
    with pytest.raises(StoreError, match="is sid, not 'id'"):
        dynamodb_engine.open()
    with dynamodb_engine.open(columns={"sid": "sid"}, write=True) as store:
        found = list(store.scan(Query()))
        assert [(one.sid, one.user, one.expiry) for one in found] == [("a", "7", Expiry.NEVER)]
        assert store.delete(found)[0].outcome is Outcome.DELETED


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1795286257.999", 1_795_286_257_999),
        ("1795286258", 1_795_286_258_000),
        ("1E+125", None),
        ("-5", None),
        ("0", None),
    ],
)
def test_an_end_may_have_a_fraction_and_may_be_nonsense(
    dynamodb_engine: DynamoEngine, written: str, expected: int | None
) -> None:
    put(dynamodb_engine, "a", expires={"N": written}, sess={"S": value().decode()})
    with dynamodb_engine.open(write=True) as store:
        (session,) = store.scan(Query())
        assert session.expires_ms == expected
        if expected is None:
            assert session.expiry is Expiry.UNKNOWN
            assert store.delete([session], grace_ms=0)[0].outcome is Outcome.CHANGED


def test_what_a_touch_leaves_of_a_deleted_session_is_listed_and_purged(
    dynamodb_engine: DynamoEngine,
) -> None:
    """connect-dynamodb's touch writes unconditionally: an item with an end and no session."""
    put(dynamodb_engine, "stub", expires={"N": "1700000000"})
    with dynamodb_engine.open(write=True) as store:
        (session,) = store.scan(Query(expired=True))
        assert session.problem is not None
        assert session.problem.code == "value.missing"
        assert store.delete([session], grace_ms=60_000)[0].outcome is Outcome.DELETED


def test_special_keys_and_whatever_else_come_back(dynamodb_engine: DynamoEngine) -> None:
    """`specialKeys` are attributes of their own, for an index; other tools add more."""
    more = {
        "userId": {"N": "7"}, "blob": {"B": b"\x00\xff"}, "tags": {"SS": ["a", "b"]},
        "yes": {"BOOL": True},
    }  # fmt: skip
    put(dynamodb_engine, "a", sess={"S": value().decode()}, expires={"N": "4102444800"}, **more)
    before = dynamodb_engine.server.items()
    with dynamodb_engine.open(write=True) as store:
        (session,) = store.get(["a"])
        frozen = {"sid": "a", **store.freeze(session)}
        assert store.delete([session])[0].outcome is Outcome.DELETED
        assert store.put([store.thaw(frozen)])[0].outcome is Outcome.STORED
    assert dynamodb_engine.server.items() == before


def test_a_change_of_any_attribute_is_a_change(dynamodb_engine: DynamoEngine) -> None:
    put(dynamodb_engine, "a", sess={"S": value().decode()}, userId={"N": "7"})
    with dynamodb_engine.open(write=True) as store:
        found = store.get(["a"])
        put(dynamodb_engine, "a", sess={"S": value().decode()}, userId={"N": "8"})
        assert store.delete(found)[0].outcome is Outcome.CHANGED


def test_items_of_others_in_the_table_are_left_alone(dynamodb_engine: DynamoEngine) -> None:
    other = {"id": {"S": "order:1"}, "sess": {"S": "{}"}, "expires": {"N": "1"}}
    dynamodb_engine.server.client.put_item(TableName="sessions", Item=other)
    with dynamodb_engine.open() as store:
        assert list(store.scan(Query())) == []
        assert store.count(Query(expired=True)) == 0


class Lossy:
    """Stands before boto3's client: does the request, and loses the answer."""

    def __init__(self, client: Any, error: Exception, *, does: bool) -> None:
        self._client, self._error, self._does = client, error, does
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def delete_item(self, **words: Any) -> Any:
        self.calls += 1
        if self.calls > 1:
            return self._client.delete_item(**words)
        if self._does:
            self._client.delete_item(**words)
        raise self._error


LOST = ReadTimeoutError(endpoint_url="http://127.0.0.1")
THROTTLED = ClientError(
    {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},
    "DeleteItem",
)


@pytest.mark.parametrize(("does", "outcome"), [(True, "unconfirmed"), (False, "failed")])
def test_a_delete_whose_answer_is_lost_is_looked_into_and_never_sent_again(
    dynamodb_engine: DynamoEngine, does: bool, outcome: str
) -> None:
    dynamodb_engine.save(b"a", value(), now_ms() + DAY)
    with dynamodb_engine.open(write=True) as store:
        table = store._table  # type: ignore[attr-defined]
        table._client = lossy = Lossy(table._client, LOST, does=does)
        (result,) = store.delete(store.get(["a"]))
    assert (result.outcome, lossy.calls) == (outcome, 1)


def test_a_throttled_delete_is_sent_again_and_said(dynamodb_engine: DynamoEngine) -> None:
    """Throttled means not done, so that it may be sent again."""
    dynamodb_engine.save(b"a", value(), now_ms() + DAY)
    with dynamodb_engine.open(write=True) as store:
        table = store._table  # type: ignore[attr-defined]
        table._client = lossy = Lossy(table._client, THROTTLED, does=False)
        (result,) = store.delete(store.get(["a"]))
        assert (result.outcome, lossy.calls) == (Outcome.DELETED, 2)
        assert [note for note in store.remarks.notes if "throttled" in note]
