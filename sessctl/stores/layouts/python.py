"""What the sessions of Python's frameworks have in common."""

from __future__ import annotations

# Where the user stands, first hit wins: Django's, Flask-Login's, and what applications write.
USER = (
    *("_auth_user_id", "_user_id"),
    *("user_id", "user", "userId", "uid", "username", "email"),
)
