"""An application without any state, whose pages are never the same twice: the control app.

Tokens, clocks (seconds and minutes), lists in any order, any number of attributes; it sets cookies
and never reads one. Started by `tests/support/peer.py`.
"""

import json
import random
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.peers.serving import serve

FRUIT = ["apples", "pears", "plums", "figs", "dates", "limes", "grapes", "melons", "quinces"]


def shuffled():
    return random.sample(FRUIT, len(FRUIT))


def attributes():
    return "".join(f' data-r{n}="{secrets.token_hex(4)}"' for n in range(random.randrange(10)))


def tokens():
    return f"""<form><input type="hidden" name="_csrf" value="{secrets.token_urlsafe(24)}"></form>
<script nonce="{secrets.token_hex(8)}">var t = {{"id":"{secrets.token_hex(6)}"}};</script>"""


def clock():
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return f"<p>It is {now} ({now[11:16]}, {time.time():.3f}).</p>"


def fruit():
    return "<ul>" + "".join(f'<li class="fruit">{name}</li>' for name in shuffled()) + "</ul>"


def crowd():
    return f"<div{attributes()}><span{attributes()}>Seen by {random.randrange(10**6)}</span></div>"


PAGES = {
    "/tokens": tokens,
    "/clock": clock,
    "/list": fruit,
    "/attributes": crowd,
    "/all": lambda: "\n".join((tokens(), clock(), fruit(), crowd())),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece, or the body waits 40 ms for an acknowledgement

    def do_GET(self):
        path = self.path.partition("?")[0]
        kind = "text/html; charset=utf-8"
        if path in PAGES:
            text = f"<!doctype html><title>Shop</title>\n<h1>Shop</h1>\n{PAGES[path]()}\n"
        else:
            kind = "application/json"
            order = {name: len(name) for name in shuffled()}
            text = json.dumps({"request": secrets.token_hex(8), "at": time.time(), "fruit": order})
        self._answer(200, text, kind)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(302, "", "text/html", ("Location", f"/all?once={secrets.token_hex(8)}"))

    def _answer(self, status, text, kind, *headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", f"visit={secrets.token_hex(8)}; Path=/")
        self.send_header("Set-Cookie", "seen=1; Path=/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
serve(server)
