"""`config init` beside a real application: what it writes can be used at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.shops.base import SECRET, sid_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.cli import Cli

SESSION = """\
const session = require("express-session");
app.use(session({ secret: process.env.SESSION_SECRET, store: makeStore(session) }));
"""
STORES = {
    "connect-redis": """\
const { RedisStore } = require("connect-redis");
const client = require("redis").createClient({ url: process.env.REDIS_URL });
module.exports = () => new RedisStore({ client });
""",
    "connect-pg-simple": """\
const { Pool } = require("pg");
const pool = new Pool({ connectionString: process.env.REDIS_URL });
module.exports = (session) => new (require("connect-pg-simple")(session))({ pool });
""",
    "session-file-store": """\
module.exports = (session) => {
  const FileStore = require("session-file-store")(session);
  return new FileStore({ path: "PATH" });
};
""",
}


@pytest.mark.parametrize("package", STORES)
def test_what_init_writes_is_the_running_app_s_store(
    cli: Cli, open_shop_on: OpenShop, package: str
) -> None:
    shop = open_shop_on(package)
    browser = visitor(shop.start(), 42)
    path = shop.url.removeprefix("file://")
    (cli.home / "server.js").write_text(SESSION)
    (cli.home / "store.js").write_text(STORES[package].replace("PATH", path))
    (cli.home / "package.json").write_text(
        json.dumps({"dependencies": {"express-session": "1.19.0", package: "1"}})
    )
    pool = "?connection_limit=5" if package == "connect-pg-simple" else ""  # for its own driver
    (cli.home / ".env").write_text(f"REDIS_URL={shop.url}{pool}\nSESSION_SECRET={SECRET}\n")
    made = cli("config", "init", "--yes", "-q")
    assert (made.stderr, made.code) == ("", 0)
    listed = cli("list", "--user", "42", "-o", "json")
    (item,) = listed.json()["items"]
    assert ("left aside of the application's URL: connection_limit" in listed.stderr) == bool(pool)
    assert (item["sid"], item["backend"], item["layout"]) == (sid_of(browser), "dev", package)
    judged = cli("verify", f"connect.sid={browser.cookie()}")
    assert judged.json_lines()[0]["secret"] == "dotenv:.env#SESSION_SECRET"
    healthy = cli("doctor", "-o", "json")
    assert (healthy.json()["summary"]["fail"], healthy.code) == (0, 0)
    pong = cli("backends", "ping", "-o", "json").json()["items"][0]
    assert (pong["reached"], pong["seen"], pong["problem"]) == (True, [package], None)
    ended = cli("expire", "--user", "42", "--yes")
    assert ended.code == 0
    assert browser.get("/me").json["user"] is None
