"""One invocation: options, streams, configuration, the backends it opens, the people it asks."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sessctl.cli.options import GUARDS, Options
from sessctl.errors import ConfirmationNeeded, ExitCode, UsageError
from sessctl.text import escape
from sessctl.timespec import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sessctl.admin.journal.sealing import JournalKey
    from sessctl.cli.streams import Streams
    from sessctl.config.model import Backend, Config
    from sessctl.stores.base import Lag, Store
    from sessctl.stores.detect import Candidate
    from sessctl.text import Masker, Secret


class Run:
    """What a command is given. Nothing here is remembered from one invocation to the next."""

    def __init__(self, streams: Streams, *, cwd: Path | None = None) -> None:
        self.streams = streams
        self.environ = streams.environ
        self.cwd = cwd or Path.cwd()
        self.options = Options()
        self.printed: dict[str, bytes] = {}  # by the programs of `cmd:` references
        self.writes = False  # a store is being changed: a closed pipe is 141 then, not 0
        self._config: Config | None = None

    # -- options ----------------------------------------------------------------------------------

    def configure(self) -> None:
        """Check the shared options and apply them to the streams. Raises UsageError."""
        options = self.options
        colour = "never" if options.no_color else options.color or "auto"
        if colour not in ("auto", "always", "never"):
            raise UsageError(
                f"no colour mode '{colour}'", hint="--color takes auto, always or never"
            )
        samples = {
            "config": "PATH",
            "timeout": "10s",
            "out_file": "PATH",
            "journal_key_file": "PATH",
        }
        for name, sample in samples.items():
            if getattr(options, name) == "":
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} is empty", hint=f"{option} {sample}")
        if self.timeout_s <= 0:
            raise UsageError("--timeout has to be longer than nothing", hint="--timeout 10s")
        for guard in options.force:
            if guard not in GUARDS:
                raise UsageError(f"no guard '{guard}'", hint=f"--force takes {', '.join(GUARDS)}")
        self.streams.configure(colour, pager=not options.no_pager)
        if options.out_file is not None:
            self.streams.to_file(Path(options.out_file))

    def start_writing(self) -> None:
        """A store is being changed from here on."""
        self.writes = self.streams.outlives_reader = True

    def close(self) -> None:
        """Everything of the answer is out; a file asked for with --out-file is in its place."""
        if self.options.out_file is not None:  # the demo's commands share the demo's file
            self.streams.finish()
        self.streams.flush()

    def output_format(self, allowed: tuple[str, ...], *, terminal: str, pipe: str) -> str:
        """The format asked for, or the right one for a terminal or a pipe. Raises UsageError."""
        chosen = self.options.output
        if chosen is None:
            return terminal if self.streams.stdout_is_terminal else pipe
        if chosen not in allowed:
            raise UsageError(
                f"no output format '{chosen}' here", hint=f"-o takes {', '.join(allowed)}"
            )
        return chosen

    @property
    def timeout_s(self) -> float:
        text = self.options.timeout
        return parse_duration(text).total_seconds() if text else 10.0

    @property
    def redacting(self) -> bool:
        """Redaction everywhere was asked for: by flag, environment or config."""
        if self.options.redact or self.environ.get("SESSCTL_REDACT", "") not in ("", "0"):
            return True
        return self._config_if_any is not None and self._config_if_any.redact.always

    def masker(self) -> Masker:
        """What hides sensitive data, with the keys and shapes of the configuration."""
        from sessctl.text import Masker

        return Masker(*self.hidden)

    @property
    def hidden(self) -> tuple[list[str], list[str]]:
        """The keys and the shapes of the configuration, by which data is hidden."""
        found = self._config_if_any
        return (list(found.redact.keys), list(found.redact.shapes)) if found else ([], [])

    # -- configuration and stores -----------------------------------------------------------------

    @property
    def config(self) -> Config:
        """All configuration files, merged at the first use."""
        if self._config is None:
            from sessctl.config.file import load_config  # 11 ms with tomllib and msgspec

            self._config = load_config(
                explicit=self.options.config, environ=self.environ, cwd=self.cwd
            )
            for note in self._config.notes:
                self.note(note)
        return self._config

    @cached_property
    def _config_if_any(self) -> Config | None:
        """The configuration, where there may be a file: else nothing of it is imported."""
        from sessctl.cli.presence import may_have_config

        known = self._config is not None
        maybe = known or may_have_config(self.options.config, self.cwd, self.environ)
        return self.config if maybe else None

    def backends(self) -> list[Backend]:
        """The backends meant, at least one. Raises ConfigError."""
        from sessctl.config.opening import choose_backend

        if self.options.all_backends:
            found = list(self.config.backends.values())
            if not found:
                raise UsageError("no backend is configured", hint="name one with -b URL")
            return found
        if not self.options.backend:
            return [choose_backend(self.config, self.environ.get("SESSCTL_BACKEND") or None)]
        found = [choose_backend(self.config, name) for name in self.options.backend]
        self.warn_of_passwords(found)
        return found

    def every_backend(self) -> list[Backend]:
        """Those of -b or SESSCTL_BACKEND, else every configured one. Raises ConfigError: none."""
        if self.options.backend or self.environ.get("SESSCTL_BACKEND") or not self.config.backends:
            return self.backends()
        return list(self.config.backends.values())

    def backends_to_read(self) -> list[Backend]:
        """As `backends`; one that names no layout is there for each that its store surely has."""
        from sessctl.config.opening import is_laid_out, laid_out_as

        return [
            one
            for backend in self.backends()
            for one in (
                [backend]
                if is_laid_out(backend)
                else laid_out_as(backend, self.layouts_of(backend))
            )
        ]

    def layouts_of(self, backend: Backend) -> list[Candidate]:
        """Which layouts the store of a backend seems to have."""
        from sessctl.config.opening import layouts_of

        return layouts_of(
            backend,
            timeout_s=self.timeout_s,
            environ=self.environ,
            asker=self,
            **self._reading,
        )

    @property
    def _reading(self) -> dict[str, Any]:
        """How stores are read where that was said on the command line; see `Access`."""
        options = self.options
        found: dict[str, Any] = {"allow_stale": options.allow_stale, "gentle": options.gentle}
        if options.max_unpacked is not None:
            from dataclasses import replace

            from sessctl.limits import DEFAULT

            most = parse_size(options.max_unpacked)
            found["budget"] = replace(DEFAULT, value_bytes=most, unpacked_bytes=most)
        return found

    def warn_of_passwords(self, backends: list[Backend]) -> None:
        """What stands on a command line is seen by every user of the machine."""
        from sessctl.stores.registry import parse_url

        for backend in backends:
            if not backend.name and parse_url(backend.url).password is not None:
                self.warn(
                    "a password in -b shows in the process list; use SESSCTL_BACKEND or a config"
                )

    def backend(self) -> Backend:
        """The one backend meant. Raises UsageError when several are named."""
        found = self.backends()
        if len(found) > 1:
            raise UsageError("this command takes one backend", hint="give -b once")
        return found[0]

    def other_backend(self, wanted: str) -> Backend:
        """A backend that an option of its own names (`--to`): a name or a URL."""
        from sessctl.config.opening import choose_backend

        found = choose_backend(self.config, wanted)
        self.warn_of_passwords([found])
        return found

    @contextmanager
    def store(self, backend: Backend, *, write: bool = False) -> Iterator[Store]:
        """An opened backend; what is to be told about it is told at the end, once."""
        from sessctl.config.opening import open_backend

        with open_backend(
            backend,
            write=write,
            timeout_s=self.timeout_s,
            environ=self.environ,
            asker=self,
            **self._reading,
        ) as store:
            try:
                yield store
            finally:
                self._tell(store)

    def _tell(self, store: Store) -> None:
        remarks = store.remarks
        for note in remarks.notes:
            self.note(note)
        if remarks.strangers:
            samples = ", ".join(remarks.stranger_samples)
            more = ", ..." if remarks.strangers > len(remarks.stranger_samples) else ""
            self.note(f"{remarks.strangers} not a session, left out: {samples}{more}")

    def replica_status(self, wanted: str) -> Callable[[], Lag]:
        """What tells the lag of a replica: a backend's name, or a URL."""
        from sessctl.config.opening import choose_backend, replica_of

        backend = choose_backend(self.config, wanted)
        return replica_of(backend, timeout_s=self.timeout_s, environ=self.environ, asker=self)

    def secrets(self, references: list[str], backend: Backend | None) -> list[Secret]:
        """Signing secrets: those named on the command line, else the backend's."""
        if references:
            from sessctl.config.secrets import resolve

            return [resolve(ref, environ=self.environ, asker=self) for ref in references]
        if backend is None:
            return []
        from sessctl.config.opening import backend_secrets  # 16 ms with msgspec

        return backend_secrets(backend, environ=self.environ, asker=self)

    @cached_property
    def journal_key(self) -> JournalKey | None:
        """The key of --journal-key-file, read once. Raises UsageError, or MissingExtra."""
        given = self.options.journal_key_file
        if given is None:
            return None
        from sessctl.admin.journal.sealing import JournalKey

        return JournalKey.from_file(Path(given))

    # -- people -----------------------------------------------------------------------------------

    @property
    def can_ask(self) -> bool:
        """There is somebody to ask: a terminal to read from, and no --no-input."""
        streams = self.streams
        return (
            streams.stdin_is_terminal and streams.stderr_is_terminal and not self.options.no_input
        )

    def prompt(self, label: str) -> str:
        """Ask for a secret without echo. Raises ConfirmationNeeded without a terminal."""
        if not self.can_ask:
            raise ConfirmationNeeded(
                f"the {label} has to be typed, and there is no terminal",
                hint="env:NAME or file:PATH needs none",
            )
        import getpass

        return getpass.getpass(f"{escape(label)}: ")

    def ask(self, question: str) -> str:
        """Ask a visible question on standard error and return the answer."""
        self.streams.say_raw(escape(question).encode())
        return self.streams.stdin.readline().decode(errors="replace").strip()

    def stdin(self) -> bytes:
        """All of standard input."""
        return self.streams.stdin.read()

    def note(self, text: str) -> None:
        """Something worth knowing, on standard error; not with -q."""
        if not self.options.quiet:
            self.streams.say(("note: ", "muted"), text)

    def warn(self, text: str) -> None:
        """Something to worry about; always said."""
        self.streams.say(("warning: ", "warn"), text)

    def detail(self, text: str) -> None:
        """Only with -v."""
        if self.options.verbose:
            self.streams.say((text, "muted"))

    @staticmethod
    def local_ms() -> int:
        """This machine's clock, which judges nothing."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def answer(code: object) -> ExitCode:
        """What a command returned as an exit code; nothing is success."""
        return code if isinstance(code, ExitCode) else ExitCode.OK
