"""The table of commands: what help shows and what a name leads to, importing none of them."""

from __future__ import annotations

from dataclasses import dataclass, field

# A group's child of this name is what a first word that names no child is for: in
# `sessctl replay shop.yaml` the file. Its row stands first, and help shows it as it is typed.
DEFAULT = "FILE"


@dataclass(frozen=True, slots=True)
class Row:
    """One command. `target` is `module:function` below `sessctl.cli.commands`.

    A group's own target is empty behind the colon; `children` are its commands, `DEFAULT` among
    them where the group takes something else than a command.
    """

    target: str
    summary: str
    examples: tuple[str, ...]
    exits: tuple[int, ...]
    see: tuple[str, ...] = ()
    children: dict[str, Row] = field(default_factory=dict)


COMMANDS: dict[str, Row] = {
    "list": Row(
        "list_sessions:list_sessions",
        "List sessions that match a query, one row each.",
        (
            "sessctl list --user 42",
            "sessctl list --active --expires-within 1h --sort expires",
            "sessctl list --count --expired",
            "sessctl list --data -o jsonl > sessions.jsonl",
        ),
        (0, 2, 3, 5),
        ("show", "purge"),
    ),
    "show": Row(
        "show:show",
        "Show one session: expiry, user, decoded data.",
        ("sessctl show SID", "sessctl show SID -o json", "sessctl show SID -o raw"),
        (0, 1, 2, 3, 5),
        ("list", "decode"),
    ),
    "decode": Row(
        "decode:decode",
        "Read a cookie or stored value; with a backend, verify it and find its session.",
        (
            "sessctl decode 's%3AZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ.UnVQeYvvcQzA...'",
            "cat cookie.txt | sessctl decode",
            "sessctl decode -f shop.har --name connect.sid",
            "sessctl decode --no-lookup -o json 'Cookie: connect.sid=s%3A...'",
        ),
        (0, 2, 3, 5, 7),
        ("verify", "show"),
    ),
    "verify": Row(
        "decode:verify",
        "Judge a cookie's signature by the secrets; exit 1 if it is not valid.",
        (
            "sessctl verify COOKIE --secret-from env:SESSION_SECRET",
            "sessctl verify COOKIE --secret-from file:new.key --secret-from file:old.key",
            "sessctl verify -f log.jsonl --jobs 4 --secret-from env:SESSION_SECRET",
            "sessctl verify COOKIE --wordlist rockyou.txt",
        ),
        (0, 1, 2, 5, 7, 130),
        ("decode", "sign"),
    ),
    "detect": Row(
        "detect:detect",
        "Name the formats that a cookie could be of, and what speaks for each.",
        (
            "sessctl detect 's%3AZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ.UnVQeYvvcQzA...'",
            "sessctl detect -o name 'Cookie: theme=dark; connect.sid=s%3A...'",
        ),
        (0, 1, 2, 3, 5, 7),
        ("decode",),
    ),
    "sign": Row(
        "sign:sign",
        "Make a cookie, offline: a test cookie for a session id.",
        (
            "sessctl sign SID --secret-from env:SESSION_SECRET",
            "sessctl sign SID -o curl",
            "sessctl sign SID -o header",
        ),
        (0, 2),
        ("verify", "list"),
    ),
    "create": Row(
        "create:create",
        "Put a new session in the store and print its cookie.",
        (
            "sessctl create '{\"userId\": 42}' -o playwright > state.json",
            "sessctl create --user 42 -o curl",
            "sessctl create userId:=42 cart.sku=A7 --ttl 2h -o header",
        ),
        (0, 2, 3, 4),
        ("sign", "set", "expire"),
    ),
    "set": Row(
        "set_data:set_data",
        "Change the data of a session in place.",
        (
            "sessctl set SID role=admin cart.0.qty:=2",
            "sessctl set SID --unset cart --dry-run",
        ),
        (0, 1, 2, 3, 4, 5, 6, 7),
        ("edit", "show", "restore"),
    ),
    "edit": Row(
        "edit:edit",
        "Change the data of a session in your editor; shows what differs.",
        ("sessctl edit SID", "sessctl edit SID --dry-run"),
        (0, 1, 2, 3, 4, 5, 6, 7),
        ("set", "restore"),
    ),
    "touch": Row(
        "touch:touch",
        "Push the expiry of sessions forward.",
        (
            "sessctl touch SID",
            "sessctl touch SID --ttl 2h",
            "sessctl list --user 42 -o name | sessctl touch -",
        ),
        (0, 1, 2, 3, 4, 5, 6),
        ("expire", "restore"),
    ),
    "expire": Row(
        "expire:expire",
        "End named sessions, or all of a user, now.",
        (
            "sessctl expire --user 42",
            "sessctl expire SID",
            "sessctl list --user 42 -o name | sessctl expire - --yes",
        ),
        (0, 1, 2, 3, 4, 5, 6),
        ("purge", "restore"),
    ),
    "purge": Row(
        "purge:purge",
        "End many sessions by rule, journalled; never without a query.",
        (
            "sessctl purge --expired --dry-run",
            "sessctl purge --expired",
            "sessctl purge --resume JOURNAL",
        ),
        (0, 2, 3, 4, 5, 6),
        ("list", "restore"),
    ),
    "restore": Row(
        "restore:restore",
        "Put back what a journalled run removed or changed.",
        ("sessctl restore --last", "sessctl restore JOURNAL", "sessctl restore --last --dry-run"),
        (0, 2, 3, 4, 5, 6),
        ("journal", "purge"),
    ),
    "copy": Row(
        "copy:copy",
        "Copy sessions to another backend, in its layout; --move to cut.",
        (
            "sessctl copy --to TARGET --dry-run",
            "sessctl copy --to TARGET --active --follow",
            "sessctl copy --to TARGET --user 42 --move",
        ),
        (0, 2, 3, 4, 5, 6),
        ("diff", "export", "restore"),
    ),
    "diff": Row(
        "diff:diff",
        "Compare two sessions, cookies or files, or two backends; exit 1 if they differ.",
        (
            "sessctl diff SID session.json",
            "sessctl diff COOKIE COOKIE",
            "sessctl diff -b demo -b OTHER",
        ),
        (0, 1, 2, 3, 5, 7),
        ("show", "copy"),
    ),
    "export": Row(
        "export:export",
        "Write whole sessions as JSON Lines, for `import` to take back.",
        (
            "sessctl export --out-file sessions.jsonl",
            "sessctl export --user 42 > sessions.jsonl",
        ),
        (0, 2, 3),
        ("import", "copy"),
    ),
    "import": Row(
        "import_sessions:import_sessions",
        "Put exported sessions into a backend.",
        (
            "sessctl import sessions.jsonl --dry-run",
            "sessctl import sessions.jsonl --conflict newer",
        ),
        (0, 2, 3, 4, 5, 6, 7),
        ("export", "restore"),
    ),
    "audit": Row(
        "audit:audit",
        "Find what endangers sessions, in data and settings: severity, evidence, fix.",
        (
            "sessctl audit",
            "sessctl audit --fail-on critical -o json > audit.json",
            "sessctl audit --sample 100000 -o tsv --fields severity,id,evidence",
        ),
        (0, 1, 2, 3, 5),
        ("list", "purge"),
    ),
    "journal": Row(
        "journal:",
        "Look at the undo files, check them, remove old ones.",
        ("sessctl journal list", "sessctl journal verify"),
        (0, 1, 2, 4, 6),
        ("restore",),
        {
            "list": Row(
                "journal:list_command",
                "List the journals, newest first.",
                ("sessctl journal list", "sessctl journal list -o json"),
                (0, 2, 6),
                ("restore", "journal show"),
            ),
            "show": Row(
                "journal_show:show",
                "Show what a run was, how it went, and which sessions it took.",
                ("sessctl journal show JOURNAL", "sessctl journal show JOURNAL -o json"),
                (0, 2, 6),
                ("restore", "journal list"),
            ),
            "verify": Row(
                "journal_verify:verify",
                "Check that journals are whole; exit 1 if one is damaged.",
                ("sessctl journal verify", "sessctl journal verify JOURNAL"),
                (0, 1, 2, 6),
                ("restore",),
            ),
            "prune": Row(
                "journal_prune:prune",
                "Remove old journals; what they hold cannot be brought back then.",
                ("sessctl journal prune --dry-run", "sessctl journal prune --older-than 30d"),
                (0, 2, 4, 6),
                ("journal list",),
            ),
        },
    ),
    "backends": Row(
        "backends:",
        "Look at the configured backends, and at their stores.",
        ("sessctl backends list", "sessctl backends ping"),
        (0, 2, 3),
        ("config", "doctor"),
        {
            "ping": Row(
                "backends_ping:ping",
                "Connect to the backends: who answers, how fast, what is there.",
                ("sessctl backends ping", "sessctl backends ping -b demo -v"),
                (0, 2, 3),
                ("doctor", "detect"),
            ),
            "capabilities": Row(
                "backends_capabilities:capabilities",
                "Tell what the store of a backend can do, and what it cannot.",
                ("sessctl backends capabilities", "sessctl backends capabilities -b demo -o json"),
                (0, 2, 3),
                ("backends ping",),
            ),
            "list": Row(
                "backends:list_backends",
                "List the configured backends.",
                ("sessctl backends list", "sessctl backends list -o name"),
                (0, 2),
                ("config",),
            ),
        },
    ),
    "config": Row(
        "config:",
        "Look at the configuration, make one, change it.",
        ("sessctl config init", "sessctl config show"),
        (0, 1, 2, 4),
        ("backends", "doctor"),
        {
            "init": Row(
                "config_init:init",
                "Propose backends from the project's own files, and write them.",
                ("sessctl config init --dry-run", "sessctl config init"),
                (0, 1, 2, 4),
                ("config show", "doctor", "backends ping"),
            ),
            "show": Row(
                "config:show",
                "Show the merged configuration and where each value came from.",
                ("sessctl config show", "sessctl config show -o json"),
                (0, 2),
                ("backends",),
            ),
            "use": Row(
                "config_change:use",
                "Make a backend the default.",
                ("sessctl config use demo", "sessctl config use demo --dry-run"),
                (0, 2),
                ("backends list", "config show"),
            ),
            "edit": Row(
                "config_change:edit",
                "Open the configuration in your editor; it is checked before it counts.",
                ("sessctl config edit", "sessctl config edit --user"),
                (0, 2, 4),
                ("config validate",),
            ),
            "path": Row(
                "config:path",
                "Print the files that are read, and the user's own path.",
                ("sessctl config path",),
                (0, 2),
                ("config show",),
            ),
            "validate": Row(
                "config:validate",
                "Check the configuration files.",
                ("sessctl config validate", "sessctl config validate --config ./sessctl.toml"),
                (0, 2),
                ("config show",),
            ),
        },
    ),
    "doctor": Row(
        "doctor:doctor",
        "Is everything in working order: install, config, secrets, stores, journals.",
        ("sessctl doctor", "sessctl doctor -b demo", "sessctl doctor -o json"),
        (0, 1, 2, 3),
        ("backends ping", "config validate"),
    ),
    "replay": Row(
        "replay:",
        "Play requests with cookies and without: what an app remembers, and where.",
        ("sessctl replay new shop.yaml", "sessctl replay orders.yaml --target URL --why"),
        (0, 1, 2, 3, 4),
        ("help",),
        {
            DEFAULT: Row(
                "replay_file:replay",
                "Play a scenario with cookies and without, compare, explain.",
                (
                    "sessctl replay orders.yaml --target URL",
                    "sessctl replay orders.yaml --target URL --why --report html=orders.html",
                    "sessctl replay orders.yaml --target URL --stateless",
                ),
                (0, 1, 2, 3, 4, 130, 143),
                ("replay new", "replay lint"),
            ),
            "new": Row(
                "replay:new",
                "Write a commented scenario to start from.",
                ("sessctl replay new", "sessctl replay new shop.yaml"),
                (0, 2),
                ("replay lint", "replay schema"),
            ),
            "lint": Row(
                "replay:lint",
                "Check scenarios: every mistake with its line and the fix.",
                ("sessctl replay lint orders.yaml", "sessctl replay lint orders.yaml -o json"),
                (0, 1, 2),
                ("replay new", "help"),
            ),
            "schema": Row(
                "replay:schema",
                "Print the JSON Schema of scenarios, for editors.",
                (
                    "sessctl replay schema --out-file scenario.schema.json",
                    "sessctl replay schema --transcript",
                ),
                (0, 2),
                ("replay new",),
            ),
        },
    ),
    "stats": Row(
        "stats:stats",
        "Count sessions: states, sizes, ages, users; for people or for monitoring.",
        (
            "sessctl stats",
            "sessctl stats --active --top 3 -o json",
            "sessctl stats --all-backends -o openmetrics",
            "sessctl stats --count --expired",
        ),
        (0, 2, 3, 5),
        ("list", "watch"),
    ),
    "watch": Row(
        "watch:watch",
        "See sessions appear, change, renew, end and expire, as it happens.",
        (
            "sessctl watch --for 1s",
            "sessctl watch --user 42 --for 1s",
            "sessctl watch --initial --count 3 -o jsonl",
        ),
        (0, 2, 3, 4, 5, 130, 143),
        ("list", "stats"),
    ),
    "demo": Row(
        "demo:demo",
        "A tour on sample sessions, lessons, or a shop to try; needs no service.",
        (
            "sessctl demo",
            "sessctl demo fixation",
            "sessctl demo logout --target URL --var account=/account",
            "sessctl demo --serve --port 3000 --store memory --set rolling=yes",
        ),
        (0, 1, 2, 3, 130, 143),
        ("replay", "help"),
    ),
    "completion": Row(
        "completion:completion",
        "Print a completion script; its first lines say where to put it.",
        (
            "sessctl completion bash > ~/.local/share/bash-completion/completions/sessctl",
            "sessctl completion zsh > ~/.zfunc/_sessctl",
            "sessctl completion fish > ~/.config/fish/completions/sessctl.fish",
            "sessctl completion powershell > sessctl.ps1",
        ),
        (0, 2),
        ("help",),
    ),
    "help": Row(
        "help:topics",
        "Explain a topic or a command.",
        ("sessctl help exit-codes", "sessctl help time", "sessctl help purge"),
        (0, 2),
    ),
}
ALIASES = {"ls": "list", "rm": "expire", "forge": "sign", "migrate": "copy"}
# On top of the help, in this order.
FIRST = ("list", "show", "decode", "verify", "sign", "expire", "purge", "restore", "replay", "demo")
