"""What the engine of a live Node process has of its own: whom it speaks to, what it leaves behind,
and when each library takes a session for over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.server import serve

from sessctl.errors import AccessDenied, Refused, SessctlError, StoreError, StoreUnreachable
from sessctl.session import Expiry, Query, Session, State
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from sessctl.timespec import iso
from tests.support.engines import now_ms, value
from tests.support.memory_app import MemoryApp, NodeApp, NodeEngine
from tests.support.npm import ROOT
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

    from sessctl.stores.base import Store

HOUR = 3_600_000


@pytest.fixture(scope="module")
def open_app() -> Iterator[MemoryApp]:
    """MemoryStore in a process whose inspector is open."""
    with MemoryApp(store="memory", node_options="--inspect=127.0.0.1:0") as app:
        yield app


@pytest.fixture
def app(open_app: MemoryApp) -> MemoryApp:
    open_app.ask("clear")
    return open_app


@pytest.fixture(scope="module")
def shut_app() -> Iterator[MemoryApp]:
    with MemoryApp(store="memory") as app:
        app.ask("save", "one", dated("7", now_ms() + HOUR))
        yield app


def opened(app: MemoryApp, **options: Any) -> Store:
    return open_store(f"node://127.0.0.1:{app.inspector_port}", **options)


def dated(user: str, ends_ms: int | None, **more: Any) -> str:
    """A text as MemoryStore holds it."""
    cookie = {"originalMaxAge": HOUR, "expires": None if ends_ms is None else iso(ends_ms)}
    return json.dumps({"cookie": cookie, "passport": {"user": user}, **more}, separators=(",", ":"))


def outcomes(results) -> list[Outcome]:
    return [result.outcome for result in results]


@contextmanager
def child_of_ours(words: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended with the block."""
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


class TestMemoryStore:
    def test_the_date_in_the_text_is_what_the_store_enforces(self, app: MemoryApp) -> None:
        ends = now_ms() + HOUR
        app.ask("save", "live", dated("7", ends))
        app.ask("save", "over", dated("7", now_ms() - HOUR))
        app.ask("save", "ever", dated("7", None))
        app.ask("save", "odd", dated("7", None).replace("null", '"soon"'))
        with opened(app) as store:
            found = {session.sid: session for session in store.scan(Query())}
            now = store.now_ms()
        assert (found["live"].expires_ms, found["live"].expiry) == (ends, Expiry.STORE)
        assert {sid: session.state(now) for sid, session in found.items()} == {
            "live": State.ACTIVE, "over": State.EXPIRED, "ever": State.ACTIVE, "odd": State.UNKNOWN,
        }  # fmt: skip

    def test_moving_an_expiry_rewrites_the_date_and_nothing_else(self, app: MemoryApp) -> None:
        text = dated("7", now_ms() + HOUR, big=9007199254740991, text='çay\u2028"\\')
        app.ask("save", "one", text)
        ends = now_ms() + 2 * HOUR
        with opened(app, write=True) as store:
            found = store.get(["one"])
            assert outcomes(store.set_expiry(found, ends)) == [Outcome.STORED]
            assert store.get(["one"])[0].expires_ms == ends
            assert outcomes(store.set_expiry(found, ends)) == [Outcome.CHANGED]
            assert outcomes(store.set_expiry(store.get(["one"]), None)) == [Outcome.STORED]
            assert store.get(["one"])[0].expiry is Expiry.NEVER
        before, after = json.loads(text), json.loads(app.sessions()["one"][0])
        before["cookie"]["expires"] = None
        assert after == before

    def test_a_renewed_session_is_left_alone(self, app: MemoryApp) -> None:
        app.ask("save", "one", dated("7", now_ms() - HOUR))
        with opened(app, write=True) as store:
            found = store.get(["one"])
            app.ask("save", "one", dated("7", now_ms() + HOUR))
            assert outcomes(store.delete(found, grace_ms=0)) == [Outcome.CHANGED]
        assert set(app.sessions()) == {"one"}

    def test_the_grace_is_judged_by_the_process(self, app: MemoryApp) -> None:
        for sid, ends in (("long", -HOUR), ("just", -1000), ("live", HOUR)):
            app.ask("save", sid, dated("7", now_ms() + ends))
        app.ask("save", "odd", "{broken")
        with opened(app, write=True) as store:
            found = store.get(["long", "just", "live", "odd"])
            results = store.delete(found, grace_ms=60_000)
        assert outcomes(results) == [Outcome.DELETED, *[Outcome.CHANGED] * 3]
        assert set(app.sessions()) == {"just", "live", "odd"}

    def test_restored_it_is_the_same_text_or_has_another_end(self, app: MemoryApp) -> None:
        text = dated("7", now_ms() - HOUR)
        app.ask("save", "one", text)
        with opened(app, write=True) as store:
            found = store.get(["one"])
            frozen = {"sid": "one", **store.freeze(found[0])}
            store.delete(found)
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            assert app.sessions()["one"][0] == text
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.PRESENT]
            store.delete(found)
            ends = now_ms() + HOUR
            assert outcomes(store.put([store.thaw(frozen, expires_ms=ends)])) == [Outcome.STORED]
            assert store.get(["one"])[0].expires_ms == ends

    def test_a_session_of_our_own_making_is_put(self, app: MemoryApp) -> None:
        ends = now_ms() + HOUR
        made = Session(sid="new", raw=value("7"), location="", expires_ms=ends, expiry=Expiry.STORE)
        bare = Session(sid="bare", raw=b'{"a":1}', location="", expires_ms=ends)
        with opened(app, write=True) as store:
            results = store.put([made, bare])
            assert outcomes(results) == [Outcome.STORED, Outcome.FAILED]
            assert results[1].reason == "it holds no cookie whose date could be moved"
            assert store.get(["new"])[0].expires_ms == ends

    def test_what_is_no_text_is_named_and_not_listed(self, app: MemoryApp) -> None:
        app.ask("strange", "odd")
        app.ask("save", "half", '{"cookie":{},"a":"\ud800"}')
        app.ask("save", "one", dated("7", None))
        with opened(app) as store:
            assert [session.sid for session in store.scan(Query())] == ["one"]
            assert sorted(store.remarks.stranger_samples) == [
                'sessions["half"] (not Unicode)', 'sessions["odd"] (object)',
            ]  # fmt: skip

    def test_the_store_may_be_emptied_by_its_app_while_it_is_read(self, app: MemoryApp) -> None:
        app.ask("fill", [f"s{i}" for i in range(1000)], dated("7", None))
        with opened(app, write=True) as store:
            reading = store.scan(Query())
            first = next(reading)
            app.ask("clear")
            assert len(list(reading)) < 300
            assert outcomes(store.delete([first])) == [Outcome.GONE]


class TestMemorystore:
    @pytest.fixture
    def full(self) -> Iterator[NodeEngine]:
        with MemoryApp(store="memorystore", max=3, node_options="--inspect=127.0.0.1:0") as app:
            yield NodeEngine(app)

    def test_a_full_cache_keeps_what_it_has(self, full: NodeEngine) -> None:
        for sid in (b"a", b"b", b"c"):
            full.save(sid, value(), now_ms() + HOUR)
        with full.open(write=True) as store:
            found = store.get(["a"])
            store.delete(found)
            full.save(b"d", value(), now_ms() + HOUR)
            results = store.put(found)
        assert outcomes(results) == [Outcome.FAILED]
        assert "push another session out" in str(results[0].reason)
        assert set(full.everything()) == {b"b", b"c", b"d"}

    def test_reading_and_moving_leave_the_order_of_use(self, full: NodeEngine) -> None:
        """Else the wrong session would be pushed out next."""
        for sid in (b"a", b"b", b"c"):
            full.save(sid, value(), now_ms() + HOUR)
        before = list(full.everything())
        with full.open(write=True) as store:
            store.set_expiry(store.get(["a"]), now_ms() + 2 * HOUR)
            list(store.scan(Query()))
        assert list(full.everything()) == before

    def test_an_expiry_in_the_past_is_one(self, full: NodeEngine) -> None:
        full.save(b"a", value(), now_ms() + HOUR)
        ends = now_ms() - HOUR
        with full.open(write=True) as store:
            store.set_expiry(store.get(["a"]), ends)
            assert store.get(["a"])[0].expires_ms == ends


@pytest.mark.parametrize("kind", ["memory", "memorystore"])
def test_reading_ends_nothing(kind: str) -> None:
    """The stores' own get, all and length delete what is over; both clocks are long past it."""
    with MemoryApp(store=kind, node_options="--inspect=127.0.0.1:0") as app:
        for sid in ("a", "b"):
            app.ask("save", sid, dated("7", now_ms() - HOUR), now_ms() - HOUR)
        before = app.sessions()
        with opened(app) as store:
            assert len(list(store.scan(Query(expired=True)))) == 2
            assert store.count(Query()) == store.estimate() == len(store.get(["a", "b"])) == 2
        assert app.sessions() == before


class TestTheInspector:
    def is_shut(self, app: MemoryApp) -> bool:
        deadline = time.monotonic() + 10
        while app.inspector_port is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        return app.inspector_port is None

    def test_what_we_opened_is_closed_again(self, shut_app: MemoryApp) -> None:
        with open_store(f"node+pid://{shut_app.pid}") as store:
            assert shut_app.inspector_port is not None
            assert [session.sid for session in store.scan(Query())] == ["one"]
        assert shut_app.inspector_port is None

    def test_what_was_open_stays_open(self, open_app: MemoryApp) -> None:
        with opened(open_app):
            pass
        port = free_port()
        with MemoryApp(store="memory", node_options=f"--inspect=127.0.0.1:{port}") as app:
            with open_store(f"node+pid://{app.pid}") as store:
                list(store.scan(Query()))
            assert app.inspector_port == port
        assert open_app.inspector_port is not None

    def test_it_is_closed_when_opening_fails_further_on(self, shut_app: MemoryApp) -> None:
        with pytest.raises(SessctlError, match="has no session store 'nobody'"):
            open_store(f"node+pid://{shut_app.pid}/nobody")
        assert self.is_shut(shut_app)

    def test_it_is_closed_after_an_exception(self, shut_app: MemoryApp) -> None:
        with suppress(ZeroDivisionError), open_store(f"node+pid://{shut_app.pid}") as store:
            next(store.scan(Query()))
            _ = 1 // 0
        assert self.is_shut(shut_app)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_it_is_closed_when_a_signal_ends_us(self, shut_app: MemoryApp, number: int) -> None:
        script = (
            "import sys, time; from sessctl.stores.opening import open_store\n"
            "with open_store(sys.argv[1]): print('open', flush=True); time.sleep(60)"
        )
        with child_of_ours(["-c", script, f"node+pid://{shut_app.pid}"]) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            child.send_signal(number)
            assert child.wait(20) == -number
        assert self.is_shut(shut_app)

    def test_it_is_closed_when_a_command_is_told_twice_to_stop(
        self, shut_app: MemoryApp, tmp_path: Path
    ) -> None:
        shut_app.ask("fill", [f"s{i}" for i in range(600)], dated("slow", now_ms() + HOUR))
        words = ["purge", "--user", "slow", "--rate", "1", "--max-delete", "600", "--yes"]
        url = f"node+pid://{shut_app.pid}"
        confirm = ["--confirm", f"app.js/{shut_app.pid}", "-b", url]
        state = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
        with child_of_ours(["-m", "sessctl", *words, *confirm], **state) as child:
            while len(shut_app.sessions()) == 601:  # its first page takes 200 s
                assert child.poll() is None, child.stderr and child.stderr.read()
                time.sleep(0.02)
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            while b"once more stops now" not in child.stderr.readline():
                assert child.poll() is None
            child.send_signal(signal.SIGINT)
            child.wait(20)
        assert self.is_shut(shut_app)


@contextmanager
def impostor(*answers: str) -> Iterator[int]:
    """Something on a port that says it is an inspector; the last answer is given again and again.
    `NUMBER` stands for the number of the request."""

    def greet(connection: ServerConnection, request: Request) -> Response | None:
        if request.path != "/json/list":
            return None
        target = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/some-id"
        return connection.respond(200, json.dumps([{"webSocketDebuggerUrl": target}]))

    def talk(connection: ServerConnection) -> None:
        left = list(answers)
        for message in connection:
            answer = left.pop(0) if len(left) > 1 else left[0]
            connection.send(answer.replace("NUMBER", str(json.loads(message)["id"])))

    with serve(talk, "127.0.0.1", 0, process_request=greet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


PID = '{"id":NUMBER,"result":{"result":{"type":"number","value":1}}}'
THING = '{"id":NUMBER,"result":{"result":{"type":"object","objectId":"1"}}}'


@pytest.mark.parametrize(
    "answers",
    [
        ["nonsense"],
        ["[]"],
        ['{"id":"NUMBER"}'],
        ['{"id":NUMBER}'],
        ['{"id":NUMBER,"result":[]}'],
        ['{"id":NUMBER,"result":{"result":{"value":"\\u001b[2J"}}}'],
        ['{"id":NUMBER,"error":{"message":"\\u001b[2J"}}'],
        [PID],
        [PID, THING],
        [PID, THING, '{"id":NUMBER,"result":{"result":{"value":{"pid":[],"workers":{}}}}}'],
        [PID, '{"id":NUMBER,"result":{"exceptionDetails":{"exception":{"className":"\\u001b"}}}}'],
    ],
)
def test_an_impostor_is_an_error_in_words(answers: list[str]) -> None:
    with impostor(*answers) as port, pytest.raises(StoreError) as caught:
        open_store(f"node://127.0.0.1:{port}", access=Access(timeout_s=2))
    assert "\x1b" not in str(caught.value)


class TestRefusals:
    def refused(self, url: str, kind: type[SessctlError], words: str) -> None:
        with pytest.raises(kind) as caught:
            open_store(url)
        assert words in caught.value.message
        assert caught.value.hint

    def test_another_machine(self) -> None:
        self.refused("node://app.example.com:9229", Refused, "on this machine only")

    def test_nobody_listens(self) -> None:
        port = free_port()
        self.refused(f"node://127.0.0.1:{port}", StoreUnreachable, f"answers at 127.0.0.1:{port}")

    def test_no_inspector_listens(self, app: MemoryApp) -> None:
        self.refused(f"node://127.0.0.1:{app.port}", StoreUnreachable, "no Node inspector answers")

    def test_no_such_process(self) -> None:
        child = subprocess.Popen(["true"])
        child.wait()
        with pytest.raises(StoreUnreachable, match=f"there is no process {child.pid}"):
            open_store(f"node+pid://{child.pid}")

    @pytest.mark.parametrize("pid", ["0", "-1", "self", "99999999999", "1x"])
    def test_no_number_of_a_process(self, pid: str) -> None:
        with pytest.raises(SessctlError) as caught:
            open_store(f"node+pid://{pid}")
        assert int(caught.value.exit_code) == 2

    def test_not_node(self) -> None:
        with subprocess.Popen(["sleep", "60"]) as other:
            try:
                with pytest.raises(Refused, match="is not Node: it runs 'sleep'"):
                    open_store(f"node+pid://{other.pid}")
                assert other.poll() is None
            finally:
                other.kill()

    def test_one_that_would_die_of_the_signal_never_gets_it(self, tmp_path: Path) -> None:
        """As Node does with --disable-sigusr1, this one does not catch it."""
        shutil.copy(shutil.which("sleep") or "", tmp_path / "node")
        with subprocess.Popen([tmp_path / "node", "60"]) as other:
            try:
                url = f"node+pid://{other.pid}"
                self.refused(url, Refused, "does not catch SIGUSR1 and would die of it")
                assert other.poll() is None
            finally:
                other.kill()

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with MemoryApp(store="memory", node_options=f"--inspect-port={port}") as app:
                self.refused(f"node+pid://{app.pid}", Refused, f"port {port} is taken")
                assert "Starting inspector" not in app.errors()

    def test_the_port_of_another_process(self, open_app: MemoryApp) -> None:
        """Both start at the same port; the second one's could not open."""
        port = open_app.inspector_port
        with MemoryApp(store="memory", node_options=f"--inspect-port={port}") as app:
            self.refused(f"node+pid://{app.pid}", Refused, f"port {port} is taken")

    def test_an_inspector_that_would_be_open_to_the_network(self) -> None:
        options = "--inspect-port=0.0.0.0:0"
        with MemoryApp(store="memory", node_options=options) as app:
            self.refused(f"node+pid://{app.pid}", Refused, "open its inspector to the network")
            assert app.inspector_port is None

    def test_a_process_of_another_user(self, open_app: MemoryApp) -> None:
        """As root we become somebody else, once our modules are read; as anybody else, the first
        process is root's."""
        script = (
            "import os, sys; from sessctl.errors import SessctlError\n"
            "import sessctl.stores.engines.node; from sessctl.stores.opening import open_store\n"
            "import sessctl.stores.layouts.express\n"
            "if os.geteuid() == 0: os.setgid(65534), os.setuid(65534)\n"
            "try: open_store('node+pid://' + sys.argv[1])\n"
            "except SessctlError as exc: print(type(exc).__name__, exc.message, '|', exc.hint)"
        )
        pid = open_app.pid if os.geteuid() == 0 else 1
        with child_of_ours(["-c", script, str(pid)]) as child:
            out, errors = child.communicate(timeout=30)
        expected = f"{AccessDenied.__name__} process {pid} belongs to user root | run sessctl as"
        assert out.decode().startswith(expected), errors

    def test_a_process_that_does_not_answer(self, open_app: MemoryApp) -> None:
        port, access = open_app.inspector_port, Access(timeout_s=1)
        os.kill(open_app.pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnreachable) as caught:
                open_store(f"node://127.0.0.1:{port}", access=access)
        finally:
            os.kill(open_app.pid, signal.SIGCONT)
        assert caught.value.hint

    def test_a_password_or_an_option(self, app: MemoryApp) -> None:
        port = app.inspector_port
        for url in (f"node://ops:canary@127.0.0.1:{port}", f"node://127.0.0.1:{port}?deep=1"):
            with pytest.raises(SessctlError) as caught:
                open_store(url)
            assert int(caught.value.exit_code) == 2

    def test_the_app_ends_while_it_is_read(self) -> None:
        with NodeApp("plain.js", "fill=5000") as app, open_store(f"node+pid://{app.pid}") as store:
            reading = store.scan(Query())
            next(reading)
            app.stop()
            with pytest.raises(StoreUnreachable):
                list(reading)
