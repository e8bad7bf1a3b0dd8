"""A small WSGI application whose sessions Beaker keeps in a folder, or in a Redis; its address, the
serializer and, for Redis, `endless`, where no session is to time out.

Started by `tests/support/python_files.py`.
"""

import json
import sys
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

from beaker.middleware import SessionMiddleware

from tests.peers.serving import serve

place, serializer, *endless = sys.argv[1:]


def app(environ, start_response):
    session = environ["beaker.session"]
    if environ["PATH_INFO"] == "/login":
        session["user_id"] = parse_qs(environ["QUERY_STRING"])["user"][0]
        session.save()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"user": session.get("user_id")}).encode()]


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


options = {
    **(
        {"session.type": "ext:redis", "session.url": place}
        if "://" in place
        else {"session.type": "file", "session.data_dir": place}
    ),
    "session.secret": "keyboard cat",
    "session.data_serializer": serializer,
    "session.timeout": None if endless else 3600,
}
serve(make_server("127.0.0.1", 0, SessionMiddleware(app, options), handler_class=Quiet))
