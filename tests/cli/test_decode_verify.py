"""`sessctl decode` reads and proves nothing; `sessctl verify` is the judge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import sign_cookie
from sessctl.text import short_id
from tests.support.cli import TERMINAL, Cli, save, sid, stored

if TYPE_CHECKING:
    from tests.support.engines import Engine
    from tests.support.run import Result

KEYS = [
    *("name", "format", "candidates", "sid", "payload", "signature", "secret", "issued_at"),
    *("expires_at", "verdict", "session", "notes", "problem", "input"),
]
SECRET, OLD_SECRET = "tortoise-and-hare-81", "paper-lantern-1907"
ENV = {"APP_SECRET": SECRET, "OLD_SECRET": OLD_SECRET, "OTHER": "nobody-signed-with-this"}
ANA = "aB3-" * 7 + "x_9Z"
GOOD = sign_cookie(ANA, SECRET)[0].value
OLD = sign_cookie(ANA, OLD_SECRET)[0].value
FORGED = GOOD[:-4] + ("AAAA" if not GOOD.endswith("AAAA") else "BBBB")
DEAD = "redis://127.0.0.1:1/0"

PASTED = [
    GOOD,
    GOOD.replace("%3A", ":").replace("%2B", "+").replace("%2F", "/"),
    f"connect.sid={GOOD}",
    f'"{GOOD}"',
    f"Cookie: theme=dark; connect.sid={GOOD}; lang=de",
    f"cookie:connect.sid={GOOD}",
    f"Set-Cookie: connect.sid={GOOD}; Path=/; HttpOnly; SameSite=Lax",
    f"set-cookie: connect.sid={GOOD}; Expires=Fri, 27 Nov 2026 18:30:51 GMT; Path=/",
    f"-H 'Cookie: connect.sid={GOOD}'",
    f"-b 'connect.sid={GOOD}' \\",
    f"  connect.sid={GOOD}  ",
    f"theme=dark; connect.sid={GOOD}",
    f"connect.sid\t{GOOD}\tshop.example\t/\tSession\t90\t\u2713",
    "\ufeff" + GOOD,
]


def judge(cli: Cli, *words: str, stdin: str = "", secret: str = "env:APP_SECRET") -> Result:
    return cli("verify", *words, "--secret-from", secret, stdin=stdin, env=ENV)


def item_of(result: Result) -> dict[str, Any]:
    (item,) = result.json_lines()
    return dict(item)


@pytest.mark.parametrize("text", PASTED)
@pytest.mark.parametrize("by", ["argument", "stdin"])
def test_whatever_people_paste_around_a_cookie_is_taken_off(cli: Cli, text: str, by: str) -> None:
    # An argument that begins with a dash would be an option.
    if by == "stdin" or text.startswith("-"):
        result = cli("decode", stdin=text + "\n")
    else:
        result = cli("decode", text)
    assert item_of(result)["sid"] == ANA
    assert (result.stderr, result.code) == ("", 0)


def test_the_item_of_a_cookie_has_its_keys_in_order(cli: Cli) -> None:
    result = cli("decode", f"connect.sid={GOOD}")
    assert list(item_of(result)) == KEYS
    assert (result.stderr, result.code) == ("", 0)


def test_without_a_secret_a_cookie_is_decoded_and_not_verified(cli: Cli) -> None:
    result = cli("decode", f"connect.sid={GOOD}")
    item = item_of(result)
    assert (item["name"], item["format"], item["sid"]) == ("connect.sid", "express-session", ANA)
    assert (item["signature"], item["verdict"], item["secret"]) == (
        "unverified", "unverified", None,
    )  # fmt: skip
    assert (result.stderr, result.code) == ("", 0)


def test_a_stored_value_is_decoded_too(cli: Cli) -> None:
    result = cli("decode", stored(42, left_ms=None).decode())
    item = item_of(result)
    assert (item["format"], item["sid"], item["signature"]) == ("stored-json", None, "none")
    assert item["payload"]["passport"] == {"user": 42}
    assert (result.stderr, result.code) == ("", 0)


def test_a_stored_value_on_several_lines_is_one_input(cli: Cli) -> None:
    text = json.dumps(json.loads(stored(42)), indent=2)
    result = cli("decode", stdin=text)
    assert item_of(result)["payload"]["passport"] == {"user": 42}
    assert (result.stderr, result.code) == ("", 0)


def test_a_terminal_gets_a_block_that_does_not_call_decoded_verified(cli: Cli) -> None:
    result = cli("decode", GOOD, "--no-color", terminals=TERMINAL)
    assert "not verified" in result.stdout
    assert "valid" not in result.stdout
    assert short_id(ANA) in result.stdout
    assert ANA not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_decode_of_a_bad_signature_is_exit_0(cli: Cli) -> None:
    result = cli("decode", FORGED, "--secret-from", "env:APP_SECRET", env=ENV)
    assert item_of(result)["verdict"] == "bad_signature"
    assert (result.stderr, result.code) == ("", 0)


def test_decode_with_no_argument_at_a_terminal_says_what_to_type(cli: Cli) -> None:
    result = cli("decode", "--no-color", terminals=TERMINAL)
    assert (result.stdout, result.code) == ("", 2)
    assert "sessctl decode COOKIE" in result.stderr


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "=", "Cookie: ", "s%ZZ", "\x00\x01"])
@pytest.mark.parametrize("command", ["decode", "verify"])
def test_what_is_no_cookie_is_unreadable(cli: Cli, command: str, text: str) -> None:
    secret = ["--secret-from", "env:APP_SECRET"]
    result = cli(command, *secret, stdin=text + "\n", env=ENV)
    assert (result.stdout, result.code) == ("", 7)
    assert result.stderr.startswith("sessctl: error: ")


def test_an_unreadable_cookie_in_json_is_one_error_line(cli: Cli) -> None:
    result = cli("decode", "nonsense", "-o", "json")
    error = json.loads(result.stderr)["error"]
    assert list(error)[:4] == ["code", "exit", "message", "hint"]
    assert (error["code"], error["exit"]) == ("cookie.unreadable", 7)
    assert (result.stdout, result.code) == ("", 7)


@pytest.mark.parametrize("command", ["decode", "verify"])
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([GOOD, GOOD], 0),
        ([GOOD, "nonsense"], 5),
        (["nonsense", "nonsense"], 7),
        ([GOOD, "", GOOD], 0),
    ],
)
def test_exit_code_of_a_batch(cli: Cli, command: str, lines: list[str], code: int) -> None:
    secret = ["--secret-from", "env:APP_SECRET"]
    result = cli(command, *secret, stdin="\n".join(lines) + "\n", env=ENV)
    assert [item["input"] for item in result.json_lines()] == [
        number for number, line in enumerate(lines, 1) if line
    ]
    unreadable = lines.count("nonsense")
    note = f"note: {unreadable} of {len([x for x in lines if x])} lines could not be decoded\n"
    assert (result.stderr, result.code) == (note if unreadable else "", code)


def test_a_line_of_a_batch_that_is_no_cookie_is_an_item_with_a_problem(cli: Cli) -> None:
    items = cli("decode", stdin=f"{GOOD}\nnonsense\n").json_lines()
    assert [list(item) for item in items] == [KEYS, KEYS]
    assert items[0]["problem"] is None
    assert items[1]["problem"]["code"] == "cookie.unreadable"
    assert (items[1]["sid"], items[1]["verdict"]) == (None, "malformed")


def test_a_batch_is_a_table_too(cli: Cli) -> None:
    result = cli("decode", "-o", "csv", "--fields", "input,sid", stdin=f"{GOOD}\n{OLD}\n")
    assert result.stdout == f"input,sid\n1,{ANA}\n2,{ANA}\n"
    assert (result.stderr, result.code) == ("", 0)


def test_a_valid_signature_is_exit_0_and_names_the_secret(cli: Cli) -> None:
    result = judge(cli, GOOD)
    item = item_of(result)
    assert (item["verdict"], item["signature"], item["secret"]) == (
        "valid", "valid", "env:APP_SECRET",
    )  # fmt: skip
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize(
    ("cookie", "secret"),
    [(FORGED, "env:APP_SECRET"), (GOOD, "env:OTHER"), (OLD, "env:APP_SECRET")],
)
def test_a_bad_signature_is_exit_1(cli: Cli, cookie: str, secret: str) -> None:
    result = judge(cli, cookie, secret=secret)
    item = item_of(result)
    assert (item["verdict"], item["signature"], item["secret"]) == (
        "bad_signature", "invalid", None,
    )  # fmt: skip
    assert (result.stderr, result.code) == ("", 1)


def test_one_bad_signature_in_a_batch_is_exit_1(cli: Cli) -> None:
    result = judge(cli, stdin=f"{GOOD}\n{FORGED}\n{GOOD}\n")
    words = [item["verdict"] for item in result.json_lines()]
    assert words == ["valid", "bad_signature", "valid"]
    assert (result.stderr, result.code) == ("", 1)


@pytest.mark.parametrize(("cookie", "fits"), [(GOOD, "env:APP_SECRET"), (OLD, "env:OLD_SECRET")])
def test_rotation_takes_both_secrets_and_says_which(cli: Cli, cookie: str, fits: str) -> None:
    both = ("--secret-from", "env:APP_SECRET", "--secret-from", "env:OLD_SECRET")
    result = cli("verify", cookie, *both, env=ENV)
    assert item_of(result)["secret"] == fits
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("text", PASTED[:6])
def test_verify_takes_what_decode_takes(cli: Cli, text: str) -> None:
    result = judge(cli, text)
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("valid", "", 0)


@pytest.mark.parametrize(
    "spelled",
    [
        GOOD + "%3D",
        GOOD + "=",
        GOOD.replace(ANA, ANA[:-1]),
        GOOD.replace("s%3A", "s%253A"),
        GOOD[3:],
    ],
)
def test_a_spelling_that_the_library_refuses_is_never_valid(cli: Cli, spelled: str) -> None:
    result = judge(cli, spelled)
    assert result.code in (1, 7)
    assert '"valid"' not in result.stdout


def test_verify_without_a_secret_is_wrong_use(cli: Cli) -> None:
    result = cli("verify", GOOD)
    assert (result.stdout, result.code) == ("", 2)
    assert "no secret to verify with" in result.stderr
    assert "--secret-from" in result.stderr


def test_verify_without_a_secret_is_said_in_json_too(cli: Cli) -> None:
    result = cli("verify", GOOD, "-o", "json")
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit"], result.stdout, result.code) == ("usage", 2, "", 2)


@pytest.mark.parametrize("reference", ["env:NO_SUCH", "file:no/such", "dotenv:.env#X"])
def test_a_secret_that_is_not_there_is_wrong_use_and_named(cli: Cli, reference: str) -> None:
    result = judge(cli, GOOD, secret=reference)
    assert (result.stdout, result.code) == ("", 2)
    assert reference.partition(":")[2].partition("#")[0] in result.stderr


def test_secrets_come_from_files(cli: Cli) -> None:
    (cli.home / "key").write_text(SECRET + "\n")
    result = judge(cli, GOOD, secret="file:key")
    assert (item_of(result)["secret"], result.stderr, result.code) == ("file:key", "", 0)


def test_secrets_come_from_a_dotenv_file(cli: Cli) -> None:
    (cli.home / ".env").write_text(f"SESSION_SECRET='{SECRET}'\n")
    result = judge(cli, GOOD, secret="dotenv:.env#SESSION_SECRET")
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("valid", "", 0)


def test_a_secret_can_come_from_standard_input(cli: Cli) -> None:
    result = judge(cli, GOOD, secret="stdin", stdin=SECRET + "\n")
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("valid", "", 0)


def test_a_secret_that_has_to_be_typed_needs_a_terminal(cli: Cli) -> None:
    result = judge(cli, GOOD, secret="prompt")
    assert (result.stdout, result.code) == ("", 4)
    assert "has to be typed" in result.stderr


def test_a_secret_on_the_command_line_works_with_a_warning(cli: Cli) -> None:
    result = cli("verify", GOOD, "--secret", SECRET)
    assert (item_of(result)["verdict"], result.code) == ("valid", 0)
    assert result.stderr.startswith("warning: --secret shows")
    assert SECRET not in result.stdout + result.stderr


@pytest.mark.parametrize("command", ["decode", "verify"])
@pytest.mark.parametrize("cookie", [GOOD, f"{GOOD}\n{GOOD}\n", stored(1).decode()])
def test_an_age_that_the_cookie_does_not_carry_is_not_judged(
    cli: Cli, command: str, cookie: str
) -> None:
    asked = ["--max-age", "1h", "--secret-from", "env:APP_SECRET"]
    result = cli(command, "-", *asked, stdin=cookie, env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert "carries no time of its own, so its age cannot be judged" in result.stderr
    assert "without --max-age" in result.stderr


@pytest.mark.parametrize("at", ["2026-11-20T18:30:00Z", "@1710000000", "now-2h", "today"])
def test_at_takes_every_spelling_of_an_instant(cli: Cli, at: str) -> None:
    result = judge(cli, GOOD, "--at", at)
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("valid", "", 0)


def test_an_instant_that_is_none_is_wrong_use(cli: Cli) -> None:
    result = judge(cli, GOOD, "--at", "yesterdayish")
    assert (result.stdout, result.code) == ("", 2)
    assert "yesterdayish" in result.stderr


@pytest.mark.parametrize("command", ["decode", "verify", "sign"])
@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--secret-from", "evn:APP_SECRET"], "'evn:' is no kind of reference", "'env:'"),
        (["--secret-from", "hunter2-canary"], "not a reference to a secret", "env:NAME"),
        (["--secret-from", ""], "not a reference to a secret", "env:NAME"),
        (["--secret-from", "env:EMPTY"], "the secret from env:EMPTY is empty", ""),
        (["--secret", ""], "--secret is empty", ""),
        (["--at", ""], "'' is not an instant", "now-2h"),
        (["--timeout", ""], "--timeout is empty", "10s"),
        (["--timeout", "0"], "--timeout has to be longer", "10s"),
        (["--timeout", "soon"], "'soon' is not a duration", "90s"),
        (["--config", ""], "--config is empty", "PATH"),
    ],
)
def test_what_says_nothing_is_not_taken_for_not_given(
    cli: Cli, command: str, words: list[str], message: str, hint: str
) -> None:
    secret = [] if words[0].startswith("--secret") else ["--secret-from", "env:APP_SECRET"]
    result = cli(command, GOOD, *words, *secret, env={**ENV, "EMPTY": ""})
    assert (result.stdout, result.code) == ("", 2)
    assert message in result.stderr
    assert hint in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("command", ["decode", "verify"])
def test_an_empty_age_is_wrong_use(cli: Cli, command: str) -> None:
    result = cli(command, GOOD, "--max-age", "", "--secret-from", "env:APP_SECRET", env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert "'' is not a duration" in result.stderr


def test_an_empty_list_of_secrets_in_the_file_is_none(cli: Cli) -> None:
    cli.config(f'[backends.web]\nurl = "{DEAD}"\nsecrets = []\n')
    result = cli("verify", GOOD)
    assert "no secret to verify with" in result.stderr
    assert (result.stdout, result.code) == ("", 2)


@pytest.mark.parametrize("command", ["decode", "verify", "sign"])
@pytest.mark.parametrize("by", ["flag", "file"])
def test_standard_input_gives_one_thing_only(cli: Cli, command: str, by: str) -> None:
    if by == "file":
        cli.config(f'[backends.web]\nurl = "{DEAD}"\nsecrets = ["stdin"]\n')
    words = ["--secret-from", "stdin"] if by == "flag" else []
    result = cli(command, "-", *words, stdin=f"{SECRET}\n{GOOD}\n")
    assert (result.stdout, result.code) == ("", 2)
    assert "only one of the two" in result.stderr
    assert SECRET not in result.stderr


TWO = f"Cookie: connect.sid={OLD}; shop.sid={GOOD}"


@pytest.mark.parametrize(
    ("name", "verdict"), [("shop.sid", "valid"), ("connect.sid", "bad_signature")]
)
def test_name_chooses_the_cookie_of_a_header(cli: Cli, name: str, verdict: str) -> None:
    item = item_of(judge(cli, TWO, "--name", name))
    assert (item["name"], item["verdict"]) == (name, verdict)


@pytest.mark.parametrize("command", ["decode", "verify"])
def test_a_name_that_is_not_in_the_header_is_an_error(cli: Cli, command: str) -> None:
    secret = ["--secret-from", "env:APP_SECRET"]
    result = cli(command, TWO, "--name", "shop.sit", *secret, env=ENV)
    assert (result.stdout, result.code) == ("", 7)
    assert "no cookie named 'shop.sit' in the input" in result.stderr
    assert "did you mean 'shop.sid'?" in result.stderr


@pytest.mark.parametrize("command", ["decode", "verify", "sign"])
def test_an_empty_name_is_wrong_use(cli: Cli, command: str) -> None:
    result = cli(command, GOOD, "--name", "", "--secret-from", "env:APP_SECRET", env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert "--name" in result.stderr


def test_a_value_without_a_name_gets_the_one_that_was_given(cli: Cli) -> None:
    result = judge(cli, GOOD, "--name", "shop.sid")
    assert (item_of(result)["name"], result.stderr, result.code) == ("shop.sid", "", 0)


@pytest.mark.parametrize("command", ["decode", "verify"])
@pytest.mark.parametrize(("usual", "taken"), [("shop.sid", "shop.sid"), ("web.sid", "connect.sid")])
def test_the_backend_s_cookie_name_chooses_the_cookie_if_it_is_there(
    cli: Cli, command: str, usual: str, taken: str
) -> None:
    cli.config(
        f'[backends.web]\nurl = "{DEAD}"\nsecrets = ["env:APP_SECRET"]\ncookie_name = "{usual}"\n'
    )
    assert item_of(cli(command, TWO, env=ENV))["name"] == taken
    named = cli(command, TWO, "-b", "web", "--secret-from", "env:OLD_SECRET", env=ENV)
    assert item_of(named)["name"] == taken


def test_a_cookie_that_is_there_twice_is_told(cli: Cli) -> None:
    result = judge(cli, f"Cookie: connect.sid={GOOD}; connect.sid={OLD}")
    item = item_of(result)
    assert (item["verdict"], len(item["notes"])) == ("valid", 1)
    assert "'connect.sid' is there 2 times; the first is taken" in item["notes"][0]


def test_a_format_named_is_the_one_taken(cli: Cli) -> None:
    result = judge(cli, "nonsense", "--format", "express-session")
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("malformed", "", 1)


def test_an_unknown_format_suggests_the_nearest(cli: Cli) -> None:
    result = cli("decode", GOOD, "--format", "expres-session")
    assert (result.stdout, result.code) == ("", 2)
    assert "did you mean 'express-session'?" in result.stderr


def test_a_stored_value_has_no_signature_to_verify(cli: Cli) -> None:
    result = judge(cli, stored(1).decode())
    assert item_of(result)["verdict"] == "missing_signature"
    assert (result.stderr, result.code) == ("", 1)


def test_a_configured_backend_verifies_and_finds_the_session(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42, cart=["tea"])
    cli.config(f'[backends.web]\nurl = "{store.url}"\nsecrets = ["env:APP_SECRET"]\n')
    result = cli("decode", GOOD, env=ENV)
    item = item_of(result)
    assert (item["verdict"], item["secret"]) == ("valid", "env:APP_SECRET")
    assert (item["session"]["sid"], item["session"]["user"]) == (ANA, "42")
    assert item["session"]["data"]["cart"] == ["tea"]
    assert (result.stderr, result.code) == ("", 0)


def test_a_terminal_sees_the_cookie_and_its_session(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    result = cli("decode", GOOD, "-b", store.url, "--no-color", terminals=TERMINAL)
    assert f"\nsession {short_id(ANA)}  active\n" in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_a_session_that_is_not_there_is_a_note(cli: Cli, store: Engine) -> None:
    result = cli("decode", GOOD, "-b", store.url)
    item = item_of(result)
    assert (item["session"], item["notes"]) == (None, ["no session of this id is in the store"])
    assert (result.stderr, result.code) == ("", 0)


def test_no_lookup_leaves_the_store_alone(cli: Cli) -> None:
    result = cli("decode", GOOD, "-b", DEAD, "--no-lookup")
    assert (item_of(result)["notes"], result.stderr, result.code) == ([], "", 0)


def test_an_unreachable_store_is_a_note(cli: Cli) -> None:
    result = cli("decode", GOOD, "-b", DEAD)
    item = item_of(result)
    assert (item["sid"], item["session"]) == (ANA, None)
    assert item["notes"] == [
        "not looked up: cannot reach redis at 127.0.0.1:1 (connection refused)"
    ]
    assert (result.stderr, result.code) == ("", 0)


def test_an_unreachable_store_that_was_asked_for_is_an_error(cli: Cli) -> None:
    result = cli("decode", GOOD, "-b", DEAD, "--lookup")
    assert (result.stdout, result.code) == ("", 3)
    assert "cannot reach redis" in result.stderr


def test_a_backend_s_secrets_are_rotated_as_listed(cli: Cli, store: Engine) -> None:
    cli.config(
        f'[backends.web]\nurl = "{store.url}"\nsecrets = ["env:APP_SECRET", "env:OLD_SECRET"]\n'
    )
    result = cli("verify", OLD, env=ENV)
    assert (item_of(result)["secret"], result.stderr, result.code) == ("env:OLD_SECRET", "", 0)


def test_verify_asks_no_store(cli: Cli) -> None:
    cli.config(f'[backends.web]\nurl = "{DEAD}"\nsecrets = ["env:APP_SECRET"]\n')
    result = cli("verify", GOOD, env=ENV)
    assert (item_of(result)["verdict"], result.stderr, result.code) == ("valid", "", 0)


def test_redact_shortens_the_id_and_leaves_the_verdict(cli: Cli) -> None:
    result = judge(cli, GOOD, "--redact")
    assert (item_of(result)["sid"], item_of(result)["verdict"]) == (short_id(ANA), "valid")
    assert (result.stderr, result.code) == ("", 0)


STORED = stored(7, token="hunter2-canary", shoeSize=44, theme="dark").decode()


@pytest.mark.parametrize("output", ["jsonl", "json", "csv", "tsv", "table"])
def test_redact_masks_what_a_cookie_carries(cli: Cli, output: str) -> None:
    result = cli("decode", STORED, "--redact", "-o", output)
    assert "hunter2" not in result.stdout
    assert ("dark" in result.stdout, result.stderr, result.code) == (True, "", 0)


REDACT = '[redact]\nalways = true\nkeys = ["shoeSize"]\n'


@pytest.mark.parametrize("command", ["decode", "verify"])
@pytest.mark.parametrize("place", ["project", "user", "environment"])
def test_redact_always_counts_without_a_backend(cli: Cli, command: str, place: str) -> None:
    env = ENV
    if place == "user":
        cli.user_config(REDACT)
    elif place == "project":
        cli.config(REDACT)
    else:
        env = {**ENV, "SESSCTL_CONFIG": str(cli.config(REDACT, "named.toml"))}
    secret = ["--secret-from", "env:APP_SECRET"]
    assert item_of(cli(command, GOOD, *secret, env=env))["sid"] == short_id(ANA)
    payload = item_of(cli(command, STORED, *secret, env=env))["payload"]
    assert (payload["token"], payload["shoeSize"], payload["theme"]) == ("***", "***", "dark")


def test_name_prints_the_id_for_expire(cli: Cli) -> None:
    result = cli("decode", GOOD, "-o", "name")
    assert (result.stdout, result.stderr, result.code) == (ANA + "\n", "", 0)


def test_a_cookie_of_another_user_s_session_is_found_by_its_whole_id_only(
    cli: Cli, store: Engine
) -> None:
    save(store, ANA + "0", 1)
    save(store, sid("b"), 2)
    result = cli("decode", GOOD, "-b", store.url)
    assert (item_of(result)["session"], result.stderr, result.code) == (None, "", 0)
