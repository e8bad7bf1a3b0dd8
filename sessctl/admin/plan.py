"""What a destructive run is about to do: counted, sampled, and judged by the guards.

Nothing here writes. The counts are bounded: up to 10 001 matches are counted one by one, beyond
that the store's own estimate is scaled by a sample and marked as such.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from sessctl.admin.journal import space
from sessctl.errors import GuardRefused, UsageError
from sessctl.session import Expiry, Query, Session, State
from sessctl.timespec import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sessctl.stores.base import Store

COUNT_LIMIT = 10_001
SAMPLE = 1_000
LIVE_LIMIT = 10_000
SHARE_LIMIT, SHARE_FLOOR = 0.10, 100
WHOLE_STORE = 100  # from this size on, a store in which everything is over is suspicious
_PLAUSIBLE_MS = (946_684_800_000, 4_102_444_800_000)  # the years 2000 to 2100


@dataclass(slots=True)
class Plan:
    """Counts over the sessions that match. `exact` is False where counting stopped early."""

    matches: int = 0
    exact: bool = True
    estimated: int = 0  # all matches, if not exact
    live: int = 0
    unknown: int = 0
    by_cookie_date: int = 0
    left_no_ttl: int = 0  # past by their cookie date only, and not to be touched
    store_total: int = 0
    size_bytes: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None
    journal_ratio: float = 0.0  # bytes of journal for a byte of stored value
    samples: list[str] = field(default_factory=list)
    sampled: int = 0
    recognised: int = 0
    median_ms: int | None = None  # of the sample's expiries
    all_expired: bool = False  # judged for `--expired`: not one session of the store is not over
    zone_doubt: str = ""  # judged for `--expired`: why the store's dates may mean something else

    def add(self, session: Session, now_ms: int) -> None:
        """Count one more match."""
        self.matches += 1
        self.size_bytes += session.size_bytes
        state = session.state(now_ms)
        self.live += state is State.ACTIVE
        self.unknown += state is State.UNKNOWN
        self.by_cookie_date += session.expiry is Expiry.COOKIE_DATE
        if len(self.samples) < 3:
            self.samples.append(session.sid)
        ends = session.expires_ms
        if ends is not None:
            self.oldest_ms = ends if self.oldest_ms is None else min(self.oldest_ms, ends)
            self.newest_ms = ends if self.newest_ms is None else max(self.newest_ms, ends)

    @property
    def count(self) -> int:
        """All matches: counted, or, where `exact` is False, about."""
        return self.matches if self.exact else self.estimated

    @property
    def share(self) -> float:
        """Matches as a part of the store, 0 to 1."""
        total = max(self.store_total, self.count)
        return self.count / total if total else 0.0

    @property
    def live_share(self) -> float:
        total = max(self.store_total, self.live)
        return self.live / total if total else 0.0

    @property
    def size_of_all(self) -> int:
        """About what all matches take, in bytes: those that were counted are the sample."""
        return int(self.size_bytes / self.matches * self.count) if self.matches else 0

    @property
    def journal_bytes(self) -> int:
        """About what the journal of whole sessions will take."""
        return int(self.size_of_all * self.journal_ratio)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the caller allows beyond the ordinary: `--force` words and ceilings."""

    forced: frozenset[str] = frozenset()
    max_delete: int | None = None
    expect: int | None = None
    no_ttl_by_cookie_date: bool = False

    @property
    def takes_cookie_dates(self) -> bool:
        """Keys without TTL may be judged by the date inside their value."""
        return self.no_ttl_by_cookie_date or "no-ttl" in self.forced

    @property
    def guards_share(self) -> bool:
        """A rule may not end a large part of the store's live sessions."""
        return self.max_delete is None and "share" not in self.forced


_ENDS = ("expires", "ttl")  # fields of a condition


def removable(
    sessions: Iterable[Session], query: Query, permissions: Permissions, plan: Plan | None = None
) -> Iterator[Session]:
    """The sessions a purge may take: with `--expired`, none that only its cookie date condemns;
    with a condition on the end, none whose end could not be read, however the condition asks.

    The inner date of an express session with `disableTTL` and `rolling` never moves while the
    browser's cookie does; so such keys are counted, and taken only when the owner says so.
    """
    asks_for_ends = query.where is not None and not query.where.fields.isdisjoint(_ENDS)
    for session in sessions:
        if asks_for_ends and session.expiry is Expiry.UNKNOWN:
            continue
        if (
            query.expired
            and session.expiry is Expiry.COOKIE_DATE
            and not permissions.takes_cookie_dates
        ):
            if plan is not None:
                plan.left_no_ttl += 1
            continue
        yield session


def make_plan(store: Store, query: Query, permissions: Permissions, *, exact: bool = False) -> Plan:
    """Look at the store with the eyes of the run to come."""
    plan = Plan(store_total=store.estimate())
    now_ms = store.now_ms()
    if not query.sids:  # sessions that are named need no sample to tell what the store holds
        _sample(plan, store)
    first: list[Session] = []
    for session in removable(store.scan(query), query, permissions, plan):
        if plan.matches >= COUNT_LIMIT - 1 and not exact:
            plan.exact = False
            break
        plan.add(session, now_ms)
        if not first or (len(first) < space.SAMPLE and plan.size_bytes <= space.SAMPLE_BYTES):
            first.append(session)
    plan.journal_ratio = space.ratio_of(store, first)
    if not plan.exact:
        plan.estimated = _estimate(store, query, plan)
        plan.live = round(plan.live / plan.matches * plan.estimated)
    if query.expired:
        plan.zone_doubt = store.capabilities.zone_doubt
        plan.all_expired = plan.matches >= WHOLE_STORE and not _any_other(store, now_ms)
    if permissions.guards_share and not query.sids and plan.live > SHARE_FLOOR:
        # The estimate may count what is no session; a share of that would look smaller than it is.
        plan.store_total = store.count(Query())
    return plan


def _sample(plan: Plan, store: Store) -> None:
    """Do the first sessions look like what they are said to be?"""
    expiries: list[int] = []
    for session in islice(store.scan(Query()), SAMPLE):
        plan.sampled += 1
        plan.recognised += store.recognises(session)
        if session.expires_ms is not None and session.expiry is Expiry.STORE:
            expiries.append(session.expires_ms)
    if expiries:
        plan.median_ms = sorted(expiries)[len(expiries) // 2]


def _any_other(store: Store, now_ms: int) -> bool:
    """A session that is not over; the search for it reads no more than the purge will."""
    return any(session.state(now_ms) is not State.EXPIRED for session in store.scan(Query()))


def _estimate(store: Store, query: Query, plan: Plan) -> int:
    """All matches, about: counted where that is cheap, else scaled up from a sample."""
    if store.capabilities.counts_fast:
        return store.count(query)
    now_ms = store.now_ms()
    hits = sum(query.matches(session, now_ms) for session in islice(store.scan(Query()), SAMPLE))
    return max(plan.matches, round(plan.store_total * hits / max(plan.sampled, 1)))


def _check_expiries(plan: Plan, permissions: Permissions) -> None:
    """Guards 3 and 4: an expiry that is read in a wrong zone or unit condemns the living."""
    if plan.median_ms is not None and not _PLAUSIBLE_MS[0] <= plan.median_ms < _PLAUSIBLE_MS[1]:
        raise GuardRefused(
            "unit",
            f"half of the sessions end about the year {from_ms(plan.median_ms).year}",
            hint="the expiry has another unit than the layout says; check `layout` and `columns`",
        )
    if "zone" in permissions.forced:
        return
    check_zone(plan.zone_doubt, permissions)
    if plan.all_expired:
        raise GuardRefused(
            "zone",
            f"all {plan.count} sessions of the store look expired: a wrong zone or unit?",
            hint="look at some with `sessctl list --sort -expires --limit 5`; --force=zone if "
            "they are over",
        )


def is_large(live: int, store_total: int) -> bool:
    """So many live sessions are a large part of the store: guard 2, for what a rule chooses."""
    return live > SHARE_FLOOR and live > SHARE_LIMIT * max(store_total, live)


def check_query(query: Query) -> None:
    """Guard 1: no filter is not "all". Raises UsageError."""
    if query.is_empty:
        raise UsageError(
            "purge needs a query", hint="--expired, or --all for every session of the store"
        )


def check_cascades(store: Store, permissions: Permissions) -> None:
    """A delete in this store ends its session and nothing else. Raises GuardRefused."""
    if store.capabilities.cascades and "cascade" not in permissions.forced:
        raise GuardRefused(
            "cascade",
            f"a delete sets off more than itself: {store.capabilities.cascades}",
            hint="--force=cascade if that is wanted",
        )


def check_recognised(plan: Plan, store: Store, permissions: Permissions) -> None:
    """Guard 6: some of the first values are sessions of the layout. Raises GuardRefused."""
    if plan.sampled and not plan.recognised and "wrong-store" not in permissions.forced:
        raise GuardRefused(
            "wrong-store",
            f"none of the first {plan.sampled} values is a {store.layout.name} session",
            hint="check prefix, table and layout; --force=wrong-store if this is the right store",
        )


def check_zone(doubt: str, permissions: Permissions) -> None:
    """Guard 3: a date means the instant that we take it for. Raises GuardRefused."""
    if doubt and "zone" not in permissions.forced:
        raise GuardRefused(
            "zone",
            f"the zone of the store's dates is not certain: {doubt}",
            hint="set `expires_zone` of the backend to the zone that the application writes in, "
            "or --force=zone",
        )


def check_guards(plan: Plan, store: Store, permissions: Permissions, *, by_rule: bool) -> None:
    """Guards 2 and 6, cascades and `--expect`, before the first write.

    Args:
        by_rule: chosen by a query (`purge`) and not named one by one (`expire`).

    Raises:
        GuardRefused: names the guard and what lifts it.
    """
    ceiling = permissions.max_delete
    check_cascades(store, permissions)
    if by_rule:
        check_recognised(plan, store, permissions)
    _check_expiries(plan, permissions)
    if plan.live > LIVE_LIMIT and ceiling is None:
        raise GuardRefused(
            "max-delete",
            f"{plan.live} live sessions would end, more than {LIVE_LIMIT}",
            hint="--max-delete N allows up to N",
        )
    if by_rule and permissions.guards_share and is_large(plan.live, plan.store_total):
        raise GuardRefused(
            "share",
            f"{plan.live} live sessions would end, {plan.live_share:.0%} of the store",
            hint="--max-delete N or --force=share if that is meant",
        )
    if permissions.expect is not None and plan.count > permissions.expect * 1.1:
        raise GuardRefused(
            "expect",
            f"{plan.count} sessions match, more than the {permissions.expect} expected",
            hint="look again with --dry-run",
        )
