"""Real applications whose cookies itsdangerous signs, under one server: Flask with Flask-Login,
Flask-Session with its signer, Quart and Starlette.

Started by `tests/support/peer.py`; SESSCTL_PEER holds {"secrets": [...]}, newest first. Each has
`POST /NAME/write` (the session becomes that JSON) and `GET /NAME/read`.
"""

import json
import os
import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import flask
import quart
import uvicorn
from cachelib import SimpleCache
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_session import Session
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.wsgi import WSGIMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tests.peers.serving import serve

SECRETS = json.loads(os.environ["SESSCTL_PEER"])["secrets"]


def flask_app(**settings):
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=SECRETS[0], SECRET_KEY_FALLBACKS=SECRETS[1:], **settings)

    @app.post("/write")
    def write():
        flask.session.clear()
        flask.session.update(flask.request.get_json())
        return flask.jsonify(ok=True)

    @app.get("/read")
    def read():
        return flask.jsonify(dict(flask.session))

    return app


def login_app():
    app = flask_app()
    manager = LoginManager(app)

    @manager.user_loader
    def load(user_id):
        user = UserMixin()
        user.id = user_id
        return user

    @app.post("/login")
    def login():
        login_user(load(flask.request.get_json()), remember=True)
        return flask.jsonify(ok=True)

    @app.get("/me")
    def me():
        return flask.jsonify(current_user.get_id())

    @app.post("/types")
    def types():
        flask.session.update(
            raw=b"\x00\xff", point=(1, ("a",)), html=Markup("<b>"), rid=UUID(int=5),
            at=datetime(2026, 1, 1, 12, tzinfo=UTC), odd={" t": 1},
        )  # fmt: skip
        return flask.jsonify(ok=True)

    @app.get("/types")
    def names():
        return flask.jsonify({key: repr(value) for key, value in flask.session.items()})

    return app


def sid_app():
    app = flask_app(
        SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache(), SESSION_USE_SIGNER=True
    )
    Session(app)
    return app


def quart_app():
    app = quart.Quart(__name__)
    app.config.update(SECRET_KEY=SECRETS[0], SECRET_KEY_FALLBACKS=SECRETS[1:])

    @app.post("/write")
    async def write():
        quart.session.clear()
        quart.session.update(await quart.request.get_json())
        return {"ok": True}

    @app.get("/read")
    async def read():
        return dict(quart.session)

    return app


async def write(request):
    request.session.clear()
    request.session.update(await request.json())
    return JSONResponse({"ok": True})


async def read(request):
    return JSONResponse(dict(request.session))


starlette_app = Starlette(
    routes=[Route("/write", write, methods=["POST"]), Route("/read", read)],
    middleware=[Middleware(SessionMiddleware, secret_key=SECRETS[0])],
)
app = Starlette(
    routes=[
        Mount("/flask", WSGIMiddleware(login_app())),
        Mount("/flask-session", WSGIMiddleware(sid_app())),
        Mount("/quart", quart_app()),
        Mount("/starlette", starlette_app),
    ]
)
listening = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
serve(
    SimpleNamespace(
        server_address=listening.getsockname(),
        serve_forever=lambda: server.run(sockets=[listening]),
    )
)
