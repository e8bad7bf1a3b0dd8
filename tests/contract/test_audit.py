"""What `audit` finds in sessions and stores: each check on a store that breaks its rule and on one
that does not, on the engine that it is about.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.audit import Audit, Finding, Settings, Severity, audit
from sessctl.admin.audit.crowds import OneUser, bits_of, counted_up
from sessctl.admin.audit.look import MOST_VALUES, Look
from sessctl.admin.audit.store import FACT_CHECKS, Told, judge_clock
from sessctl.config.model import Backend
from sessctl.session import Session
from sessctl.stores.access import Access
from sessctl.stores.facts import Fact, Topic
from sessctl.stores.opening import open_store
from sessctl.text import Masker, Secret, short_id
from tests.support.engines import FilesEngine, RedisEngine, SqliteEngine, now_ms, with_layout
from tests.support.mongo import MongoServer
from tests.support.postgres import PostgresServer
from tests.support.servers import RedisServer
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.audit.finding import Rule
    from tests.support.engines import Engine
    from tests.support.memcached import MemcachedServer
    from tests.support.mongo import MongoEngine

HOUR, DAY = 3_600_000, 86_400_000
YEAR = 366 * DAY
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.canary-of-a-signature"
PEM = "-----BEGIN RSA {0} KEY-----\nMIIcanary\n-----END RSA {0} KEY-----".format("PRIVATE")


def value(*, cookie: dict[str, Any] | None = None, **data: Any) -> bytes:
    """A session against which nothing can be said, but for what is given."""
    own = {"originalMaxAge": DAY, "expires": None, "httpOnly": True, "path": "/", "secure": True}
    user = {"passport": {"user": secrets.token_hex(4)}}
    return json.dumps({"cookie": {**own, **(cookie or {})}, **user, **data}).encode()


def save(engine: Engine, raw: bytes, *, left: int | None = DAY, sid: str = "") -> str:
    name = sid or secrets.token_urlsafe(24)
    engine.save(name.encode(), raw, None if left is None else now_ms() + left)
    return name


def fill(engine: Engine, count: int = 40) -> None:
    for _ in range(count):
        save(engine, value())


def findings(engine: Engine, **options: Any) -> dict[str, Finding]:
    with engine.open(**options) as store:
        return {one.id: one for one in audit(store).findings}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can look into; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="sessctl-audit-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def sound(sqlite_engine: SqliteEngine) -> SqliteEngine:
    """A store of forty sessions with an index; nothing is wrong with it."""
    sqlite_engine.client.execute("CREATE INDEX by_end ON sessions (expired)")
    fill(sqlite_engine)
    return sqlite_engine


def test_nothing_is_found_where_nothing_is_wrong(sound: SqliteEngine) -> None:
    with sound.open() as store:
        made = audit(store)
    assert (made.findings, made.skipped, made.sessions, made.complete) == ([], [], 40, True)
    assert len(set(made.passed)) == len(made.passed) > 25


# -- single sessions -------------------------------------------------------------------------------

# id: (what breaks the rule, what comes near and does not)
SESSIONS: dict[str, tuple[list[tuple[bytes, int | None]], list[tuple[bytes, int | None]]]] = {
    "expiry.far": ([(value(), 2 * YEAR)], [(value(cookie={"originalMaxAge": None}), YEAR - DAY)]),
    "expiry.outlives-cookie": (
        [(value(cookie={"originalMaxAge": HOUR}), DAY)],
        [(value(cookie={"originalMaxAge": DAY}), DAY)],
    ),
    "expiry.unreadable": ([(value(), None)], [(b"{", None)]),
    "expiry.left-over": ([(value(), -2 * DAY)], [(value(), -HOUR)]),
    "data.large": ([(value(cart="x" * 70_000), DAY)], [(value(cart="x" * 60_000), DAY)]),
    "data.unreadable": ([(b"{", DAY)], [(b'{"cookie":{"secure":true}}', DAY)]),
    "cookie.http-only": (
        [(value(cookie={"httpOnly": False}), DAY)],
        [(value(httpOnly=False), DAY)],
    ),
    "cookie.secure": (
        [(value(cookie={"secure": False}), DAY)],
        [(value(secure=False), DAY)],
    ),
    "cookie.same-site": (
        [(value(cookie={"sameSite": "none", "secure": False}), DAY)],
        [(value(cookie={"sameSite": "none"}), DAY), (value(cookie={"sameSite": "lax"}), DAY)],
    ),
    "cookie.long-lived": (
        [(value(cookie={"originalMaxAge": 2 * YEAR}), DAY)],
        [(value(cookie={"originalMaxAge": YEAR}), DAY)],
    ),
    "cookie.domain": (
        [(value(cookie={"domain": ".shop.example"}), DAY)],
        [(value(cookie={"domain": "localhost"}), DAY), (value(domain=".shop.example"), DAY)],
    ),
    "data.password": (
        [(value(login={"password": "canary-7"}), DAY)],
        [
            (value(login={"password": ""}, passed="yes", compass="north", bypassWarning="x"), DAY),
            (value(passwordChangedAt="2026-01-01", password_reset_required="never"), DAY),
            (value(_password_reset_token="canary-token"), DAY),
        ],
    ),
    "data.password-hash": (
        [(value(user={"hash": "$2b$10$" + "canary" * 9}), DAY)],
        [(value(price="$2 b"), DAY)],
    ),
    "data.private-key": (
        [(value(keys=[PEM]), DAY)],
        [(value(key="-----BEGIN PUBLIC KEY-----"), DAY)],
    ),
    "data.card": (
        [(value(pay={"number": "4111 1111 1111 1111"}), DAY)],
        # one digit off; no issuer's; a moment; too short
        [
            (
                value(a="4111 1111 1111 1112", b="8111111111111116", c=1_790_000_000_000, d="4111"),
                DAY,
            )
        ],
    ),
    "data.service-key": (
        [
            (value(stripe="sk_live_canary0canary0canary"), DAY),
            (value(db="postgres://app:canary@db.internal/shop"), DAY),
        ],
        [
            (value(stripe="sk_live_x", pk="pk_live_canary0canary0canary"), DAY),
            (value(to="https://shop.example:8443/@ana", at="at 10:30, mail ana@x.example"), DAY),
        ],
    ),
    "data.token": (
        [
            (value(oidc={"id": JWT}), DAY),
            (value(oauth={"accessToken": "canary-token"}), DAY),
            (value(password_reset_token="canary-token"), DAY),
        ],
        [
            (value(csrfSecret="canary-token", oauth={"token": "", "state": "canary-state"}), DAY),
            (value(tokenType="bearer token", authProvider="google-oauth2"), DAY),
        ],
    ),
    "data.secret-shape": (
        [(value(odd="Zk3canary0Q7vR2xLw9BnT5sYd8HgJ4m"), DAY)],
        [
            (
                value(
                    csrf="Zk3canary0Q7vR2xLw9BnT5sYd8HgJ4m", text="no key at all, but a sentence"
                ),
                DAY,
            )
        ],
    ),
    "data.email": (
        [(value(profile={"mail": "canary@shop.example"}), DAY)],
        [(value(profile={"mail": "canary@shop", "note": "write to canary@shop.example"}), DAY)],
    ),
}


@pytest.mark.parametrize("id", SESSIONS)
def test_a_session_that_breaks_a_rule_is_found_and_one_near_it_is_not(
    sound: SqliteEngine, id: str
) -> None:
    broken, near = SESSIONS[id]
    for raw, left in near:
        save(sound, raw, left=left)
    assert id not in findings(sound)
    sids = [save(sound, raw, left=left) for raw, left in broken]
    found = findings(sound)[id]
    assert (found.count, found.where) == (len(broken), "sessions")
    assert set(found.sids) == set(map(short_id, sids))
    assert f"{len(broken)} of {40 + len(near) + len(broken)}" in found.evidence
    assert found.why
    assert found.fix


def test_a_key_without_a_ttl_never_ends_or_is_not_enforced(redis_engine: RedisEngine) -> None:
    save(redis_engine, value())
    assert {"expiry.none", "expiry.unenforced"}.isdisjoint(findings(redis_engine))
    never = save(redis_engine, value(), left=None)
    inner = save(redis_engine, value(cookie={"expires": "2030-01-01T00:00:00.000Z"}), left=None)
    found = findings(redis_engine)
    assert found["expiry.none"].sids == (short_id(never),)
    assert found["expiry.unenforced"].sids == (short_id(inner),)


def test_the_backend_s_own_lifetime_is_held_against_the_sessions(sound: SqliteEngine) -> None:
    def ids(lifetime: str | None) -> set[str]:
        with sound.open() as store:
            return {
                one.id for one in audit(store, Backend(url=sound.url, lifetime=lifetime)).findings
            }

    assert "expiry.beyond-lifetime" in ids("1h")
    assert "expiry.beyond-lifetime" not in ids("1d")
    assert "expiry.beyond-lifetime" not in ids(None)


def test_a_place_in_the_data_is_told_and_no_value(sound: SqliteEngine) -> None:
    card = {"number": "4111111111111111"}
    save(sound, value(carts={"1791": {"pay": [card, card]}}))
    save(sound, value(carts={JWT: {"pay": [card]}}))
    assert findings(sound)["data.card"].evidence == (
        "2 of 42 (5%): carts.*.pay[].number (2)"
    )  # one session counts once for a place


def test_values_beyond_a_bound_are_told_as_skipped(sound: SqliteEngine) -> None:
    save(sound, value(many=["x"] * (MOST_VALUES + 5), password="canary"))
    with sound.open() as store:
        made = audit(store)
    assert [(one.id, one.reason) for one in made.skipped] == [
        ("data", f"of 1 sessions only the first {MOST_VALUES:,} values were looked at")
    ]


def test_a_configured_key_is_a_secret(sound: SqliteEngine) -> None:
    save(sound, value(loyalty="canary-number"))
    assert "data.token" not in findings(sound)
    with sound.open() as store:
        made = Audit(store, masker=Masker(keys=["loyalty"]))
        assert sum(made.run()) == 41
    assert "data.token" in [one.id for one in made.findings]


# -- all sessions together -------------------------------------------------------------------------


def test_masses_without_a_user_are_found(sound: SqliteEngine) -> None:
    empty = b'{"cookie":{"originalMaxAge":86400000,"secure":true}}'
    for _ in range(90):
        save(sound, empty)
    assert "crowd.anonymous" not in findings(sound)  # fewer than a hundred
    for _ in range(20):
        save(sound, empty)
    found = findings(sound)["crowd.anonymous"]
    assert found.evidence == "110 of 150 (73%) have no user; 110 hold no data"
    assert found.severity is Severity.LOW


def test_a_user_with_a_great_number_of_sessions_is_found(sound: SqliteEngine) -> None:
    for _ in range(20):
        save(sound, value(passport={"user": "robot-7"}))
    assert "crowd.one-user" not in findings(sound)
    save(sound, value(passport={"user": "robot-7"}))
    assert findings(sound)["crowd.one-user"].evidence == "user robot-7: 21"


def test_the_user_with_the_most_sessions_is_found_with_few_counters() -> None:
    crowd = OneUser(counters=10)
    for number in range(1000):
        user = "robot" if number % 4 == 0 else f"user-{number}"
        session = Session(sid="s", raw=b"", location="", user=user)
        crowd.see(Look(session, now_ms=0, lifetime_s=None, masker=Masker()))
    (found,) = crowd.judge("here", 1000)
    assert isinstance(found, Finding)
    assert "user robot: at least " in found.evidence
    assert 150 <= (found.count or 0) <= 250


@pytest.mark.parametrize(
    ("make", "severity"),
    [
        (lambda n: f"s-{n}", Severity.CRITICAL),
        (lambda n: f"{1_790_000_000_000 + n * 977}-{n % 7}", Severity.HIGH),
        (lambda n: "app1-" * 8 + secrets.token_hex(5), Severity.HIGH),
        (lambda n: secrets.token_hex(8), None),
        (lambda n: secrets.token_urlsafe(24), None),
        (lambda n: f"prefix:{secrets.token_hex(16)}", None),
    ],
    ids=["counted", "time", "short", "64 bits", "uid-safe", "prefix"],
)
def test_ids_that_can_be_guessed_are_found(
    sqlite_engine: SqliteEngine, make: Any, severity: Severity | None
) -> None:
    for number in range(60):
        save(sqlite_engine, value(), sid=make(number))
    found = findings(sqlite_engine).get("sid.guessable")
    assert (found.severity if found else None) is severity


def test_a_few_ids_are_not_judged(sqlite_engine: SqliteEngine) -> None:
    for number in range(29):
        save(sqlite_engine, value(), sid=f"s-{number}")
    with sqlite_engine.open() as store:
        made = audit(store)
    assert "sid.guessable" in [one.id for one in made.skipped]
    assert "sid.guessable" not in made.passed


def test_randomness_of_ids_is_reckoned_place_by_place() -> None:
    assert bits_of(["a"] * 50) == 0
    assert bits_of([f"{n % 2}" for n in range(50)]) == pytest.approx(1, abs=0.05)
    assert counted_up(["x", "y1", "y2", "y3", "z9"]) == pytest.approx(2 / 5)


def test_a_sample_reads_no_more(sound: SqliteEngine) -> None:
    with sound.open() as store:
        some, whole = audit(store, sample=10), audit(store, sample=40)
    assert (some.sessions, some.complete) == (10, False)
    assert (whole.sessions, whole.complete) == (40, True)


# -- stores ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[RedisServer]:
    users = (
        "user default on >pw-0 ~* &* +@all",
        "user little on >pw-1 ~sess:* +scan +mget +pexpiretime +time +dbsize +type +role +select"
        " +client|setname",
        "user most on >pw-2 ~* &* +@all -config",
    )
    with RedisServer(password="pw-0", acl=users) as server:
        yield server


class TestRedis:
    def as_user(self, server: RedisServer, user: str, password: str) -> Audit:
        access = Access(username=user, password=Secret(password))
        url = with_layout(f"redis://127.0.0.1:{server.port}/0", "connect-redis")
        with open_store(url, access=access) as store:
            return audit(store)

    def test_without_a_password(self, redis_engine: RedisEngine) -> None:
        found = findings(redis_engine)["access.no-password"]
        assert (found.severity, found.where) == (Severity.MEDIUM, "user default")

    def test_without_a_password_for_other_machines(self, redis_engine: RedisEngine) -> None:
        client = redis_engine.client
        client.config_set("protected-mode", "no")
        try:
            near = findings(redis_engine)  # it listens on 127.0.0.1 only
            client.config_set("bind", "127.0.0.1 -203.0.113.9")
            found = findings(redis_engine)
        finally:
            client.config_set("protected-mode", "yes")
            client.config_set("bind", "127.0.0.1")
        assert near["access.no-password"].severity is Severity.MEDIUM
        assert "access.protected-mode" not in near
        assert found["access.no-password"].severity is Severity.CRITICAL
        assert found["access.protected-mode"].fix == "CONFIG SET protected-mode yes"
        assert "access.protected-mode" not in findings(redis_engine)

    def test_on_another_machine_without_tls(self, redis_engine: RedisEngine) -> None:
        """0.0.0.0 leads here, and says nothing of that."""
        url = redis_engine.url.replace("127.0.0.1", "0.0.0.0")
        with open_store(url) as store:
            found = {one.id: one for one in audit(store).findings}
        assert found["transport.plain"].severity is Severity.HIGH
        assert found["access.no-password"].severity is Severity.CRITICAL
        assert "transport.plain" not in findings(redis_engine)

    def test_with_a_password_and_with_few_rights(self, guarded_server: RedisServer) -> None:
        whole = self.as_user(guarded_server, "default", "pw-0")
        most = self.as_user(guarded_server, "most", "pw-2")
        little = self.as_user(guarded_server, "little", "pw-1")
        assert "access.no-password" in {*whole.passed} & {*most.passed}
        assert "access.all-rights" in [one.id for one in whole.findings]
        assert {one.id: one.reason for one in most.skipped}["access.protected-mode"] == (
            "this Redis user may not run CONFIG"
        )
        unknown = {one.id for one in little.skipped}
        assert unknown >= {
            "access.no-password", "access.protected-mode", "access.all-rights", "store.evicting",
            "store.not-durable",
        }  # fmt: skip
        assert unknown.isdisjoint([*little.passed, *(one.id for one in little.findings)])

    def test_a_user_with_few_rights_passes(self, redis_engine: RedisEngine) -> None:
        rights = "+@read +time +role +info +acl|whoami +acl|getuser +config|get +select +client"
        redis_engine.client.execute_command(
            "ACL", "SETUSER", "shop", "on", ">pw-3", "~sess:*", *rights.split()
        )
        try:
            made = self.as_user(redis_engine.server, "shop", "pw-3")
        finally:
            redis_engine.client.execute_command("ACL", "DELUSER", "shop")
        assert "access.all-rights" in made.passed
        # The server's default user needs no password all the same.
        assert "access.no-password" in [one.id for one in made.findings]

    @pytest.mark.parametrize(
        ("memory", "policy", "is_found"),
        [
            ("100mb", "allkeys-lru", True),
            ("100mb", "volatile-ttl", True),
            ("100mb", "noeviction", False),
            ("0", "allkeys-lru", False),
        ],
    )
    def test_a_server_that_evicts(
        self, redis_engine: RedisEngine, memory: str, policy: str, is_found: bool
    ) -> None:
        client = redis_engine.client
        client.config_set("maxmemory", memory)
        client.config_set("maxmemory-policy", policy)
        try:
            found = findings(redis_engine)
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")
        assert ("store.evicting" in found) is is_found
        if is_found:
            assert found["store.evicting"].evidence == policy

    def test_a_server_that_keeps_nothing(self, redis_engine: RedisEngine) -> None:
        assert findings(redis_engine)["store.not-durable"].severity is Severity.INFO
        redis_engine.client.config_set("save", "3600 1")
        try:
            assert "store.not-durable" not in findings(redis_engine)
        finally:
            redis_engine.client.config_set("save", "")

    def test_other_things_under_the_prefix(self, redis_engine: RedisEngine) -> None:
        assert "store.strangers" not in findings(redis_engine)
        redis_engine.client.rpush("sess:queue", "x")
        assert findings(redis_engine)["store.strangers"].evidence == "1 no sessions: list"
        redis_engine.client.set("sess:counter", b'{"n":7}', ex=60)
        assert findings(redis_engine)["store.strangers"].evidence == (
            "1 no sessions: list; 1 value without the mark of connect-redis"
        )

    def test_the_server_sees_reads_only(self, redis_engine: RedisEngine) -> None:
        save(redis_engine, value())
        client = redis_engine.client
        client.config_resetstat()
        findings(redis_engine)
        called = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
        assert called <= {
            "info", "acl|getuser", "acl|whoami", "config|get", "scan", "mget", "pexpiretime",
            "time", "dbsize", "role", "type", "ping", "client|setname", "client|setinfo", "select",
            "config|resetstat",
        }  # fmt: skip


class TestPostgres:
    def test_its_own_table_is_sound(self, postgres_engine: PostgresEngine) -> None:
        found = findings(postgres_engine)
        assert set(found) == {"store.no-zone"}
        assert (found["store.no-zone"].severity, found["store.no-zone"].evidence) == (
            Severity.INFO, "timestamp(6) without time zone",
        )  # fmt: skip

    def test_what_is_wrong_with_a_table(self, postgres_engine: PostgresEngine) -> None:
        postgres_engine.client.execute(
            'DROP INDEX "IDX_session_expire"; ALTER TABLE session DROP CONSTRAINT session_pkey;'
            "ALTER TABLE session ALTER expire TYPE timestamptz; GRANT SELECT ON session TO PUBLIC"
        )
        found = findings(postgres_engine)
        assert {id: one.fix for id, one in found.items()} == {
            "store.no-expiry-index": "CREATE INDEX session_expiry ON session (expire);",
            "store.id-not-unique": "CREATE UNIQUE INDEX session_id ON session (sid);",
            "access.public-table": 'REVOKE ALL ON "session" FROM PUBLIC;',
        }
        for one in found.values():
            if one.id != "store.id-not-unique":
                postgres_engine.client.execute(one.fix.encode())
        assert set(findings(postgres_engine)) == {"store.id-not-unique"}

    def test_a_certificate_that_is_not_verified(self) -> None:
        with PostgresServer(tls=True) as server:
            client = server.connect()
            client.execute("SET ROLE app")
            client.execute(PostgresEngine.DDL.encode())
            client.close()
            plain = with_layout(server.url, "connect-pg-simple")
            away = plain.replace("127.0.0.1", "0.0.0.0") + "&sslmode=require"
            found = {}
            for url in (away, plain):
                with open_store(url) as store:
                    found[url] = [one.id for one in audit(store).findings]
        assert "transport.unverified" in found[away]
        assert "transport.plain" not in found[away]
        assert "transport.unverified" not in found[plain]


def test_mariadb_s_own_table_has_no_index(mysql_engine: MariaEngine) -> None:
    found = findings(mysql_engine)
    assert set(found) == {"store.no-expiry-index"}
    with mysql_engine.client.cursor() as cursor:
        cursor.execute(found["store.no-expiry-index"].fix)
    assert findings(mysql_engine) == {}


class TestMongo:
    def test_a_collection_without_a_ttl_index(self, mongo_engine: MongoEngine) -> None:
        save(mongo_engine, value())
        assert "store.no-ttl-index" not in findings(mongo_engine)
        mongo_engine.client.drop_indexes()
        found = findings(mongo_engine)["store.no-ttl-index"]
        assert found.fix == (
            'db.getCollection("sessions").createIndex({ "expires": 1 }, { expireAfterSeconds: 0 })'
        )

    def test_a_server_without_passwords(self, mongo_engine: MongoEngine) -> None:
        found = findings(mongo_engine)["access.no-password"]
        assert (found.severity, found.where) == (Severity.MEDIUM, "security.authorization")

    def test_a_server_with_passwords(self) -> None:
        with MongoServer(user=["app", "pw-canary-4"]) as server:
            url = f"mongodb://app:pw-canary-4@127.0.0.1:{server.port}/shop?layout=connect-mongo"
            with open_store(f"{url}&authSource=shop") as store:
                assert audit(store).findings == []


def test_memcached_lets_everybody_in(memcached_server: MemcachedServer) -> None:
    port = memcached_server.port
    for host, severity in (("127.0.0.1", Severity.MEDIUM), ("0.0.0.0", Severity.CRITICAL)):
        with open_store(f"memcached://{host}:{port}?layout=connect-memcached") as store:
            found = {one.id: one.severity for one in audit(store).findings}
        assert found["access.no-password"] is severity
        assert ("transport.plain" in found) is (severity is Severity.CRITICAL)


class TestFiles:
    def test_files_that_others_may_read(self, open_folder: Path) -> None:
        engine = FilesEngine(open_folder / "sessions")
        names = [save(engine, value()) for _ in range(3)]
        for name in names:
            (engine.path / f"{name}.json").chmod(0o600)
        assert findings(engine) == {}
        (engine.path / f"{names[0]}.json").chmod(0o644)
        found = findings(engine)["access.files-open"]
        assert (found.severity, found.evidence) == (
            Severity.HIGH, "1 file, readable by everybody",
        )  # fmt: skip
        assert found.fix == f"chmod 700 {engine.path}"
        engine.path.chmod(0o700)
        assert findings(engine) == {}

    def test_files_that_a_group_may_read(self, open_folder: Path) -> None:
        engine = FilesEngine(open_folder / "sessions")
        name = save(engine, value())
        (engine.path / f"{name}.json").chmod(0o640)
        assert findings(engine)["access.files-open"].severity is Severity.LOW

    @pytest.mark.parametrize(("owners", "is_found"), [(1, False), (2, True)])
    def test_files_of_several_users(self, owners: int, is_found: bool) -> None:
        """Only root can give files away, so the fact is made here."""
        (check,) = [one for one in FACT_CHECKS if one.topic is Topic.OWNERS]
        fact = Fact(Topic.OWNERS, owners, "sessions")
        told = Told(None, {fact.topic: fact})  # type: ignore[arg-type]
        assert bool([*check.judge(check.rule, fact, told)]) is is_found

    def test_a_database_file_that_others_may_read(self, open_folder: Path) -> None:
        engine = SqliteEngine(open_folder / "shop's.db")
        engine.path.chmod(0o600)
        assert "access.files-open" not in findings(engine)
        engine.path.chmod(0o644)
        found = findings(engine)["access.files-open"]
        engine.client.close()
        assert found.severity is Severity.HIGH
        os.system(found.fix)
        assert engine.path.stat().st_mode & 0o777 == 0o600


def test_every_engine_can_be_audited(engine: Engine) -> None:
    for number in range(3):
        engine.save(b"sid-%d" % number, value(password="canary-7"), now_ms() + DAY)
    with engine.open() as store:
        made = audit(store)
    found = {one.id: one for one in made.findings}
    assert (made.sessions, made.complete, found["data.password"].count) == (3, True, 3)
    assert "canary" not in str(made.findings)


class Late:
    """A store whose clock is off."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return now_ms() + self.ms


@pytest.mark.parametrize(("ms", "said"), [(60_000, "ahead of"), (-60_000, "behind"), (1_000, "")])
def test_clocks_that_differ(ms: int, said: str) -> None:
    found = [*judge_clock(Late(ms), "here")]  # type: ignore[arg-type]
    assert [said in one.evidence for one in found] == ([True] if said else [])


class Silent:
    """An engine of a plug-in that tells nothing of itself."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "facts":
            raise AttributeError(name)
        return getattr(self._store, name)


def test_what_was_not_looked_at_has_not_passed(
    sqlite_engine: SqliteEngine, redis_engine: RedisEngine
) -> None:
    with sqlite_engine.open() as store:
        empty = audit(store)
    assert [(one.id, one.reason) for one in empty.skipped] == [("data", "the store has none")]
    redis_engine.client.set("koa:sess:a", b'{"_expire":1,"_maxAge":2,"user":7}')
    with open_store(
        redis_engine.url.partition("?")[0] + "?layout=koa-session&prefix=koa:sess:"
    ) as s:
        koa = audit(s)
    assert ("cookie", "koa-session keeps none in its sessions") in [
        (one.id, one.reason) for one in koa.skipped
    ]
    for made in (empty, koa):
        assert not [id for id in made.passed if id.startswith("cookie.")]
    assert not [id for id in empty.passed if id.startswith(("data.", "sid.", "expiry.", "crowd."))]


def test_an_engine_that_tells_nothing_is_said_to(sound: SqliteEngine) -> None:
    with sound.open() as store:
        made = audit(Silent(store))  # type: ignore[arg-type]
    assert [(one.id, one.reason) for one in made.skipped] == [
        ("store", "this engine does not tell them")
    ]
    assert made.findings == []


def test_every_finding_s_id_is_stable_and_its_own() -> None:
    from sessctl.admin.audit.configuration import SETTINGS_CHECKS
    from sessctl.admin.audit.crowds import ANONYMOUS, GUESSABLE, ONE_USER
    from sessctl.admin.audit.sessions import SESSION_CHECKS
    from sessctl.admin.audit.store import CLOCK, STRANGERS

    rules: list[Rule] = [ANONYMOUS, GUESSABLE, ONE_USER, CLOCK, STRANGERS]
    rules += [one.rule for one in (*SESSION_CHECKS, *SETTINGS_CHECKS, *FACT_CHECKS)]
    ids = [rule.id for rule in rules]
    assert len(set(ids)) == len(ids)
    assert all(id.replace("-", "").replace(".", "").isalpha() and "." in id for id in ids)
    assert all(rule.title and rule.why for rule in rules)


def test_settings_are_no_part_of_an_audit_without_a_backend(sound: SqliteEngine) -> None:
    with sound.open() as store:
        made = audit(store)
        also = Audit(store, Settings(backend=Backend(url=sound.url)))
        for _ in also.run():
            pass
    assert not [id for id in made.passed if id.startswith(("secret.", "config.", "journal."))]
    assert [one.id for one in also.skipped] == ["secret.example", "secret.weak"]
