"""`set`, `edit` and `touch`: what they print, what they leave alone, how they are undone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, now_ms, save, sid, stored

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.engines import Engine, RedisEngine, SqliteEngine
    from tests.support.run import Result

A, B = sid("a"), sid("b")


def data(cli: Cli, engine: Engine, name: str = A) -> Any:
    (item,) = cli("show", name, "-o", "jsonl", "-b", engine.url).json_lines()
    return item["data"]


@pytest.fixture
def edit(cli: Cli, shop: SqliteEngine, tmp_path: Path):
    """`sessctl edit` with an editor that does this to its file, in Python."""

    def run(does: str, *words: str, **how: Any) -> Result:
        script = tmp_path / "editor.py"
        script.write_text(f"import sys, json, pathlib\nfile = pathlib.Path(sys.argv[1])\n{does}\n")
        env = {"EDITOR": f"{sys.executable} {script}", "TMPDIR": str(tmp_path)}
        return cli("edit", A, "-b", shop.url, *words, env=env, **how)

    return run


SETS_ROLE = 'd = json.loads(file.read_text()); d["role"] = "admin"; file.write_text(json.dumps(d))'


# -- set -------------------------------------------------------------------------------------------


def test_set_changes_what_is_named_and_keeps_every_other_byte(cli: Cli, store: Engine) -> None:
    raw = stored(42)[:-1] + b',"n":1.0,"big":12345678901234567890,"list":[1e2,{"a":1}],"old":"x"}'
    store.save(A.encode(), raw, now_ms() + HOUR_MS)
    result = cli(
        *("set", A, "list.1.a:=2", "list.2=end", "role=admin", "--unset", "old", "-o", "json"),
        *("-b", store.url),
    )
    assert result.json()["items"] == [{"sid": A, "outcome": "stored", "reason": None}]
    assert result.json()["summary"]["stored"] == 1
    assert result.code == 0
    now = cli("show", A, "-o", "raw", "-b", store.url).stdout_bytes
    changed = raw.replace(b'{"a":1}]', b'{"a":2},"end"]').replace(b',"old":"x"', b"")
    assert now == changed[:-1] + b',"role":"admin"}'


def test_set_says_what_changes_and_how_to_undo_it(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42, role="customer", apiToken="t-1")
    result = cli("set", A, "role=admin", "apiToken=t-2", "-b", shop.url)
    for line in ('  - role: "customer"', '  + role: "admin"', '  - apiToken: "***"'):
        assert line in result.stderr
    assert "t-2" not in result.stderr
    assert "Undo: sessctl restore --last" in result.stderr
    assert A not in result.stderr
    assert result.stdout.splitlines() == ["sid\toutcome\treason", f"{A}\tstored\t"]


def test_set_is_undone_once(cli: Cli, store: Engine) -> None:
    save(store, A, 42, role="customer")
    before = store.everything()
    assert cli("set", A, "role=admin", "-b", store.url).code == 0
    assert store.everything() != before
    first = cli("restore", "--last", "--yes", "-o", "json", "-b", store.url).json()["summary"]
    again = cli("restore", "--last", "--yes", "-o", "json", "-b", store.url).json()["summary"]
    assert (first["restored"], again["restored"], again["present"]) == (1, 0, 1)
    assert store.everything() == before


def test_undo_never_overwrites_what_the_app_wrote(cli: Cli, store: Engine) -> None:
    save(store, A, 42, role="customer")
    cli("set", A, "role=admin", "-b", store.url)
    save(store, A, 42, role="changed by the app")
    before = store.everything()
    undone = cli("restore", "--last", "--yes", "-o", "json", "-b", store.url)
    assert (undone.json()["summary"]["newer"], undone.code) == (1, 0)
    assert store.everything() == before


def test_the_journal_shows_and_checks_such_a_run(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42)
    cli("set", A, "role=admin", "-b", shop.url)
    shown = cli("journal", "show", cli.journals()[0], "-o", "json").json()
    assert [item["outcome"] for item in shown["items"]] == ["stored"]
    assert (shown["summary"]["command"], shown["summary"]["complete"]) == ("set", True)
    assert cli("journal", "verify").code == 0


@pytest.mark.parametrize("command", [["set", A, "a=b"], ["touch", A], ["edit", A]])
def test_a_dry_run_writes_nothing(cli: Cli, shop: SqliteEngine, command: list[str]) -> None:
    save(shop, A, 42)
    before = shop.everything()
    result = cli(*command, "--dry-run", "-b", shop.url, "-o", "json", env={"EDITOR": "true"})
    assert (result.json()["summary"]["dry_run"], result.code) == (True, 0)
    assert (shop.everything(), cli.journals()) == (before, [])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "nothing to set"),
        (["role"], "is not KEY=VALUE"),
        (["n:=x"], "is not JSON"),
        (["n:=NaN"], "is not JSON"),
        (["a..b=1"], "names no place"),
        (["list.9=x"], "is a list of 1"),
        (["passport.user.x=1"], "holds no object"),
        (["cookie.path=/x"], "'cookie' belongs to connect-sqlite3"),
        (['d:={"__bytes__":"AA=="}'], "JSON has no place for __bytes__"),
    ],
)
def test_what_cannot_be_set_is_wrong_use(
    cli: Cli, shop: SqliteEngine, words: list[str], what: str
) -> None:
    save(shop, A, 42, list=[1])
    before = shop.everything()
    result = cli("set", A, *words, "-b", shop.url)
    assert (result.stdout, result.code) == ("", 2)
    assert what in result.stderr
    assert (shop.everything(), cli.journals()) == (before, [])


@pytest.mark.parametrize("command", [["set", "SID", "a=b"], ["touch", "SID"], ["edit", "SID"]])
@pytest.mark.parametrize("name", [B, A[:10], "aaaaaa~5e8f9c"])
def test_nothing_is_written_by_a_beginning(
    cli: Cli, shop: SqliteEngine, command: list[str], name: str
) -> None:
    save(shop, A, 42)
    words = [name if word == "SID" else word for word in command]
    result = cli(*words, "-b", shop.url, env={"EDITOR": "true"})
    assert (result.stdout, result.code) == ("", 1)
    assert ("wants the whole one" if "~" in name else "no session") in result.stderr


def test_a_value_that_does_not_decode_is_left_alone(cli: Cli, shop: SqliteEngine) -> None:
    shop.save(A.encode(), b"{broken", now_ms() + HOUR_MS)
    before = shop.everything()
    result = cli("set", A, "a=b", "-b", shop.url)
    assert (result.stdout, result.code) == ("", 7)
    assert shop.everything() == before


def test_a_read_only_backend_and_a_protected_one(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42)
    own = f'url = "{shop.url}"\n'
    cli.config(f"[backends.ro]\n{own}read_only = true\n[backends.prod]\n{own}protected = true\n")
    before = shop.everything()
    commands = (["set", A, "a=b"], ["touch", A, "--ttl", "2h"], ["create", "a=b"])
    secret = {"APP_SECRET": "keyboard cat"}
    for words in commands:
        more = ["--secret-from", "env:APP_SECRET"] if words[0] == "create" else []
        assert cli(*words, *more, "-b", "ro", env=secret).code == 4
        asked = cli(*words, *more, "-b", "prod", "--yes", env=secret)
        assert ("this backend is protected" in asked.stderr, asked.code) == (True, 4)
    assert (shop.everything(), cli.journals()) == (before, [])
    for words in commands:
        more = ["--secret-from", "env:APP_SECRET"] if words[0] == "create" else []
        assert cli(*words, *more, "-b", "prod", "--confirm", "prod", env=secret).code == 0


# -- touch -----------------------------------------------------------------------------------------


def test_touch_moves_the_end_and_nothing_else(cli: Cli, store: Engine) -> None:
    save(store, A, 42)
    save(store, B, 43, left_ms=-HOUR_MS) if store.name == "sqlite" else None
    before = data(cli, store)
    result = cli("touch", A, B, "--ttl", "2h", "-o", "jsonl", "-b", store.url)
    *items, last = result.json_lines()
    gone = "lapsed" if store.name == "sqlite" else "gone"
    assert {item["sid"]: item["outcome"] for item in items} == {A: "touched", B: gone}
    assert (last["summary"]["touched"], result.code) == (1, 0)
    (item,) = cli("show", A, "-o", "jsonl", "-b", store.url).json_lines()
    assert 7100 < item["ttl_s"] <= 7200
    assert item["data"] == before


def test_touch_without_a_time_never_shortens_a_life(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42, left_ms=30 * DAY_MS)
    save(shop, B, 42)
    result = cli("touch", "-", "-o", "jsonl", "-b", shop.url, stdin=f"{A}\n{B}\n")
    assert [item.get("outcome") for item in result.json_lines()] == ["present", "touched", None]
    (item,) = cli("show", B, "-o", "jsonl", "-b", shop.url).json_lines()
    assert 86_300 < item["ttl_s"] <= 86_400
    assert cli("touch", A, "--ttl", "1h", "-b", shop.url).code == 0
    (item,) = cli("show", A, "-o", "jsonl", "-b", shop.url).json_lines()
    assert item["ttl_s"] <= 3600


def test_touch_without_a_time_gives_no_end_to_what_has_none(cli: Cli, cache: RedisEngine) -> None:
    cache.save(A.encode(), stored(42, left_ms=None), None)
    result = cli("touch", A, "-o", "jsonl", "-b", cache.url)
    assert (result.json_lines()[0]["outcome"], cache.client.pttl(f"sess:{A}")) == ("present", -1)
    assert cli("touch", A, "--ttl", "1h", "-b", cache.url).code == 0
    assert 0 < cache.client.pttl(f"sess:{A}") <= 3_600_000


def test_touch_until_an_instant(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, A, 42)
    assert cli("touch", A, "--until", "2090-01-01T00:00:00Z", "-b", shop.url).code == 0
    (item,) = cli("show", A, "-o", "jsonl", "-b", shop.url).json_lines()
    assert item["expires_at"] == "2090-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "words", [["--until", "2001-01-01T00:00:00Z"], ["--ttl", "0s"], ["--ttl", "1h", "--until", "x"]]
)
def test_touch_ends_no_session(cli: Cli, shop: SqliteEngine, words: list[str]) -> None:
    save(shop, A, 42)
    before = shop.everything()
    assert cli("touch", A, *words, "-b", shop.url).code == 2
    assert shop.everything() == before


# -- edit ------------------------------------------------------------------------------------------


def test_edit_writes_what_was_saved_and_shows_the_difference(edit, cli, shop, tmp_path) -> None:
    save(shop, A, 42, role="customer")
    result = edit(SETS_ROLE, "--yes")
    assert '  + role: "admin"' in result.stderr
    assert (data(cli, shop)["role"], result.code) == ("admin", 0)
    assert list(tmp_path.glob("sessctl-*")) == []
    assert cli("restore", "--last", "--yes", "-b", shop.url).code == 0
    assert data(cli, shop)["role"] == "customer"


def test_the_file_is_for_its_owner_alone(edit, shop, tmp_path) -> None:
    save(shop, A, 42)
    seen = tmp_path / "seen"
    edit(f'pathlib.Path("{seen}").write_text(f"{{file.stat().st_mode:o}} '
         f'{{file.parent.stat().st_mode:o}}")')  # fmt: skip
    assert seen.read_text() == "100600 40700"


@pytest.mark.parametrize(
    "does", ["pass", "file.write_text('')", "file.write_text(file.read_text())"]
)
def test_nothing_saved_is_nothing_done(edit, cli, shop, does: str) -> None:
    save(shop, A, 42)
    before = shop.everything()
    result = edit(does)
    assert ("Nothing was changed." in result.stderr, result.code) == (True, 0)
    assert (shop.everything(), cli.journals()) == (before, [])


def test_a_no_changes_nothing_and_keeps_the_text(edit, cli, shop) -> None:
    save(shop, A, 42, role="customer")
    before = shop.everything()
    unasked = edit(SETS_ROLE)
    denied = edit(SETS_ROLE, stdin="n\n", terminals=TERMINAL)
    assert [unasked.code, denied.code] == [4, 4]
    assert shop.everything() == before
    for result in (unasked, denied):
        kept = result.stderr.split("your text is kept in ")[1].split()[0]
        assert json.loads(Path(kept).read_text())["role"] == "admin"


def test_what_is_no_json_is_kept_for_another_try(edit, shop) -> None:
    save(shop, A, 42)
    before = shop.everything()
    result = edit("file.write_text('{oops')")
    assert ("is not JSON" in result.stderr, result.code) == (True, 2)
    assert "your text is kept in " in result.stderr
    again = edit(
        "file.write_text('{oops' if 'oops' not in file.read_text() else '{\"fixed\": true}')",
        "--yes", stdin="y\n", terminals=TERMINAL,
    )  # fmt: skip
    assert again.code == 0
    assert shop.everything() != before


def test_a_renewal_meanwhile_is_kept_and_another_value_is_a_conflict(edit, cli, shop) -> None:
    save(shop, A, 42, role="customer")
    ends = now_ms() + DAY_MS
    touches = (
        "import sqlite3\n"
        f"c = sqlite3.connect({str(shop.path)!r})\n"
        f'c.execute("UPDATE sessions SET expired = ?", ({float(ends)!r},)); c.commit()\n'
    )
    assert edit(touches + SETS_ROLE, "--yes").code == 0
    (item,) = cli("show", A, "-o", "jsonl", "-b", shop.url).json_lines()
    assert (item["data"]["role"], item["ttl_s"] > 86_000) == ("admin", True)
    logs_in = (
        "import sqlite3\n"
        f"c = sqlite3.connect({str(shop.path)!r})\n"
        "c.execute(\"UPDATE sessions SET sess = replace(sess, '42', '77')\"); c.commit()\n"
    )
    result = edit(logs_in + SETS_ROLE.replace("admin", "root"), "--yes")
    assert ("was changed meanwhile" in result.stderr, result.code) == (True, 4)
    assert "your text is kept in " in result.stderr
    assert data(cli, shop) == {"passport": {"user": 77}, "role": "admin"}


def test_a_session_that_ended_meanwhile_is_not_changed(edit, cli, shop) -> None:
    save(shop, A, 42)
    logs_out = (
        "import sqlite3\n"
        f"c = sqlite3.connect({str(shop.path)!r})\n"
        'c.execute("DELETE FROM sessions"); c.commit()\n'
    )
    result = edit(logs_out + SETS_ROLE, "--yes")
    assert ("Changed 0 sessions (1 already gone)" in result.stderr, result.code) == (True, 1)


def test_an_editor_is_needed_and_has_to_succeed(edit, cli, shop) -> None:
    save(shop, A, 42)
    none = cli("edit", A, "-b", shop.url)
    missing = cli("edit", A, "-b", shop.url, env={"VISUAL": "no-such-editor"})
    failed = edit("sys.exit(3)")
    assert [none.code, missing.code, failed.code] == [2, 2, 4]
    assert "the editor failed (exit 3)" in failed.stderr


def test_what_a_terminal_could_act_on_is_spelled_out_in_the_file(edit, cli, shop) -> None:
    evil = "\u202eesrever\u2028\x1b[2J\ud83d\ude00"
    shop.save(A.encode(), json.dumps({"cookie": {}, "x": evil}).encode(), now_ms() + HOUR_MS)
    result = edit(
        "assert not any(0x202a <= ord(c) <= 0x2069 or ord(c) < 10 for c in file.read_text())\n"
        + SETS_ROLE,
        "--yes",
    )
    assert result.code == 0
    assert data(cli, shop) == {"x": json.loads(json.dumps(evil)), "role": "admin"}


@pytest.mark.parametrize("command", [["set", A, "a=b"], ["touch", A, "--ttl", "2h"]])
def test_what_cannot_be_journalled_is_not_written(
    cli: Cli, shop: SqliteEngine, command: list[str]
) -> None:
    save(shop, A, 42)
    before = shop.everything()
    folder = cli.home / "state" / "sessctl" / "journals"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    result = cli(*command, "-b", shop.url, "-o", "json")
    assert (result.json()["summary"]["failed"], result.code) == (1, 6)
    assert "others may write the journal folder" in result.stderr
    assert shop.everything() == before
