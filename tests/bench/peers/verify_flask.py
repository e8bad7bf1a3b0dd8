"""Judges Flask's cookies, one a line on stdin, with itsdangerous: what Flask itself does.

python verify_flask.py SECRET      one JSON line a cookie on stdout
"""

import hashlib
import json
import sys

from itsdangerous import BadSignature, URLSafeTimedSerializer

serializer = URLSafeTimedSerializer(
    sys.argv[1],
    salt="cookie-session",
    signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
)
for number, line in enumerate(sys.stdin, 1):
    try:
        payload, verdict = serializer.loads(line.rstrip("\n"), max_age=31 * 86_400), "valid"
    except BadSignature:
        payload, verdict = None, "bad_signature"
    item = {"input": number, "payload": payload, "verdict": verdict}
    sys.stdout.write(json.dumps(item, separators=(",", ":")) + "\n")
