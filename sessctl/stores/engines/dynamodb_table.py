"""One DynamoDB table: boto3's low-level client, its errors as ours, nothing sent twice by itself.

Items are in the form of the wire, `{"id": {"S": "sess:a"}, "expires": {"N": "1795286257.999"}}`, so
that what is written again is what was read. The driver's own retries are off: a delete that was
done and sent again would say "not there". A throttled request was not done, and is asked again.

The clock is the `Date` of DynamoDB's own answers, in whole seconds: expressions know no clock.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sessctl.errors import AccessDenied, MissingExtra, StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.text import escape, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.dynamodb_target import Target

try:
    import boto3  # type: ignore[import-untyped,unused-ignore]  # 250 ms with its models
    from botocore import exceptions as known  # type: ignore[import-untyped,unused-ignore]
    from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]
except ImportError:
    raise MissingExtra("a dynamodb store", "dynamodb") from None

Item = dict[str, dict[str, Any]]

WORKERS = 8  # deletes under way at once; each is a request of its own
_READ_TRIES = 3
_THROTTLED_TRIES = 8  # together up to some 15 s
_GET_PAGE = 100  # BatchGetItem takes no more
_THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
)
_REFUSED = frozenset(
    {
        "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
        "IncompleteSignature", "MissingAuthenticationTokenException", "MissingAuthenticationToken",
    }
)  # fmt: skip


class ConditionFailed(Exception):
    """The item is not as it was read, or not there."""


class Table:
    """Reads and writes items of one table; may be used by several threads."""

    def __init__(self, target: Target, remarks: Remarks, timeout_s: float) -> None:
        self.name = target.table
        self._where, self._remarks = target.address, remarks
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            max_pool_connections=WORKERS,
            user_agent_extra="sessctl",
        )
        try:
            session = boto3.Session(profile_name=target.profile)
            self._client: Any = session.client(
                "dynamodb",
                region_name=target.region,
                endpoint_url=target.endpoint,
                config=config,
                verify=target.ca_file,
            )
        except (known.BotoCoreError, ValueError) as exc:
            raise self._mapped(exc, "the connection", sent=False) from None

    # -- reading ----------------------------------------------------------------------------------

    def describe(self) -> tuple[dict[str, Any], int]:
        """The table's description, and the server's clock in ms since 1970."""
        answer = self._read("DescribeTable", self._client.describe_table)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        with suppress(ValueError):
            return answer["Table"], round(parsedate_to_datetime(date).timestamp() * 1000)
        raise StoreError(f"DynamoDB in {self._where} does not tell its time")

    def scan(self, **conditions: Any) -> Iterator[dict[str, Any]]:
        """Answers to Scan, page by page of at most 1 MiB, each read consistently."""
        start: dict[str, Any] = {}
        while True:
            page = self._read("Scan", self._client.scan, ConsistentRead=True, **conditions, **start)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def get(self, keys: Sequence[Item]) -> list[Item]:
        """The items under these keys that exist, in any order."""
        found: list[Item] = []
        for first in range(0, len(keys), _GET_PAGE):
            asked = {"Keys": list(keys[first : first + _GET_PAGE]), "ConsistentRead": True}
            left: dict[str, Any] = {self.name: asked}
            while left:  # what one answer could not hold
                answer = self._read(
                    "BatchGetItem", self._client.batch_get_item, RequestItems=left, TableName=None
                )
                found += answer["Responses"].get(self.name, [])
                left = answer.get("UnprocessedKeys", {})
        return found

    # -- writing: once, under a condition ---------------------------------------------------------

    def delete(self, key: Item, **condition: Any) -> None:
        """Raises ConditionFailed; LostReply where nobody knows."""
        self._write("DeleteItem", self._client.delete_item, Key=key, **condition)

    def update(self, key: Item, **change: Any) -> None:
        """Raises ConditionFailed; LostReply where nobody knows."""
        self._write("UpdateItem", self._client.update_item, Key=key, **change)

    def put(self, item: Item, **condition: Any) -> None:
        """Raises ConditionFailed; LostReply where nobody knows."""
        self._write("PutItem", self._client.put_item, Item=item, **condition)

    def close(self) -> None:
        self._client.close()

    # -- requests ---------------------------------------------------------------------------------

    def _read(self, operation: str, call: Callable[..., Any], **words: Any) -> dict[str, Any]:
        for attempt in range(_READ_TRIES):
            try:
                return self._unthrottled(operation, call, words, sent=False)
            except StoreUnreachable:
                if attempt == _READ_TRIES - 1:
                    raise
                time.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    def _write(self, operation: str, call: Callable[..., Any], **words: Any) -> None:
        self._unthrottled(operation, call, words, sent=True)

    def _unthrottled(
        self, operation: str, call: Callable[..., Any], words: dict[str, Any], *, sent: bool
    ) -> dict[str, Any]:
        """Send a request; again after a pause while DynamoDB says that it was too many."""
        words = {"TableName": self.name, **words}
        words = {name: value for name, value in words.items() if value is not None}
        for attempt in range(_THROTTLED_TRIES):
            try:
                answer: dict[str, Any] = call(**words)
            except known.ClientError as exc:
                code = exc.response["Error"]["Code"]
                if code == "ConditionalCheckFailedException":
                    raise ConditionFailed from None
                if code not in _THROTTLED or attempt == _THROTTLED_TRIES - 1:
                    raise self._refusal(exc, operation, sent=sent) from None
                self._remarks.note("DynamoDB throttled requests: they were sent again, more slowly")
                time.sleep(min(0.1 * 2**attempt, 4) * (0.5 + random.random()))  # noqa: S311 - jitter
            except (known.BotoCoreError, OSError) as exc:
                raise self._mapped(exc, operation, sent=sent) from None
            else:
                return answer
        raise AssertionError("unreachable")

    def _refusal(self, exc: Any, operation: str, *, sent: bool) -> StoreError:
        """DynamoDB's own error as one of ours."""
        error = exc.response["Error"]
        code, text = error["Code"], escape(redact(str(error.get("Message", ""))))[:200]
        if code == "ResourceNotFoundException":
            return StoreError(
                f"no table '{escape(self.name)}' in {self._where}", hint="check table and region"
            )
        if code == "AccessDeniedException":
            return AccessDenied(
                f"AWS denies {operation}", hint=f"allow dynamodb:{operation} on this table"
            )
        if code in _REFUSED:
            return AccessDenied(
                f"AWS refused the credentials ({code})", hint="aws sts get-caller-identity"
            )
        if code in _THROTTLED:
            return StoreError(
                f"DynamoDB throttles {operation}", hint="try --rate, or raise the table's capacity"
            )
        if sent and exc.response["ResponseMetadata"].get("HTTPStatusCode", 0) >= 500:
            return LostReply(f"DynamoDB failed in {operation} ({code})")
        return StoreError(f"DynamoDB answered {operation} with {escape(code)}: {text}")

    def _mapped(self, exc: BaseException, operation: str, *, sent: bool) -> StoreError:
        """The driver's exceptions as ours."""
        lost = LostReply if sent else StoreUnreachable
        if isinstance(exc, known.ProfileNotFound):
            return AccessDenied("no such AWS profile", hint="see ~/.aws/config")
        if isinstance(
            exc,
            known.NoCredentialsError | known.PartialCredentialsError
            | known.CredentialRetrievalError | known.TokenRetrievalError
            | known.SSOError,
        ):  # fmt: skip
            return AccessDenied(
                f"no AWS credentials ({type(exc).__name__})",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        if isinstance(exc, known.EndpointConnectionError | known.ConnectTimeoutError):
            return StoreUnreachable(
                f"cannot reach DynamoDB in {self._where}", hint="check the region or the address"
            )
        if isinstance(exc, known.SSLError):
            return StoreUnreachable(
                f"TLS with DynamoDB in {self._where} failed",
                hint="set `ca_file` for a private certificate authority",
            )
        if isinstance(exc, known.ReadTimeoutError):
            return lost(
                f"DynamoDB did not answer {operation} in time", hint="try a longer --timeout"
            )
        if isinstance(exc, known.HTTPClientError | OSError):
            return lost(f"DynamoDB closed the connection in {operation}")
        return StoreError(f"DynamoDB {operation}: {escape(redact(str(exc)))[:200]}")
