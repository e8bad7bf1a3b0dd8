"""`sessctl audit`: what is told of settings and secrets, in every format, and the exit codes."""

from __future__ import annotations

import csv
import io
import json
import secrets
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.audit import Finding, Settings
from sessctl.admin.audit.configuration import SETTINGS_CHECKS
from sessctl.admin.audit.strength import bits_of, is_example, is_guessable
from sessctl.config.file import load_config
from sessctl.demo.sessions import build_demo
from tests.cli.test_hostile_output import (
    FORMATS,
    assert_harmless,
    fill_with_corpus,
    layout_of,
)
from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, Cli, now_ms, save, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engines import RedisEngine, SqliteEngine
    from tests.support.run import Result

STRONG = "n7Qe0xWv2Lk9RrUyB4mZtD8sHcJ1aGpV5oXiF6TqY3E"  # random once
CANARIES = {
    "password": "canary-hunter2",
    "pem": "-----BEGIN {0} KEY-----\ncanaryMIIEvQ\n-----END {0} KEY-----".format("PRIVATE"),
    "card": "5555 5555 5555 4444",
    "stripe": "sk_live_canary0canary0canary",
    "accessToken": "canary-access-token",
    "odd": "Zk3canary0Q7vR2xLw9BnT5sYd8HgJ4m",
    "mail": "canary@shop.example",
}
PARTS = ("canary", "5555", "MIIEvQ")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can look into; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="sessctl-audit-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def config_of(shop: SqliteEngine, **keys: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[backends.shop]", f'url = "{shop.url}"', *lines, ""])


def found(result: Result, status: str = "found") -> dict[str, dict[str, Any]]:
    """The items of a JSON Lines answer by their ids."""
    return {item["id"]: item for item in result.json_lines() if item.get("status") == status}


def audited(cli: Cli, *words: str, **more: Any) -> dict[str, dict[str, Any]]:
    result = cli("audit", "-o", "jsonl", "--fail-on", "critical", *words, **more)
    assert result.code in (0, 1), result.stderr
    return found(result)


# -- the answer ------------------------------------------------------------------------------------


def test_the_demo_has_a_short_and_sensible_report(cli: Cli, tmp_path: Path) -> None:
    shop = build_demo(tmp_path / "demo", now=datetime.now(UTC))
    cli.config(shop.config_path.read_text())
    result = cli("audit", terminals=TERMINAL)
    items = audited(cli)
    assert result.code == 0
    assert len(result.stdout.splitlines()) < 70
    assert {id: item["severity"] for id, item in items.items()} == {
        "data.token": "medium",
        "data.unreadable": "medium",
        "expiry.far": "medium",
        "expiry.unreadable": "medium",
        "cookie.long-lived": "low",
        "crowd.anonymous": "low",
        "expiry.left-over": "low",
        "store.no-expiry-index": "low",
        "secret.single": "info",
    }
    assert shop.secret_path.read_text().strip() not in result.stdout + result.stderr


def test_one_document(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, "a", 1, password="canary-7")
    cli.config(config_of(shop, secrets=[STRONG]))
    document = cli("audit", "-o", "json").json()
    assert (document["schema"], document["kind"]) == ("sessctl/v1", "FindingList")
    item = next(item for item in document["items"] if item["id"] == "data.password")
    assert list(item) == [
        "backend", "status", "id", "severity", "title", "where", "count", "evidence", "sids", "why",
        "fix", "reason",
    ]  # fmt: skip
    assert (item["severity"], item["count"], item["evidence"]) == (
        "high", 1, "1 of 1 (100%): password (1)",
    )  # fmt: skip
    summary = document["summary"]
    assert (summary["sessions"], summary["complete"], summary["failed"]) == (1, True, True)
    assert summary["high"] == sum(i["severity"] == "high" for i in document["items"])
    assert "data.card" in summary["passed"]
    assert "data.password" not in summary["passed"]
    ranks = [i["severity"] for i in document["items"] if i["status"] == "found"]
    assert ranks == sorted(ranks, key=["critical", "high", "medium", "low", "info"].index)


def test_every_format_tells_the_same(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, "a", 1, password="x")
    items = {
        item["id"]: item["status"]
        for item in cli("audit", "-b", shop.url, "-o", "json").json()["items"]
    }
    lines = cli("audit", "-b", shop.url, "-o", "jsonl").json_lines()
    assert {item["id"]: item["status"] for item in lines[:-1]} == items
    assert list(lines[-1]) == ["summary"]
    for output, mark in (("csv", ","), ("tsv", "\t")):
        text = cli("audit", "-b", shop.url, "-o", output).stdout
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
        assert {row["id"]: row["status"] for row in rows} == items
    names = cli("audit", "-b", shop.url, "-o", "name").stdout.splitlines()
    assert names == [id for id, status in items.items() if status == "found"]
    for output in ("table", "wide"):
        shown = cli("audit", "-b", shop.url, "-o", output).stdout
        assert [id for id in items if id not in shown] == []
    assert "data.card" in shown  # wide names what passed


@pytest.mark.parametrize(("cols", "most"), [(60, 60), (80, 80), (200, 100)])
def test_the_report_fits_the_terminal(
    cli: Cli, shop: SqliteEngine, cols: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(shop, "a", 1, **CANARIES)
    monkeypatch.setenv("COLUMNS", str(cols))
    result = cli("audit", "-b", shop.url, "--no-pager", "--no-color", terminals=TERMINAL)
    lines = result.stdout.splitlines()
    text = [line for line in lines if not line.startswith("    fix ")]
    assert max(map(len, text)) <= most
    assert max(map(len, text)) > most * 0.7
    # The severities are words, the worst first.
    heads = [line.split()[0] for line in lines if line[:1].isupper()]
    assert heads == ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO", "SKIPPED"]
    assert "\x1b" not in result.stdout


def test_colour_adds_nothing_to_the_words(cli: Cli, shop: SqliteEngine) -> None:
    import re

    save(shop, "a", 1, **CANARIES)
    plain = cli("audit", "-b", shop.url, "-o", "table").stdout
    coloured = cli("audit", "-b", shop.url, "-o", "table", "--color", "always").stdout
    assert "\x1b[31mCRITICAL" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


# -- exit codes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 1),
        (["--fail-on", "critical"], 0),
        (["--fail-on", "HIGH"], 1),
        (["--fail-on", "info"], 1),
        (["--fail-on", "critical", "--strict"], 5),
        (["--strict"], 1),
    ],
)
def test_findings_at_a_severity_are_a_no(
    cli: Cli, shop: SqliteEngine, words: list[str], code: int
) -> None:
    save(shop, "a", 1, password="x")
    assert cli("audit", "-b", shop.url, *words).code == code


def test_nothing_to_find_is_a_yes(cli: Cli, shop: SqliteEngine) -> None:
    shop.client.execute("CREATE INDEX by_end ON sessions (expired)")
    result = cli("audit", "-b", shop.url, "--fail-on", "info", "-o", "table")
    assert (result.code, "nothing found, 3 skipped" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--fail-on", "hihg"], 2, "did you mean 'high'?"),
        (["--fail-on", "x"], 2, "--fail-on takes: info, low, medium, high, critical"),
        (["--sample", "0"], 2, "--sample"),
        (["-o", "raw"], 2, "no output format 'raw' here"),
        (["--fields", "id,nope"], 2, "no field 'nope'"),
    ],
)
def test_wrong_use(cli: Cli, shop: SqliteEngine, words: list[str], code: int, said: str) -> None:
    result = cli("audit", "-b", shop.url, "-o", "tsv", *words)
    assert (result.stdout, result.code, said in result.stderr) == ("", code, True)


def test_a_store_that_cannot_be_reached_is_no_answer(cli: Cli) -> None:
    result = cli("audit", "-b", "redis://127.0.0.1:1/0?layout=connect-redis")
    assert (result.stdout, result.code) == ("", 3)


def test_a_sample(cli: Cli, shop: SqliteEngine) -> None:
    for number in range(9):
        save(shop, f"sid-{number}", number)
    summary = cli("audit", "-b", shop.url, "--sample", "4", "-o", "json").json()["summary"]
    assert (summary["sessions"], summary["complete"]) == (4, False)
    table = cli("audit", "-b", shop.url, "--sample", "4", "-o", "table").stdout
    assert table.startswith("audit of shop.db  4 sessions, of more\n")


def test_several_backends(cli: Cli, shop: SqliteEngine, cache: RedisEngine) -> None:
    cli.config(config_of(shop) + f'[backends.cache]\nurl = "{cache.url}"\n')
    save(shop, "a", 1)
    lines = cli("audit", "--all-backends", "-o", "jsonl").json_lines()
    assert {item["backend"] for item in lines[:-1]} == {"shop", "cache"}
    assert {i["id"] for i in lines[:-1] if i["backend"] == "cache"} >= {"access.no-password"}


# -- secrets and settings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "id", "severity"),
    [
        ("keyboard cat", "secret.example", "critical"),
        ("Keyboard Cat", "secret.example", "critical"),
        ("changeme", "secret.example", "critical"),
        ("our-shop-secret-2024", "secret.weak", "high"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "secret.weak", "high"),
        ("Tr0ub4dor", "secret.weak", "high"),
        ("correct horse battery staple", "secret.weak", "high"),
        ("k3Jf9sLq2Xv8Rw1z", "secret.weak", "medium"),
        (STRONG, None, None),
        ("0f6b1de28c93a745b1d0e7f42c8a9635d7e81f0a4b2c6d395e70f8a1b3c4d2e6", None, None),
    ],
)
def test_secrets_are_judged_and_not_told(
    cli: Cli, shop: SqliteEngine, secret: str, id: str | None, severity: str | None
) -> None:
    (cli.home / "key").write_text(f"{secret}\n")
    cli.config(config_of(shop, secrets=["file:key"]))
    for output in FORMATS:
        result = cli("audit", "-o", output, "-v")
        assert secret not in result.stdout + result.stderr
    items = audited(cli)
    assert [name for name in items if name in ("secret.example", "secret.weak")] == (
        [id] if id else []
    )
    if id:
        assert (items[id]["severity"], items[id]["where"]) == (severity, "shop: secrets[0]")
        assert items[id]["evidence"].startswith("file:key; ")


def test_a_secret_that_cannot_be_had_is_skipped(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(config_of(shop, secrets=["env:NOT_THERE", "prompt", "env:THERE"]))
    result = cli("audit", "-o", "jsonl", env={"THERE": STRONG})
    reasons = {
        (item["id"], item["where"]): item["reason"]
        for item in result.json_lines()[:-1]
        if item["status"] == "skipped" and item["id"].startswith("secret")
    }
    assert reasons == {
        (id, f"shop: secrets[{place}]"): reason
        for id in ("secret.example", "secret.weak")
        for place, reason in (
            (0, "the environment has no variable 'NOT_THERE'"),
            (1, "it has to be typed"),
        )
    }
    assert "checks could not be made" in result.stderr


def test_backends_that_share_a_secret(cli: Cli, shop: SqliteEngine) -> None:
    other = '[backends.staging]\nurl = "redis://127.0.0.1:1/0"\nsecrets = ["env:{}"]\n'
    env = {"A": STRONG, "B": STRONG, "C": secrets.token_urlsafe(32)}
    mine = config_of(shop, secrets=["env:A"])
    cli.config(mine + other.format("B"))
    shared = audited(cli, "-b", "shop", env=env)["secret.shared"]
    assert (shared["evidence"], shared["where"]) == (
        "the same as secrets[0] of staging", "shop: secrets[0]",
    )  # fmt: skip
    cli.config(mine + other.format("C"))
    assert "secret.shared" not in audited(cli, "-b", "shop", env=env)
    cli.config(mine + other.replace("env:{}", "keyring:shop/staging"))
    skipped = found(cli("audit", "-b", "shop", "-o", "jsonl", env=env), "skipped")
    assert skipped["secret.shared"]["reason"] == "fetched for an audit of its own backend only"


def test_a_program_that_gives_secrets_runs_once(
    cli: Cli, shop: SqliteEngine, tmp_path: Path
) -> None:
    program, ran = tmp_path / "give", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\necho once >> {ran}\necho {STRONG}\n")
    program.chmod(0o700)
    reference = f"cmd:{program}"
    cli.user_config(config_of(shop, secrets=[reference, f"2={reference}"]))
    assert "secret.weak" not in audited(cli)
    assert ran.read_text() == "once\n"


def test_a_secret_in_the_configuration(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(config_of(shop, secrets=[STRONG, "env:OLD"]))
    items = audited(cli, env={"OLD": STRONG[::-1]})
    assert items["secret.inline"]["evidence"] == f"in {cli.home / 'sessctl.toml'}"
    assert "secret.single" not in items
    cli.config(config_of(shop, secrets=["env:OLD"]))
    items = audited(cli, env={"OLD": STRONG})
    assert "secret.inline" not in items
    assert items["secret.single"]["severity"] == "info"


def test_a_secret_file_that_others_can_read(
    cli: Cli, shop: SqliteEngine, open_folder: Path
) -> None:
    key = open_folder / "a key"
    key.write_text(STRONG)
    cli.config(config_of(shop, secrets=[f"file:{key}"]))
    key.chmod(0o644)
    item = audited(cli)["secret.file-open"]
    assert (item["severity"], item["fix"]) == ("high", f"chmod 600 '{key}'")
    subprocess.run(["sh", "-c", item["fix"]], check=True)
    assert "secret.file-open" not in audited(cli)
    key.chmod(0o640)
    assert audited(cli)["secret.file-open"]["severity"] == "low"
    key.chmod(0o644)
    open_folder.chmod(0o700)
    assert "secret.file-open" not in audited(cli)


def test_a_password_in_a_configuration_that_others_can_read(open_folder: Path) -> None:
    """A project file as git checks it out, with the password of a store on this machine."""
    path = open_folder / "sessctl.toml"
    path.write_text('[backends.x]\nurl = "redis://:n7Qe0xWv2Lk9RrUy@127.0.0.1:1/0"\n')
    (check,) = [one for one in SETTINGS_CHECKS if one.rule.id == "secret.file-open"]

    def judged() -> list[Any]:
        config = load_config(explicit=None, environ={"HOME": str(open_folder)}, cwd=open_folder)
        settings = Settings(backend=config.backend("x"), config=config)
        return [*check.judge(check.rule, settings)]

    path.chmod(0o600)
    assert judged() == []
    path.chmod(0o644)
    (said,) = judged()
    assert (said.where, said.fix) == ("x: configuration", f"chmod 600 {path}")
    assert "n7Qe" not in str(said)


def test_a_url_that_is_named_stands_where_its_reference_says(open_folder: Path) -> None:
    dotenv, path = open_folder / ".env", open_folder / "sessctl.toml"
    dotenv.write_text("REDIS_URL=redis://:n7Qe0xWv2Lk9RrUy@127.0.0.1:1/0\n")
    path.write_text(f'[backends.x]\nurl = "dotenv:{dotenv}#REDIS_URL"\n')
    for one in (dotenv, path):
        one.chmod(0o644)
    config = load_config(explicit=None, environ={"HOME": str(open_folder)}, cwd=open_folder)
    settings = Settings(backend=config.backend("x"), config=config)
    said = {
        one.id: one.evidence
        for check in SETTINGS_CHECKS
        for one in check.judge(check.rule, settings)
        if isinstance(one, Finding)
    }
    assert said["secret.file-open"].startswith(f"{dotenv} can be read")
    assert "secret.inline" not in said


def test_other_backends_are_no_trouble(cli: Cli, shop: SqliteEngine, tmp_path: Path) -> None:
    """What is wrong with them is theirs, and nothing is opened or run for them."""
    ran = tmp_path / "ran"
    others = f"""
        [backends.unset]
        url = "env:NOT_SET_ANYWHERE"
        secrets = ["env:A"]
        [backends.odd]
        url = "odd://127.0.0.1"
        [backends.guarded]
        url = "redis://127.0.0.1:1/0"
        password = "cmd:touch {ran}"
        secrets = ["cmd:touch {ran}"]
    """
    cli.user_config(config_of(shop, secrets=["env:A"]) + others)
    items = audited(cli, "-b", "shop", env={"A": STRONG})
    assert items["secret.shared"]["evidence"] == "the same as secrets[0] of unset"
    assert not ran.exists()


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_secret_file_in_the_repository(cli: Cli, shop: SqliteEngine, version: str) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", cli.home, *words], check=True, capture_output=True)

    git("init", "-q")
    git("config", "index.version", version)
    for name in (".env.example", "conf/.env", "conf/.envrc", "z/.env"):
        (cli.home / name).parent.mkdir(exist_ok=True)
        (cli.home / name).write_text("x=1\n")
    git("add", ".env.example", "conf", "z")
    (cli.home / ".env").write_text(f"KEY={STRONG}\n")
    cli.config(config_of(shop, secrets=["dotenv:.env#KEY"]))
    assert "secret.in-git" not in audited(cli)
    git("add", ".env")
    item = audited(cli)["secret.in-git"]
    assert (item["severity"], item["where"]) == ("high", "shop: secrets[0]")
    assert f"git rm --cached {cli.home}/.env" in item["fix"]


def test_a_dotenv_beside_the_project_file(
    shop: SqliteEngine, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(open_folder)
    monkeypatch.chdir(open_folder)
    cli.config(config_of(shop))
    env = open_folder / ".env"
    env.write_text("SECRET=canary-of-a-dotenv\n")
    env.chmod(0o600)
    assert "config.dotenv-open" not in audited(cli)
    env.chmod(0o644)
    result = cli("audit", "-o", "jsonl")
    assert found(result)["config.dotenv-open"]["where"] == str(env)
    assert "canary" not in result.stdout + result.stderr


def test_journals_that_others_can_read(cli: Cli, shop: SqliteEngine, open_folder: Path) -> None:
    cli.user_config(config_of(shop) + f'[journal]\ndirectory = "{open_folder}"\n')
    assert audited(cli)["journal.open"]["fix"] == f"chmod 700 {open_folder}"
    open_folder.chmod(0o700)
    assert "journal.open" not in audited(cli)


def test_a_store_on_another_machine(cli: Cli, cache: RedisEngine) -> None:
    away = cache.url.replace("127.0.0.1", "0.0.0.0")
    for url, keys, expected in (
        (away, "", {"config.unprotected", "config.tls-optional", "transport.plain"}),
        (cache.url, "", set()),
    ):
        cli.config(f'[backends.x]\nurl = "{url}"\n{keys}')
        items = audited(cli)
        assert {id for id in items if id.startswith(("config.", "transport."))} == expected


def test_protected_settings_insist_on_tls(cli: Cli) -> None:
    cli.config('[backends.x]\nurl = "redis://0.0.0.0:1/0?layout=connect-redis"\nprotected = true\n')
    result = cli("audit")
    assert (result.stdout, result.code) == ("", 4)
    assert "requires TLS" in result.stderr


def test_the_strength_of_a_secret() -> None:
    assert is_example(b"keyboard cat\n")
    assert not is_example(STRONG.encode())
    assert is_guessable(b"django-insecure-x9%2")
    assert not is_guessable(b"x9%2k")
    assert not is_guessable(f"shop-session-secret-{secrets.token_hex(32)}".encode())
    assert is_guessable(f"secret-{'0' * 64}".encode())
    assert bits_of(b"") == 0
    assert bits_of(secrets.token_hex(16).encode()) == pytest.approx(128)
    assert bits_of(bytes(range(128, 160))) > 128
    assert bits_of(b"01" * 40) < 90


# -- hostile data ----------------------------------------------------------------------------------


@pytest.mark.parametrize("output", FORMATS)
def test_no_value_is_told(cli: Cli, shop: SqliteEngine, output: str) -> None:
    save(shop, "a", 1, **CANARIES)
    # What is data may stand where a name should, too.
    odd = [CANARIES[name] for name in ("pem", "card", "stripe", "odd", "mail")]
    save(shop, "b", 1, **{text: {"password": "canary-2"} for text in odd})
    for words in ([], ["--redact"], ["--show-ids", "-v"]):
        result = cli("audit", "-b", shop.url, "-o", output, *words)
        assert result.code == 1
        assert [part for part in PARTS if part in result.stdout + result.stderr] == []
    assert len(audited(cli, "-b", shop.url).keys() & {
        "data.password", "data.private-key", "data.card", "data.service-key", "data.token",
        "data.secret-shape", "data.email",
    }) == 7  # fmt: skip


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("terminals", [(False, False, False), TERMINAL], ids=["pipe", "terminal"])
def test_an_audit_of_the_corpus(
    cli: Cli, shop: SqliteEngine, output: str, terminals: tuple[bool, bool, bool]
) -> None:
    fill_with_corpus(shop)
    bad = "x\x1b]0;owned\x07\u202e\r\n=1+1"
    for number in range(25):
        cookie = {"originalMaxAge": 1e300, "domain": bad, "sameSite": bad, "httpOnly": False}
        raw = json.dumps({"cookie": cookie, "passport": {"user": bad}, bad: {"password": bad}})
        shop.save(b"bad-%04d" % number, raw.encode(), now_ms() + HOUR_MS)
    result = cli(
        *("audit", "-b", shop.url, "-o", output, "--no-pager", "--no-color", "--show-ids"),
        terminals=terminals,
    )
    assert_harmless(result, layout=layout_of(output))
    assert result.code == 1
    if output == "json":
        assert result.json()["summary"]["complete"] is True


def test_names_in_the_configuration_are_data_too(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, "a", 1, left_ms=-2 * DAY_MS)
    name = "x; rm -rf ~ \x1b[2J"
    cli.config(f"[backends.{json.dumps(name)}]\nurl = {json.dumps(shop.url)}\n")
    for output in FORMATS:
        result = cli("audit", "-o", output)
        assert_harmless(result, layout=layout_of(output))
    fix = audited(cli)["expiry.left-over"]["fix"]
    assert fix.startswith("sessctl purge --expired -b 'x; rm -rf ~ ")


def test_ids_are_shortened_everywhere(cli: Cli, shop: SqliteEngine) -> None:
    """A finding is made to be passed on, and an id is a login."""
    sid = secrets.token_hex(16)
    shop.save(sid.encode(), stored(1, left_ms=None), None)
    for output in FORMATS:
        assert sid not in cli("audit", "-b", shop.url, "-o", output, "--show-ids").stdout
