"""From the options of `sessctl replay FILE` to a study that is ready to run.

Whatever can be refused is refused here, before the first request.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.lookup import session_id_of
from sessctl.cli.confirm import confirm_plainly
from sessctl.errors import Refused, UsageError, did_you_mean
from sessctl.replay.expressions import check_expressions
from sessctl.replay.http import HttpLimits, Network
from sessctl.replay.jar import Jar
from sessctl.replay.jar_file import read_jar
from sessctl.replay.join import StoreWatcher
from sessctl.replay.load import load_scenario
from sessctl.replay.runner import Runner
from sessctl.replay.scenario import MAIN, JarAct, JarVerb, Repeat, RunHook, requests_of
from sessctl.replay.sender import App, Options
from sessctl.replay.study import MAX_LOOKS, Study
from sessctl.replay.url import parse_url
from sessctl.replay.variables import fill, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.replay.scenario import Scenario, Step
    from sessctl.replay.url import Url
    from sessctl.replay.variables import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as they were typed."""

    file: str
    target: str | None = None
    stateless: bool = False
    runs: int = 2
    why: bool = False
    jar: str | None = None
    allow_host: Sequence[str] = ()
    allow_hooks: bool = False
    ca_file: str | None = None
    var: Sequence[str] = ()
    ignore_failures: bool = False

    @property
    def control(self) -> bool:
        return self.runs > 1


@contextmanager
def opened(run: Run, wanted: Wanted) -> Iterator[Study]:
    """The study, its store open for reading while it runs.

    Raises:
        UsageError: the scenario, an option, a variable or the configuration is wrong.
        Refused: hooks, or forged cookies for another machine, without leave.
        StoreError: the backend cannot be reached.
    """
    scenario = load_scenario(Path(wanted.file))
    for note in scenario.notes:
        run.note(note)
    check_expressions(scenario)
    _check_hooks(scenario, wanted)
    values = _values(run, scenario, wanted)
    target = _target(scenario, wanted, values)
    instances = {name: parse_url(fill(url, values)) for name, url in scenario.instances}
    addresses = [target, *instances.values()]
    ca_file = Path(wanted.ca_file) if wanted.ca_file else None
    network = Network(addresses, ca_file=ca_file)
    options = Options(
        allow_hosts=frozenset(host.lower() for host in wanted.allow_host),
        allow_hooks=wanted.allow_hooks,
        jars=_jars(wanted),
        limits=_limits(run),
        ignore_failures=wanted.ignore_failures,
    )
    backend = _backend(run, scenario)
    _check_forged(run, scenario, addresses)
    if backend is None:
        app = App(target, instances, network, options)
        yield Study(Runner(scenario, app, values), control=wanted.control, why=wanted.why)
        return
    with run.store(backend) as store:
        name = scenario.session_cookie or backend.cookie_name
        sid_of = partial(session_id_of, name=name, format=backend.cookie_format)
        app = App(target, instances, network, options, StoreWatcher(store, sid_of))
        yield Study(
            Runner(scenario, app, values), control=wanted.control, why=wanted.why,
            store=store.identity.engine,
        )  # fmt: skip


def runs_in_words(wanted: Wanted, target: Url) -> str:
    """How often the app is going to be played against: scenarios change it."""
    if wanted.stateless:
        return f"1 run against {target.origin}: stateless"
    names = ["stateful", "stateless", *(["control"] if wanted.control else [])]
    words = f"{len(names)} runs against {target.origin}: {', '.join(names)}"
    words += "; then one for each cookie, withheld" if wanted.why else ""
    if not wanted.control:
        return f"{words}; at most 1 more, with earlier cookies"
    more = 2 * (MAX_LOOKS - 1) + 1
    return f"{words}; at most {more} more, where noise is in doubt and with earlier cookies"


# -- what is in the options ------------------------------------------------------------------------


def _target(scenario: Scenario, wanted: Wanted, values: dict[str, Value]) -> Url:
    if wanted.target is not None:
        return parse_url(wanted.target)
    if scenario.target is None:
        raise UsageError(
            "the scenario names no target", hint="--target http://127.0.0.1:3000, or `target:`"
        )
    return parse_url(fill(scenario.target, values))


def _values(run: Run, scenario: Scenario, wanted: Wanted) -> dict[str, Value]:
    given: dict[str, str] = {}
    known = {variable.name: variable for variable in scenario.variables}
    for word in wanted.var:
        name, equals, text = word.partition("=")
        if not equals or not name:
            # Not quoted: it may be a password.
            raise UsageError("--var without a name and '='", hint="--var user=tj")
        if name not in known:
            hint = did_you_mean(name, known, all_are="the scenario has")
            raise UsageError(f"the scenario has no variable '{name}'", hint=hint)
        given[name] = text
        if known[name].reference is not None:
            run.warn(f"--var {name}=... shows the secret in the process list and the history")
    return variables(scenario.variables, environ=run.environ, asker=run, given=given)


def _jars(wanted: Wanted) -> dict[str, Jar]:
    """The jar of a file that is there; it is written after the first run in any case."""
    if wanted.jar is None:
        return {}
    path = Path(wanted.jar)
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"{wanted.jar} is no place for a jar", hint="--jar cookies.txt")
    return {MAIN: read_jar(path) if path.exists() else Jar()}


def _limits(run: Run) -> HttpLimits:
    if run.options.timeout is None:
        return HttpLimits()
    seconds = run.timeout_s
    return HttpLimits(connect_s=seconds, read_s=seconds, total_s=seconds)


def _backend(run: Run, scenario: Scenario) -> Backend | None:
    """`-b` wins. A scenario names entries of the user's configuration only: it may be a stranger's,
    and must not lead to a store of its own."""
    if run.options.backend:
        return run.backend()
    if scenario.backend is None:
        return None
    return run.config.backend(scenario.backend)


# -- what needs leave ------------------------------------------------------------------------------


def _check_hooks(scenario: Scenario, wanted: Wanted) -> None:
    if wanted.allow_hooks:
        return
    for step in _flat([*scenario.before, *scenario.steps]):
        if isinstance(step, RunHook):
            command = next(hook.run for hook in scenario.hooks if hook.name == step.hook)
            raise Refused(
                f"the scenario wants to run a command (hook '{step.hook}': {' '.join(command)})",
                hint="--allow-hooks lets it, if you trust the file",
                place=str(step.place),
            )


def _check_forged(run: Run, scenario: Scenario, addresses: Iterable[Url]) -> None:
    """S28: cookies that no server gave out go to another machine only with a yes."""
    far = next((url for url in addresses if not url.is_loopback and url.socket is None), None)
    forged = next(_forged([*scenario.before, *scenario.steps]), None)
    if far is None or forged is None:
        return
    confirm_plainly(run, f"{forged.place}: send cookies made by hand to {far.origin}?")


def _forged(steps: Iterable[Step]) -> Iterator[Step]:
    steps = list(steps)
    for step in _flat(steps):
        if isinstance(step, JarAct) and step.verb in (JarVerb.SET, JarVerb.TAMPER):
            yield step
    for request in requests_of(steps):
        by_header = any(name.lower() == "cookie" for name, _ in request.headers)
        if request.cookies.given or by_header:
            yield request


def _flat(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Repeat):
            yield from _flat(step.steps)
        else:
            yield step
