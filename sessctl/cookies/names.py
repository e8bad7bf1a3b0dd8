"""Which of several cookies is the session: what a name says, and what a format is used for."""

from __future__ import annotations

import re
from functools import cache

_SESSION = r"sess|sid$|^sid\b|auth|token|login|remember|phpsessid|jsessionid"
# Written by scripts that nearly every shop includes, or beside a session and never the session.
_OTHER = (
    r"^_ga|^_gid$|^_gat|^_gcl_|^_fbp$|^_fbc$|^_hj|^__utm|^_pk_|^_uet|^_clck$|^_clsk$|^_tt|^_pin_|"
    r"^ajs_|^amplitude|^amp_|^mp_|mixpanel|^optimizely|^intercom-|^hubspotutk$|^__hs|^__stripe_|"
    r"^__cf|^cf_|^_dd_s$|^ph_|^sentry|consent|optanon|cookieyes|euconsent|gdpr|csrf|xsrf|"
    r"^messages$|^theme$|^lang(uage)?$|^locale$|^i18n|^next_locale$|^visitor|^awsalb|^incap_|^visid_|^nlbi_"
)


# Libraries that sign whatever an app likes to keep in a cookie; its session is mostly another one.
_ANY_VALUE = frozenset({
    "cookie-parser", "fastify-cookie", "itsdangerous", "django-signing", "django-signed-cookie",
})  # fmt: skip


def weight_of(name: str | None, format: str) -> int:
    """What speaks for a session beside the value's shape; below 0 for what is none."""
    weight = -50 if format in _ANY_VALUE else 0
    if name is None:
        return weight
    session, other = _patterns()
    if other.search(name):
        return weight - 60
    return weight + 15 if session.search(name) else weight


@cache  # 1 ms to compile, and one cookie alone needs neither
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(_SESSION, re.IGNORECASE), re.compile(_OTHER, re.IGNORECASE)
