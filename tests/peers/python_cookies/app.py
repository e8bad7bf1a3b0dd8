"""Real Django, Pyramid and Bottle, each of which keeps what it is given in a signed cookie.

Started by `tests/support/peer.py`; the secrets, newest first, are JSON in SESSCTL_PEER. `/LIBRARY/
write` takes JSON, `/LIBRARY/read` says what the library makes of the cookies of the request.
"""

import json
import os
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info

import bottle
import django
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from pyramid.config import Configurator
from pyramid.session import SignedCookieSessionFactory

from tests.peers.serving import serve

SECRETS = json.loads(os.environ["SESSCTL_PEER"])["secrets"]

settings.configure(
    SECRET_KEY=SECRETS[0],
    SECRET_KEY_FALLBACKS=SECRETS[1:],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.sessions", "django.contrib.messages"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
)
django.setup()


def write_session(request):
    for key, value in json.loads(request.body).items():
        request.session[key] = value
    return JsonResponse({})


def read_session(request):
    return JsonResponse(dict(request.session.items()))


def write_cookie(request):
    given = json.loads(request.body)
    response = JsonResponse({})
    response.set_signed_cookie("cart", given["text"], salt=given["salt"])
    return response


def read_cookie(request):
    text = request.get_signed_cookie("cart", None, salt=request.GET.get("salt", ""))
    return JsonResponse({"text": text})


def write_message(request):
    messages.info(request, json.loads(request.body)["text"])
    return JsonResponse({})


def read_messages(request):
    return JsonResponse({"texts": [str(one) for one in messages.get_messages(request)]})


def write_token(request):
    return JsonResponse({"token": signing.dumps(json.loads(request.body), compress=True)})


def read_token(request):
    try:
        return JsonResponse({"data": signing.loads(request.COOKIES["token"])})
    except signing.BadSignature:
        return JsonResponse({"data": None})


urlpatterns = [
    path("session/write", write_session),
    path("session/read", read_session),
    path("cookie/write", write_cookie),
    path("cookie/read", read_cookie),
    path("messages/write", write_message),
    path("messages/read", read_messages),
    path("token/write", write_token),
    path("token/read", read_token),
]


def in_pyramid():
    def write(request):
        request.session.update(request.json_body)
        return {}

    def read(request):
        return dict(request.session)

    factory = SignedCookieSessionFactory(SECRETS[0], timeout=1200)
    with Configurator(session_factory=factory) as config:
        for view in (write, read):
            config.add_route(view.__name__, f"/{view.__name__}")
            config.add_view(view, route_name=view.__name__, renderer="json")
    return config.make_wsgi_app()


def in_bottle():
    app = bottle.Bottle()

    @app.post("/write")
    def write():
        bottle.response.set_cookie("account", bottle.request.json, secret=SECRETS[0])
        return {}

    @app.get("/read")
    def read():
        return {"data": bottle.request.get_cookie("account", secret=SECRETS[0])}

    return app


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


LIBRARIES = {"django": get_wsgi_application(), "pyramid": in_pyramid(), "bottle": in_bottle()}


def application(environ, start_response):
    return LIBRARIES[shift_path_info(environ)](environ, start_response)


serve(make_server("127.0.0.1", 0, application, handler_class=Quiet))
