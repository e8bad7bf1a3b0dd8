"""`sessctl help TOPIC`: what does not fit a command's own help."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.cli.options import command
from sessctl.cli.table import ALIASES, COMMANDS
from sessctl.errors import ExitCode, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sessctl.cli.run import Run


@command()
def topics(
    run: Run,
    *,
    topic: Annotated[
        list[str] | None, typer.Argument(help="A topic or a command.", metavar="TOPIC...")
    ] = None,
) -> ExitCode:
    """Print a topic; a command's name prints its help."""
    words = topic or []
    name = " ".join(words)
    if not words:
        run.streams.line("Topics: sessctl help TOPIC")
        for key, (summary, _) in TOPICS.items():
            run.streams.line(f"  {key:<12} {summary}")
        run.streams.line("Commands: sessctl COMMAND --help")
        return ExitCode.OK
    if name in TOPICS:
        for line in TOPICS[name][1]():
            run.streams.line(line)
        return ExitCode.OK
    if words[0] in COMMANDS or words[0] in ALIASES:
        from sessctl.cli.app import run_command

        return run_command([*words, "--help"], run.streams)
    raise UsageError(
        f"no topic '{name}'", hint=did_you_mean(name, [*TOPICS, *COMMANDS], all_are="topics")
    )


def _exit_codes() -> Iterator[str]:
    for code in ExitCode:
        yield f"{int(code):>4}  {code.name.lower():<12} {code.meaning}"


def _environment() -> Iterator[str]:
    yield from (
        "SESSCTL_BACKEND       the backend when -b is not given: a name or a URL",
        "SESSCTL_CONFIG        read this config file only",
        "SESSCTL_REDACT        1: shorten ids and mask data everywhere, for CI",
        "SESSCTL_PAGER         instead of PAGER; cat switches paging off",
        "VISUAL, EDITOR        what `sessctl edit` and `sessctl config edit` open",
        "NO_COLOR              none, as with TERM=dumb; FORCE_COLOR the opposite; flags beat both",
        "SESSCTL_COMPLETE_MS   how long Tab waits for session ids (300); 0: it never asks for them",
        "XDG_CONFIG_HOME       sessctl/config.toml is looked for here",
        "XDG_STATE_HOME        sessctl/journals is kept here",
    )


def _formats() -> Iterator[str]:
    from sessctl.cookies.registry import FORMATS
    from sessctl.stores.registry import ENGINES, LAYOUTS

    simple = (name for name in ENGINES if "+" not in name and "valkey" not in name)
    yield from _wrapped("Cookie formats (--format):", FORMATS)
    yield from _wrapped("Layouts (`layout`):", LAYOUTS)
    yield from _wrapped("Stores (URL schemes):", simple)
    yield ""
    yield "Redis and Valkey further off; valkey stands for redis, rediss and valkeys are with TLS:"
    yield "  redis+unix:///PATH?db=DB                      a socket"
    yield "  redis+sentinel://HOST:26379,HOST/SERVICE/DB   the sentinels and the service they watch"
    yield "  redis+cluster://HOST:PORT,HOST:PORT           some servers of the cluster, not all"
    yield ""
    yield "Output (-o):"
    yield "  table wide            for people; the default on a terminal"
    yield "  tsv csv               with a header; tsv is the default in a pipe"
    yield "  json                  one document: schema, kind, items"
    yield "  jsonl                 one item a line, streamed"
    yield "  name                  session ids, one a line, for `sessctl expire -`"
    yield "  raw                   show: the stored value as it is"
    yield "  openmetrics           stats: for Prometheus"
    yield "  header curl cookies-txt playwright   sign, create: ready to use"


def _wrapped(label: str, words: Iterable[str]) -> Iterator[str]:
    """`label  one, two, ...` on as many lines as it takes."""
    yield from wrap(
        f"{label:<26}  {', '.join(words)}",
        width=92,
        subsequent_indent=" " * 28,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _parameters() -> Iterator[str]:
    from sessctl.cookies.registry import FORMATS, cookie_format

    yield "What an app may set otherwise than its library does: -p KEY=VALUE, --salt, --digest, or"
    yield "`salt` and `digest` of a backend. In brackets: without it."
    for name in FORMATS:
        for key, meaning in cookie_format(name).parameters.items():
            yield from _wrapped(f"  {name} {key}:", [meaning])


def _queries() -> Iterator[str]:
    yield from (
        "Flags combine with AND; each stands for a field:",
        "  --user 42             user, as the layout finds it in the data",
        "  --expired, --active   state, by the store's clock",
        "  --expires-within 1h   ttl",
        "  --larger-than 8KiB    size",
        "  --older-than 7d       created, where the layout stores it",
        "  --idle 2h             seen, where the layout stores it",
        "  --all                 every session; purge wants it said",
        "",
        "-w EXPR for the rest: == != < <= > >= in ~ and or not ( ) exists() len()",
        """  sessctl list -w 'user == "42" and ttl < 30m'""",
        """  sessctl purge -w 'data.role in ("guest", "bot") and not exists(data.cart)'""",
        '  sid user              texts; ~ compares with a pattern of * and ?: user ~ "test-*"',
        "  created seen expires  instants: now-2h, today, 2026-11-20T18:30:00Z, @1795200000",
        "  ttl idle              durations: 30m, 2h, 7d; ttl is negative when it is over",
        "  size                  8KiB, 1MB",
        '  data.PATH             what the application keeps: data.cart.0.sku, data["odd key"]',
        "What is missing is null: equal to null, and on no side of < or >. A session that cannot",
        "be read matches no condition on its data, or on a user or a time that may stand there.",
        "",
        "Expired means: an expiry that can be read and lies behind the store's clock. What the",
        "store enforces (TTL, column) decides; the date inside a value is a hint. Unreadable is",
        "unknown and is never purged.",
    )


def _time() -> Iterator[str]:
    yield from (
        "Durations: 90s 30m 2h 7d 2w 1h30m 250ms PT2H; m is minutes, a bare number is seconds.",
        "Instants:  2026-11-20T18:30:00Z, 2026-11-20, @1710000000, now, today, now-2h; without a",
        "           zone they are local.",
        "Sizes:     512 8KiB 1MB.",
        "Tables are in your zone (--utc for UTC); machine formats are always in UTC, with a Z.",
    )


def _secrets() -> Iterator[str]:
    yield from (
        "Flags ending in -from and the config name a secret; they do not hold it:",
        "  env:NAME              an environment variable",
        "  file:PATH             a file; one line feed at its end is dropped",
        "  dotenv:PATH#NAME      a variable of a .env file, which is not exported",
        "  keyring:SERVICE/USER  the system's keyring (pip install 'sessctl[keyring]')",
        "  cmd:PROGRAM ARGS      what a program prints, no shell: cmd:pass show shop/key; not in a",
        "                        project file, as a clone must run nothing",
        "  prompt                typed, without echo",
        "  stdin                 standard input",
        'A url may be env:, file: or dotenv:, too, such as url = "dotenv:.env#REDIS_URL": the',
        "variable holds the whole URL, password and all. Paths in a project's file count from its",
        "folder. `sessctl config init` writes such references and never a secret.",
        "Several secrets are a rotation, newest first: the first signs, all verify.",
        "ID=REFERENCE gives a secret the id by which some cookies name theirs: 2=env:NEW_PASSWORD.",
        "",
        "Is a secret one that can be guessed? With a cookie of your own app:",
        "  sessctl verify COOKIE --wordlist FILE     exit 0: not in the list; 1: it is, and the",
        "                        number of its line; the secret itself is never printed",
        "  sessctl verify COOKIE --export hashcat    a line for hashcat, and its mode",
    )


def _scenarios() -> Iterator[str]:
    from sessctl.cli.scenarios import TEXT

    yield from TEXT.splitlines()


def _undo() -> Iterator[str]:
    yield from (
        "expire and purge write the sessions to a journal, page by page, before they delete them:",
        "  sessctl restore --last           put back what the newest run took",
        "  sessctl restore JOURNAL          what a certain run took; nothing newer is overwritten",
        "  sessctl journal list             the journals: when, which query, size, kept how, ended",
        "  sessctl journal show JOURNAL     its sessions and what became of each; no data",
        "  sessctl journal verify           are they whole? exit 1: a line is damaged or missing",
        "  sessctl journal prune            remove old ones; runs do too ([journal] keep, 30d)",
        "",
        "An interrupted purge goes on in its own journal; one restore undoes all of it:",
        "  sessctl purge --resume JOURNAL   the same query of the same store, judged anew",
        "",
        "A damaged journal restores nothing; --salvage brings back what can be read, exit 5.",
        "--journal=ids keeps ids and digests: proof of an erasure, no way back. --no-journal keeps",
        "nothing. A journal holds live credentials: its folder is yours alone (0700), and",
        "--journal-key-file PATH encrypts it (pip install 'sessctl[crypto]'). Whoever restores,",
        "resumes or shows it needs that file: (umask 077; openssl rand -out PATH 32) makes one.",
    )


def _plugins() -> Iterator[str]:
    from sessctl.plugins import GROUPS, installed, origin

    yield from (
        "Another package adds a cookie format, a layout or an engine by an entry point:",
        '  [project.entry-points."sessctl.cookie_formats"]   acme = "acme.cookie:AcmeCookie"',
        '  [project.entry-points."sessctl.layouts"]          acme = "acme.layouts:ACME"',
        '  [project.entry-points."sessctl.engines"]          acme = "acme.engine:AcmeStore"',
        "",
        "  cookie format   a class without arguments, with the methods of CookieFormat in",
        "                  sessctl.cookies.base; asked when none of ours fits, or by --format",
        "  layout          a KeyLayout, TableLayout, ItemLayout or DocumentLayout of",
        "                  sessctl.stores.layouts.base, or a FileLayout of the module `files`",
        "                  beside it: 20 lines that name keys and columns",
        "  engine          a class for a URL scheme: open(url, layout, access) and the methods of",
        "                  Store in sessctl.stores.base, or five of them and PlainStore of",
        "                  sessctl.stores.plain; `usual_layout` is taken when none is named",
        "",
        "Stable as the command line is: what these modules document, and those of sessctl.session,",
        "errors, text, limits, timespec, serializers, stores.access, stores.url, stores.reader.",
        "The rest may change. A working package: tests/peers/plugin-example in the repository.",
        "A plug-in that fails is named, and everything else works without it.",
        "",
        "Installed:",
    )
    found = [
        f"  {group:<22}  {name} ({origin(entry)})"
        for group in GROUPS
        for name, entry in installed(group).items()
    ]
    yield from found or ["  none"]


TOPICS: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "environment": ("variables that sessctl reads", _environment),
    "exit-codes": ("what a script can rely on", _exit_codes),
    "formats": ("cookie formats, layouts, stores, output", _formats),
    "parameters": ("settings of the cookie formats (-p)", _parameters),
    "queries": ("which sessions: the flags and their fields", _queries),
    "time": ("durations, instants, sizes", _time),
    "undo": ("journals: restore, resume, check, remove", _undo),
    "secrets": ("where signing secrets and passwords come from", _secrets),
    "plugins": ("cookie formats, layouts and engines of other packages", _plugins),
    "scenarios": ("how to write what `sessctl replay` plays", _scenarios),
}
