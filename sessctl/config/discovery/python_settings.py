"""What the source of a Python project sets: Django's settings, Flask's config, the middleware of
Starlette, starsessions, aiohttp and Litestar. Read as syntax trees, never imported.

Source: Django 5.2 `conf/global_settings.py`, Flask-Session 0.8.0 `defaults.py`, Flask 3.1 `app.py`,
Starlette 1.10 `middleware/sessions.py`, starsessions 2.2.1, aiohttp-session 2.12.1, Litestar 2.25.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from sessctl.config.discovery import django_settings, flask_settings, python_middleware
from sessctl.config.discovery.python_source import PythonFile

if TYPE_CHECKING:
    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

# A file without any of these words sets nothing that is looked for.
_WORDS = (
    "SESSION", "SECRET_KEY", "secret_key", "DATABASES", "CACHES", "SQLALCHEMY_DATABASE_URI",
    "INSTALLED_APPS", "SessionMiddleware", "starsessions", "aiohttp_session", "litestar",
    "SignedCookieSessionFactory", "flask", "quart",
)  # fmt: skip
_SUFFIXES = (".py",)


def find(project: Project, evidence: Evidence) -> None:
    """Read every source file that could say something of sessions."""
    files = []
    for name, text in project.sources(_SUFFIXES):
        if not any(word in text for word in _WORDS):
            continue
        file = PythonFile(name, text)
        if file.parsed:
            files.append(file)
        elif posixpath.basename(name) in ("settings.py", "config.py", "app.py"):
            evidence.note(f"{name} is no Python that can be read")
    evidence.uses += django_settings.uses(files, evidence)
    evidence.uses += flask_settings.uses(files, evidence)
    for file in files:
        evidence.uses += python_middleware.uses(file)
