"""express-session in Python: the session middleware that the demo shop runs on.

It decides as express-session 1.19 does, signs with sessctl's own cookie format and lays sessions
out as the Node stores do, so that an Express app and the shop can share a store and a secret.
"""
