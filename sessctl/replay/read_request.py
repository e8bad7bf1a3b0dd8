"""A request of a scenario, from its checked tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sessctl.replay.expect import Check, Expectation, Matcher, Operator
from sessctl.replay.extract import COOKIE_ATTRIBUTES, EXPRESSIONS, WORDS, Source, SourceKind
from sessctl.replay.reading import entries, items, number, scalar, truth
from sessctl.replay.scenario import (
    METHODS,
    ROUND_ROBIN,
    Auth,
    Capture,
    Cookies,
    FileBody,
    FormBody,
    JsonBody,
    MultipartBody,
    Part,
    Request,
    Retry,
    TextBody,
)
from sessctl.replay.yaml_reader import Mapping, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.reading import Reader
    from sessctl.replay.scenario import Body

_BODIES = ("form", "json", "multipart", "text", "file")
_FLAGS = ("set", "changed", "deleted", "secure", "httponly")


def read_request(node: Node, key: str, reader: Reader) -> Request:
    """One request; what is wrong goes to the reader's findings."""
    step = cast(Mapping, node)
    method = next(name for name in METHODS if step.get(name) is not None)
    url = reader.line(step.get(method), f"{key}.{method}")
    if not url.startswith(("/", "http://", "https://", "${")):
        hint = f"write /{url}" if ":" not in url else "only http and https are spoken"
        reader.problem(node, f"{key}.{method}", f"'{url}' is neither a path nor a URL", hint)
    client = step.get("as")
    stateless = step.get("stateless")
    return Request(
        place=node.place,
        name=reader.text(step.get("name"), f"{key}.name"),
        about=reader.text(step.get("about"), f"{key}.about"),
        method=method.upper(),
        url=url,
        client=scalar(client).text if client else reader.client,
        at=_instance(step.get("at"), key, reader),
        query=reader.pairs(step.get("query"), f"{key}.query"),
        headers=reader.pairs(step.get("headers"), f"{key}.headers", in_line=True),
        cookies=_cookies(step.get("cookies"), f"{key}.cookies", reader),
        auth=_auth(step.get("auth"), f"{key}.auth", reader),
        body=_body(step, key, reader),
        follow=truth(step.get("follow")),
        timeout_s=reader.maybe_seconds(step.get("timeout"), f"{key}.timeout"),
        retry=_retry(step.get("retry"), f"{key}.retry", reader),
        capture=_captures(step.get("capture"), f"{key}.capture", reader),
        show=_captures(step.get("show"), f"{key}.show", reader),
        expect=read_expectation(step.get("expect"), f"{key}.expect", reader),
        stateless=read_expectation(stateless, f"{key}.stateless", reader) if stateless else None,
    )


def _instance(node: Node | None, key: str, reader: Reader) -> str | None:
    if node is None:
        return None
    name = scalar(node).text
    return name if name == ROUND_ROBIN else reader.mention("instance", name, node, f"{key}.at")


def _cookies(node: Node | None, key: str, reader: Reader) -> Cookies:
    if node is None:
        return Cookies()
    if isinstance(node, Scalar):
        return Cookies("none")
    kept = cast(Mapping, node).get("from")
    if kept is not None:
        name = reader.mention("kept jar", scalar(kept).text, kept, f"{key}.from")
        return Cookies("from", kept=name)
    return Cookies(given=reader.pairs(node, key, in_line=True))


def _auth(node: Node | None, key: str, reader: Reader) -> Auth | None:
    for kind, value in entries(node):
        if kind == "bearer":
            return Auth("bearer", reader.line(value, f"{key}.bearer"))
        basic = cast(Mapping, value)
        return Auth(
            "basic",
            reader.text(basic.get("password"), f"{key}.basic.password"),
            reader.text(basic.get("user"), f"{key}.basic.user"),
        )
    return None


def _body(step: Mapping, key: str, reader: Reader) -> Body | None:
    given = [name for name in _BODIES if step.get(name) is not None]
    if len(given) > 1:
        told = " and ".join(f"'{name}'" for name in given)
        reader.problem(step, key, f"a request has one body, this one has {told}", "remove one")
    for name in given[:1]:
        node = cast(Node, step.get(name))
        path = f"{key}.{name}"
        match name:
            case "form":
                return FormBody(reader.pairs(node, path))
            case "json":
                return JsonBody(reader.data(node, path))
            case "multipart":
                return MultipartBody(tuple(_parts(node, path, reader)))
            case "text":
                return TextBody(reader.text(node, path))
            case _:
                return FileBody(reader.path(node, path, must_be=True))
    return None


def _parts(node: Node, key: str, reader: Reader) -> Iterator[Part]:
    for name, value in entries(node):
        path = f"{key}.{name}"
        if isinstance(value, Scalar):
            yield Part(name, text=reader.text(value, path))
            continue
        part = cast(Mapping, value)
        file = part.get("file")
        yield Part(
            name,
            text=reader.maybe_text(part.get("text"), f"{path}.text"),
            file=reader.path(file, f"{path}.file", must_be=True) if file else None,
            filename=reader.maybe_text(part.get("filename"), f"{path}.filename"),
            type=reader.maybe_text(part.get("type"), f"{path}.type"),
        )


def _retry(node: Node | None, key: str, reader: Reader) -> Retry | None:
    if node is None:
        return None
    retry = cast(Mapping, node)
    until = retry.get("until")
    return Retry(
        number(cast(Node, retry.get("times"))),
        reader.seconds(retry.get("every"), f"{key}.every", 1.0),
        read_expectation(until, f"{key}.until", reader) if until else None,
    )


def _captures(node: Node | None, key: str, reader: Reader) -> tuple[Capture, ...]:
    found = []
    for name, value in entries(node):
        reader.findings.define("variable", name)
        reader.findings.define("capture", name)
        found.append(Capture(name, _source(value, f"{key}.{name}", reader), value.place))
    return tuple(found)


def _source(node: Node, key: str, reader: Reader) -> Source:
    if isinstance(node, Scalar):
        return Source(SourceKind(node.text))
    source = cast(Mapping, node)
    kind = next(name for name in EXPRESSIONS if source.get(name) is not None)
    attr = source.get("attr")
    if attr is not None:
        name = scalar(attr).text
        if kind not in ("css", "cookie"):
            reader.problem(attr, f"{key}.attr", f"'attr' goes with css and cookie, not with {kind}")
        elif kind == "cookie" and name not in COOKIE_ATTRIBUTES:
            hint = f"known: {', '.join(COOKIE_ATTRIBUTES)}"
            reader.problem(attr, f"{key}.attr", f"a cookie has no '{name}'", hint)
    return Source(
        SourceKind(kind),
        reader.text(source.get(kind), f"{key}.{kind}"),
        attr=scalar(attr).text if attr else None,
        default=reader.maybe_text(source.get("default"), f"{key}.default"),
    )


# -- expectations ----------------------------------------------------------------------------------


def read_expectation(node: Node | None, key: str, reader: Reader) -> Expectation:
    """What an answer must be; nothing where there is no node."""
    checks: list[Check] = []
    depends: bool | None = None
    for name, value in entries(node):
        path = f"{key}.{name}"
        if name == "depends":
            depends = truth(value)
        elif name in WORDS:
            checks.append(_check(Source(SourceKind(name)), value, path, reader))
        else:
            checks += _named_checks(SourceKind(name), value, path, reader)
    return Expectation(tuple(checks), depends)


def _named_checks(kind: SourceKind, node: Node, key: str, reader: Reader) -> Iterator[Check]:
    for name, value in entries(node):
        path = f"{key}.{name}"
        if kind is SourceKind.COOKIE:
            for attribute, wanted in entries(value):
                source = Source(kind, name, attr=attribute)
                yield _check(source, wanted, f"{path}.{attribute}", reader)
            continue
        if kind is SourceKind.VALUE:
            reader.mention("capture", name, value, path)
        yield _check(Source(kind, name), value, path, reader)


def _check(source: Source, node: Node, key: str, reader: Reader) -> Check:
    if isinstance(node, Scalar) and source.attr in _FLAGS:
        wanted = Matcher(((Operator.EQUALS, "true" if truth(node) else "false"),))
    else:
        wanted = _matcher(node, key, reader)
    return Check(source, wanted, node.place)


def _matcher(node: Node, key: str, reader: Reader) -> Matcher:
    if isinstance(node, Scalar):
        return Matcher(((Operator.EQUALS, reader.text(node, key)),))
    return Matcher(
        tuple(_test(name, value, f"{key}.{name}", reader) for name, value in entries(node))
    )


def _test(name: str, node: Node, key: str, reader: Reader) -> tuple[Operator, str | Matcher]:
    operator = Operator(name)
    if operator is Operator.NOT:
        return operator, _matcher(node, key, reader)
    if operator is Operator.EXISTS:
        return operator, "true" if truth(node) else "false"
    if operator is Operator.SAME_AS:
        return operator, reader.mention("capture", scalar(node).text, node, key)
    return operator, reader.text(node, key)


def read_command(node: Node, key: str, reader: Reader) -> tuple[str, ...]:
    """The words of a hook's command."""
    return tuple(reader.line(word, f"{key}[{i}]") for i, word in enumerate(items(node)))
