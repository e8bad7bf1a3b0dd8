"""Tries every line of a list as the SECRET_KEY of a Flask cookie, with flask-unsign.

python guess_flask.py COOKIE < WORDS      prints how many fitted
"""

import sys

from flask_unsign.session import verify

cookie = sys.argv[1]
print(sum(verify(cookie, line.rstrip("\n")) for line in sys.stdin))
