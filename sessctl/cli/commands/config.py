"""`sessctl config show|path|validate`: the configuration as sessctl sees it, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.items import SCHEMA
from sessctl.cli.options import command
from sessctl.cli.output import Writer, to_json
from sessctl.config.checking import check_backend
from sessctl.config.model import BACKEND_KEYS
from sessctl.config.paths import user_config_path
from sessctl.config.secrets import describe
from sessctl.errors import ExitCode
from sessctl.stores.registry import parse_url

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend, Config

FORMATS = ("table", "json", "jsonl")
PATH_FORMATS = ("table", "json", "jsonl", "csv", "tsv", "name")
_SECTIONS = ("journal", "redact")


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
            **{name: _section(config, name) for name in _SECTIONS},
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
    for name in _SECTIONS:
        section = _section(config, name)
        source = section.pop("source")
        if source is not None:
            line()
            line((f"[{name}]", "accent"), _origin(source))
            for key, value in section.items():
                line((f"{key} = ", "key"), to_json(value).decode())
    if not config.files:
        run.note("there is no configuration; `sessctl config init` writes one")
    return ExitCode.OK


@command("connection", "output")
def path(run: Run) -> ExitCode:
    """The files that are read, nearest first, and the user's own, read or not."""
    output = run.output_format(PATH_FORMATS, terminal="table", pipe="name")
    is_read = dict.fromkeys(run.config.files, True)
    if run.options.config is None and not run.environ.get("SESSCTL_CONFIG"):
        is_read.setdefault(str(user_config_path(run.environ)), False)
    if output == "table":
        for file, read in is_read.items():
            run.streams.line(file, ("" if read else " (not there)", "muted"))
        return ExitCode.OK
    writer = Writer(run, output, "ConfigPathList", ("path", "read"), name="path")
    for file, read in is_read.items():
        writer.item({"path": file, "read": read})
    writer.end()
    return ExitCode.OK


@command("connection", "output")
def validate(run: Run) -> ExitCode:
    """Check every file and all that a backend says; nothing is connected to."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    config = run.config
    warnings = []
    for backend in config.backends.values():
        if backend.url_problem:  # not set today, and perhaps elsewhere
            warnings.append(f"{backend.name}: url: {backend.url_problem}")
            continue
        check_backend(backend)
        for reference in backend.named_secrets:
            shown = describe(reference, environ=run.environ)
            if shown.endswith(("(not set)", "(empty)", "missing)")):
                warnings.append(f"{backend.name}: {shown}")
    for warning in warnings:
        run.warn(warning)
    if output != "table":
        document = {
            "schema": SCHEMA,
            "kind": "ConfigCheck",
            "backends": list(config.backends),
            "files": config.files,
            "warnings": warnings,
        }
        run.streams.raw(to_json(document) + b"\n")
        return ExitCode.OK
    count = len(config.backends)
    run.streams.line(
        f"ok: {count} backend{'' if count == 1 else 's'} in {len(config.files)} file(s)"
    )
    return ExitCode.OK


def _section(config: Config, name: str) -> dict[str, Any]:
    """A section's values, the defaults included; `source` is None where no file has it."""
    section = getattr(config, name)
    values = {key: getattr(section, key) for key in section.__struct_fields__}
    return {**values, "source": config.origins.get(name)}


def _values(run: Run, backend: Backend) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in BACKEND_KEYS:
        value = getattr(backend, key)
        if value in (None, [], False) or (key == "no_ttl" and value == "never"):
            continue
        if key == "url":
            value = _url(backend)
        elif key == "cache" and "://" in value:
            value = parse_url(value).typed
        elif key in ("secrets", "store_secrets"):
            value = [describe(reference, environ=run.environ) for reference in value]
        elif key == "password":
            value = describe(value, environ=run.environ)
        values[key] = value
    values["source"] = backend.source
    return values


def _url(backend: Backend) -> str:
    """The URL without its password; one that is named, with its name."""
    if backend.url_problem:
        return f"{backend.url_from} (leads nowhere)"
    url = parse_url(backend.url).typed
    return f"{backend.url_from} ({url})" if backend.url_from else url


def _origin(label: str) -> tuple[str, Any]:
    return (f"  # {label}", "muted")
