"""A list of secrets against a cookie: every format, every way to end a line, any number of jobs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl import Secret, sign_cookie, verify_cookie
from sessctl.cookies.api import find
from sessctl.cookies.guessing import Guessable, PlainlySigned, guesser
from sessctl.cookies.hashcat import hash_line
from sessctl.cookies.registry import FORMATS, cookie_format
from sessctl.cookies.wordlist import WordlistSearch, search, search_wordlist
from sessctl.errors import CookieError, SessctlError, UsageError
from sessctl.text import redact
from tests.support.cookie_vectors import rows
from tests.support.run import clean_environment

if TYPE_CHECKING:
    from tests.support.cookie_vectors import Row

SECRET = "a-secret-of-32-characters-sharp!"
SIGNED = [name for name in FORMATS if name not in ("opaque", "stored-json", "aiohttp-plain")]
DATA = ("cookie-session", "koa-session", "client-sessions", "jwt", "authjs", "nextauth-v4",
        "iron-session", "hapi-iron", "fastify-secure-session", "aiohttp-fernet", "aiohttp-nacl",
        "beaker", "litestar", "paseto-v4", "django-signed-cookies", "django-session-data",
        "pyramid")  # fmt: skip
SLOW = "fastify-secure-session"  # 0.5 s a word of 32 characters


def made(format: str, secret: str | bytes = SECRET) -> str:
    content = {"user": 42} if format in DATA else "a-session-id-of-some-length"
    cookies = sign_cookie(content, secret, format)
    return "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in cookies)


def begun(words: bytes, text: str = "", format: str | None = None, jobs: int = 1) -> WordlistSearch:
    found = find(text or made("express-session"), format)
    return WordlistSearch(
        found.format, found.pasted.value, found.context, io.BytesIO(words), jobs=jobs
    )


def line_of(words: bytes, text: str = "", format: str | None = None, jobs: int = 1) -> int | None:
    tried = begun(words, text, format, jobs)
    for _ in tried.run():
        pass
    return tried.line


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [name for name in SIGNED if name != "bottle"])  # a pickle
def test_every_format_that_is_signed_finds_its_secret(format: str) -> None:
    words = [b"another-secret-of-32-characters-x", b"short", SECRET.encode(), b"later"]
    assert line_of(b"\n".join(words), made(format), format) == 3
    assert line_of(b"\n".join(words[:2]), made(format), format) is None


@pytest.mark.parametrize("format", SIGNED)
def test_the_usual_formats_have_a_fast_way(format: str) -> None:
    slow = ("authjs", "nextauth-v4", "aiohttp-nacl", "litestar", "paseto-v4", SLOW)
    is_fast = isinstance(cookie_format(format), Guessable | PlainlySigned)
    assert is_fast is (format not in slow)


VECTORS = [
    row for row in rows()
    if row.format in SIGNED and row.format != SLOW and isinstance(row.secrets, str | bytes)
]  # fmt: skip


@pytest.mark.parametrize("row", VECTORS, ids=str)
def test_a_guess_is_right_exactly_where_verify_says_so(row: Row) -> None:
    """On the cookies that the libraries have made, the bad ones among them."""
    text = row.text
    found = find(text, row.format, name=row.name, companion=row.companion,
                 parameters=row.parameters)  # fmt: skip
    signature = row.verify().signature.value
    secret = row.secrets.encode() if isinstance(row.secrets, str) else row.secrets
    try:
        guess = guesser(found.format, found.pasted.value, found.context)
    except SessctlError:
        assert signature != "valid" or b"-----BEGIN" in secret or secret.startswith(b"{")
        return
    assert guess(secret) is (signature == "valid")
    assert guess(secret + b"x") is False


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=200))
def test_any_bytes_are_a_secret(secret: bytes, other: bytes) -> None:
    for digest in ("sha1", "sha512"):
        cookies = sign_cookie({"a": 1}, secret, "cookie-session", parameters={"digest": digest})
        text = "; ".join(f"{one.name}={one.value}" for one in cookies)
        found = find(f"Cookie: {text}", "cookie-session", parameters={"digest": digest})
        guess = guesser(found.format, found.pasted.value, found.context)
        assert guess(secret)
        verdict = verify_cookie(
            f"Cookie: {text}", Secret(other), "cookie-session", parameters={"digest": digest}
        )
        assert guess(other) is verdict.valid


@pytest.mark.parametrize(
    ("text", "format", "error", "message"),
    [
        ("qak2xh7st6z7z59egq1dkr7ot7d295h4", "opaque", UsageError, "opaque has no signature"),
        ("eyJhIjoxfQ==", "cookie-session", UsageError, "no signature to try a list on"),
        ("s:abc.!!!!", "express-session", CookieError, "no secret made it"),
        ("s:abc." + "A" * 42 + "B", "express-session", CookieError, "no secret made it"),
        ("s:abc." + "-" * 43, "express-session", CookieError, "no secret made it"),
        ("abc." + "A" * 27, "fastify-cookie", CookieError, "which is sha1 and not sha256"),
        ("nonsense", "jwt", CookieError, "not a cookie of jwt"),
        ("eyJhbGciOiJSUzI1NiJ9.e30.AAAA", "jwt", UsageError, "RS256 does not fit a secret"),
        ("eyJhbGciOiJub25lIn0.e30.", "jwt", UsageError, "no list of secrets"),
    ],
)  # fmt: skip
def test_what_a_list_cannot_be_tried_on_says_why(text, format, error, message) -> None:
    with pytest.raises(error, match=message):
        begun(b"a\n", text, format)


# -- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (b"a\nb\n" + SECRET.encode(), 3),
        (b"a\r\nb\r\n" + SECRET.encode() + b"\r\n", 3),
        (b"a\nb\n" + SECRET.encode() + b"\r", 3),
        (b"\n\n\r\n" + SECRET.encode() + b"\n", 4),
        (b"\xff\xfe\n\x00\n" + SECRET.encode(), 3),
        (b"\xef\xbb\xbf" + SECRET.encode() + b"\n", 1),
        (b"x" * 300_000 + b"\n" + SECRET.encode() + b"\n", 2),
        (SECRET.encode() + b" \n " + SECRET.encode(), None),
        (b"", None),
        (b"\n", None),
    ],
)
def test_lines(words: bytes, line: int | None) -> None:
    assert line_of(words) == line


@pytest.mark.parametrize("secret", ["\x00\xff".encode("latin-1"), "ключ".encode(), b" blanks "])
def test_a_secret_that_is_no_ascii(secret: bytes) -> None:
    text = made("express-session", secret)
    assert line_of(b"a\n" + secret + b"\nb", text) == 2


def test_what_was_tried_is_counted_without_empty_lines() -> None:
    tried = begun(b"a\n\nb\n\n\nc")
    assert (sum(tried.run()), tried.tried, tried.line) == (8, 3, None)
    assert search(lambda word: word == b"c", b"a\n\nb\nc\nd") == (3, 3)


# -- jobs ------------------------------------------------------------------------------------------

MANY = b"".join(b"word-%d\n" % n for n in range(60_000))  # three pieces


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("place", [0, 59_999])
def test_every_number_of_jobs_finds_the_same_line(jobs: int, place: int) -> None:
    lines = MANY.splitlines(keepends=True)
    lines[place] = SECRET.encode() + b"\n"
    tried = begun(b"".join(lines), jobs=jobs)
    for _ in tried.run():
        pass
    assert (tried.line, tried.jobs) == (place + 1, jobs)


def test_without_a_hit_every_word_was_tried() -> None:
    tried = begun(MANY, jobs=2)
    assert (sum(tried.run()), tried.tried, tried.line) == (len(MANY), 60_000, None)


def children_of(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_a_search_that_is_left_leaves_no_process() -> None:
    before = children_of(os.getpid())
    steps = begun(MANY * 3, jobs=2).run()
    next(steps)
    assert len(children_of(os.getpid()) - before) == 2
    steps.close()
    assert children_of(os.getpid()) == before


def test_words_are_not_kept_in_mind() -> None:
    """`redact` must not black out a dictionary, nor grow with it."""
    line_of(b"\n".join(b"dictionary-%d" % n for n in range(9)), made("authjs"), "authjs")
    assert redact("dictionary-3") == "dictionary-3"


ENDLESS = """
import sys
from sessctl.cookies.api import find
from sessctl.cookies.wordlist import WordlistSearch

found = find(sys.argv[1])
words = open("/dev/zero", "rb")
search = WordlistSearch(found.format, found.pasted.value, found.context, words, jobs=2)
for number, _ in enumerate(search.run()):
    if number == 2:
        print("searching", flush=True)
"""


def test_a_search_ends_with_the_process_that_began_it(tmp_path: Path) -> None:
    """However that ends: SIGKILL leaves nobody to clean up."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, made("express-session")], stdout=subprocess.PIPE,
        env=clean_environment(tmp_path, {"PYTHONPATH": root}),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        workers = children_of(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(is_running(int(pid)) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z" and "python" in stat


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the list"):
        search_wordlist(made("express-session"), tmp_path / "none")


# -- hashcat ---------------------------------------------------------------------------------------

# hash and password "hashcat": the examples in hashcat's own modules 150, 1450 and 16500.
EXAMPLES = {
    150: "02b256705348a28b1d6c0f063907979f7e0c82f8:10323",
    1450: "b435ffbacea34d5eb0dbc4d69a92f0152f2cf4cd364d34c2ece322ca22d8b334:21217",
}
TOKEN = (
    "eyJhbGciOiJIUzI1NiJ9.eyIzNDM2MzQyMCI6NTc2ODc1NDd9.f1nXZ3V_Hrr6ee-AFCTLaHRnrkiKmio2t3JqwL32guY"
)


def hashed(text: str, format: str, **parameters: str) -> tuple[int, str, bool]:
    found = find(text, format, parameters=parameters)
    return hash_line(found.format, found.pasted.value, found.context)


@pytest.mark.parametrize(("mode", "digest"), [(150, "sha1"), (1450, "sha256")])
def test_hashcat_s_own_examples(mode: int, digest: str) -> None:
    """What the password `hashcat` signs is the example's line: it is the key, not the message."""
    message = EXAMPLES[mode].partition(":")[2]
    cookie = sign_cookie(message, "hashcat", "fastify-cookie", parameters={"digest": digest})
    assert hashed(cookie[0].header, "fastify-cookie", digest=digest) == (
        mode, EXAMPLES[mode], False,
    )  # fmt: skip


def test_a_token_is_its_own_line() -> None:
    assert verify_cookie(TOKEN, "hashcat", "jwt").signature.value == "valid"
    assert hashed(TOKEN, "jwt") == (16500, TOKEN, False)


@pytest.mark.parametrize(
    ("format", "mode", "starts"),
    [
        ("express-session", 1450, ":a-session-id-of-some-length"),
        ("fastify-session", 1450, ":a-session-id-of-some-length"),
        ("cookie-session", 150, ":session=eyJ1c2VyIjo0Mn0="),
        ("jwt", 16500, "."),
    ],
)
def test_formats_with_a_mode(format: str, mode: int, starts: str) -> None:
    found = hashed(made(format), format)
    assert (found[0], starts in found[1], found[2]) == (mode, True, False)


@pytest.mark.parametrize("text", ["a:b", "blank ", "ключ", "a\tb"])
def test_what_would_not_survive_as_text_is_hexadecimal(text: str) -> None:
    cookie = sign_cookie(text, SECRET, "cookie-parser")[0].header
    found = hashed(cookie, "cookie-parser")
    assert (found[1].partition(":")[2], found[2]) == (text.encode().hex(), True)


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("iron-session", "no plain HMAC"),
        ("client-sessions", "no plain HMAC"),
        ("authjs", "no plain HMAC"),
    ],
)
def test_formats_without_a_mode_say_why(format: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hashed(made(format), format)


def test_hashcat_has_limits() -> None:
    for digest, size, message in (
        ("sha384", 3, "no mode for HMAC-SHA384"),
        ("sha1", 300, "takes 256 bytes"),
    ):
        cookie = sign_cookie("x" * size, SECRET, "fastify-cookie", parameters={"digest": digest})
        with pytest.raises(UsageError, match=message):
            hashed(cookie[0].header, "fastify-cookie", digest=digest)
    with pytest.raises(UsageError, match="takes 2047 characters"):
        hashed(sign_cookie({"a": "x" * 3000}, SECRET, "jwt")[0].header, "jwt")
