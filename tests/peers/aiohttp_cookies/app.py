"""A real aiohttp application: /plain, /fernet, /nacl keep their sessions in cookies of that kind.

Started by `tests/support/peer.py` with the key in base64. POST /NAME/session takes the session's
data, GET answers with it.
"""

import asyncio
import sys
from base64 import b64decode

from aiohttp import web
from aiohttp_session import SimpleCookieStorage, get_session, setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from aiohttp_session.nacl_storage import NaClCookieStorage

from tests.peers.serving import announce

key = b64decode(sys.argv[1])


async def read(request):
    return web.json_response(dict(await get_session(request)))


async def write(request):
    session = await get_session(request)
    session.update(await request.json())
    return web.json_response(dict(session))


def with_storage(storage):
    app = web.Application()
    setup(app, storage)
    app.add_routes([web.get("/session", read), web.post("/session", write)])
    return app


async def main():
    app = web.Application()
    app.add_subapp("/plain", with_storage(SimpleCookieStorage()))
    app.add_subapp("/fernet", with_storage(EncryptedCookieStorage(key, max_age=3600)))
    app.add_subapp("/nacl", with_storage(NaClCookieStorage(key, max_age=3600)))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


asyncio.run(main())
