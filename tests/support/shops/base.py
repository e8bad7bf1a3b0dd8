"""What the shops on every store have in common, and what their customers do."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from sessctl.stores.opening import open_store
from sessctl.stores.registry import find_layout
from tests.support.cli import HOUR_MS
from tests.support.engines import with_layout
from tests.support.express import ExpressApp
from tests.support.run import sessctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    import pytest

    from sessctl.stores.base import Store
    from tests.support.cli import Cli
    from tests.support.express import Browser
    from tests.support.run import Result

SECRET, ENV = "keyboard cat", {"APP_SECRET": "keyboard cat", "WRONG": "dog on the keyboard"}


class Shop(ABC):
    """An Express shop, its store, and sessctl pointed at it by the environment.

    A subclass names the layout, sets `url` and the `options` of the app, and says what its store
    does by itself. `request` gives it the fixtures with its server, `running` ends its apps.
    """

    layout: ClassVar[str]
    cookie_name: ClassVar[str] = "connect.sid"
    settings: ClassVar[dict[str, Any]] = {}  # of the layout, where they are not its own
    # Of a session whose cookie names no end; None: it never ends.
    lifetime_ms: ClassVar[int | None] = 24 * HOUR_MS
    granularity_ms: ClassVar[int] = 1  # what the store keeps of an end
    outlives_its_app: ClassVar[bool] = True  # another app can go on with the same store
    expires_by_itself: ClassVar[bool] = False  # the store removes what is over, without a library
    set_revives: ClassVar[bool] = True  # a request that changes its session writes it back
    slack_ms: ClassVar[int] = 0  # the store keeps a session so much longer than its cookie lives
    touch_revives: ClassVar[bool] = False  # a request that only reads writes its session back, too
    secret_name: ClassVar[str] = "APP_SECRET"  # in the environment
    stamps: ClassVar[tuple[str, ...]] = ()  # what the library puts beside the application's data
    url: str
    options: dict[str, Any]

    def __init__(self, request: pytest.FixtureRequest, cli: Cli, running: ExitStack) -> None:
        self._cli, self._running = cli, running
        self._configured = False
        self.open(request)
        if self.settings:
            self.configure()

    @abstractmethod
    def open(self, request: pytest.FixtureRequest) -> None:
        """Take an empty store: sets `url` and `options`."""

    @property
    def backend(self) -> str:
        """What `-b` takes: the configured one, else the URL with its layout."""
        return "shop" if self._configured else with_layout(self.url, self.layout)

    @abstractmethod
    def ends_ms(self, sid: str) -> float:
        """When a session ends, as the store itself has it."""

    def start(self, **options: Any) -> ExpressApp:
        """Start the app on the store; it ends with the test."""
        return self._running.enter_context(
            ExpressApp(**{"secrets": [SECRET], **self.options, **options})
        )

    def run(self, *words: str, stdin: str = "", **env: str) -> Result:
        """Run a command on the shop's store."""
        return self._cli(*words, stdin=stdin, env={"SESSCTL_BACKEND": self.backend, **ENV, **env})

    def run_apart(self, *words: str) -> Result:
        """Run a command in a process of its own."""
        return sessctl(*words, home=self._cli.home, env={"SESSCTL_BACKEND": self.backend})

    def store(self) -> Store:
        """Open the store itself, as the library's users do; it closes with the test."""
        store = open_store(self.url, self.layout, write=True, **self.settings)
        return self._running.enter_context(store)

    def sign(self, app: ExpressApp, sid: str) -> Browser:
        """A new browser with the cookies that sessctl signs for a session."""
        how = ("--format", find_layout(self.layout).cookie_format, "--name", self.cookie_name)
        secret = ("--secret-from", f"env:{self.secret_name}")
        result = self.run("sign", "-o", "header", *how, *secret, "--", sid)
        assert result.code == 0, result.stderr
        browser = app.browser()
        for pair in result.stdout.removeprefix("Cookie: ").rstrip("\n").split("; "):
            name, _, value = pair.partition("=")
            browser.cookies[name] = value
        return browser

    def has(self, sid: str) -> bool:
        """The store holds the session."""
        with open_store(self.url, self.layout, **self.settings) as store:
            return bool(store.get([sid]))

    def configure(self, text: str = "") -> None:
        """Write a backend `shop` with these further lines; commands use it from then on."""
        own = "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.settings.items())
        self._cli.config(
            f'[backends.shop]\nurl = "{self.url}"\nlayout = "{self.layout}"\n{own}{text}\n'
        )
        self._configured = True

    def listed(self, *words: str) -> dict[str, dict[str, Any]]:
        """The sessions of a listing, by their ids."""
        result = self.run("list", "--data", "-o", "jsonl", *words)
        assert result.code == 0, result.stderr
        return {item["sid"]: item for item in result.json_lines()}

    def wait_until_expired(self, count: int) -> None:
        """Wait until so many sessions are over, and still there."""
        deadline = time.monotonic() + 20
        while len(self.listed("--expired")) < count and time.monotonic() < deadline:
            time.sleep(0.05)


def visitor(app: ExpressApp, user: Any = None, **data: Any) -> Browser:
    """A browser with a session: logged in as a user, or with a view of a page."""
    browser = app.browser()
    answer = browser.get("/views") if user is None else browser.post("/login", {"user": user})
    assert answer.status == 200
    if data:
        assert browser.post("/data", data).status == 200
    return browser


def short(app: ExpressApp, user: Any) -> Browser:
    """A browser whose session ends within a second."""
    browser = visitor(app, user)
    assert browser.post("/maxage", {"ms": 300}).status == 200
    return browser


@contextmanager
def in_flight(app: ExpressApp, browser: Browser, change: str) -> Iterator[Callable[[], None]]:
    """A request that has loaded its session and waits; what is yielded lets it end."""
    request = Thread(target=browser.get, args=[f"/slow?change={change}"])
    request.start()
    outside = app.browser()
    deadline = time.monotonic() + 20
    while not outside.get("/waiting").json["count"] and time.monotonic() < deadline:
        time.sleep(0.02)

    def release() -> None:
        outside.post("/release")
        request.join()

    try:
        yield release
    finally:
        release()


def sid_of(browser: Browser) -> str:
    return str(browser.get("/me").json["sid"])


def data_of(shop: Shop, browser: Browser) -> dict[str, Any]:
    """What the app has in the browser's session, without the cookie and the library's own."""
    seen = browser.get("/session").json
    return {key: item for key, item in seen.items() if key not in ("cookie", *shop.stamps)}


def user_of(browser: Browser) -> Any:
    answer = browser.get("/me")
    assert answer.status == 200
    return answer.json["user"]
