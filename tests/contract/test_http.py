"""The HTTP client against servers that behave, and against servers that do not."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import struct
import time
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from sessctl.errors import HttpError, Refused, UsageError
from sessctl.replay.body import BodyLimits
from sessctl.replay.http import HttpClient, HttpLimits, Network, Request, Response
from sessctl.replay.url import Url, parse_url
from tests.support.raw_http import RawServer, reply, saying, streaming
from tests.support.servers import free_port, make_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_http import Script

MIB = 1024 * 1024
SMALL = HttpLimits(connect_s=2, read_s=0.5, total_s=2)


def send(
    *requests: Request,
    network: Network | None = None,
    limits: HttpLimits | None = None,
    pause_s: float = 0,
) -> list[Response]:
    """The answers to requests that one client sends one after the other."""

    async def play() -> list[Response]:
        found = []
        async with HttpClient(network or Network(), limits) as http:
            for number, request in enumerate(requests):
                if number and pause_s:
                    await asyncio.sleep(pause_s)
                found.append(await http.send(request))
        return found

    return asyncio.run(play())


def get(url: str, path: str = "/", *headers: tuple[bytes, bytes]) -> Request:
    return Request("GET", parse_url(url + path), headers)


def answer_of(script: Script, **more) -> Response:
    with RawServer(script) as server:
        return send(get(server.url), **more)[0]


def failure_of(script: Script, **more) -> HttpError:
    with RawServer(script) as server, pytest.raises(HttpError) as caught:
        send(get(server.url), limits=SMALL, **more)
    return caught.value


# -- bytes as they are -----------------------------------------------------------------------------


def test_a_request_goes_out_byte_for_byte() -> None:
    headers = ((b"X-oDD", b"1"), (b"Cookie", b'a="x"; b=\xff\xfe; c={1}'), (b"X-oDD", b"2"))
    with RawServer(saying(reply())) as server:
        send(get(server.url, "/a%20b?q=\u00e9", *headers))
        expect = (
            b"GET /a%%20b?q=%%C3%%A9 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-oDD: 1\r\n"
            b'Cookie: a="x"; b=\xff\xfe; c={1}\r\nX-oDD: 2\r\n\r\n'
        )
        assert server.requests == [expect % server.port]


def test_a_given_host_is_not_replaced_and_a_body_is_counted() -> None:
    with RawServer(saying(reply())) as server:
        send(Request("POST", parse_url(server.url), ((b"hOst", b"shop.example"),), b"a=1"))
        assert server.requests[0].split(b"\r\n", 1)[1] == (
            b"hOst: shop.example\r\nContent-Length: 3\r\n\r\na=1"
        )


def test_header_lines_come_back_as_they_were_sent() -> None:
    lines = (b"sEt-Cookie: a=1", b"Set-Cookie: b=\xff\xfe; Path=/", b"set-cookie: c=x\x01y", b"X:")
    response = answer_of(saying(reply(b"hi", *lines, status=b"201 Dear me")))
    assert (response.status, response.reason, response.body.kept) == (201, b"Dear me", b"hi")
    assert response.headers[:3] == (
        (b"sEt-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=\xff\xfe; Path=/"),
        (b"set-cookie", b"c=x\x01y"),
    )
    assert response.set_cookie == [b"a=1", b"b=\xff\xfe; Path=/", b"c=x\x01y"]


def test_a_redirect_is_an_answer_and_nothing_more() -> None:
    with RawServer(saying(reply(b"", b"Location: /next", status=b"302 Found"))) as server:
        (response,) = send(get(server.url))
        assert (response.status, response.values(b"location")) == (302, [b"/next"])
        assert len(server.requests) == 1


def test_proxies_and_netrc_are_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login tj password canary\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with RawServer(saying(reply())) as proxy, RawServer(saying(reply())) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        send(get(server.url))
        assert (proxy.connections, len(server.requests)) == (0, 1)
        assert b"authorization" not in server.requests[0].lower()


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", Url("http", "127.0.0.1", 1), ((b"Cookie", b"a\r\nX: y"),)),
        Request("GET", Url("http", "127.0.0.1", 1), ((b"a b", b"x"),)),
        Request("GE T", Url("http", "127.0.0.1", 1)),
        Request("GET", Url("http", "127.0.0.1", 1, "/a b")),
    ],
    ids=["value", "name", "method", "target"],
)
def test_what_would_not_be_http_is_not_sent(request_: Request) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:1 cannot be sent"):
        send(request_)


def test_a_wrong_content_length_is_not_sent() -> None:
    with RawServer(saying(reply())) as server, pytest.raises(UsageError, match="cannot be sent"):
        send(Request("POST", parse_url(server.url), ((b"Content-Length", b"9"),), b"a=1"))


# -- connections -----------------------------------------------------------------------------------


def test_a_connection_is_kept_alive() -> None:
    with RawServer(saying(reply())) as server:
        first, second = send(get(server.url), get(server.url, "/2"))
        assert (server.connections, first.reused, second.reused) == (1, False, True)
        assert first.timing.connected_s > 0 == second.timing.connected_s
        assert first.timing.connected_s <= first.timing.first_byte_s <= first.timing.total_s


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_that_closes_in_between_is_connected_to_again(method: str) -> None:
    with RawServer(saying(reply(), closes=True)) as server:
        request = Request(method, parse_url(server.url))
        assert [r.status for r in send(request, request, pause_s=0.05)] == [200, 200]
        assert server.connections == 2


def test_what_nobody_asked_for_is_not_the_next_answer() -> None:
    late = reply(b"late", status=b"408 Request Timeout")

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(reply(b"asked"))
        time.sleep(0.02)
        connection.sendall(late)
        return True

    with RawServer(script) as server:
        answers = send(get(server.url), get(server.url), pause_s=0.1)
        assert [answer.body.kept for answer in answers] == [b"asked", b"asked"]
    with RawServer(saying(reply(b"asked") + late)) as server:
        answers = send(get(server.url), get(server.url))
        assert [answer.body.kept for answer in answers] == [b"asked", b"asked"]


def test_a_request_is_repeated_only_where_that_is_harmless() -> None:
    def script(connection: socket.socket, request: bytes) -> bool:
        if b"/gone" in request and server.connections == 1:
            return False
        connection.sendall(reply())
        return True

    with RawServer(script) as server:
        assert [r.status for r in send(get(server.url), get(server.url, "/gone"))] == [200, 200]
        assert server.connections == 2
    with RawServer(script) as server, pytest.raises(HttpError) as caught:
        send(get(server.url), Request("POST", parse_url(f"{server.url}/gone")))
    assert caught.value.kind == "closed"


def test_many_requests_at_once_have_connections_of_their_own() -> None:
    async def play(url: str) -> list[Response]:
        async with HttpClient(Network()) as http:
            return await asyncio.gather(*(http.send(get(url, f"/{n}")) for n in range(20)))

    def script(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(reply(request.split()[1]))
        return True

    with RawServer(script) as server:
        answers = asyncio.run(play(server.url))
        assert [answer.body.kept for answer in answers] == [b"/%d" % n for n in range(20)]


def test_a_unix_socket_is_an_address(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with RawServer(saying(reply()), path=path) as server:
        url = parse_url(f"http+unix://{str(path).replace('/', '%2F')}/x")
        assert send(Request("GET", url))[0].address == str(path)
        assert server.requests == [b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"]


# -- bodies ----------------------------------------------------------------------------------------

TEXT = b"the quick brown fox " * 1000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"gzip", gzip.compress(TEXT)),
        (b"X-GZIP", gzip.compress(TEXT)),
        (b"gzip", gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:])),
        (b"gzip", gzip.compress(TEXT) + b"\0" * 100),
        (b"deflate", zlib.compress(TEXT)),
        (b"deflate", raw_deflate(TEXT)),
        (b"identity", TEXT),
    ],
)
def test_packed_bodies_are_unpacked(encoding: bytes, packed: bytes) -> None:
    body = answer_of(saying(reply(packed, b"Content-Encoding: " + encoding))).body
    assert (body.kept, body.wire_bytes, body.packed_as) == (TEXT, len(packed), "")
    assert (body.size_bytes, body.sha256) == (len(TEXT), sha256(TEXT).hexdigest())


def test_a_packing_that_is_not_ours_is_left_and_named() -> None:
    body = answer_of(saying(reply(b"\x0b\x02", b"Content-Encoding: br"))).body
    assert (body.kept, body.packed_as) == (b"\x0b\x02", "br")


@pytest.mark.parametrize("size", [2 * MIB, 2 * MIB + 1, 10 * MIB])
def test_the_first_two_mib_are_kept_and_all_is_hashed(size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    response = answer_of(saying(reply(data)))
    body = response.body
    assert response.problem is None
    assert (body.kept, body.size_bytes) == (data[: 2 * MIB], size)
    assert (body.sha256, body.is_whole) == (sha256(data).hexdigest(), size <= 2 * MIB)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Encoding: gzip\r\n\r\n"
    response = answer_of(saying(head))
    assert (response.body.kept, response.problem) == (b"", None)


def test_head_has_no_body_whatever_its_length_says() -> None:
    with RawServer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as server:
        request = Request("HEAD", parse_url(server.url))
        assert [r.body.size_bytes for r in send(request, request)] == [0, 0]


def test_chunks_and_interim_answers_are_put_together() -> None:
    head = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = answer_of(saying(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"))
    assert (response.status, response.body.kept) == (200, b"abcde")


def test_a_body_up_to_the_end_of_the_connection() -> None:
    assert answer_of(streaming(b"HTTP/1.0 200 OK\r\n\r\n", [b"abc"])).body.kept == b"abc"


# -- a problem of the body leaves the head as it was -----------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = HEAD + b"Content-Length: 52428800\r\n\r\n"


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (
            streaming(ENDLESS, itertools.repeat(b"x" * MIB, 50)),
            "too-large",
            "the body is more than 10.0 MiB",
        ),
        (
            saying(reply(gzip_bomb(), b"Set-Cookie: a=1", b"Content-Encoding: gzip")),
            "too-large",
            "the body unpacks to more than 50.0 MiB",
        ),
        (
            saying(reply(b"\x1f\x8bno", b"Set-Cookie: a=1", b"Content-Encoding: gzip")),
            "encoding",
            "the gzip body is broken",
        ),
        (
            saying(reply(gzip.compress(TEXT)[:-9], b"Set-Cookie: a=1", b"Content-Encoding: gzip")),
            "encoding",
            "the gzip body ends early",
        ),
        (streaming(CHUNKED, [b"5\r\nab"]), "closed", "in the middle of an answer"),
        (streaming(CHUNKED, [b"zz\r\nab"]), "malformed", "does not answer in HTTP"),
        (streaming(HEAD + b"Content-Length: 9\r\n\r\n", [b"ab"]), "closed", "in the middle of"),
    ],
    ids=["50 MB", "bomb", "broken gzip", "short gzip", "torn chunk", "bad chunk", "short body"],
)
def test_a_body_that_cannot_be_taken_whole(script: Script, kind: str, message: str) -> None:
    response = answer_of(script)
    assert response.problem is not None
    assert (response.problem.kind, response.status) == (kind, 200)
    assert message in response.problem.message
    assert response.set_cookie == [b"a=1"]


def test_limits_hold_at_their_edge() -> None:
    limits = HttpLimits(body=BodyLimits(read=100, unpacked=1000, kept=10))
    fits = answer_of(saying(reply(b"x" * 100)), limits=limits)
    over = answer_of(saying(reply(b"x" * 101)), limits=limits)
    assert (fits.problem, fits.body.size_bytes, fits.body.kept) == (None, 100, b"x" * 10)
    assert over.problem is not None
    for size in (1000, 1001):
        packed = gzip.compress(b"x" * size)
        response = answer_of(saying(reply(packed, b"Content-Encoding: gzip")), limits=limits)
        assert (response.problem is None) == (size == 1000)


def test_a_body_that_stops_coming_is_a_timeout() -> None:
    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(ENDLESS + b"ab")
        return True

    response = answer_of(script, limits=SMALL)
    assert response.problem is not None
    assert response.problem.code == "http.timeout"
    assert response.problem.message.startswith("no more came from http://127.0.0.1:")
    assert response.body.kept == b"ab"


def test_a_body_that_drips_is_ended_by_the_time_of_the_whole() -> None:
    def drip():
        while True:
            time.sleep(0.05)
            yield b"x"

    limits = HttpLimits(read_s=5, total_s=0.5)
    response = answer_of(streaming(ENDLESS, drip()), limits=limits)
    assert response.problem is not None
    assert "within 500ms for the whole exchange" in response.problem.message


# -- no answer -------------------------------------------------------------------------------------


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"


def reset(connection: socket.socket, _request: bytes) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (lambda *_: True, "timeout", "no answer from http://127.0.0.1:"),
        (lambda *_: False, "closed", "closed the connection without an answer"),
        (reset, "closed", "closed the connection without an answer"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "malformed", "does not answer in HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "malformed", "does not answer in HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"), "malformed", "does not answer in HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Le", closes=True), "closed", "in the middle of"),
        (
            streaming(b"HTTP/1.1 200 OK\r\n", itertools.repeat(b"A: " + b"x" * 1000 + b"\r\n")),
            "too-large",
            "the head of the answer is over 256 KiB",
        ),
        (
            streaming(b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
            "malformed",
            "sent no final answer",
        ),
        (
            saying(UPGRADE),
            "malformed",
            "does not answer in HTTP",
        ),
    ],
    ids=[
        *("hang", "close", "reset", "not http", "no colon", "nul", "torn head"),
        *("endless head", "endless interim", "upgrade"),
    ],
)
def test_no_answer_is_one_clear_line(script: Script, kind: str, message: str) -> None:
    error = failure_of(script)
    assert (error.kind, error.code) == (kind, f"http.{kind}")
    assert message in error.message
    assert "\n" not in error.message


def test_an_upgrade_that_was_asked_for_is_no_answer_either() -> None:
    with RawServer(saying(UPGRADE)) as server, pytest.raises(HttpError) as caught:
        send(get(server.url, "/", (b"Connection", b"Upgrade"), (b"Upgrade", b"x")))
    assert "sent no final answer" in caught.value.message


def test_nobody_listening_is_refused() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(HttpError) as caught:
        send(get(url))
    assert (caught.value.kind, caught.value.message) == ("refused", f"nobody listens at {url}")


def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(HttpError, match="no such file") as caught:
        send(get(f"http+unix://{str(tmp_path).replace('/', '%2F')}%2Fnone"))
    assert caught.value.kind == "unreachable"


def test_an_unknown_name_is_unreachable() -> None:
    with pytest.raises(HttpError, match=r"no address for 'no-such-host\.invalid'"):
        send(get("http://no-such-host.invalid"))


def test_a_name_under_localhost_never_leaves_the_machine() -> None:
    with RawServer(saying(reply())) as server:
        (response,) = send(get(f"http://shop.localhost:{server.port}"))
        assert response.address == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.1.1", "100.100.100.200", "168.63.129.16"),
        *("[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]"),
    ],
)
def test_metadata_and_link_local_addresses_are_refused(host: str) -> None:
    with pytest.raises(Refused) as caught:
        send(get(f"http://{host}"), network=Network([parse_url("http://shop.example")]))
    assert "metadata" in caught.value.message


def test_a_link_local_target_may_be_asked_for_by_name() -> None:
    url = "http://[fe80::1]:9"
    limits = HttpLimits(connect_s=0.2)
    with pytest.raises(HttpError):  # nothing is there, which it found out by asking
        send(get(url), network=Network([parse_url(url)]), limits=limits)


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    return folder


def test_https_with_a_ca_of_ones_own(certificates: Path) -> None:
    with RawServer(saying(reply()), certificates=certificates) as server:
        network = Network(ca_file=certificates / "ca.crt")
        first, second = send(get(server.url), get(server.url), network=network)
        assert (first.status, second.reused) == (200, True)
        local = f"https://localhost:{server.port}"
        assert send(get(local), network=network)[0].status == 200


def tls_failure(folder: Path, *, trusting: bool = True) -> HttpError:
    with RawServer(saying(reply()), certificates=folder) as server:
        network = Network(ca_file=folder / "ca.crt") if trusting else Network()
        with pytest.raises(HttpError) as caught:
            send(get(server.url), network=network)
        assert server.requests == []
    assert caught.value.kind == "tls"
    return caught.value


def test_an_unknown_certificate_authority_is_not_trusted(certificates: Path) -> None:
    error = tls_failure(certificates, trusting=False)
    assert "is not trusted (" in error.message
    assert error.hint == "--ca-file names a certificate authority of your own"


def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    make_certificates(tmp_path, "DNS:shop.example")
    assert "not valid for '127.0.0.1'" in tls_failure(tmp_path).message


def test_an_expired_certificate_is_not_trusted(tmp_path: Path) -> None:
    make_certificates(tmp_path, expired=True)
    assert "certificate has expired" in tls_failure(tmp_path).message


def test_https_to_a_server_without_tls_is_one_clear_line() -> None:
    with RawServer(saying(reply(b"", status=b"400 Bad Request"), closes=True)) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(HttpError) as caught:
            send(get(url), limits=SMALL)
    assert caught.value.kind == "tls"
    assert caught.value.message == f"no TLS with {url} (wrong version number)"


@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="cannot read the certificate authorities of"):
        Network(ca_file=path)
