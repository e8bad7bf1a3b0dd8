"""perf.md row 16, for the formats that there are: a list of secrets on one cookie, one core each;
and all of it once more with two jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl import sign_cookie
from tests.bench.bench import HERE, Bench, Missing, Side, node_modules, sessctl
from tests.bench.compare import compare
from tests.bench.result import Measurement
from tests.support.npm import PEERS, modules

if TYPE_CHECKING:
    from tests.bench.measure import Sample

SECRET = "not-in-any-list-71"
LIBRARIES = {
    "express-session": "cookie-signature",
    "cookie-session": "keygrip",
    "jwt": "jsonwebtoken",
}


def run(bench: Bench) -> None:
    try:
        node_path = f"{node_modules()}:{modules(PEERS / 'crypto-cookies')}"
    except (OSError, RuntimeError) as exc:
        raise Missing(f"npm packages of the peer: {exc}") from exc
    full, few = bench.work / "words.txt", bench.work / "words-few.txt"
    with full.open("w") as file:
        file.writelines(f"password{number}\n" for number in range(bench.n))
    few.write_text("password\n")

    def side(script: str, expect: str) -> Side:
        def once(empty: bool) -> Sample:
            return bench.shell(
                script.replace("WORDS", str(few if empty else full)),
                expect=expect,
                env={"NODE_PATH": node_path},
            )

        return once

    for format, peer in LIBRARIES.items():
        cookie, arguments = _cookie(format)
        ours = f"{sessctl()} verify '{cookie}' --wordlist WORDS --jobs JOBS -o json"
        ours += """ | grep -c '"found":false'"""
        theirs = f"node {HERE / 'peers' / 'guess.js'} {format} {arguments} < WORDS"
        sides = {"ours": side(ours.replace("JOBS", "1"), "1"), "peer": side(theirs, "0")}
        if format == "express-session" and not bench.small:  # a short list takes one job
            sides["two"] = side(ours.replace("JOBS", "2"), "1")
        found = bench.race(sides)
        per_s = bench.n / found["ours"].cpu_s
        compare(
            bench, f"wordlist.{format}", found["ours"], found["peer"], peer, 1.0, 2.0,
            further=[(f"{per_s:,.0f} words/s and core", None)],
        )  # fmt: skip
        if "two" in found:
            _report_jobs(bench, found["ours"], found["two"])


def _cookie(format: str) -> tuple[str, str]:
    """(what sessctl takes, what the peer takes)."""
    if format == "express-session":
        value = sign_cookie("7d8f2c1e4b5a69788796a5b4c3d2e1f0", SECRET)[0].value
        return value, f"'{value.removeprefix('s%3A')}'"
    if format == "jwt":
        token = sign_cookie({"sub": "7"}, SECRET, "jwt")[0].value
        return token, f"'{token}'"
    session, signature = sign_cookie({"user": 42, "name": "alice"}, SECRET, format)
    text = f"{session.name}={session.value}"
    return f"Cookie: {text}; {signature.name}={signature.value}", f"'{text}' '{signature.value}'"


def _report_jobs(bench: Bench, one: Sample, two: Sample) -> None:
    """Reported and not judged: a second core may be somebody else's."""
    ratio = one.wall_s / two.wall_s
    figures = {
        "wall": two.wall_s,
        "cpu_client": two.cpu_client_s,
        "ratio": ratio,
        "others": two.others,
    }
    bench.report(
        Measurement(
            "wordlist.jobs", bench.n, figures, None, [f"two jobs: {ratio:.2f}x the speed of one"]
        )
    )
