"""What a report hides in requests and answers, and that hiding takes no longer than reading."""

from __future__ import annotations

import time

import pytest

from sessctl.replay.reports.veil import ReportOptions, Veil

VEIL = Veil(ReportOptions(), [])
MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="user"\r\n\r\ntj\r\n'
    '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (
            "application/json",
            '{"user": "tj", "password": "x"}',
            '{"user": "tj", "password": "***"}',
        ),
        ("application/json", '{"user":  "tj"}', '{"user":  "tj"}'),
        ("application/json", '{"broken', '{"broken'),
        ("application/x-www-form-urlencoded", "user=tj&api-key=x&b=", "user=tj&api-key=***&b="),
        ("multipart/form-data; boundary=b", MULTIPART, MULTIPART.replace("hunter2", "***")),
    ],
)
def test_a_body_is_masked_by_its_type(kind: str, text: str, shown: str) -> None:
    assert VEIL.body(text, kind) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Cookie", "sid=0123456789abcdef; a=b", "sid=01234~9f9f51; a=~3e23e8"),
        (
            "Set-Cookie",
            "sid=0123456789abcdef; Path=/x; HttpOnly",
            "sid=01234~9f9f51; Path=/x; HttpOnly",
        ),
        ("Authorization", "Bearer abc", "***"),
        ("X-CSRF-Token", "abc", "***"),
        ("WWW-Authenticate", "Basic realm=shop", "Basic realm=shop"),
        ("Location", "/in?token=abc&next=/a", "/in?token=***&next=/a"),
        ("Accept", "*/*", "*/*"),
    ],
)
def test_a_header_is_masked_by_its_name(name: str, value: str, shown: str) -> None:
    assert VEIL.header(name, value) == shown


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.parametrize(
    "piece", ["a", "+", "a=", 'name="', "[", "eyJaaaaaaaaa.", "\r\n--\r\n\r\n"]
)
def test_no_body_takes_long(kind: str, piece: str) -> None:
    """Eight times the length may take more than eight times as long, but not fifty."""
    spent = []
    for size in (32_768, 262_144):
        begun = time.process_time()
        VEIL.body(piece * (size // len(piece)), kind)
        spent.append(time.process_time() - begun)
    assert spent[1] < 50 * max(spent[0], 0.01)
