"""Checks of the store itself: its facts, its clock, what lies in it beside sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.admin.audit.finding import Finding, Rule, Severity, Skipped
from sessctl.admin.clock import measure_skew
from sessctl.stores.facts import Fact, Telling, Topic
from sessctl.stores.rights import EVERYBODY
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from sessctl.stores.base import Store

_MANY = 10_000  # sessions from which a missing index is felt


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine has told, by topic."""

    store: Store
    facts: dict[Topic, Fact]

    def value(self, topic: Topic) -> bool | int | str | None:
        """None: not told, or it could not be found out."""
        fact = self.facts.get(topic)
        return None if fact is None else fact.value


Judge = Callable[[Rule, Fact, Told], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class FactCheck:
    """A rule about one fact."""

    topic: Topic
    rule: Rule
    judge: Judge


FACT_CHECKS: list[FactCheck] = []


def check(
    topic: Topic, id: str, severity: Severity, title: str, why: str, fix: str = ""
) -> Callable[[Judge], None]:
    """Add a check of a fact; without a `fix` the fact's own remedy is it."""

    def add(judge: Judge) -> None:
        FACT_CHECKS.append(FactCheck(topic, Rule(id, severity, title, why, fix), judge))

    return add


def told_by(store: Store) -> Told | None:
    """The facts of a store; None: its engine tells none. Raises StoreError."""
    if not isinstance(store, Telling):
        return None
    return Told(store, {fact.topic: fact for fact in store.facts()})


def judge_facts(told: Told) -> Iterator[tuple[Rule, list[Finding | Skipped]]]:
    """Every check that applies to this engine, with what came of it."""
    for one in FACT_CHECKS:
        fact = told.facts.get(one.topic)
        if fact is None:
            continue
        if fact.value is None:
            yield one.rule, [one.rule.skipped(fact.place, fact.unknown)]
        else:
            yield one.rule, [*one.judge(one.rule, fact, told)]


# -- the way to the server -------------------------------------------------------------------------


@check(
    Topic.ENCRYPTED,
    "transport.plain",
    Severity.HIGH,
    "sessions travel unencrypted to another machine",
    "whoever is on the way reads ids, data and the store's password, and can change them",
    "a URL with TLS: rediss://, ?sslmode=verify-full, ?ssl-mode=VERIFY_IDENTITY, ?tls=true",
)
def _plain(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        yield rule.found(fact.place, "the connection has no TLS")


@check(
    Topic.VERIFIED,
    "transport.unverified",
    Severity.MEDIUM,
    "the server's certificate is not verified",
    "whoever is on the way can be the server, and gets the password and every session",
    "require_tls = true   # with ?sslmode=verify-full, ?ssl-mode=VERIFY_IDENTITY, and a ca_file",
)
def _unverified(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        yield rule.found(fact.place, "encrypted, and the host name is not checked")


# -- who is let in ---------------------------------------------------------------------------------


@check(
    Topic.ANONYMOUS,
    "access.no-password",
    Severity.MEDIUM,
    "the store asks for no password",
    "every program that reaches it reads all sessions, and writes itself an administrator's",
    "bind it to 127.0.0.1 or a socket, and let a firewall keep others out",
)
def _no_password(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    """From another machine, or open to others: that is an emergency."""
    if not fact.value:
        return
    fix = fact.remedy or None
    if Topic.ENCRYPTED in told.facts:
        evidence = "it let this connection in from another machine"
        yield rule.found(fact.place, evidence, severity=Severity.CRITICAL, fix=fix)
    elif told.value(Topic.REMOTE):
        evidence = "protected-mode is off: it lets other machines in"
        yield rule.found(fact.place, evidence, severity=Severity.CRITICAL, fix=fix)
    else:
        yield rule.found(fact.place, "it let this connection in without one", fix=fix)


@check(
    Topic.REMOTE,
    "access.protected-mode",
    Severity.LOW,
    "Redis' protected mode is off",
    "the day its password is lost from the configuration, it is open to the network",
)
def _protected_mode(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        yield rule.found(fact.place, "protected-mode no", fix=fact.remedy)


@check(
    Topic.ALL_RIGHTS,
    "access.all-rights",
    Severity.LOW,
    "the store's user may do everything",
    "what gets into the application can change the server's settings, its users and its files",
)
def _all_rights(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        yield rule.found(fact.place, "+@all", fix=fact.remedy)


@check(
    Topic.PUBLIC,
    "access.public-table",
    Severity.HIGH,
    "every account of the database can read the sessions",
    "a reporting tool's password is then as good as any user's login",
)
def _public(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        yield rule.found(fact.place, "SELECT is granted to PUBLIC", fix=fact.remedy)


@check(
    Topic.READERS,
    "access.files-open",
    Severity.HIGH,
    "other users of the machine can read the sessions",
    "any program of any user here can take over any login",
)
def _files_open(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        milder = None if fact.value == EVERYBODY else Severity.LOW
        files = "1 file" if fact.count == 1 else f"{fact.count or 0:,} files"
        evidence = f"{files}, readable by {fact.value}"
        yield rule.found(fact.place, evidence, severity=milder, fix=fact.remedy)


@check(
    Topic.OWNERS,
    "access.file-owners",
    Severity.LOW,
    "session files belong to several users",
    "one of them is not the application: a session that somebody else wrote is a forged login",
)
def _owners(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if isinstance(fact.value, int) and fact.value > 1:
        yield rule.found(fact.place, f"{fact.value} owners", fix=fact.remedy)


# -- how it keeps sessions -------------------------------------------------------------------------


@check(
    Topic.EVICTION,
    "store.evicting",
    Severity.MEDIUM,
    "the server throws sessions out when its memory is full",
    "people are logged out at random, and whoever fills the memory decides when",
)
def _evicting(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        yield rule.found(fact.place, str(fact.value), fix=fact.remedy)


@check(
    Topic.DURABLE,
    "store.not-durable",
    Severity.INFO,
    "a restart of the server logs everybody out",
    "neither snapshots nor an append-only file are on; it may be meant so",
)
def _durable(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        yield rule.found(fact.place, "both off", fix=fact.remedy)


@check(
    Topic.EXPIRY_INDEX,
    "store.no-expiry-index",
    Severity.LOW,
    "no index leads to the expired sessions",
    "every clean-up reads the whole table, the library's own too",
)
def _expiry_index(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        rows = told.store.estimate()
        severity = Severity.MEDIUM if rows > _MANY else None
        evidence = f"none gives rows in the order of their end; about {rows:,} rows"
        yield rule.found(fact.place, evidence, severity=severity, fix=fact.remedy)


@check(
    Topic.TTL_INDEX,
    "store.no-ttl-index",
    Severity.MEDIUM,
    "the server removes no expired session",
    "they stay for ever, and connect-mongo does not look again at what it finds",
)
def _ttl_index(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        yield rule.found(fact.place, "no TTL index on the end of a session", fix=fact.remedy)


@check(
    Topic.UNIQUE_ID,
    "store.id-not-unique",
    Severity.HIGH,
    "one id can have several sessions",
    "which of them counts is chance: a session that was ended can come back",
)
def _unique_id(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if not fact.value:
        evidence = "neither a primary key nor a unique index on the id alone"
        yield rule.found(fact.place, evidence, fix=fact.remedy)


@check(
    Topic.ZONELESS,
    "store.no-zone",
    Severity.INFO,
    "the end of a session is a date without a time zone",
    "a changed zone of the server or the application moves every session's end by hours",
    'expires_zone = "UTC"   # in the backend\'s settings: the zone that the application writes in',
)
def _zoneless(rule: Rule, fact: Fact, told: Told) -> Iterator[Finding]:
    if fact.value:
        doubt = told.store.capabilities.zone_doubt
        severity = Severity.MEDIUM if doubt else None
        evidence = f"{fact.value}; {doubt}" if doubt else str(fact.value)
        yield rule.found(fact.place, evidence, severity=severity)


# -- beside the facts ------------------------------------------------------------------------------

CLOCK = Rule(
    "store.clock",
    Severity.MEDIUM,
    "the clocks of store and machine differ",
    "each judges by its own: what is over to the store is live to the application, or the reverse",
    "timedatectl set-ntp true   # on both",
)
STRANGERS = Rule(
    "store.strangers",
    Severity.LOW,
    "other things lie among the sessions",
    "another program writes there: it can overwrite sessions, and be broken by a purge",
    "give each program a prefix, a table or a folder of its own",
)


def judge_clock(store: Store, where: str) -> Iterator[Finding]:
    """More than five seconds, half the round trip taken off."""
    note = measure_skew(store, local_ms).note
    if note is not None:
        yield CLOCK.found(where, note)


def judge_strangers(store: Store, where: str, unmarked: int) -> Iterator[Finding]:
    """What the scan met that can be no session; to be asked after it.

    `unmarked`: values that can be read, and that the library of the layout has not written.
    """
    remarks, said = store.remarks, []
    if remarks.strangers:
        kinds = {one.rpartition(" (")[2].removesuffix(")") for one in remarks.stranger_samples}
        said.append(f"{remarks.strangers:,} no sessions: {', '.join(sorted(kinds))}")
    if unmarked:
        values = "1 value" if unmarked == 1 else f"{unmarked:,} values"
        said.append(f"{values} without the mark of {store.layout.name}")
    if said:
        yield STRANGERS.found(where, "; ".join(said))
