"""Real Beaker sessions under WSGI, in several settings, and tokens of pyseto.

Started by `tests/support/peer.py` with {"beaker": {NAME: settings of SessionMiddleware}, "paseto":
{NAME: {"purpose", "key" (base64, or PEM), "sign" (PEM)}}}. POST /NAME/session takes the session's
data, GET answers with it.
"""

import json
import sys
from base64 import b64decode
from http.cookies import SimpleCookie
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pyseto
from beaker.middleware import SessionMiddleware

from tests.peers.serving import serve

CONTEXT = b"shop"  # the implicit assertion
given = json.loads(sys.argv[1])


def data_of(environ):
    if environ["REQUEST_METHOD"] != "POST":
        return None
    return json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))


def answer(start_response, found, *headers, status="200 OK"):
    start_response(status, [("Content-Type", "application/json"), *headers])
    return [json.dumps(found).encode()]


def sessions(environ, start_response):
    session, data = environ["beaker.session"], data_of(environ)
    if data is not None:
        session.update(data)
        session.save()
    found = {key: value for key, value in session.items() if not key.startswith("_")}
    return answer(start_response, {"id": session.id, "data": found})


def tokens(purpose, key, sign=None):
    def load(text):
        return pyseto.Key.new(4, purpose, text if text.startswith("-----") else b64decode(text))

    checks, signs = load(key), load(sign or key)

    def app(environ, start_response):
        data = data_of(environ)
        if data is not None:
            token = pyseto.encode(signs, data, b'{"kid":"1"}', CONTEXT, exp=3600).decode()
            return answer(start_response, data, ("Set-Cookie", f"token={token}; Path=/"))
        token = SimpleCookie(environ.get("HTTP_COOKIE"))["token"].value
        try:
            found = pyseto.decode(checks, token, CONTEXT, deserializer=json).payload
        except Exception as exc:
            return answer(start_response, str(exc), status="401 Unauthorized")
        return answer(start_response, found)

    return app


apps = {name: SessionMiddleware(sessions, how) for name, how in given["beaker"].items()}
apps |= {name: tokens(**how) for name, how in given["paseto"].items()}


def app(environ, start_response):
    return apps[environ["PATH_INFO"].split("/")[1]](environ, start_response)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


serve(make_server("127.0.0.1", 0, app, handler_class=Quiet))
