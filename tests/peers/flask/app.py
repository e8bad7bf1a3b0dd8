"""A real Flask application whose session is the signed cookie itself.

Started by `tests/support/peer.py`.
"""

from flask import Flask, flash, get_flashed_messages, jsonify, redirect, request, session
from werkzeug.serving import make_server

from tests.peers.serving import serve

app = Flask(__name__)
app.secret_key = "keyboard cat"


@app.post("/login")
def login():
    session["user"] = request.form["user"]
    flash(f"Welcome, {session['user']}!")
    return redirect("/")


@app.get("/")
def home():
    return jsonify(user=session.get("user"), flashes=get_flashed_messages())


@app.get("/account")
def account():
    if "user" not in session:
        return "log in first", 401
    return f"account of {session['user']}"


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return jsonify(count=session["count"])


@app.get("/about")
def about():
    return "We sell pears."


@app.post("/logout")
def logout():
    session.clear()
    return redirect("/")


server = make_server("127.0.0.1", 0, app, threaded=True)
serve(server)
