"""`keyring:` and `cmd:` at the command line: where they count, and that nothing of them shows."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from sessctl import sign_cookie
from tests.support.cli import Cli, sid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANARY = "CANARY hunter2/@%-9f3e"
COOKIE = sign_cookie(sid("a"), CANARY)[0].value
OLD = sign_cookie(sid("a"), "an-older-secret")[0].value
PROGRAM = "cmd:" + shlex.join([sys.executable, "secret.py"])


class LockedKeyring(KeyringBackend):
    """A keyring that nobody has unlocked, as the desktop's is over ssh."""

    priority = 0.1  # never chosen by itself

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the collection!")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("Failed to unlock the collection!")


@pytest.fixture
def chest(tmp_path: Path) -> Iterator[PlaintextKeyring]:
    """A keyring in a file, empty, which the keyring library asks."""
    before = keyring.get_keyring()
    found = PlaintextKeyring()
    found.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


def backend(reference: str) -> str:
    return f'[backends.x]\nurl = "redis://127.0.0.1:1/0"\nsecrets = [{json.dumps(reference)}]\n'


@pytest.fixture
def program(cli: Cli) -> Path:
    """A program that prints the secret, and counts how often."""
    path = cli.home / "secret.py"
    path.write_text(f"open('runs', 'a').write('x')\nprint({CANARY!r})\n")
    return path


# -- the keyring -----------------------------------------------------------------------------------


def test_a_secret_of_the_keyring_verifies(cli: Cli, chest: PlaintextKeyring) -> None:
    chest.set_password("shop/session", "prod", CANARY)
    reference = "keyring:shop/session/prod"
    found = cli("verify", COOKIE, "--secret-from", reference)
    assert (found.json()["verdict"], found.json()["secret"], found.code) == (
        "valid", reference, 0,
    )  # fmt: skip
    assert CANARY not in found.stdout + found.stderr


def test_a_backend_s_secret_may_be_in_the_keyring(cli: Cli, chest: PlaintextKeyring) -> None:
    chest.set_password("shop", "prod", CANARY)
    cli.config(backend("keyring:shop/prod"))
    assert cli("verify", COOKIE, "-b", "x").code == 0
    shown = cli("config", "show")
    assert ("keyring:shop/prod" in shown.stdout, CANARY in shown.stdout) == (True, False)


def test_what_the_keyring_does_not_have(cli: Cli, chest: PlaintextKeyring) -> None:
    found = cli("verify", COOKIE, "--secret-from", "keyring:shop/nobody")
    assert (found.stdout, found.code) == ("", 2)
    assert "the keyring has nothing for 'shop' and user 'nobody'" in found.stderr
    assert "hint: keyring set shop nobody" in found.stderr


def test_a_locked_keyring_is_an_error_in_words(cli: Cli, chest: PlaintextKeyring) -> None:
    keyring.set_keyring(LockedKeyring())
    found = cli("verify", COOKIE, "--secret-from", "keyring:shop/prod")
    assert (found.stdout, "Traceback" in found.stderr, found.code) == ("", False, 2)
    assert "the keyring is locked" in found.stderr


def test_a_machine_without_a_keyring(cli: Cli, chest: PlaintextKeyring) -> None:
    from keyring.backends.fail import Keyring

    keyring.set_keyring(Keyring())
    found = cli("verify", COOKIE, "--secret-from", "keyring:shop/prod")
    assert (found.stdout, found.code) == ("", 2)
    assert "this machine has no keyring" in found.stderr


def test_the_keyring_is_an_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    found = cli("verify", COOKIE, "--secret-from", "keyring:shop/prod", "-o", "json")
    error = json.loads(found.stderr)["error"]
    assert (found.stdout, found.code, error["code"]) == ("", 2, "extra.missing")
    cli.config(backend("keyring:shop/prod"))
    assert "keyring:shop/prod (extra 'keyring' missing)" in cli("config", "show").stdout


# -- programs --------------------------------------------------------------------------------------


def test_a_program_on_the_command_line(cli: Cli, program: Path) -> None:
    found = cli("verify", COOKIE, "--secret-from", PROGRAM)
    assert (found.json()["verdict"], found.json()["secret"], found.code) == ("valid", PROGRAM, 0)
    assert CANARY not in found.stdout + found.stderr


def test_a_program_in_the_user_s_own_config_runs_once(cli: Cli, program: Path) -> None:
    cli.user_config(backend(PROGRAM) + f"password = {json.dumps(PROGRAM)}\n")
    assert cli("verify", COOKIE, "-b", "x").code == 0
    assert (cli.home / "runs").read_text() == "x"
    lookup = cli("decode", COOKIE, "-b", "x", "--lookup")  # the store's password is the same
    assert (lookup.code, (cli.home / "runs").read_text()) == (3, "xx")


@pytest.mark.parametrize("command", [["config", "show"], ["config", "validate"]])
def test_looking_at_the_configuration_runs_nothing(
    cli: Cli, program: Path, command: list[str]
) -> None:
    cli.user_config(backend(PROGRAM))
    found = cli(*command)
    assert (found.code, (cli.home / "runs").exists()) == (0, False)
    if command[1] == "show":
        assert f"{PROGRAM} (program found)" in json.loads(cli(*command, "-o", "json").stdout)[
            "backends"]["x"]["secrets"]  # fmt: skip


def test_a_program_that_is_not_there_is_a_warning(cli: Cli) -> None:
    cli.user_config(backend("cmd:no-such-program-71 show x"))
    found = cli("config", "validate")
    assert (found.code, "no-such-program-71 show x (missing)" in found.stderr) == (0, True)


@pytest.mark.parametrize("key", ["secrets", "store_secrets", "password", "username"])
@pytest.mark.parametrize("command", [["list"], ["config", "show"], ["verify", COOKIE, "-b", "x"]])
def test_a_project_file_runs_nothing(cli: Cli, program: Path, key: str, command: list[str]) -> None:
    """A clone is a stranger's: reading its configuration must not start a program."""
    value = json.dumps(PROGRAM)
    value = f"[{value}]" if key.endswith("secrets") else value
    cli.config(f'[backends.x]\nurl = "redis://127.0.0.1:1/0"\n{key} = {value}\n')
    found = cli(*command)
    assert (found.stdout, found.code, (cli.home / "runs").exists()) == ("", 2, False)
    assert "which a project file may not" in found.stderr


def test_a_file_that_others_can_change_runs_nothing(cli: Cli, program: Path) -> None:
    cli.user_config(backend(PROGRAM)).chmod(0o666)
    found = cli("verify", COOKIE, "-b", "x")
    assert (found.stdout, found.code, (cli.home / "runs").exists()) == ("", 2, False)
    assert "in a file that others can change" in found.stderr


@pytest.mark.parametrize("flags", [[], ["-vv", "--traceback"], ["-o", "json"]])
def test_a_program_that_fails_gives_nothing_away(cli: Cli, flags: list[str]) -> None:
    (cli.home / "secret.py").write_text(
        f"import sys\nprint({CANARY!r})\nsys.exit('\\x1b]0;no entry, got ' + {CANARY!r})\n"
    )
    found = cli("verify", COOKIE, *flags, "--secret-from", PROGRAM)
    assert (found.stdout, found.code) == ("", 2)
    assert ("no entry, got ***" in found.stderr, "\x1b" in found.stderr) == (True, False)
    assert "hunter2" not in found.stderr
