"""How good a signing secret is. Nothing here returns it, or a part of it."""

from __future__ import annotations

import math
import re
import string

# Examples from documentation, tutorials and starter projects: the first that anybody tries.
_EXAMPLES = frozenset(
    """
    keyboard cat|cat keyboard|secret|secrets|mysecret|my secret|my-secret|my_secret|s3cr3t|secret123
    supersecret|super secret|super-secret|super_secret|supersecretkey|super secret key|topsecret
    top secret|verysecret|very secret|very-secret|some secret|somesecret|some-secret|thisisasecret
    this is a secret|this is my secret|thisismysecret|thisisasecretkey|session secret|session-secret
    session_secret|sessionsecret|cookie secret|cookie-secret|cookie_secret|cookiesecret|jwt secret
    jwt-secret|jwt_secret|jwtsecret|secretkey|secret key|secret-key|secret_key|mysecretkey
    my-secret-key|my_secret_key|my secret key|your secret|your-secret|your_secret|yoursecret
    your secret key|your-secret-key|your_secret_key|your-session-secret|your_session_secret
    your-256-bit-secret|a-string-secret-at-least-256-bits-long|yoursecretkey|yoursecrethere
    changeme|change me|change-me|change_me|changethis|change this|change-this|change_this|changeit
    please change me|replace me|replaceme|replace_me|default|example|password|passw0rd|password123
    p@ssw0rd|admin|administrator|root|test|testing|test123|demo|dev|development|foo|bar|foobar|baz
    qwerty|letmein|abc|abc123|12345|123456|12345678|123456789|1234567890|hello|hello world|cat|cats
    shhh|shhhh|shhhhh|shhhhhh|shhhhhhhh|ssh|ssshhhhh|woot|anything|key|private|session|token|salt
    ilovescotchscotchyscotchscotch|ilovenodejs|i love node|iloveyou|something|somethingsecret
    something secret|some secret hurr|im a newer secret|i like turtle|newer secret|cookie|cookies
    a secret with minimum length of 32 characters|averylogphrasebiggerthanthirtytwochars
    complex_password_at_least_32_characters_long|you-will-never-guess|hard to guess string
    thisismysecrctekeyfhrgfgrfrty84fwir767|somerandomstring|some random string|random string
    randomstring|a random string|foobared|redis|mongo|postgres|mysql|guest|none|null|undefined
    _5#y2l"f4q8z\\n\\xec]/|192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf
    nextauth_secret|auth_secret|hippopotamus|blah|my cat is better than your dog|squirrel
    """.replace("\n", "|").split("|")
)
_KNOWN = frozenset(text.strip() for text in _EXAMPLES if text.strip())
_GUESSABLE = re.compile(
    r"(?i)secret|passw|change.?(?:me|this|it)|example|default|keyboard|your[-_ ]|django-insecure"
    r"|replace|insecure|qwerty|12345|s3cr3t|letmein|localhost"
)
_RANDOM = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")  # as `openssl rand -hex 16` writes it
_WORDS = re.compile(r"[a-z]{2,}(?:[ _.-][a-z]{2,})+")
_BITS_OF_A_WORD = 12.9  # of the 7 776 words of a diceware list
_ALPHABETS = (
    string.digits, string.digits + "abcdef", string.ascii_lowercase, string.ascii_uppercase,
    string.ascii_letters, string.ascii_lowercase + string.digits,
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "-_+/=",
)  # fmt: skip


def is_example(secret: bytes) -> bool:
    """It stands in the documentation of some library, or in every list of passwords."""
    return _text(secret).strip().lower() in _KNOWN


def is_guessable(secret: bytes) -> bool:
    """It is made of the words that people write where a secret should stand, and of little else."""
    text = _text(secret)
    random = max(_RANDOM.findall(text), key=len, default="")
    return _GUESSABLE.search(text) is not None and bits_of(random.encode()) < 112


def bits_of(secret: bytes) -> float:
    """How many bits an attacker has to try, at the most: by length, alphabet and repetition."""
    text = _text(secret)
    if not text:
        return 0.0
    if _WORDS.fullmatch(text.lower()):
        return len(re.split(r"[ _.-]", text)) * _BITS_OF_A_WORD
    seen = set(text)
    size = next((len(one) for one in _ALPHABETS if seen <= set(one)), 95)
    expected = size * (1 - (1 - 1 / size) ** len(text))  # different characters, if it is random
    if len(seen) < 0.6 * expected:
        return len(text) * _shannon(text)
    return len(text) * math.log2(size)


def _shannon(text: str) -> float:
    shares = [text.count(char) / len(text) for char in set(text)]
    return -sum(share * math.log2(share) for share in shares)


def _text(secret: bytes) -> str:
    """Bytes that are no text are a key of random bytes: each its own character."""
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return secret.decode("latin-1")
