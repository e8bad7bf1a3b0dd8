"""A real Flask application with Flask-Login, its sessions kept by Flask-Session.

Started by `tests/support/shops/flask.py` with one JSON object on the command line:
    type       redis, memcached, sqlalchemy, mongodb or dynamodb; cachelib with `directory`
    url        of the server or the database, as the library's own client takes it
    maxAge     PERMANENT_SESSION_LIFETIME in ms
    settings   further settings of Flask and Flask-Session
"""

import json
import sys
import threading
import types
from datetime import timedelta

from flask import Flask, flash, g, jsonify, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_session import Session
from werkzeug.serving import make_server

from tests.peers.serving import serve

config = json.loads(sys.argv[1])


class App(Flask):
    """One request may have a lifetime of its own, as `req.session.cookie.maxAge` has in Express."""

    @property
    def permanent_session_lifetime(self):
        lifetime = self.config["PERMANENT_SESSION_LIFETIME"]
        return g.get("lifetime", lifetime) if g else lifetime


app = App(__name__)
app.config.update(
    SECRET_KEY="keyboard cat", SESSION_TYPE=config["type"], **config.get("settings", {})
)
if "maxAge" in config:
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(milliseconds=config["maxAge"])


def client_of(kind, url):
    """The client that Flask-Session is handed for a kind of store."""
    if kind == "redis":
        from redis import Redis

        return Redis.from_url(url)
    if kind == "memcached":
        from pymemcache.client.base import PooledClient

        return PooledClient(url)  # the app answers in several threads
    if kind == "mongodb":
        from pymongo import MongoClient

        return MongoClient(url)
    if kind == "dynamodb":
        import boto3

        # Flask-Session imports it for an annotation, and asks nobody to install it.
        stubs = types.ModuleType("mypy_boto3_dynamodb.service_resource")
        stubs.DynamoDBServiceResource = object
        sys.modules["mypy_boto3_dynamodb"] = sys.modules[stubs.__name__] = stubs

        return boto3.resource("dynamodb", endpoint_url=url, region_name="local")
    if kind == "cachelib":
        from cachelib.file import FileSystemCache

        return FileSystemCache(url)
    from flask_sqlalchemy import SQLAlchemy

    app.config["SQLALCHEMY_DATABASE_URI"] = url
    return SQLAlchemy(app)


app.config[f"SESSION_{config['type'].upper()}"] = client_of(config["type"], config["url"])
Session(app)


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id


logins = LoginManager(app)
logins.user_loader(User)


@app.post("/login")
def login():
    login_user(User(str(request.json["user"])))
    return me()


@app.post("/logout")
def logout():
    logout_user()
    return me()


@app.get("/me")
def me():
    user = current_user.id if current_user.is_authenticated else None
    return jsonify(user=int(user) if user and user.isdecimal() else user, sid=session.sid)


@app.get("/views")
def views():
    session["views"] = session.get("views", 0) + 1
    return jsonify(views=session["views"])


@app.post("/cart")
def cart():
    session["shoppingCart"] = [*session.get("shoppingCart", []), request.json]
    return jsonify(cart=session["shoppingCart"])


@app.post("/flash")
def put_flash():
    flash(request.json["message"], request.json["type"])
    return jsonify(ok=True)


@app.post("/data")
def data():
    session.update(request.json)
    return jsonify(ok=True)


@app.get("/session")
def whole():
    return jsonify(dict(session))


@app.get("/touch")
def touch():
    return jsonify(sid=session.sid)


@app.post("/permanent")
def permanent():
    session.permanent = request.json["permanent"]
    return jsonify(ok=True)


@app.post("/maxage")
def max_age():
    """Redis and memcached keep no less than a second."""
    g.lifetime = timedelta(milliseconds=max(1000, request.json["ms"]))
    session.modified = True
    return jsonify(ok=True)


# A request in flight: its session is loaded, then it waits until it is released.
waiting = []


@app.get("/slow")
def slow():
    session.accessed = True
    released = threading.Event()
    waiting.append(released)
    released.wait(20)
    if request.args["change"] != "no":
        session["slow"] = session.get("slow", 0) + 1
    return jsonify(sid=session.sid)


@app.get("/waiting")
def count_waiting():
    return jsonify(count=len(waiting))


@app.post("/release")
def release():
    while waiting:
        waiting.pop().set()
    return jsonify(ok=True)


serve(make_server("127.0.0.1", 0, app, threaded=True))
