"""A real Django whose sessions are files in a folder.

Started by `tests/support/python_files.py` with the folder; with a word after it, Django's own
command of that name is run, and nothing served.
"""

import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from tests.peers.serving import serve

settings.configure(
    SECRET_KEY="keyboard cat keyboard cat keyboard cat keyboard cat",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    SESSION_ENGINE="django.contrib.sessions.backends.file",
    SESSION_FILE_PATH=sys.argv[1],
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
)
django.setup()


def login(request):
    request.session["user_id"] = request.GET["user"]
    return JsonResponse({"user": request.session["user_id"]})


def me(request):
    return JsonResponse({"user": request.session.get("user_id")})


urlpatterns = [path("login", login), path("me", me)]


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


if sys.argv[2:]:
    call_command(sys.argv[2])
else:
    serve(make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet))
