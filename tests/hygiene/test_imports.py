"""Starting is a feature: a clean interpreter shows what a command did *not* import.

A time would depend on the machine; what is loaded does not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie
from sessctl.cookies.registry import FORMATS
from tests.support.cli import sid, stored
from tests.support.engines import RedisEngine, SqliteEngine
from tests.support.run import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import RedisServer

ROOT = Path(__file__).parents[2]
COOKIE = sign_cookie(sid("a"), "some-secret-91")[0].value
LIST_MODULES = (
    "import sys\n"
    "out = sys.argv.pop(1)\n"
    "from sessctl.__main__ import main\n"
    "try:\n    code = main()\nexcept SystemExit as exc:\n    code = exc.code\n"
    "with open(out, 'w') as file: file.write('\\n'.join([str(code), *sys.modules]))\n"
)
DRIVERS = [
    *("redis", "hiredis", "sqlalchemy", "sqlite3", "psycopg", "pymysql", "pymongo"),
    *("pymemcache", "boto3", "botocore", "websockets"),
]
NETWORK = ["socket", "ssl", "asyncio", "http", "urllib.request", "email"]
RENDERING = ["rich", "pygments", "markdown_it"]
CONFIGURATION = ["tomllib", "tomlkit", "msgspec", "dotenv", "platformdirs", "keyring"]
HEAVY = [
    *("importlib.metadata", "pydantic", "sessctl.demo", "jinja2"),
    *("unittest", "multiprocessing", "sessctl.replay", "h11"),
]
EVERYTHING = [*DRIVERS, *NETWORK, *RENDERING, *CONFIGURATION, *HEAVY]


def loaded(tmp_path: Path, *args: str, expect: int = 0) -> set[str]:
    """The modules that one run of the command line leaves loaded."""
    out = tmp_path / "modules"
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, str(out), *args],
        env=clean_environment(tmp_path, {"PYTHONPATH": str(ROOT)}),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    code, *modules = out.read_text().splitlines()
    assert (code, b"Traceback" in done.stderr) == (str(expect), False), done.stderr
    return set(modules)


@pytest.fixture
def file_url(tmp_path: Path) -> Iterator[str]:
    engine = SqliteEngine(tmp_path / "shop.db")
    engine.save(sid("a").encode(), stored(1), 4_000_000_000_000)
    yield engine.url
    engine.client.close()


@pytest.fixture
def server_url(redis_server: RedisServer) -> Iterator[str]:
    engine = RedisEngine(redis_server)
    engine.client.flushall()
    engine.save(sid("a").encode(), stored(1), 4_000_000_000_000)
    yield engine.url
    engine.client.close()


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version_imports_nothing_of_the_command_line(tmp_path: Path, flag: str) -> None:
    modules = loaded(tmp_path, flag)
    assert modules.isdisjoint(["typer", "sessctl.cli", "sessctl.errors", *EVERYTHING])


@pytest.mark.parametrize(
    "words",
    [
        ["decode", COOKIE],
        ["decode", COOKIE, "-o", "table"],
        ["decode", f"Cookie: connect.sid={COOKIE}", "-o", "json"],
        ["verify", COOKIE, "--secret", "some-secret-91"],
        ["sign", sid("a"), "--secret", "some-secret-91"],
        ["detect", COOKIE],
    ],
    ids=" ".join,
)
def test_a_cookie_without_a_backend_needs_no_driver_and_no_configuration(
    tmp_path: Path, words: list[str]
) -> None:
    heavy = set(EVERYTHING)
    if "table" in words:
        heavy.discard("msgspec")  # a block may hold a session
    assert loaded(tmp_path, *words).isdisjoint({*heavy, *CRYPTO, "sessctl.stores.engines"})


CRYPTO = ["cryptography", "nacl", "joserfc", "cffi"]
ENCRYPTED = [
    *("iron-session", "authjs", "nextauth-v4", "fastify-secure-session", "jwt"),
    *("aiohttp-fernet", "litestar", "paseto-v4"),
]


@pytest.mark.parametrize("format", ENCRYPTED)
def test_an_encrypted_cookie_is_read_without_any_cryptography(tmp_path: Path, format: str) -> None:
    cookie = sign_cookie({"user": 7}, "a-secret-of-32-characters-sharp!", format)[0]
    modules = loaded(tmp_path, "decode", cookie.header)
    assert modules.isdisjoint({*CRYPTO, *EVERYTHING} - {"msgspec"})


@pytest.mark.parametrize("format", ["flask", "starlette", "itsdangerous"])
def test_a_signed_cookie_is_read_without_the_library_that_signs(
    tmp_path: Path, format: str
) -> None:
    cookie = sign_cookie({"user": 7}, "some-secret-91", format)[0]
    modules = loaded(tmp_path, "decode", cookie.header)
    assert modules.isdisjoint({"itsdangerous", *CRYPTO, *EVERYTHING} - {"msgspec"})


def test_a_diff_of_cookies_needs_no_driver(tmp_path: Path) -> None:
    one, two = (sign_cookie({"n": n}, "keyboard cat", "cookie-session")[0].value for n in (1, 2))
    modules = loaded(tmp_path, "diff", one, two, expect=1)
    assert modules.isdisjoint({*DRIVERS, *NETWORK, *RENDERING, *HEAVY})


def test_a_copy_loads_the_drivers_of_its_two_stores(tmp_path: Path, file_url: str) -> None:
    SqliteEngine(tmp_path / "other.db").client.close()
    other = file_url.replace("shop.db", "other.db")
    modules = loaded(tmp_path, "copy", "-b", file_url, "--to", other, "--yes")
    assert modules.isdisjoint({"redis", "pymongo", "psycopg", *RENDERING})


def test_decode_of_a_stored_value_needs_no_driver(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "decode", stored(1).decode())
    assert modules.isdisjoint({*EVERYTHING} - {"msgspec"})


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["list", "--help"],
        ["purge", "-h"],
        ["expire", "-h"],
        ["restore", "-h"],
        ["help"],
        ["help", "formats"],
        ["help", "exit-codes"],
        ["lst"],
        ["list", "--nope"],
    ],
    ids=" ".join,
)
def test_help_and_usage_errors_need_no_driver(tmp_path: Path, words: list[str]) -> None:
    code = 2 if not words or words[-1] in ("lst", "--nope") else 0
    modules = loaded(tmp_path, *words, expect=code)
    assert modules.isdisjoint({*EVERYTHING} - {"msgspec"})


@pytest.mark.parametrize(
    "words", [["help", "scenarios"], ["replay", "--help"], ["replay", "new"], ["replay", "schema"]]
)
def test_a_scenario_that_is_not_read_needs_no_yaml(tmp_path: Path, words: list[str]) -> None:
    modules = loaded(tmp_path, *words)
    # The schema belongs to the replay; what it takes to play one does not come along.
    assert modules.isdisjoint(
        {"ruamel.yaml", "lxml", "h11", "jinja2", *EVERYTHING} - {"sessctl.replay"}
    )


def test_a_lint_starts_no_process_and_loads_no_page_reader(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        "sessctl: 1\nsteps: [{get: /, capture: {a: {json: $.a}}}]\n"
    )
    modules = loaded(tmp_path, "replay", "lint", "shop.yaml")
    assert "ruamel.yaml" in modules
    assert modules.isdisjoint({"lxml", "cssselect", "sessctl.replay.bounded", *DRIVERS, *RENDERING})


@pytest.mark.parametrize("words", [["--help"], ["help"], ["help", "formats"], ["lst"], []])
def test_the_table_of_commands_imports_no_command(tmp_path: Path, words: list[str]) -> None:
    modules = loaded(tmp_path, *words, expect=2 if words in ([], ["lst"]) else 0)
    commands = {name for name in modules if name.startswith("sessctl.cli.commands.")}
    assert commands <= {"sessctl.cli.commands.help"}


def test_a_command_imports_no_other_command(tmp_path: Path, file_url: str) -> None:
    modules = loaded(tmp_path, "list", "-b", file_url)
    commands = {name for name in modules if name.startswith("sessctl.cli.commands.")}
    assert commands == {"sessctl.cli.commands.list_sessions"}


def test_a_listing_of_redis_imports_its_driver_only(tmp_path: Path, server_url: str) -> None:
    modules = loaded(tmp_path, "list", "-b", server_url)
    assert "redis.connection" in modules
    assert modules.isdisjoint(["sqlalchemy", "sqlite3", *RENDERING, "sessctl.demo", "dotenv"])


def test_a_listing_of_sqlite_imports_its_driver_only(tmp_path: Path, file_url: str) -> None:
    modules = loaded(tmp_path, "list", "-b", file_url)
    assert "sqlalchemy" in modules
    assert modules.isdisjoint(["redis", "hiredis", *RENDERING, "sessctl.demo", "dotenv"])


@pytest.mark.parametrize("output", ["tsv", "json", "openmetrics"])
def test_numbers_cost_no_more_imports_than_a_listing(
    tmp_path: Path, file_url: str, output: str
) -> None:
    modules = loaded(tmp_path, "stats", "-b", file_url, "-o", output)
    assert modules.isdisjoint(["redis", "hiredis", *RENDERING, "sessctl.demo", "dotenv"])
    assert modules.isdisjoint(["sessctl.admin.watch", "sessctl.replay"])


def test_a_watch_in_a_pipe_draws_nothing(tmp_path: Path, server_url: str) -> None:
    modules = loaded(tmp_path, "watch", "-b", server_url, "--initial", "--count", "1")
    assert "redis.connection" in modules
    assert modules.isdisjoint(["sqlalchemy", "sqlite3", "termios", *RENDERING, "sessctl.replay"])


def test_sql_is_spoken_without_the_orm(tmp_path: Path, file_url: str) -> None:
    modules = loaded(tmp_path, "list", "-b", file_url)
    assert "sqlalchemy.orm" not in modules


def test_a_table_imports_no_more_of_rich_than_its_widths(tmp_path: Path, file_url: str) -> None:
    modules = loaded(tmp_path, "list", "-b", file_url, "-o", "table")
    assert modules.isdisjoint(["rich.table", "rich.console", "pygments", "markdown_it"])


def test_a_short_purge_draws_no_progress(tmp_path: Path, file_url: str) -> None:
    modules = loaded(tmp_path, "purge", "--expired", "-b", file_url)
    assert modules.isdisjoint([*RENDERING, "redis"])


def test_a_configured_listing_reads_toml_and_never_writes_it(tmp_path: Path, file_url: str) -> None:
    (tmp_path / "sessctl.toml").write_text(f'[backends.web]\nurl = "{file_url}"\n')
    modules = loaded(tmp_path, "list")
    assert "tomllib" in modules
    assert modules.isdisjoint(["tomlkit", "dotenv", "keyring", "redis"])


def test_a_project_is_read_without_any_driver(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"dependencies": {"connect-pg-simple": "10"}}')
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://localhost/shop\n")
    modules = loaded(tmp_path, "config", "init", "--dry-run")
    assert {"tomlkit", "dotenv"} <= modules
    assert modules.isdisjoint([*DRIVERS, *RENDERING, "ruamel.yaml", "keyring"])


@pytest.mark.parametrize(
    "words",
    [["+li"], ["+--f", "list"], ["+", "list", "-o"], ["+", "list", "--fields"], ["+", "help"]],
    ids=" ".join,
)
def test_tab_loads_neither_typer_nor_a_command(tmp_path: Path, words: list[str]) -> None:
    modules = loaded(tmp_path, "__complete", "zsh", *words)
    assert modules.isdisjoint(["typer", "sessctl.stores", "sessctl.cli.table", *EVERYTHING])
    assert not any(name.startswith("sessctl.cli.commands") for name in modules)


def test_tab_of_a_backend_s_name_loads_no_driver(tmp_path: Path, file_url: str) -> None:
    (tmp_path / "sessctl.toml").write_text(f'[backends.web]\nurl = "{file_url}"\n')
    modules = loaded(tmp_path, "__complete", "zsh", "+", "list", "-b")
    assert "tomllib" in modules
    assert modules.isdisjoint(["typer", *DRIVERS, *RENDERING, "tomlkit", "keyring"])


LIBRARY = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for path in sorted((ROOT / "sessctl").rglob("*.py"))
    if "cli" not in path.relative_to(ROOT).parts and path.name != "__main__.py"
]


def test_nothing_below_the_command_line_imports_typer_or_rich(tmp_path: Path) -> None:
    script = (
        "import sys, importlib\n"
        f"for name in {LIBRARY!r}: importlib.import_module(name)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=clean_environment(tmp_path, {"PYTHONPATH": str(ROOT)}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(done.stdout.split())
    assert set(LIBRARY) <= modules
    assert modules.isdisjoint(["typer", "rich", "click", "sessctl.cli"])


def test_a_cookie_imports_only_the_formats_that_it_may_be_of(tmp_path: Path) -> None:
    """Each costs a millisecond; what a value cannot be is told by its first characters."""
    formats = {home.place.partition(":")[0] for home in FORMATS.values()}
    for cookie, wanted in (
        (COOKIE, {"express", "cookie_parser"}),
        ('{"cookie":{}}', {"stored_json"}),
        (sign_cookie({}, "x", "cookie-session")[0].value, {"cookie_session"}),
    ):
        modules = loaded(tmp_path, "decode", cookie)
        found = {name for name in formats if f"sessctl.cookies.{name}" in modules}
        assert found == wanted


@pytest.mark.parametrize("name", ["decode_cookie", "verify_cookie", "sign_cookie"])
def test_the_library_s_cookies_load_no_store(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, sessctl; sessctl.{name}; print(*sys.modules)"],
        env=clean_environment(tmp_path, {"PYTHONPATH": str(ROOT)}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(done.stdout.split()).isdisjoint(["sessctl.stores", "sessctl.cli", *EVERYTHING])
