"""Checks of what stands in sessions: secrets and personal data, by the names of their keys and by
their shapes. Places and counts are told, never a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sessctl.admin.audit.finding import Rule, Severity
from sessctl.admin.audit.sessions import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.audit.look import Look

_PASSWORD = re.compile(r"(?i)(?<!by)passw|passphrase|^pwd$|^pass$")
# The last word of a name under which something is told of a secret, and not the secret:
# `passwordChangedAt`, `token_type`.
_ABOUT = re.compile(
    r"(?:(?<=[a-z0-9])(?=[A-Z])|[_-])(?i:at|on|time|date|expires|expiry|type|method|provider|brand"
    r"|required|count|attempts|policy|strength|hint|status|mode|level|url|page|error|changed)$"
)
_HASHED = re.compile(r"\$(?:2[abxy]|argon2\w*|scrypt|pbkdf2|[156])\$|pbkdf2_|\{SSHA")
_FORGERY = re.compile(r"(?i)csrf|xsrf|nonce|state|challenge|flash")  # belong into a session
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY")
_JWT = re.compile(r"(?:Bearer )?eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
# Prefixes by which services mark their keys, so that scanners find them.
_SERVICE_KEY = re.compile(
    r"(?:sk|rk)_(?:live|test)_\w{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|github_pat_\w{22,}"
    r"|xox[abprs]-[\w-]{10,}|AIza[\w-]{35}|glpat-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|[a-z][a-z0-9+]{1,20}://[^\s:/?#@]{0,64}:[^\s/?#@]{1,256}@[\w\[]"  # of a server, in its URL
)
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
# First digits and lengths: Visa, Mastercard, American Express, Discover, JCB.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}"
    r"|3[47]\d{13}|6(?:011|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.ASCII)
_LONGEST = 16_384  # characters of a text that are looked at
_LEAVE = "keep it where it belongs, and in the session no more than the user's id"


@check(
    Rule(
        "data.password",
        Severity.HIGH,
        "passwords in sessions",
        "whoever reads the store or a backup of it has them, often for other sites as well",
        f"delete it after the login: {_LEAVE}",
    )
)
def passwords(look: Look) -> Iterator[str]:
    for path, key, text in look.texts:
        if _is_password(key) and not _HASHED.match(text):
            yield path


@check(
    Rule(
        "data.password-hash",
        Severity.MEDIUM,
        "password hashes in sessions",
        "the whole user was put into the session; weak passwords are guessed from their hashes",
        "store req.user.id and load the user anew for each request",
    )
)
def password_hashes(look: Look) -> Iterator[str]:
    for path, _, text in look.texts:
        if _HASHED.match(text):
            yield path


@check(
    Rule(
        "data.private-key",
        Severity.CRITICAL,
        "private keys in sessions",
        "whoever reads the store can act as the key's owner",
        f"replace the key; {_LEAVE}",
    )
)
def private_keys(look: Look) -> Iterator[str]:
    for path, _, text in look.texts:
        if len(text) > 40 and _PRIVATE_KEY.search(text, 0, _LONGEST):
            yield path


@check(
    Rule(
        "data.card",
        Severity.HIGH,
        "payment card numbers in sessions",
        "PCI DSS forbids it in the clear; the session store comes under all of its rules",
        "delete them and keep the payment provider's token only",
    )
)
def cards(look: Look) -> Iterator[str]:
    for path, _, value in look.leaves:
        text = value if isinstance(value, str) else str(value) if 0 < value < 10**19 else ""
        if 13 <= len(text) <= 40 and _is_card(text):
            yield path


@check(
    Rule(
        "data.service-key",
        Severity.HIGH,
        "keys of other services in sessions",
        "whoever reads the store uses these services in your name, and at your cost",
        "replace the key with its service; a server's keys belong into its settings",
    )
)
def service_keys(look: Look) -> Iterator[str]:
    for path, _, text in look.texts:
        if len(text) > 12 and _SERVICE_KEY.search(text, 0, _LONGEST):
            yield path


@check(
    Rule(
        "data.token",
        Severity.MEDIUM,
        "access tokens and other secrets in sessions",
        "they open accounts elsewhere, and the session's end does not end them",
        "keep tokens encrypted in a table of their own, or encrypt sessions (store secrets)",
    )
)
def tokens(look: Look) -> Iterator[str]:
    for path, key, text in look.texts:
        if len(text) < 8 or _FORGERY.search(path) or _ABOUT.search(key):
            continue
        if _JWT.fullmatch(text) or (look.masker.hides(key) and not _is_told(key, text)):
            yield path


@check(
    Rule(
        "data.secret-shape",
        Severity.INFO,
        "values that look like keys",
        "long random texts are often keys or tokens; look whether these are",
        "sessctl show SID -b BACKEND   # of one of these; [redact] keys hides what is one",
    )
)
def secret_shapes(look: Look) -> Iterator[str]:
    for path, key, text in look.texts:
        if len(text) < 24 or _FORGERY.search(path) or look.masker.hides(key):
            continue
        if look.masker.looks_secret(text) and not _JWT.fullmatch(text):
            yield path


@check(
    Rule(
        "data.email",
        Severity.INFO,
        "e-mail addresses in sessions",
        "personal data: it is in every backup, and has to be erased on request",
        "sessctl expire --user USER -b BACKEND   # erases; better: keep the user's id only",
    )
)
def emails(look: Look) -> Iterator[str]:
    for path, _, text in look.texts:
        if 5 < len(text) < 255 and _EMAIL.fullmatch(text):
            yield path


def _is_told(key: str, text: str) -> bool:
    """Another check has a better word for it."""
    told = _HASHED.match(text) or _CARD.fullmatch(text) or _SERVICE_KEY.search(text, 0, _LONGEST)
    return _is_password(key) or told is not None


def _is_password(key: str) -> bool:
    """What stands under this name is one; a token to set a new one is a token."""
    if _PASSWORD.search(key) is None or _ABOUT.search(key) is not None:
        return False
    return "token" not in key.lower()


def _is_card(text: str) -> bool:
    """Digits of an issuer's form with a valid check digit (Luhn)."""
    if _CARD.fullmatch(text) is None:
        return False
    digits = text.replace(" ", "").replace("-", "")
    if _ISSUED.fullmatch(digits) is None:
        return False
    doubled = [sum(divmod(2 * int(one), 10)) for one in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
