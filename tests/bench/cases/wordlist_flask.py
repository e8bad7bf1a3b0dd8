"""perf.md row 16: a list of secrets on one Flask cookie, one core, against flask-unsign.

flask-unsign is no package of the tests: `pip install --no-deps flask-unsign==1.2.1 requests` puts
it beside Flask, which it needs.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from sessctl import sign_cookie
from tests.bench.bench import HERE, Bench, Missing, Side, python, sessctl
from tests.bench.compare import compare

if TYPE_CHECKING:
    from tests.bench.measure import Sample

SECRET = "not-in-any-list-71"


def run(bench: Bench) -> None:
    if find_spec("flask_unsign") is None:
        raise Missing("no flask-unsign")
    cookie = sign_cookie({"_user_id": "42", "_fresh": True}, SECRET, "flask")[0].value
    full, few = bench.work / "flask-words.txt", bench.work / "flask-words-few.txt"
    with full.open("w") as file:
        file.writelines(f"password{number}\n" for number in range(bench.n))
    few.write_text("password\n")

    def side(script: str, expect: str) -> Side:
        def once(empty: bool) -> Sample:
            return bench.shell(script.replace("WORDS", str(few if empty else full)), expect=expect)

        return once

    ours = f"{sessctl()} verify '{cookie}' --wordlist WORDS --jobs 1 -o json"
    found = bench.race(
        {
            "ours": side(f"{ours} | grep -c '\"found\":false'", "1"),
            "peer": side(f"{python()} {HERE / 'peers' / 'guess_flask.py'} '{cookie}' < WORDS", "0"),
        }
    )
    per_s = bench.n / found["ours"].cpu_s
    compare(
        bench, "wordlist.flask", found["ours"], found["peer"], "flask-unsign", 8.0, 15.0,
        further=[(f"{per_s:,.0f} words/s and core", None)],
    )  # fmt: skip
