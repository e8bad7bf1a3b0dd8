"""The state of one run: what its clients hold, and the values it has read so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sessctl.errors import UsageError
from sessctl.replay import tamper
from sessctl.replay.jar import Jar
from sessctl.replay.scenario import JarVerb
from sessctl.replay.variables import fill
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from sessctl.replay.scenario import JarAct
    from sessctl.replay.transcript import Mode
    from sessctl.replay.url import Url
    from sessctl.replay.variables import Value


@dataclass(slots=True)
class State:
    """`jars` by client, `kept` by the name under which a jar was kept, `values` by name."""

    mode: Mode
    values: dict[str, Value]
    jars: dict[str, Jar]
    kept: dict[str, Jar] = field(default_factory=dict)

    def jar(self, client: str) -> Jar:
        """A client's jar; a client that nobody has heard of begins with an empty one."""
        return self.jars.setdefault(client, Jar())

    def kept_jar(self, name: str) -> Jar:
        """Raises UsageError if none was kept under that name yet."""
        if name not in self.kept:
            raise UsageError(f"no jar was kept as '{name}' yet")
        return self.kept[name]

    def act(self, step: JarAct, target: Url) -> str:
        """Do something to a jar; what was done, in words.

        Raises:
            UsageError: there is no such jar or cookie.
        """
        if not self.mode.stateful:
            return "no jar in this run"
        jar, name = self.jar(step.client), fill(step.cookie, self.values)
        match step.verb:
            case JarVerb.CLEAR:
                return f"cleared {_cookies(len(jar.clear()))}"
            case JarVerb.CLOSE_BROWSER:
                return f"closed the browser: {_cookies(len(jar.close_browser()))} gone"
            case JarVerb.KEEP:
                self.kept[step.kept] = jar.copy()
                return f"kept {_cookies(len(jar))} as '{step.kept}'"
            case JarVerb.RESTORE:
                jar.restore(self.kept_jar(step.kept))
                return f"restored '{step.kept}'"
            case JarVerb.SET:
                for cookie, text in step.cookies:
                    jar.set(cookie, fill(text, self.values), target, local_ms())
                return f"set {', '.join(cookie for cookie, _ in step.cookies)}"
            case JarVerb.FORGET:
                return f"forgot {_cookies(len(jar.forget(name)))} named {name}"
            case JarVerb.TAMPER:
                return self._tamper(step, jar, name)

    def _tamper(self, step: JarAct, jar: Jar, name: str) -> str:
        found = jar.named(name)
        if not found:
            raise UsageError(f"there is no cookie '{name}' to tamper with at this point")
        other = None
        if step.kept:
            theirs = self.kept_jar(step.kept).named(name)
            other = theirs[0].value if theirs else None
        for cookie in found:
            forged = tamper.tamper(cookie.value, tamper.How(step.how or "flip"), other=other)
            jar.put(replace(cookie, value=forged))
        return f"tampered with {name}: {step.how}"


def _cookies(count: int) -> str:
    return "1 cookie" if count == 1 else f"{count} cookies"
