"""Judges and decodes session cookies, one a line on stdin, with `django.core.signing.loads`.

python django_loads.py SECRET_KEY     one JSON line a cookie on stdout
"""

import json
import sys

from django.conf import settings
from django.core.signing import BadSignature, loads

SALT = "django.contrib.sessions.backends.signed_cookies"


def main():
    settings.configure(SECRET_KEY=sys.argv[1], SECRET_KEY_FALLBACKS=[])
    for number, line in enumerate(sys.stdin, 1):
        try:
            payload, verdict = loads(line.rstrip("\n"), salt=SALT), "valid"
        except BadSignature:
            payload, verdict = None, "bad_signature"
        item = {"input": number, "payload": payload, "verdict": verdict}
        sys.stdout.write(json.dumps(item, separators=(",", ":")) + "\n")


main()
