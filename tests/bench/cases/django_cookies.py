"""perf.md row 14: verify and decode session cookies of Django, one a line, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, Missing, Side, python, sessctl
from tests.bench.compare import compare

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_SECRET = "keyboard cat"  # of the loader
_BAD_EVERY = 100
_JUDGED = (0, 1)  # 1: not every cookie is valid, which is so


def run(bench: Bench) -> None:
    try:
        import django  # noqa: F401
    except ImportError as exc:
        raise Missing("Django is not installed") from exc
    full, few = bench.work / "django.txt", bench.work / "django-few.txt"
    loader = "gen_django_cookies"
    bench.load(loader, str(full), "--count", str(bench.n), "--bad-every", str(_BAD_EVERY))
    bench.load(loader, str(few), "--count", "2")

    def side(script: str) -> Side:
        def once(empty: bool) -> Sample:
            return bench.shell(
                f'{script} | grep -c \'"verdict":"valid"\'',
                stdin=few if empty else full,
                expect=str(2 if empty else bench.n - bench.n // _BAD_EVERY),
                env={"SECRET_KEY": _SECRET},
                codes=_JUDGED,
            )

        return once

    found = bench.race(
        {
            "verify": side(f"{sessctl()} verify --secret-from env:SECRET_KEY -o jsonl"),
            "django": side(f"{python()} {HERE / 'peers' / 'django_loads.py'} '{_SECRET}'"),
        }
    )
    name = "django.core.signing.loads"
    compare(bench, "cookies.django", found["verify"], found["django"], name, 1.8, 2.3)
