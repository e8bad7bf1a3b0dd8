"""An application that wants to break out of whatever shows its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.raw_http import reply

if TYPE_CHECKING:
    import socket

MARKUP = (
    "\"'></title></style></pre></details></svg></textarea>-->]]>"
    "<script>document.title='broken'</script><img src=/leak onerror=alert(1)>"
    "<iframe src=/leak></iframe><style>body{display:none}</style>{{7*7}}{% raw %}"
)
MARKDOWN = "a|b\n\n# title\n```\n[x](javascript:1) <b> ![y](http://evil.example) end;%%{init}%%"
_COOKIES = (
    f"{MARKUP.replace('=', '').replace(';', '')}=v; Path=/",
    f"sid={MARKUP.replace(';', '')}; Path=/; Max-Age=60",
    f"other=1; Path=/{MARKUP.replace(';', '')}",
    "sid2=\x1b[2J\x80\xff; Path=/",
)

# A scenario whose own words are no better.
STEPS = """
  - name: {name}
    get: /?q=1
    about: {name}
    show: {{{word}: {{json: $.text}}}}
  - {{name: again, get: '/again', show: {{text: {{json: $.text}}}}}}
  - {{name: page, get: /page, stateless: {{status: 500}}, expect: {{depends: true}}}}
"""


def answer(connection: socket.socket, request: bytes) -> bool:
    """JSON with markup in everything that an app can choose; `/page` is a page of it."""
    lines = [b"Set-Cookie: " + one.encode("latin-1") for one in _COOKIES]
    lines += [b"X-Bad: " + MARKUP.encode(), b"Location: javascript:alert(1)//" + MARKUP.encode()]
    if request.startswith(b"GET /page"):
        body = (MARKUP + MARKDOWN + "\x00\x1b\u202e").replace("\x00", "").encode() + b"\xff\xfe"
        kind = b"text/html" + MARKUP.replace("\n", "").encode()
    else:
        import json

        seen = b"cookie:" in request.lower()
        body = json.dumps({"text": f"{seen} {MARKUP}{MARKDOWN}"}).encode()
        kind = b"application/json"
    connection.sendall(reply(body, *lines, b"Content-Type: " + kind))
    return True
