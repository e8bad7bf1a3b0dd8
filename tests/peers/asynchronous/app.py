"""Shops on Python's asynchronous frameworks, their sessions in Redis.

    python -m tests.peers.asynchronous.app starsessions|aiohttp|litestar REDIS_URL LIFETIME_S

Started by `tests/support/shops/asynchronous.py`. Each library is set up as its documentation says;
the pages are those of `Shop`, written once.
"""

import asyncio
import json
import socket
import sys
from importlib import import_module

from redis.asyncio import Redis

LIBRARY, URL, LIFETIME_S = sys.argv[1], sys.argv[2], int(sys.argv[3])


def answer(path, session, sid, sent):
    """What a page does with the session (a dict), and says; `sid` is told by the library."""
    if path == "/login":
        session["user_id"] = sent["user"]
    elif path == "/data":
        session.update(sent)
    elif path == "/logout":
        session.clear()
    elif path == "/session":
        return dict(session)
    return {"user": session.get("user_id"), "sid": sid()}


def starsessions(redis):
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from starsessions import SessionAutoloadMiddleware, SessionMiddleware
    from starsessions.session import get_session_id
    from starsessions.stores.redis import RedisStore

    async def page(request):
        sent = json.loads(await request.body() or b"{}")
        sid = lambda: get_session_id(request)  # noqa: E731
        return JSONResponse(answer(request.url.path, request.session, sid, sent))

    session = Middleware(
        SessionMiddleware,
        store=RedisStore(connection=redis),
        lifetime=LIFETIME_S,
        rolling=True,
        cookie_https_only=False,
    )
    return Starlette(
        routes=[Route("/{path:path}", page, methods=["GET", "POST"])],
        middleware=[session, Middleware(SessionAutoloadMiddleware)],
    )


def litestar(redis):
    from litestar import Litestar, Request, route
    from litestar.middleware.session.server_side import ServerSideSessionConfig
    from litestar.stores.redis import RedisStore

    @route("/{path:path}", http_method=["GET", "POST"], status_code=200)
    async def page(request: Request, path: str) -> dict:
        sent = json.loads(await request.body() or b"{}")
        # Its session is a dict only once something has been put into it.
        session = dict(request.session)
        found = answer(path, session, request.get_session_id, sent)
        if path == "/logout":
            request.clear_session()
        elif session != request.session:
            request.set_session(session)
        return found

    config = ServerSideSessionConfig(max_age=LIFETIME_S)
    return Litestar([page], middleware=[config.middleware], stores={"sessions": RedisStore(redis)})


def aiohttp(redis):
    from aiohttp import web
    from aiohttp_session import get_session, setup
    from aiohttp_session.redis_storage import RedisStorage

    async def page(request):
        session = await get_session(request)
        sent = json.loads(await request.read() or b"{}")
        return web.json_response(answer(request.path, session, lambda: session.identity, sent))

    app = web.Application()
    setup(app, RedisStorage(redis, max_age=LIFETIME_S))
    app.router.add_route("*", "/{path:.*}", page)
    return app


async def serve(app):
    """On a free port, until stdin closes."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if LIBRARY == "aiohttp":
        web = import_module("aiohttp.web")
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        await ended
        await runner.cleanup()
        return
    uvicorn = import_module("uvicorn")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    await ended
    server.should_exit = True
    await task


async def main():
    make = {"starsessions": starsessions, "aiohttp": aiohttp, "litestar": litestar}[LIBRARY]
    await serve(make(Redis.from_url(URL)))


asyncio.run(main())
