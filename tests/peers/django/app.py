"""A real Django with its admin: sessions in its database, forms with CSRF cookie and token.

Started by `tests/support/peer.py` with the path of a new SQLite file, and perhaps with settings of
Django as JSON, which go before those here. Two users: admin and ana, password `pears and plums`.
"""

import json
import os
import sys
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tests.peers.serving import serve

given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
if "TIME_ZONE" in given:  # as Django does where it reads a module of settings
    os.environ["TZ"] = given["TIME_ZONE"]
    time.tzset()


def configure(**usual):
    settings.configure(**usual | given)


configure(
    DEBUG=False,
    SECRET_KEY="keyboard cat keyboard cat keyboard cat keyboard cat",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    STATIC_URL="/static/",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # 0.3 s less per login
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
if "mysql" in settings.DATABASES["default"]["ENGINE"]:
    import pymysql

    pymysql.version_info = (2, 2, 1, "final", 0)  # Django asks for that of mysqlclient
    pymysql.install_as_MySQLdb()
django.setup()


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


def me(request):
    """Who is logged in, and what the session holds and is called."""
    user = request.user.username or None
    return JsonResponse(
        {"user": user, "data": dict(request.session), "key": request.session.session_key}
    )


def store(request):
    """Put what the query says into the session; `ends` is its lifetime in seconds."""
    words = request.GET.dict()
    if (ends := words.pop("ends", None)) is not None:
        request.session.set_expiry(int(ends))
    request.session.update(words)
    return JsonResponse(words)


def clear(_request):
    call_command("clearsessions")
    return HttpResponse()


urlpatterns = [
    path("me", me),
    path("store", store),
    path("clear", clear),
    path("admin/", admin.site.urls),
    path("count", count),
    path("about", lambda _request: HttpResponse("We sell pears.", content_type="text/plain")),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


call_command("migrate", verbosity=0)

from django.contrib.auth.models import User  # noqa: E402 - needs the set-up above

for name in ("admin", "ana"):
    User.objects.create_superuser(name, "", "pears and plums")
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
serve(server)
