"""A real Flask whose sessions Flask-Session keeps in files; `cachelib` or `filesystem`, the folder.

Started by `tests/support/python_files.py`.
"""

import sys
import warnings

from cachelib import FileSystemCache
from flask import Flask, jsonify, request, session
from flask_session import Session
from werkzeug.serving import make_server

from tests.peers.serving import serve

kind, folder = sys.argv[1:]
app = Flask(__name__)
app.config.update(SECRET_KEY="keyboard cat", SESSION_TYPE=kind, SESSION_PERMANENT=True)
if kind == "cachelib":
    app.config["SESSION_CACHELIB"] = FileSystemCache(folder, threshold=500)
else:
    app.config["SESSION_FILE_DIR"] = folder
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # `filesystem` says that it will go
    Session(app)


@app.get("/login")
def login():
    session["user_id"] = request.args["user"]
    session["cart"] = [("pears", 3)]
    return jsonify(user=session["user_id"])


@app.get("/me")
def me():
    return jsonify(user=session.get("user_id"))


serve(make_server("127.0.0.1", 0, app, threaded=True))
