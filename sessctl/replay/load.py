"""A scenario from its file: read, check against the schema, join what it includes, check names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sessctl.errors import UsageError
from sessctl.replay.problems import Problem, ScenarioError
from sessctl.replay.read_request import read_command, read_request
from sessctl.replay.reading import Findings, Reader, entries, items, number, scalar
from sessctl.replay.scenario import (
    METHODS,
    Hook,
    JarAct,
    JarVerb,
    Parallel,
    Repeat,
    RunHook,
    Scenario,
    Step,
    Verdict,
    Wait,
)
from sessctl.replay.schema import find_problems
from sessctl.replay.variables import Variable
from sessctl.replay.yaml_reader import SCENARIO_BUDGET, Mapping, Node, Scalar, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.limits import Budget
    from sessctl.replay.problems import Place

# Includes multiply as aliases do: ten files that each use the next one ten times.
_MOST_FILES = 100
_MOST_LEVELS = 10


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file, with everything that it includes.

    Raises:
        ScenarioError: what is wrong with it, all mistakes of a kind at once.
        UsageError: the file cannot be read.
    """
    loader = _Loader(path.parent)
    return loader.whole(str(path), loader.read(path))


def parse_scenario(raw: bytes, file: str, folder: Path) -> Scenario:
    """A scenario from bytes; `file` is what errors call it, `folder` where its files are."""
    return _Loader(folder).whole(file, read_yaml(raw, file))


@dataclass(slots=True)
class _Loader:
    home: Path
    budget: Budget = SCENARIO_BUDGET
    findings: Findings = field(default_factory=Findings)
    variables: dict[str, Variable] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    _stack: list[Path] = field(default_factory=list)  # the files that are being read
    _bytes: int = 0
    _included: int = 0

    # -- files -------------------------------------------------------------------------------------

    def read(self, path: Path) -> Node:
        """The tree of a file. All files together keep to the budget: includes multiply too."""
        try:
            if path.is_dir():
                raise UsageError(f"{path} is a folder", hint="name the scenario's file")
            with path.open("rb") as file:
                raw = file.read(self.budget.value_bytes + 1)
        except OSError as exc:
            reason = (exc.strerror or "error").lower()
            raise UsageError(f"cannot read {path} ({reason})", hint=_NEW) from None
        self._bytes += len(raw)
        if self._bytes > self.budget.value_bytes:
            raise UsageError(
                f"{path}: more than {self.budget.value_bytes} bytes, included files counted",
                hint="split the scenario into several",
            )
        self._stack.append(path.resolve())
        return read_yaml(raw, str(path))

    def _include(self, node: Mapping, key: str, reader: Reader) -> tuple[Step, ...]:
        name = cast(Scalar, node.get("use"))
        path = reader.path(name, f"{key}.use")
        if path in self._stack:
            chain = " -> ".join(file.name for file in [*self._stack, path])
            reader.problem(name, f"{key}.use", f"the files include each other: {chain}", "end it")
            return ()
        self._included += 1
        if self._included > _MOST_FILES or len(self._stack) > _MOST_LEVELS:
            what = f"more than {_MOST_FILES} includes, or {_MOST_LEVELS} inside each other"
            raise ScenarioError([Problem(name.place, f"{key}.use", what)])
        shown = Path(name.place.file).parent / name.text
        try:
            top = self.read(shown if not Path(name.text).is_absolute() else path)
        except ScenarioError:
            raise
        except UsageError as exc:
            reader.problem(name, f"{key}.use", exc.message, "paths are relative to this file")
            return ()
        problems = find_problems(top)
        self.findings.problems += problems
        client = node.get("as")
        inner = Reader(path.parent, self.home, self.findings, reader.client)
        if client is not None:
            inner = inner.as_client(scalar(client).text)
        steps = () if problems else self._contents(cast(Mapping, top), inner)
        self._stack.pop()
        return steps

    # -- the whole ---------------------------------------------------------------------------------

    def whole(self, file: str, node: Node) -> Scenario:
        problems = find_problems(node)
        if problems:
            raise ScenarioError(problems)
        top = cast(Mapping, node)
        reader = Reader(self.home, self.home, self.findings)
        for name, _ in entries(top.get("instances")):
            self.findings.define("instance", name)
        self._definitions(top, reader)
        before = self._steps(top.get("before"), "before", reader)
        steps = self._contents(top, reader)
        cookie = reader.text(top.get("session-cookie"), "session-cookie")
        scenario = Scenario(
            file=file,
            name=reader.text(top.get("name"), "name"),
            about=reader.text(top.get("about"), "about"),
            target=reader.maybe_text(top.get("target"), "target"),
            instances=reader.pairs(top.get("instances"), "instances"),
            backend=reader.maybe_text(top.get("backend"), "backend"),
            session_cookie=cookie if cookie not in ("", "auto") else None,
            variables=tuple(self.variables.values()),
            hooks=tuple(self.hooks.values()),
            before=before,
            steps=steps,
            expect=_verdict(top.get("expect"), reader),
            notes=tuple(dict.fromkeys(self.findings.notes)),
        )
        problems = self.findings.problems + self.findings.unknown()
        if problems:
            raise ScenarioError(problems)
        return scenario

    def _contents(self, top: Mapping, reader: Reader) -> tuple[Step, ...]:
        """The steps of a file; its variables and hooks join those of the file that includes it."""
        self._definitions(top, reader)
        return self._steps(top.get("steps"), "steps", reader)

    def _definitions(self, top: Mapping, reader: Reader) -> None:
        for name, value in entries(top.get("vars")):
            if name not in self.variables:
                self.variables[name] = _variable(name, value, f"vars.{name}", reader)
                self.findings.define("variable", name)
        for name, value in entries(top.get("hooks")):
            if name not in self.hooks:
                self.hooks[name] = _hook(name, cast(Mapping, value), f"hooks.{name}", reader)
                self.findings.define("hook", name)

    # -- steps -------------------------------------------------------------------------------------

    def _steps(self, node: Node | None, key: str, reader: Reader) -> tuple[Step, ...]:
        return tuple(
            step
            for place, item in enumerate(items(node))
            for step in self._step(cast(Mapping, item), f"{key}[{place}]", reader)
        )

    def _step(self, node: Mapping, key: str, reader: Reader) -> Iterator[Step]:
        if node.get("use") is not None:
            yield from self._include(node, key, reader)
            return
        if any(node.get(method) is not None for method in METHODS):
            yield read_request(node, key, reader)
            return
        name = reader.text(node.get("name"), f"{key}.name")
        about = reader.text(node.get("about"), f"{key}.about")
        for kind, value in entries(node):
            path = f"{key}.{kind}"
            step: Step | None = None
            match kind:
                case "wait":
                    step = Wait(place=node.place, seconds=reader.seconds(value, path, 0.0))
                case "jar":
                    step = _jar_act(node, value, path, reader)
                case "hook":
                    hook = reader.mention("hook", scalar(value).text, value, path)
                    step = RunHook(place=node.place, hook=hook)
                case "parallel":
                    step = _parallel(node.place, cast(Mapping, value), path, reader)
                case "repeat":
                    step = self._repeat(node.place, cast(Mapping, value), path, reader)
            if step is not None:
                yield _named(step, name, about)

    def _repeat(self, place: Place, node: Mapping, key: str, reader: Reader) -> Repeat:
        steps = self._steps(node.get("steps"), f"{key}.steps", reader)
        return Repeat(place=place, times=number(cast(Node, node.get("times"))), steps=steps)


def _named(step: Step, name: str, about: str) -> Step:
    return replace(step, name=name, about=about)


def _parallel(place: Place, node: Mapping, key: str, reader: Reader) -> Parallel:
    client = node.get("as")
    inner = reader.as_client(scalar(client).text) if client else reader
    step = read_request(cast(Node, node.get("step")), f"{key}.step", inner)
    return Parallel(place=place, times=number(cast(Node, node.get("times"))), step=step)


def _jar_act(step: Mapping, node: Node, key: str, reader: Reader) -> JarAct:
    client = step.get("as")
    who = scalar(client).text if client else reader.client
    if isinstance(node, Scalar):
        return JarAct(place=step.place, client=who, verb=JarVerb(node.text))
    ((verb, value),) = entries(node)
    path = f"{key}.{verb}"
    if verb == "set":
        cookies = reader.pairs(value, path, in_line=True)
        return JarAct(place=step.place, client=who, verb=JarVerb.SET, cookies=cookies)
    if verb == "tamper":
        return _tamper(step, cast(Mapping, value), path, reader, who)
    if verb == "forget":
        cookie = reader.text(value, path)
        return JarAct(place=step.place, client=who, verb=JarVerb.FORGET, cookie=cookie)
    kept = scalar(value).text
    if verb == "keep":
        reader.findings.define("kept jar", kept)
    else:
        reader.mention("kept jar", kept, value, path)
    return JarAct(place=step.place, client=who, verb=JarVerb(verb), kept=kept)


def _tamper(step: Mapping, node: Mapping, key: str, reader: Reader, client: str) -> JarAct:
    how = scalar(cast(Node, node.get("how"))).text
    other = node.get("with")
    if (how == "swap") != (other is not None):
        hint = "how: swap, with: NAME of a jar that was kept"
        reader.problem(node, key, "'swap' and 'with' go together", hint)
    return JarAct(
        place=step.place,
        client=client,
        verb=JarVerb.TAMPER,
        cookie=reader.text(node.get("cookie"), f"{key}.cookie"),
        how=how,  # type: ignore[arg-type]  # the schema's enum
        kept=reader.mention("kept jar", scalar(other).text, other, f"{key}.with") if other else "",
    )


def _variable(name: str, node: Node, key: str, reader: Reader) -> Variable:
    if isinstance(node, Scalar):
        return Variable(name, text=reader.text(node, key))
    ((form, value),) = entries(node)
    text = scalar(value).text
    if not text:
        reader.problem(value, f"{key}.{form}", f"'{form}' names nothing")
    if form == "prompt":
        return Variable(name, reference="prompt", label=text)
    if form == "file":
        return Variable(name, reference=f"file:{reader.path(value, f'{key}.file')}")
    return Variable(name, reference=f"{form}:{text}")


def _hook(name: str, node: Mapping, key: str, reader: Reader) -> Hook:
    return Hook(
        name,
        read_command(cast(Node, node.get("run")), f"{key}.run", reader),
        reader.maybe_text(node.get("ready"), f"{key}.ready"),
        reader.seconds(node.get("within"), f"{key}.within", 30.0),
    )


def _verdict(node: Node | None, reader: Reader) -> Verdict:
    given = dict(entries(node))
    words = {name: scalar(value).text for name, value in given.items()}
    carrier = reader.maybe_text(given.get("carrier"), "expect.carrier")
    return Verdict(
        words.get("verdict"),  # type: ignore[arg-type]  # the schema's enums
        carrier,
        words.get("kept"),  # type: ignore[arg-type]
    )


_NEW = "sessctl replay new FILE writes one to start from"
