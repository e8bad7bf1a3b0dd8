"""S8: whatever interrupts a read, the next answer belongs to the question that was asked.

A signal handler that raises may strike anywhere, in our code or in a driver's, between a command
and its reply or while a connection is being closed because of an earlier exception.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.session import Query
from tests.faults.stores import HOUR_MS, stored
from tests.support.engines import now_ms
from tests.support.file_forms import EXPRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random
    from types import FrameType

    from sessctl.stores.base import Store
    from tests.faults.stores import Subject

SESSIONS = 600
# SQLAlchemy's lines are left to real signals: at the end of a `with lock` a trace raises where the
# interpreter looks for none, and the lock is never released.
FOLDERS = ("/sessctl/stores/", "/redis/", "/psycopg/", "/pymysql/")
# A connection to a SQL server takes 30 ms, and thousands of lines.
FEW_STEPS = 35


# A connection that is interrupted while it opens is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Nor may such a connection be collected, and complained about, in somebody else's test."""
    yield
    gc.collect()


LOCAL = ("sqlite", "files")  # nobody is asked for the time


class Interrupted(Exception):
    """What a handler raises; nobody expects it."""


@pytest.fixture
def values(subject: Subject, rng: Random) -> dict[str, bytes]:
    """Sessions in the store: every value is another."""
    found = {f"sid-{number}": stored(rng) for number in range(SESSIONS)}
    subject.replace([(name, raw, now_ms() + HOUR_MS) for name, raw in found.items()])
    return found


def check(store: Store, values: dict[str, bytes], rng: Random) -> None:
    """Two questions, each with its own answer."""
    for name in rng.sample(list(values), 2):
        found = [(one.sid, EXPRESS.unpack(one.raw)[0]) for one in store.get([name])]
        assert found == [(name, values[name])]


def reads(rng: Random, values: dict[str, bytes]) -> list[Callable[[Store], Any]]:
    names = rng.sample(list(values), 5)
    return [
        lambda store: store.get(names),
        lambda store: store.get(names[:1]),
        lambda store: store.now_ms(),
        lambda store: store.estimate(),
        lambda store: [store.get([one.sid]) for one, _ in zip(store.scan(Query()), range(3))],  # noqa: B905
    ]


@contextmanager
def alarms() -> Iterator[None]:
    """SIGALRM raises `Interrupted`; pytest-timeout's own alarm is put back afterwards."""

    def strike(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    left, every = signal.setitimer(signal.ITIMER_REAL, 0)
    before = signal.signal(signal.SIGALRM, strike)
    started = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            left = max(left - (time.monotonic() - started), 0.1)
            signal.setitimer(signal.ITIMER_REAL, left, every)


def interrupted(read: Callable[[Store], Any], store: Store, after_s: float) -> bool:
    """Read and be interrupted after that time; False: it was over before."""
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        read(store)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupted:
        return True
    return False


def strike_at_random(subject: Subject, values, rng: Random, *, moments: int) -> None:
    hits = 0
    with subject.open() as store, alarms():
        for _ in range(moments):
            read = rng.choice(reads(rng, values))
            started = time.perf_counter()
            read(store)
            took_s = time.perf_counter() - started
            hits += interrupted(read, store, rng.uniform(1e-6, took_s))
            check(store, values, rng)
    print(f"{subject.name}: {hits} of {moments} reads interrupted, no answer mixed up")
    assert hits > moments // 3


def test_interrupted_at_random_microseconds(subject, values, rng) -> None:
    strike_at_random(subject, values, rng, moments=100)


@pytest.mark.long
def test_interrupted_at_many_random_microseconds(subject, values, rng) -> None:
    strike_at_random(subject, values, rng, moments=1000)


class Tripwire:
    """Raises at the nth step of the code under test; `steps` counts them.

    A step is a line, or an instruction, of sessctl's stores or a driver. Where the interpreter
    looks for signals is among them.
    """

    def __init__(self, at: int | None, *, opcodes: bool = False) -> None:
        self.steps = 0
        self._at = at
        self._event = "opcode" if opcodes else "line"

    def __enter__(self) -> Tripwire:
        sys.settrace(self._enter)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        if not any(folder in name for folder in FOLDERS):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == self._event:
            self.steps += 1
            if self.steps == self._at:
                raise Interrupted
        return self._step


def strike_everywhere(
    subject: Subject, values, rng: Random, *, opcodes: bool, most: int | None = None
) -> None:
    kept = sys.gettrace()
    total = 0
    with subject.open() as store:
        names = rng.sample(list(values), 3)
        ways: dict[str, Callable[[], Any]] = {
            "get": lambda: store.get(names),
            "clock": lambda: store.now_ms(),
            "first get": lambda: (store.close(), store.get(names)),  # with a new connection
        }
        if subject.name == "files":
            del ways["first get"]  # there is no connection to be made anew
        for way, read in ways.items():
            read()
            with Tripwire(None, opcodes=opcodes) as free:
                read()
            assert free.steps > (20 if way != "clock" or subject.name not in LOCAL else 0), way
            steps = range(1, free.steps + 1)
            for step in steps if most is None else sorted(rng.sample(steps, min(most, len(steps)))):
                check(store, values, rng)  # connected, and nothing left over
                try:
                    with Tripwire(step, opcodes=opcodes):
                        read()
                except Interrupted:
                    total += 1
                check(store, values, rng)
    sys.settrace(kept)
    print(f"{subject.name}: interrupted at {total} {'instructions' if opcodes else 'lines'}")
    assert total > 30


@pytest.mark.quick_on("redis", "postgres")
def test_interrupted_at_every_line(subject, values, rng) -> None:
    most = None if subject.name == "redis" else FEW_STEPS
    strike_everywhere(subject, values, rng, opcodes=False, most=most)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("subject", ["redis", "files"], indirect=True)
def test_interrupted_at_every_instruction(subject, values, rng) -> None:
    """Not on SQL: CPython 3.11 itself crashes at times where a trace raises between instructions
    under SQLAlchemy's compiled modules."""
    strike_everywhere(subject, values, rng, opcodes=True)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("subject", ["sqlite", "postgres", "mysql"], indirect=True)
def test_interrupted_at_many_lines(subject, values, rng) -> None:
    strike_everywhere(subject, values, rng, opcodes=False, most=1000)
