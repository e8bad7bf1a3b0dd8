"""`sessctl config init`: what a project says, with its origin; no secret is ever copied."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import PIPES, TERMINAL, Cli

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "CANARY-hunter2"
MANIFEST = {
    "name": "shop",
    "dependencies": {"express": "5.0.0", "express-session": "1.19.0", "connect-redis": "9.0.0"},
}
APP = f"""\
const session = require("express-session");
const {{ RedisStore }} = require("connect-redis");
const {{ createClient }} = require("redis");
const client = createClient({{ url: process.env.REDIS_URL || "redis://localhost:6379" }});
app.use(session({{
  name: 'shop.sid', // of the cookie
  secret: [process.env.SESSION_SECRET, "{CANARY}-literal"],
  cookie: {{ maxAge: 1000 * 60 * 60 * 24 * 7, httpOnly: true }},
  store: new RedisStore({{ client, prefix: `shop:` }}),
}}));
"""
ENV = f"""\
# of the shop
REDIS_URL="redis://:{CANARY}-redis@localhost:6379/2"
SESSION_SECRET={CANARY}-secret
"""
COMPOSE = f"""\
services:
  cache:
    image: redis:7-alpine
    command: redis-server --requirepass {CANARY}-requirepass
    ports: ["6380:6379"]
  db:
    image: postgres:16
    environment:
      POSTGRES_USER: shop
      POSTGRES_PASSWORD: ${{DB_PASS:-{CANARY}-default}}
      POSTGRES_DB: ${{DB_NAME:-shopdb}}
    ports:
      - "127.0.0.1:5433:5432"
"""


class Folder:
    """A project in which the commands run."""

    def __init__(self, cli: Cli) -> None:
        self.cli, self.path = cli, cli.home

    def write(self, **files: str | dict[str, Any]) -> Folder:
        """Files by name; `__` stands for a dot, and what is no text is JSON."""
        for name, content in files.items():
            path = self.path / name.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
        return self

    def depend(self, *packages: str) -> Folder:
        return self.write(package__json={"dependencies": dict.fromkeys(packages, "1.0.0")})

    def proposed(self) -> dict[str, dict[str, Any]]:
        """The settings of every proposal."""
        result = self.cli("config", "init", "--dry-run", "-o", "json")
        assert CANARY not in result.stdout + result.stderr
        return {item["backend"]: item["settings"] for item in result.json()["items"]}

    def written(self) -> Any:
        text = (self.path / "sessctl.toml").read_text()
        assert CANARY not in text
        return tomllib.loads(text)


@pytest.fixture
def folder(cli: Cli) -> Folder:
    return Folder(cli)


@pytest.fixture
def shop(folder: Folder) -> Folder:
    """An Express shop with a secret in every place that can hold one."""
    return folder.write(package__json=MANIFEST, app__js=APP, __env=ENV, compose__yaml=COMPOSE)


# -- what is written -------------------------------------------------------------------------------


def test_a_shop_is_written_with_the_origin_of_every_key(shop: Folder) -> None:
    result = shop.cli("config", "init", "--yes", "-q")
    path = shop.path / "sessctl.toml"
    assert path.read_text() == (
        "[backends.dev]\n"
        'url = "dotenv:.env#REDIS_URL" # .env:2, app.js:4\n'
        'layout = "connect-redis" # package.json:6\n'
        'prefix = "shop:" # app.js:9\n'
        'cookie_name = "shop.sid" # app.js:6\n'
        'lifetime = "7d" # app.js:8\n'
        'secrets = ["dotenv:.env#SESSION_SECRET"] # app.js:7\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (result.stdout, result.stderr, result.code) == (
        f"Wrote {path}: dev. Next: sessctl list\n", "", 0,
    )  # fmt: skip
    checked = shop.cli("config", "validate")
    assert (checked.stdout, checked.stderr, checked.code) == ("ok: 1 backend in 1 file(s)\n", "", 0)


@pytest.mark.parametrize("words", [[], ["-o", "json"], ["-o", "jsonl"], ["--dry-run"], ["-v"]])
def test_no_secret_of_the_project_is_shown_or_written(shop: Folder, words: list[str]) -> None:
    (shop.path / "package.json").write_text(
        json.dumps({"dependencies": dict.fromkeys(["connect-redis", "connect-pg-simple"], "1")})
    )
    result = shop.cli("config", "init", "--yes", *words, terminals=TERMINAL)
    everything = [path.read_text() for path in shop.path.rglob("*.toml")]
    assert CANARY not in "".join([result.stdout, result.stderr, *everything])
    assert result.code == 0


def test_it_asks_first_and_shows_where_each_value_was_found(shop: Folder) -> None:
    no = shop.cli("config", "init", stdin="n\n", terminals=TERMINAL)
    assert (no.code, (shop.path / "sessctl.toml").exists()) == (4, False)
    assert '  url = "dotenv:.env#REDIS_URL"  # app.js:4, .env:2' in no.stderr.replace(
        "\x1b[36m", ""
    ).replace("\x1b[2m", "").replace("\x1b[0m", "")
    yes = shop.cli("config", "init", stdin="y\n", terminals=TERMINAL)
    assert (yes.code, (shop.path / "sessctl.toml").exists()) == (0, True)


def test_nobody_to_ask_is_no_yes(shop: Folder) -> None:
    result = shop.cli("config", "init", terminals=PIPES)
    assert (result.stdout, result.code, (shop.path / "sessctl.toml").exists()) == ("", 4, False)
    assert "--yes" in result.stderr


def test_a_dry_run_prints_the_toml_alone(shop: Folder) -> None:
    result = shop.cli("config", "init", "--dry-run")
    assert tomllib.loads(result.stdout)["backends"]["dev"]["prefix"] == "shop:"
    assert (result.code, (shop.path / "sessctl.toml").exists()) == (0, False)


def test_programs_are_told_what_was_found_and_where(shop: Folder) -> None:
    result = shop.cli("config", "init", "--yes", "-o", "json")
    (item,) = result.json()["items"]
    assert list(item) == ["backend", "outcome", "file", "settings", "found", "notes"]
    assert (item["backend"], item["outcome"]) == ("dev", "written")
    assert item["found"]["url"] == ["app.js:4", ".env:2"]
    assert item["notes"] == [
        "app.js:7 holds a secret itself, which is not copied: put it into a variable, and "
        "env:NAME into secrets"
    ]
    again = shop.cli("config", "init", "--yes", "-o", "json").json()["items"]
    assert [one["outcome"] for one in again] == ["present"]


def test_what_is_configured_stays_as_it_is_comments_too(shop: Folder) -> None:
    before = '# ours\n[backends.dev]  # hands off\nurl = "redis://elsewhere/3"\n\n'
    before += "[redact]\nalways = true\n"
    path = shop.cli.config(before)
    shop.write(__env__production="REDIS_URL=rediss://cache.internal:6380\n")
    result = shop.cli("config", "init", "--yes")
    after = path.read_text()
    assert after.startswith(before.partition("[redact]")[0])
    assert after.endswith("\n\n[redact]\nalways = true\n")
    written = shop.written()["backends"]
    assert written["dev"] == {"url": "redis://elsewhere/3"}
    assert written["production"]["url"] == "dotenv:.env.production#REDIS_URL"
    assert written["production"]["protected"] is True
    assert (result.code, "[backends.dev] is configured already" in result.stderr) == (0, True)


def test_several_backends_get_a_default(shop: Folder) -> None:
    shop.write(__env__staging=f"REDIS_URL=rediss://:{CANARY}@stage.internal:6380\n")
    shop.cli("config", "init", "--yes")
    assert shop.written()["default_backend"] == "dev"
    assert list(shop.written()["backends"]) == ["dev", "staging"]


def test_a_pyproject_that_holds_our_table_takes_them(shop: Folder) -> None:
    before = '[project]\nname = "x"\n\n[tool.sessctl.redact]\nalways = true\n\n[tool.ruff]\nx = 1\n'
    path = shop.cli.config(before, "pyproject.toml")
    path.chmod(0o644)
    assert shop.cli("config", "init", "--yes").code == 0
    after = tomllib.loads(path.read_text())
    assert after["tool"]["sessctl"]["backends"]["dev"]["prefix"] == "shop:"
    assert (after["tool"]["ruff"], after["tool"]["sessctl"]["redact"]) == (
        {"x": 1},
        {"always": True},
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert shop.cli("backends", "list", "-o", "name").stdout == "dev\n"


def test_backends_that_stand_apart_from_each_other_take_another(shop: Folder) -> None:
    before = '[backends.a]\nurl = "redis://a"\n[redact]\nalways = true\n'
    shop.cli.config(before + '[backends.b]\nurl = "redis://b"\n')
    assert shop.cli("config", "init", "--yes").code == 0
    assert set(shop.written()["backends"]) == {"a", "b", "dev"}


def test_backends_on_one_line_are_left_to_their_owner(shop: Folder) -> None:
    before = 'backends = {a = {url = "redis://a"}}\n'
    path = shop.cli.config(before)
    result = shop.cli("config", "init", "--yes")
    assert (result.code, path.read_text()) == (2, before)
    assert f"inline table, to which none can be added\n  file: {path}" in result.stderr


def test_the_user_s_own_config_gets_whole_paths(shop: Folder) -> None:
    assert shop.cli("config", "init", "--user", "--yes").code == 0
    path = shop.path / "config" / "sessctl" / "config.toml"
    dev = tomllib.loads(path.read_text())["backends"]["dev"]
    assert dev["url"] == f"dotenv:{shop.path}/.env#REDIS_URL"
    assert dev["secrets"] == [f"dotenv:{shop.path}/.env#SESSION_SECRET"]
    assert not (shop.path / "sessctl.toml").exists()


def test_a_file_that_is_named_is_written_there_or_not(shop: Folder) -> None:
    assert shop.cli("config", "init", "--yes", "--config", "mine.toml").code == 0
    assert "[backends.dev]" in (shop.path / "mine.toml").read_text()
    assert not (shop.path / "sessctl.toml").exists()


def test_it_works_from_a_folder_below(shop: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(shop.path / "src" / "deep")
    assert shop.cli("config", "init", "--yes").code == 0
    shown = shop.cli("config", "show", "-o", "json").json()["backends"]["dev"]
    assert shown["url"] == f"dotenv:{shop.path}/.env#REDIS_URL (redis://:***@localhost:6379/2)"


def test_a_link_is_not_written_through(shop: Folder) -> None:
    elsewhere = shop.path / "elsewhere.toml"
    elsewhere.write_text("")
    (shop.path / "sessctl.toml").symlink_to(elsewhere)
    result = shop.cli("config", "init", "--yes")
    assert (result.code, elsewhere.read_text()) == (2, "")
    assert "is a symbolic link" in result.stderr


def test_nothing_found_says_the_next_step(cli: Cli) -> None:
    result = cli("config", "init")
    assert (result.stdout, result.code) == ("", 1)
    assert "no session store was found" in result.stderr
    assert cli("config", "init", "-o", "json").json()["items"] == []


# -- what is found ---------------------------------------------------------------------------------


def test_a_compose_service_stands_in_for_a_url(folder: Folder) -> None:
    folder.depend("express-session", "connect-redis", "connect-pg-simple")
    folder.write(compose__yaml=COMPOSE, __env=f"DB_PASS={CANARY}\n")
    found = folder.proposed()
    assert found["dev"]["url"] == "redis://localhost:6380"
    assert found["dev"]["password"] == "env:REDIS_PASSWORD"
    assert found["dev-postgresql"] == {
        "url": "postgresql://shop@localhost:5433/shopdb",
        "password": "dotenv:.env#DB_PASS",
        "layout": "connect-pg-simple",
    }


def test_a_host_of_the_compose_network_is_reached_from_outside(folder: Folder) -> None:
    folder.depend("connect-redis").write(
        compose__yaml="services:\n  redis: {image: redis, ports: ['7000:6379']}\n"
        "  app: {build: ., environment: [NODE_ENV=production]}\n",
        __env=f"REDIS_URL=redis://:{CANARY}@redis:6379/4\nREDIS_PASS={CANARY}\n",
    )
    assert folder.proposed()["dev"] == {
        "url": "redis://localhost:7000/4",
        "password": "dotenv:.env#REDIS_PASS",
        "layout": "connect-redis",
    }


def test_parts_make_a_url_without_the_password(folder: Folder) -> None:
    folder.depend("express-session", "connect-pg-simple").write(
        __env=f"PGHOST=db.local\nPGUSER=shop\nPGPASSWORD={CANARY}\nPGDATABASE=shop\nPGPORT=5444\n"
    )
    assert folder.proposed()["dev"] == {
        "url": "postgresql://shop@db.local:5444/shop",
        "password": "dotenv:.env#PGPASSWORD",
        "layout": "connect-pg-simple",
    }


def test_what_stands_in_the_source_is_for_development(folder: Folder) -> None:
    folder.depend("express-session", "connect-redis", "koa-redis", "connect-mongo").write(
        app__js="const { RedisStore } = require('connect-redis');\n"
        "new RedisStore({ client: createClient({ url: 'redis://localhost/1' }), prefix: 'a' });\n"
        "const { createClient } = require('redis');\n",
        __env="MONGO_URL=mongodb://localhost/x\n",
        __env__production="PORT=80\nMONGO_URL=mongodb://db.internal/x\n",
    )
    found = folder.proposed()
    assert {name: one["url"] for name, one in found.items()} == {
        "dev": "redis://localhost/1",
        "dev-redis": "redis://localhost:6379/0",
        "dev-mongodb": "dotenv:.env#MONGO_URL",
        "production": "dotenv:.env.production#MONGO_URL",
    }


def test_odd_names_of_users_and_databases_stay_themselves(folder: Folder) -> None:
    folder.depend("connect-pg-simple").write(
        __env=f"PGHOST=h\nPGUSER=a:b@c\nPGDATABASE=x?y#z\nPGPASSWORD={CANARY}\nPGPORT=\u00b2\n"
    )
    assert folder.proposed()["dev"]["url"] == "postgresql://a%3Ab%40c@h:5432/x%3Fy%23z"


def test_a_setting_from_a_secret_is_not_written(folder: Folder) -> None:
    folder.depend("express-session", "connect-redis").write(
        __env=f"SESSION_SECRET={CANARY}\nREDIS_HOST=h\nREDIS_USER=u\n",
        app__js="const session = require('express-session');\n"
        "session({ name: process.env.SESSION_SECRET, secret: process.env.SESSION_SECRET });",
    )
    found = folder.proposed()["dev"]
    assert (found["url"], "cookie_name" in found) == ("redis://u@h:6379", False)


SOURCES = {
    "connect-pg-simple": (
        """import session from 'express-session';
import connectPg from "connect-pg-simple";
import { Pool } from 'pg';
const pool = new Pool({ connectionString: process.env.DATABASE_URL! });
const PgStore = connectPg(session);
export const store = new PgStore({
  pool, tableName: 'user_sessions', schemaName: "auth", ttl: 3600 });
""",
        "DATABASE_URL=postgres://shop:CANARY-hunter2@db.local/shop\n",
        {
            "url": "dotenv:.env#DATABASE_URL", "layout": "connect-pg-simple",
            "table": "user_sessions", "schema": "auth", "lifetime": "1h",
        },
    ),
    "connect-mongo": (
        """const MongoStore = require('connect-mongo').default;
app.use(session({ store: MongoStore.create({ mongoUrl: `mongodb://localhost/shop`,
  collectionName: 'visits', ttl: 14 * 24 * 60 * 60 }) }));
""",
        "",
        {
            "url": "mongodb://localhost/shop", "layout": "connect-mongo", "collection": "visits",
            "lifetime": "14d",
        },
    ),
    "session-file-store": (
        """const FileStore = require('session-file-store')(session);
app.use(session({ store: new FileStore({ path: path.join(__dirname, "data", 'sess'), ttl: 90 }) }));
""",
        "",
        {"url": "file://data/sess", "layout": "session-file-store", "lifetime": "90s"},
    ),
    "connect-sqlite3": (
        """const SQLiteStore = require('connect-sqlite3')(session);
const store = new SQLiteStore({ db: 'visits.db', dir: './var', table: "visits" });
""",
        "",
        {"url": "sqlite:///var/visits.db", "layout": "connect-sqlite3", "table": "visits"},
    ),
    "express-mysql-session": (
        """const MySQLStore = require('express-mysql-session')(session);
const options = { host: process.env.DB_HOST, port: 3306, user: 'shop', database: 'shop',
  password: process.env.DB_PASSWORD, expiration: 60000,
  schema: { tableName: 'visits', columnNames: { session_id: 'id', data: 'value' } } };
module.exports = new MySQLStore(options);
""",
        "DB_HOST=db.local\nDB_PASSWORD=CANARY-hunter2\n",
        {
            "url": "mysql://shop@db.local:3306/shop", "password": "dotenv:.env#DB_PASSWORD",
            "layout": "express-mysql-session", "table": "visits",
            "columns": {"sid": "id", "data": "value"}, "lifetime": "1m",
        },
    ),
    "connect-memcached": (
        """const MemcachedStore = require("connect-memcached")(session);
new MemcachedStore({ hosts: "10.0.0.4:11211", prefix: "s:", secret: process.env.CACHE_SECRET });
""",
        "CACHE_SECRET=CANARY-hunter2\n",
        {
            "url": "memcached://10.0.0.4:11211", "layout": "connect-memcached", "prefix": "s:",
            "store_secrets": ["dotenv:.env#CACHE_SECRET"],
        },
    ),
    "koa-redis": (
        """const session = require('koa-generic-session'), redisStore = require('koa-redis');
app.keys = [process.env.KOA_KEY];
app.use(session({ key: 'k', prefix: 'kk:', store: redisStore({ url: process.env.CACHE }) }));
""",
        "CACHE=redis://localhost:6379\nKOA_KEY=CANARY-hunter2\n",
        {
            "url": "dotenv:.env#CACHE", "layout": "koa-generic-session", "prefix": "kk:",
            "cookie_name": "k", "secrets": ["dotenv:.env#KOA_KEY"],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("package", SOURCES)
def test_the_options_of_a_store_are_read_from_the_source(folder: Folder, package: str) -> None:
    source, env, expected = SOURCES[package]
    folder.depend("express-session", package)
    if package == "koa-redis":
        folder.depend("koa-generic-session", package)
    folder.write(server__ts=source, __env=env)
    assert folder.proposed() == {"dev": expected}


def test_fastify_s_plugin_decides_the_layout(folder: Folder) -> None:
    folder.depend("@fastify/session", "connect-redis").write(
        app__mjs="""import fastifySession from "@fastify/session";
import { RedisStore } from "connect-redis";
import Redis from "ioredis";
const store = new RedisStore({ client: new Redis(6390, "cache.local"), prefix: "f:" });
app.register(fastifySession, { secret: process.env.KEY, cookieName: "fid", store });
"""
    )
    found = folder.proposed()["dev"]
    assert (found["layout"], found["cookie_name"], found["prefix"]) == (
        "fastify-session",
        "fid",
        "f:",
    )
    assert found["url"] == "redis://cache.local:6390"
    assert found["secrets"] == ["env:KEY"]


def test_sessions_that_are_in_the_cookie_have_no_store(folder: Folder) -> None:
    folder.depend("cookie-session").write(__env=f"COOKIE_SECRET={CANARY}\n")
    result = folder.cli("config", "init")
    assert result.code == 1
    assert "--format cookie-session --secret-from dotenv:.env#COOKIE_SECRET" in result.stderr


def test_a_store_that_no_file_tells_is_named(folder: Folder) -> None:
    result = folder.depend("connect-mongo").cli("config", "init")
    assert result.code == 1
    assert "connect-mongo (package.json:3) keeps sessions in a store (mongodb)" in result.stderr


def test_a_memory_store_is_pointed_to_the_process(folder: Folder) -> None:
    result = folder.depend("express-session").cli("config", "init")
    assert (result.code, "node+pid://PID" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("ignore", "noted"),
    [("", True), (".env\n", False), ("*.env*\n", False), (".env\n!.env\n", True), ("/x\n", True)],
)
def test_a_secret_that_git_would_take_is_noted(shop: Folder, ignore: str, noted: bool) -> None:
    (shop.path / ".git").mkdir()
    (shop.path / ".gitignore").write_text(ignore)
    result = shop.cli("config", "init", "--dry-run")
    assert (".env is not ignored by git" in result.stderr) is noted


# -- hostile projects ------------------------------------------------------------------------------


def test_links_and_devices_and_giants_are_left_alone(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(f"REDIS_URL=redis://:{CANARY}@evil/0\n")
    (folder.path / ".env").symlink_to(outside)
    (folder.path / "app.js").symlink_to("/dev/zero")
    os.mkfifo(folder.path / "compose.yml")
    (folder.path / "loop").symlink_to(folder.path)
    (folder.path / "big.js").write_text("//" + "connect-redis" * 100_000)
    folder.depend("connect-redis")
    result = folder.cli("config", "init", "--dry-run", "-o", "json")
    (item,) = result.json()["items"]
    assert item["found"]["url"] == ["connect-redis's own default"]
    assert ".env is a symbolic link" in result.stderr


BOMBS = {
    ".env": "A=x\n" + "".join(f"{b}=${{{a}}}${{{a}}}${{{a}}}${{{a}}}\n" for a, b in zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXY", "BCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True)),
    "compose.yaml": "services:\n" + "".join(
        f"  s{n}: &s{n}\n    <<: [{', '.join([f'*s{n - 1}'] * 50)}]\n" if n else
        "  s0: &s0 {image: redis}\n" for n in range(30)),
    "docker-compose.yml": "services: " + "[" * 100_000,
    "nested.js": "require('connect-redis');" + "f(" * 100_000,
    "quotes.js": "require('connect-redis');" + "\n'\\" * 50_000,
    "comments.js": "require('connect-redis');" + "\n/*" * 60_000,
    "objects.js": "require('connect-redis'); x = " + "{a:[" * 50_000,
}  # fmt: skip


def test_bombs_are_read_within_their_bounds(folder: Folder) -> None:
    for name, text in BOMBS.items():
        (folder.path / name).write_text(text)
    result = folder.depend("connect-redis").cli("config", "init", "--dry-run")
    assert (result.code, "Traceback" in result.stderr) == (0, False)
    assert tomllib.loads(result.stdout)["backends"]["dev"]["layout"] == "connect-redis"


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "[]", '{"dependencies": 3}', ""])
def test_a_broken_manifest_is_none(folder: Folder, text: str) -> None:
    (folder.path / "package.json").write_text(text)
    result = folder.cli("config", "init")
    assert (result.stdout, result.code, "Traceback" in result.stderr) == ("", 1, False)


def test_names_of_files_bring_nothing_to_the_screen_or_the_file(folder: Folder) -> None:
    odd = "a\x1b[31m\nurl = 'redis:evil' #.js"
    (folder.path / odd).write_text(APP)
    (folder.path / ".env.x\ny").write_text("REDIS_URL=redis://evil/0\n")
    folder.depend("express-session", "connect-redis")
    result = folder.cli("config", "init", "--yes")
    assert "\x1b" not in result.stderr + result.stdout
    assert result.code == 0
    written = folder.written()
    assert list(written["backends"]) == ["dev"]
    assert written["backends"]["dev"]["url"] == "redis://localhost:6379"  # the app's own default
