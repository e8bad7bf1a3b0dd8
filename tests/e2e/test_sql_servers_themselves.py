"""The servers of `tests.support` keep what they promise to the tests; no sessctl in here."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.support import postgres
from tests.support.mariadb import MariaServer
from tests.support.postgres import PostgresServer
from tests.support.servers import find_program

Server = PostgresServer | MariaServer
KINDS = [PostgresServer, MariaServer]


def connect(server: Server, **options: Any) -> Any:
    """A connection of the application's user."""
    where = {"host": "127.0.0.1", "port": server.port, "user": "app", "password": server.password}
    if isinstance(server, MariaServer):
        return pymysql.connect(**where, database="shop", **options)
    return psycopg.connect(**where, dbname="shop", **options)


def say(server: Server, *statements: str, **options: Any) -> None:
    with closing(connect(server, **options)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def count(server: Server) -> int:
    return int(server.query("SELECT count(*) FROM t")[0][0])


@pytest.fixture(params=["postgres", "maria"])
def server(request: pytest.FixtureRequest) -> Server:
    """One of the worker's servers, emptied."""
    request.getfixturevalue(f"{request.param}_url")
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


def test_app_is_no_superuser_and_owns_its_database(server: Server) -> None:
    say(server, "CREATE TABLE t (a integer)")
    with pytest.raises((psycopg.Error, pymysql.Error)):
        say(server, "CREATE DATABASE other")


@pytest.mark.parametrize("user", ["postgres", "root"])
def test_nobody_gets_in_over_tcp_without_a_password(server: Server, user: str) -> None:
    driver: Any = pymysql if isinstance(server, MariaServer) else psycopg
    with pytest.raises((psycopg.Error, pymysql.Error)):
        driver.connect(host="127.0.0.1", port=server.port, user=user)


def test_empty_leaves_nothing(server: Server) -> None:
    say(server, "CREATE TABLE t (a integer)")
    server.empty()
    say(server, "CREATE TABLE t (a integer)")


def test_records_what_others_say_and_not_its_own(server: Server) -> None:
    spoken = ["CREATE TABLE t (a text)", "INSERT INTO t\n\tVALUES ('[1] LOG:  x\n y')"]
    with server.recorded() as seen:
        say(server, *spoken)
        server.query("SELECT 'its own'")
    assert [text for text in seen if text in spoken] == spoken
    assert not any("its own" in text for text in seen)
    with server.recorded() as seen:
        pass
    assert seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_committed_outlives_a_kill_and_a_restart(kind: type[Server]) -> None:
    with kind() as server:
        say(server, "CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1)")
        port = server.port
        with closing(connect(server)) as idle:
            server.kill()
            with pytest.raises((psycopg.Error, pymysql.Error)):
                connect(server)
            server.restart()
            assert (server.port, count(server)) == (port, 1)
            with pytest.raises((psycopg.Error, pymysql.Error)):
                idle.cursor().execute("SELECT 1")
        with closing(connect(server)):  # who is connected does not hold it up
            server.restart()
        assert count(server) == 1
        folder = server.dir
    assert not folder.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_follows_pauses_and_only_reads(kind: type[Server]) -> None:
    with kind() as server, server.replica() as replica:
        say(server, "CREATE TABLE t (a integer)")
        replica.catch_up()
        assert count(replica) == 0
        with pytest.raises((psycopg.Error, pymysql.Error), match=r"read.only"):
            say(replica, "INSERT INTO t VALUES (1)")
        replica.pause()
        say(server, "INSERT INTO t VALUES (1)")
        assert count(replica) == 0
        replica.resume()
        replica.catch_up()
        assert count(replica) == 1
        server.kill()
        server.restart()
        say(server, "INSERT INTO t VALUES (2)")
        replica.catch_up()
        assert count(replica) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_can_lag(kind: type[Server]) -> None:
    with kind() as server:
        say(server, "CREATE TABLE t (a integer)")
        with server.replica(apply_delay_s=2) as replica:
            replica.catch_up()
            say(server, "INSERT INTO t VALUES (1)")
            assert count(replica) == 0
            replica.catch_up()
            assert count(replica) == 1


def test_postgres_tls_zone_and_settings() -> None:
    with PostgresServer(
        tls=True, timezone="Europe/Istanbul", password="p w/@:%'", settings=["work_mem = 1MB"]
    ) as server:
        verified = f"{server.url}?sslmode=verify-full&sslrootcert={server.ca_file}"
        with psycopg.connect(verified) as connection:
            for name, value in [("timezone", "Europe/Istanbul"), ("work_mem", "1MB")]:
                assert connection.execute(f"SHOW {name}").fetchone() == (value,)
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(f"{server.url}?sslmode=disable")


def test_maria_tls_zone_and_settings() -> None:
    with MariaServer(
        tls=True, timezone="+05:30", password="p w/@:%'", settings=["--lower-case-table-names=1"]
    ) as server:
        with closing(connect(server, ssl={"ca": str(server.ca_file)})) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT @@time_zone, @@lower_case_table_names")
            assert cursor.fetchone() == ("+05:30", 1)
        # The server says no more than that.
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            connect(server, ssl_disabled=True)


def test_a_missing_server_names_the_command_that_installs_it() -> None:
    with pytest.raises(FileNotFoundError, match="apt-get install some-package"):
        find_program("no-such-server", "some-package", also=[Path("/nowhere")])


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"):
        PostgresServer(settings=["no_such_setting = 1"])


def test_all_programs_of_postgres_are_of_one_version() -> None:
    folders = {Path(postgres._program(name)).parent for name in ("initdb", "postgres")}
    assert len(folders) == 1
