"""What a cookie's name says about it, where several cookies look alike."""

from __future__ import annotations

import re
from functools import cache

_SESSION = r"sess|sid$|^sid\b|auth|token|login|remember|phpsessid|jsessionid"
# Written by scripts that nearly every shop includes, or beside a session and never the session.
_OTHER = (
    r"^_ga|^_gid$|^_gat|^_gcl_|^_fbp$|^_fbc$|^_hj|^__utm|^_pk_|^_uet|^_clck$|^_clsk$|^_tt|^_pin_|"
    r"^ajs_|^amplitude|^amp_|^mp_|mixpanel|^optimizely|^intercom-|^hubspotutk$|^__hs|^__stripe_|"
    r"^__cf|^cf_|^_dd_s$|^ph_|^sentry|consent|optanon|cookieyes|euconsent|gdpr|csrf|xsrf|"
    r"^theme$|^lang(uage)?$|^locale$|^i18n|^next_locale$|^visitor|^awsalb|^incap_|^visid_|^nlbi_"
)


def weight_of(name: str | None) -> int:
    """What the name adds to the score of a value's shape; below 0 for what is no session."""
    if name is None:
        return 0
    session, other = _patterns()
    if other.search(name):
        return -60
    return 15 if session.search(name) else 0


@cache  # 1 ms to compile, and one cookie alone needs neither
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(_SESSION, re.IGNORECASE), re.compile(_OTHER, re.IGNORECASE)
