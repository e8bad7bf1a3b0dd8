"""What the sessions of Python's frameworks have in common."""

from __future__ import annotations

# Where applications put the user themselves, the commonest first.
BY_HAND = ("user_id", "user", "userId", "uid", "username", "email")
# Where the user stands, first hit wins: Django's place, Flask-Login's, and those.
USER = ("_auth_user_id", "_user_id", *BY_HAND)
# The same for Flask, where a new session gets its user at the first place.
FLASK_USER = ("_user_id", "_auth_user_id", *BY_HAND)
