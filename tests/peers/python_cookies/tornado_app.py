"""A real Tornado that keeps a text in a signed cookie.

Started by `tests/support/peer.py`; SESSCTL_PEER is JSON: `secrets`, one or a map of key versions,
and the `version` to sign with.
"""

import asyncio
import json
import os
import sys
import threading

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, create_signed_value

GIVEN = json.loads(os.environ["SESSCTL_PEER"])
SECRETS = GIVEN["secrets"]
if isinstance(SECRETS, dict):
    SECRETS = {int(version): secret for version, secret in SECRETS.items()}


class Write(RequestHandler):
    def post(self):
        given = json.loads(self.request.body)
        if given.get("version") == 1:
            value = create_signed_value(SECRETS, "user", given["text"], version=1)
            self.set_cookie("user", value)
        else:
            self.set_signed_cookie("user", given["text"])
        self.write({})


class Read(RequestHandler):
    def get(self):
        value = self.get_signed_cookie("user")
        self.write({"text": None if value is None else value.decode()})


async def main():
    key_version = max(SECRETS) if isinstance(SECRETS, dict) else None
    app = Application(
        [("/write", Write), ("/read", Read)], cookie_secret=SECRETS, key_version=key_version
    )
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
asyncio.run(main())
