"""`sessctl config show|path|validate`: the configuration as sessctl sees it, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.items import SCHEMA
from sessctl.cli.options import command
from sessctl.cli.output import to_json
from sessctl.config.model import BACKEND_KEYS
from sessctl.config.paths import user_config_path
from sessctl.config.secrets import describe
from sessctl.errors import ExitCode, SessctlError
from sessctl.stores.registry import find_layout, parse_url

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend

FORMATS = ("table", "json", "jsonl")


@command("connection", "output")
def show(run: Run) -> ExitCode:
    """The merged configuration, with the file each value came from."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    config = run.config
    backends = {name: _values(run, backend) for name, backend in config.backends.items()}
    if output != "table":
        document = {
            "schema": SCHEMA,
            "kind": "Config",
            "default_backend": config.default_backend,
            "backends": backends,
            "files": config.files,
        }
        run.streams.raw(to_json(document) + b"\n")
        return ExitCode.OK
    line = run.streams.line
    if config.default_backend is not None:
        line(
            "default_backend = ", config.default_backend, _origin(config.origins["default_backend"])
        )
    for name, values in backends.items():
        line()
        line((f"[backends.{name}]", "accent"), _origin(values.pop("source")))
        for key, value in values.items():
            line((f"{key} = ", "key"), value if isinstance(value, str) else to_json(value).decode())
    for section in ("journal", "redact"):
        if section in config.origins:
            line()
            line((f"[{section}]", "accent"), _origin(config.origins[section]))
            table = getattr(config, section)
            for key in table.__struct_fields__:
                line((f"{key} = ", "key"), to_json(getattr(table, key)).decode())
    if not config.files:
        run.note("there is no configuration; `sessctl config path` says where it would stand")
    return ExitCode.OK


@command("connection", "output")
def path(run: Run) -> ExitCode:
    """The files that are read, nearest first, and the user's own, read or not."""
    user = str(user_config_path(run.environ))
    for file in run.config.files:
        run.streams.line(file)
    if (
        not run.options.config
        and not run.environ.get("SESSCTL_CONFIG")
        and user not in run.config.files
    ):
        if run.streams.stdout_is_terminal:
            run.streams.line(user, (" (not there)", "muted"))
        else:
            run.streams.line(user)
    return ExitCode.OK


@command("connection", "output")
def validate(run: Run) -> ExitCode:
    """Check every file, layout name, URL and reference; nothing is connected to."""
    config = run.config
    for backend in config.backends.values():
        try:
            parse_url(backend.url)
            if backend.layout is not None:
                find_layout(backend.layout).configured(backend.layout_options)
        except SessctlError as exc:
            raise exc.at(backend=f"{backend.name} ({backend.source})") from None
        for reference in (*backend.secrets, *filter(None, [backend.password])):
            shown = describe(reference, environ=run.environ)
            if shown.endswith(("(not set)", "(missing)")):
                run.warn(f"{backend.name}: {shown}")
    count = len(config.backends)
    run.streams.line(
        f"ok: {count} backend{'' if count == 1 else 's'} in {len(config.files)} file(s)"
    )
    return ExitCode.OK


def _values(run: Run, backend: Backend) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in BACKEND_KEYS:
        value = getattr(backend, key)
        if value in (None, [], False) or (key == "no_ttl" and value == "never"):
            continue
        if key == "url":
            value = parse_url(value).masked
        elif key == "secrets":
            value = [describe(reference, environ=run.environ) for reference in value]
        elif key == "password":
            value = describe(value, environ=run.environ)
        values[key] = value
    values["source"] = backend.source
    return values


def _origin(label: str) -> tuple[str, Any]:
    return (f"  # {label}", "muted")
