"""From a DynamoDB URL to a table.

    dynamodb://eu-west-1/sessions                            AWS, in a region
    dynamodb+http://127.0.0.1:8000/sessions?region=local     DynamoDB Local, dynalite
    dynamodb+https://vpce-1a2b.dynamodb.eu-west-1.vpce.amazonaws.com/sessions?region=eu-west-1

`?profile=NAME` names a profile of the AWS configuration. Credentials come from where boto3 looks
for them (environment, ~/.aws, SSO, the machine's role), never from a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sessctl.errors import Refused, UsageError
from sessctl.stores.url import flags

if TYPE_CHECKING:
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_DEFAULT_TABLE = "sessions"


@dataclass(frozen=True, slots=True)
class Target:
    """Which table, where. `endpoint`: the address if it is not AWS's own."""

    region: str
    table: str
    endpoint: str | None
    profile: str | None
    ca_file: str | None
    is_plain: bool  # another host, and not encrypted

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL. Raises UsageError; Refused where TLS is required and not asked for."""
        options = dict(url.options)
        flags(options, ("region", "profile"), url.scheme)
        if url.username or url.password or access.password:
            raise UsageError(
                "DynamoDB URLs take no credentials",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        table = url.path.strip("/") or _DEFAULT_TABLE
        if _TABLE.fullmatch(table) is None:
            raise UsageError("the DynamoDB URL has no valid table name", hint=_hint(url.scheme))
        endpoint, region = None, options.get("region")
        if url.scheme == "dynamodb":
            region = url.host
            if url.port:
                raise UsageError(
                    "dynamodb:// names a region, which has no port",
                    hint="dynamodb+http://HOST:PORT/TABLE",
                )
        else:
            host = f"[{url.host}]" if ":" in url.host else url.host
            port = f":{url.port}" if url.port else ""
            endpoint = f"{url.scheme.removeprefix('dynamodb+')}://{host}{port}"
        if not region:
            raise UsageError(f"the {url.scheme} URL names no region", hint=_hint(url.scheme))
        is_http = url.scheme == "dynamodb+http"
        if access.require_tls and is_http:
            raise Refused("this backend requires TLS", hint="write dynamodb+https://")
        profile, plain = options.get("profile"), is_http and not url.is_local
        return cls(region, table, endpoint, profile, access.ca_file, plain)

    @property
    def address(self) -> str:
        """The region, or the address that stands for it."""
        return self.endpoint.partition("://")[2] if self.endpoint else self.region

    @property
    def label(self) -> str:
        return f"{self.address}/{self.table}"


def _hint(scheme: str) -> str:
    if scheme == "dynamodb":
        return "dynamodb://REGION/TABLE"
    return f"{scheme}://HOST:PORT/TABLE?region=REGION"
