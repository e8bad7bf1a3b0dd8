"""The standard library's WSGI server made fit for a demo: a thread a request, loopback only."""

from __future__ import annotations

import socket
from contextlib import suppress
from socketserver import ThreadingMixIn
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from sessctl.errors import UsageError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_POLL_S = 0.05  # how long `stop` waits for the listener to notice


class LocalServer:
    """Serves a WSGI app on 127.0.0.1 from construction to `stop`.

    Args:
        port: 0 takes a free one.

    Raises:
        UsageError: the port is taken, or is none.
    """

    def __init__(self, app: WSGIApplication, port: int = 0) -> None:
        try:
            self._listener = _Listener(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as exc:
            reason = str(getattr(exc, "strerror", None) or exc).lower()
            raise UsageError(
                f"cannot listen on 127.0.0.1:{port} ({reason})",
                hint="another --port, or 0 for a free one",
            ) from None
        self._listener.set_app(app)
        self.port = self._listener.server_port
        serve = self._listener.serve_forever
        self._thread = Thread(target=serve, args=[_POLL_S], name=f"http-{self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests that are being answered and let go of the port; harmless twice."""
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


class _Handler(WSGIRequestHandler):
    """One connection with one request."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        # wsgiref joins repeated headers with a comma, which is no separator of cookies.
        cookies = self.headers.get_all("Cookie")
        if cookies:
            environ["HTTP_COOKIE"] = "; ".join(cookies)
        return environ

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: standard error is the command line's."""


class _Listener(ThreadingMixIn, WSGIServer):
    """A thread a connection; `server_close` waits for those that are being answered."""

    request_queue_size = 128  # lessons send 40 requests at once
    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._open: set[socket.socket] = set()
        self._guard = Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        super(WSGIServer, self).server_bind()
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        # Browsers open connections in advance; those that said nothing yet must not hold us up.
        with self._guard:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""


__all__ = ["LocalServer"]
