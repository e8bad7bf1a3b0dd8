"""The options of `decode`, `verify` and `sign`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sessctl.cookies.api import check_max_age, find, known, sign_cookie
from sessctl.cookies.base import Cookie
from sessctl.cookies.registry import cookie_format
from sessctl.errors import UsageError
from sessctl.timespec import parse_duration, parse_instant

if TYPE_CHECKING:
    from datetime import timedelta

    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.cookies.api import Found
    from sessctl.stores.layouts.base import Layout
    from sessctl.text import Secret

_PANEL = "Cookie"


def _value(*names: str, help: str, metavar: str) -> Any:
    return typer.Option(
        *names, help=help, rich_help_panel=_PANEL, metavar=metavar, show_default=False
    )


Format = Annotated[
    str | None, _value("--format", help="Cookie format; else detected.", metavar="NAME")
]
FormatToSign = Annotated[
    str | None, _value("--format", help="Cookie format; else the backend's.", metavar="NAME")
]
Name = Annotated[str | None, _value("--name", help="The cookie's name.", metavar="NAME")]
SecretFrom = Annotated[
    list[str] | None,
    _value(
        "--secret-from",
        help="env: file: dotenv: keyring: cmd: prompt stdin, ID=env:; newest first.",
        metavar="REF",
    ),
]
SecretValue = Annotated[
    list[str] | None,
    _value("--secret", help="The secret itself; others can see it.", metavar="TEXT"),
]
Companion = Annotated[
    str | None,
    _value("--companion", help="The value of its .sig cookie.", metavar="VALUE"),
]
Salt = Annotated[
    str | None, _value("--salt", help="Salt of the key, if not the usual.", metavar="TEXT")
]
Digest = Annotated[
    str | None, _value("--digest", help="Hash of the signature, if not the usual.", metavar="NAME")
]
Parameters = Annotated[
    list[str] | None,
    _value("-p", "--parameter", help="A setting of the format.", metavar="KEY=VALUE"),
]
Ttl = Annotated[str | None, _value("--ttl", help="How long the cookie counts.", metavar="DURATION")]
MaxAge = Annotated[
    str | None, _value("--max-age", help="Refuse older cookies.", metavar="DURATION")
]
At = Annotated[str | None, _value("--at", help="As if it were this instant.", metavar="TIME")]
Wordlist = Annotated[
    str | None,
    _value(
        "--wordlist",
        help="Is the secret in this list? Exit 1 if it is; - for stdin.",
        metavar="FILE",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", help="Processes: for a batch (1), for a word list (all cores).",
        rich_help_panel=_PANEL, metavar="N", min=1, max=1024, show_default=False,
    ),
]  # fmt: skip
File = Annotated[
    str | None,
    _value("-f", "--file", help="Cookies: lines, JSON Lines, HAR, cookies.txt.", metavar="FILE"),
]
InputFormat = Annotated[
    str | None,
    _value(
        "--input-format",
        help="lines, jsonl, har or cookies-txt; else its first bytes tell.",
        metavar="NAME",
    ),
]
Export = Annotated[
    str | None, _value("--export", help="Print the signature for hashcat.", metavar="hashcat")
]


class Settings(NamedTuple):  # a third of a dataclass's price at every start
    """What the options say about a cookie, as text."""

    format: str | None
    name: str | None
    companion: str | None = None
    salt: str | None = None
    digest: str | None = None
    parameter: list[str] | None = None
    secret_from: list[str] | None = None
    secret: list[str] | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The settings of the format. Raises UsageError."""
        found = {"salt": self.salt, "digest": self.digest}
        for text in self.parameter or []:
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise UsageError(f"'{text}' is not KEY=VALUE", hint="-p prefix=s:")
            if found.get(key) is not None:
                raise UsageError(f"the parameter '{key}' is given twice")
            found[key] = value
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Judging:
    """What a cookie is judged with."""

    format: str | None
    name: str | None
    usual_name: str | None  # the backend's: it chooses a cookie only where it is there
    companion: str | None
    parameters: dict[str, str]
    usual_parameters: dict[str, str]  # the backend's: a format that does not take one goes without
    secrets: list[Secret]
    max_age: timedelta | None
    now: datetime

    def find(self, text: str) -> Found:
        """The cookie in a text. Raises as `decode_cookie`."""
        found = find(
            text, self.format, name=self.name, usual_name=self.usual_name,
            companion=self.companion, parameters=self.parameters,
            usual_parameters=self.usual_parameters,
        )  # fmt: skip
        check_max_age(found.format, self.max_age)
        return found

    def require_secret(self) -> None:
        """Raises UsageError where there is nothing to sign with."""
        if not self.secrets:
            raise UsageError(
                "no secret to sign with", hint="--secret-from env:NAME, or `secrets` of a backend"
            )

    def lead_to(self, sid: str, layout: Layout) -> list[Cookie]:
        """The cookies that lead to a session; where the library signs none, its id is one. Raises
        as `sign`."""
        usual = layout.cookie_format if self.format is None else self.format
        if layout.signs_ids or usual != layout.cookie_format:
            self.require_secret()
            return self.sign(sid, (layout.cookie_format, layout.cookie_name))
        name = self.name if self.name is not None else self.usual_name
        return [Cookie(name or layout.cookie_name, sid)]

    def sign(
        self, content: Any, usual: tuple[str, str | None], ttl: timedelta | None = None
    ) -> list[Cookie]:
        """The cookies of a session id or a payload; `usual` are the format and the cookie's name of
        the library. Raises as `sign_cookie`."""
        usual_format, usual_name = usual
        chosen = usual_format if self.format is None else self.format
        usual_name = usual_name if chosen == usual_format else None
        return sign_cookie(
            content,
            self.secrets,
            chosen,
            name=self.name if self.name is not None else self.usual_name or usual_name,
            parameters={**known(cookie_format(chosen), self.usual_parameters), **self.parameters},
            now=self.now,
            ttl=ttl,
        )


def judging(
    run: Run,
    backend: Backend | None,
    settings: Settings,
    *,
    max_age: str | None = None,
    at: str | None = None,
    takes_stdin: bool,
) -> Judging:
    """The options as values; secrets from the flags, else from the backend.

    Args:
        takes_stdin: what is judged or signed comes from standard input already.
    """
    from sessctl.text import Secret

    if settings.name == "":
        raise UsageError("--name is empty", hint="--name connect.sid")
    if "" in (settings.secret or []):
        raise UsageError("--secret is empty", hint="--secret-from env:NAME")
    references = settings.secret_from or (backend.secrets if backend else [])
    if takes_stdin and any(one.endswith("stdin") for one in references):
        raise UsageError(
            "standard input gives the cookie or the secret, only one of the two",
            hint="--secret-from env:NAME or file:PATH",
        )
    now = datetime.now(UTC)
    inline = [Secret(text, f"--secret[{i}]") for i, text in enumerate(settings.secret or [])]
    if inline:
        run.warn("--secret shows the secret in the process list and the shell's history")
    named = run.secrets(settings.secret_from or [], None) if settings.secret_from else []
    found = [*named, *inline] or run.secrets([], backend)
    return Judging(
        format=backend.cookie_format if settings.format is None and backend else settings.format,
        name=settings.name,
        usual_name=backend.cookie_name if backend else None,
        companion=settings.companion,
        parameters=settings.parameters,
        usual_parameters=backend.cookie_parameters if backend else {},
        secrets=found,
        max_age=parse_duration(max_age) if max_age is not None else None,
        now=parse_instant(at, now) if at is not None else now,
    )


def backend_at_hand(run: Run, *, wanted: bool) -> Backend | None:
    """The backend that is named, or configured. None of them is needed to decode."""
    if not wanted and not run.options.backend and not run.environ.get("SESSCTL_BACKEND"):
        from sessctl.cli.presence import may_have_config

        if not may_have_config(run.options.config, run.cwd, run.environ) or not (
            run.config.default_backend or len(run.config.backends) == 1
        ):
            return None
    return run.backend()
