"""The demo's sessions: 200 of every kind a shop has, the same for a seed, read by our own store."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import Query, decode_cookie, open_store, verify_cookie
from sessctl.config.file import load_config
from sessctl.config.opening import choose_backend
from sessctl.config.secrets import resolve
from sessctl.demo.sessions import EXPIRED, SESSIONS, Demo, build_demo
from sessctl.demo.tour import NEXT, TOUR, WIDTH
from sessctl.errors import UsageError
from sessctl.session import Session, State
from sessctl.text import Masker
from sessctl.timespec import parse_iso_ms, to_ms

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.cookies.base import Verdict

NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
NOW_MS = to_ms(NOW)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000

Row = tuple[str, float | None, str]


def rows_of(demo: Demo) -> list[Row]:
    with closing(sqlite3.connect(demo.database)) as connection:
        return list(connection.execute("SELECT sid, expired, sess FROM sessions ORDER BY sid"))


def sessions_of(demo: Demo) -> list[Session]:
    with open_store(f"sqlite:///{demo.database}", "connect-sqlite3") as store:
        return list(store.scan(Query()))


def verdict_on(cookie: str, demo: Demo) -> Verdict:
    return verify_cookie(cookie, demo.secret_path.read_text().removesuffix("\n"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return build_demo(tmp_path_factory.mktemp("shop") / "demo", now=NOW)


@pytest.fixture(scope="module")
def sessions(demo: Demo) -> list[Session]:
    return sessions_of(demo)


@pytest.fixture(scope="module")
def values(demo: Demo) -> list[tuple[Row, dict[str, Any]]]:
    """Every row whose text is whole, with what it says."""
    found = []
    for row in rows_of(demo):
        try:
            found.append((row, json.loads(row[2])))
        except ValueError:
            continue
    return found


# -- how many of what ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [20, 0, 1, 7])
def test_counts_hold_for_any_seed(tmp_path: Path, seed: int) -> None:
    found = sessions_of(build_demo(tmp_path / "demo", now=NOW, seed=seed))
    states = Counter(session.state(NOW_MS) for session in found)
    assert len(found) == SESSIONS == 200
    assert states == {State.ACTIVE: 144, State.EXPIRED: EXPIRED, State.UNKNOWN: 1}


def test_users_and_guests(sessions: list[Session]) -> None:
    known = [session for session in sessions if session.user is not None]
    live = [session for session in known if session.state(NOW_MS) is State.ACTIVE]
    assert len(known) == 88
    assert len(live) == 64
    assert {type(s.data["passport"]["user"]) for s in known} == {int, str}
    assert sum(n == 2 for n in Counter(s.user for s in live).values()) >= 15


def test_user_42_is_on_exactly_three_live_devices(demo: Demo, sessions: list[Session]) -> None:
    devices = [session for session in sessions if session.user == demo.user]
    assert demo.user == "42"
    assert {session.state(NOW_MS) for session in devices} == {State.ACTIVE}
    assert len({session.data["device"] for session in devices}) == len(devices) == 3


def test_the_first_page_is_a_mixed_one(sessions: list[Session]) -> None:
    """What a newcomer sees first: users and guests, active and expired."""
    first = sessions[:8]
    assert {session.state(NOW_MS) for session in first} == {State.ACTIVE, State.EXPIRED}
    assert 2 <= sum(session.user is None for session in first) <= 6


def test_every_kind_is_there(values: list[tuple[Row, dict[str, Any]]]) -> None:
    data = [value for _, value in values]
    guests = [value for value in data if "passport" not in value]
    assert sum("cart" in value for value in guests) > 50
    assert sum("cart" not in value for value in guests) > 40
    assert any("info" in value.get("flash", {}) for value in data)
    assert any("error" in value.get("flash", {}) for value in data)
    assert any(value.get("rememberMe") for value in data)
    assert {"views", "csrfSecret", "returnTo", "oidc", "till"} <= {k for v in data for k in v}
    assert any(not value.isascii() for (_, _, value), _ in values), "JSON.stringify keeps UTF-8"


def test_one_row_is_truncated_json(sessions: list[Session]) -> None:
    (corrupt,) = [session for session in sessions if session.problem is not None]
    assert corrupt.problem is not None
    assert corrupt.problem.code == "value.unreadable"
    assert corrupt.state(NOW_MS) is State.ACTIVE


def test_hostile_text_is_kept_as_it_came(demo: Demo, sessions: list[Session]) -> None:
    (hostile,) = [session for session in sessions if session.sid == demo.hostile_sid]
    texts = [item["name"] for item in hostile.data["cart"]] + hostile.data["flash"]["info"]
    for attack in ("\x1b]0;", "\x1b]8;;", "\u202e", "<script>", "[bold red]"):
        assert any(attack in text for text in texts), attack
    assert any(text.startswith("=HYPERLINK") for text in texts)


def test_masking_has_something_to_hide(sessions: list[Session]) -> None:
    masked = [Masker().mask(s.data["oidc"]) for s in sessions if s.user == "u-7f3a"]
    assert len(masked) == 4
    for tokens in masked:
        assert tokens == {"provider": "id.example", "access_token": "***", "id_token": "***"}


# -- times -----------------------------------------------------------------------------------------


def test_expired_is_an_hour_to_forty_days_ago(demo: Demo) -> None:
    ends = [expired for _, expired, _ in rows_of(demo) if expired is not None]
    past = [NOW_MS - end for end in ends if end <= NOW_MS]
    assert min(past) >= HOUR_MS
    assert max(past) <= 40 * DAY_MS
    assert min(past) < 3 * HOUR_MS, "some ended only lately"
    assert max(past) > 20 * DAY_MS


def test_what_is_live_outlasts_the_tour(demo: Demo) -> None:
    ends = [expired for _, expired, _ in rows_of(demo) if expired is not None]
    assert min(end for end in ends if end > NOW_MS) >= NOW_MS + 10 * 60_000


def test_touched_sessions_have_a_column_newer_than_their_inner_date(
    values: list[tuple[Row, dict[str, Any]]],
) -> None:
    behind = []
    for (_, expired, _), value in values:
        if expired is not None and value["cookie"]["expires"] is not None:
            inner = parse_iso_ms(value["cookie"]["expires"])
            assert inner is not None
            behind.append(expired - inner)
    assert min(behind) == 0
    assert 20 <= sum(gap > 0 for gap in behind) <= 60


def test_cookies_without_an_end_get_a_day(values: list[tuple[Row, dict[str, Any]]]) -> None:
    ends = [row[1] for row, value in values if value["cookie"]["expires"] is None]
    assert ends == [NOW_MS + DAY_MS] * 2


def test_one_row_lasts_until_2099_and_one_nobody_knows(sessions: list[Session]) -> None:
    years = [s.expires_at.year for s in sessions if s.expires_at and s.expires_at.year > 2030]
    assert years == [2099]
    assert sum(session.expires_at is None for session in sessions) == 1


# -- as the library writes them --------------------------------------------------------------------


def test_the_table_is_connect_sqlite3s(demo: Demo) -> None:
    """Columns without types; npm's sqlite3 binds every number as REAL."""
    with closing(sqlite3.connect(demo.database)) as connection:
        (ddl,) = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchone()
        kinds = Counter(
            connection.execute("SELECT typeof(sid), typeof(expired), typeof(sess) FROM sessions")
        )
    assert ddl == "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)"
    assert kinds == {("text", "real", "text"): 199, ("text", "null", "text"): 1}


def test_the_cookie_object_comes_first_with_its_keys_in_order(
    values: list[tuple[Row, dict[str, Any]]],
) -> None:
    order = ["originalMaxAge", "expires", "secure", "httpOnly", "path", "sameSite"]
    for (_, _, text), value in values:
        assert text.startswith('{"cookie":{"originalMaxAge":')
        assert list(value["cookie"]) == order


def test_ids_are_uid_safes_and_one_starts_with_a_dash(demo: Demo) -> None:
    sids = [sid for sid, _, _ in rows_of(demo)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", sid) for sid in sids)
    assert len(set(sids)) == SESSIONS
    assert [sid[0] for sid in sids].count("-") == 1


# -- cookies ---------------------------------------------------------------------------------------


def test_the_cookie_is_genuine_and_leads_to_user_42(demo: Demo, sessions: list[Session]) -> None:
    assert demo.cookie.startswith("connect.sid=s%3A")
    assert verdict_on(demo.cookie, demo).word == "valid"
    assert decode_cookie(demo.cookie).sid == demo.sid
    assert [session.user for session in sessions if session.sid == demo.sid] == ["42"]


def test_the_forged_cookie_names_a_live_admin_and_is_refused(
    demo: Demo, sessions: list[Session]
) -> None:
    sid = decode_cookie(demo.forged_cookie).sid
    (admin,) = [session for session in sessions if session.sid == sid]
    assert admin.data["role"] == "admin"
    assert admin.state(NOW_MS) is State.ACTIVE
    assert verdict_on(demo.forged_cookie, demo).word == "bad_signature"


# -- the folder ------------------------------------------------------------------------------------


def test_nobody_else_may_read_the_folder(demo: Demo) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in demo.directory.iterdir()}
    assert modes == {"sessions.db": 0o600, "session-secret": 0o600, "sessctl.toml": 0o600}
    assert stat.S_IMODE(demo.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["demo", 'a "b" %3F?é\\x'])
def test_the_configuration_leads_to_the_sessions(tmp_path: Path, name: str) -> None:
    """Whatever the folder is called: its path passes through TOML and a URL."""
    made = build_demo(tmp_path / name, now=NOW)
    config = load_config(explicit=str(made.config_path), environ={}, cwd=tmp_path)
    backend = choose_backend(config, None)
    assert config.journal.directory == str(made.directory / "journals")
    assert (backend.name, backend.cookie_name) == ("demo", "connect.sid")
    with open_store(backend.url, backend.layout) as store:
        assert store.count(Query(user="42")) == 3
    (reference,) = backend.secrets
    secret = resolve(reference, environ={}, asker=NotImplemented)
    assert verify_cookie(made.cookie, secret).valid


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path} is not empty")):
        build_demo(tmp_path, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir(mode=0o755)
    made = build_demo(tmp_path / "demo", now=NOW)
    assert stat.S_IMODE(made.directory.stat().st_mode) == 0o700


def test_the_same_seed_makes_the_same_demo(tmp_path: Path, demo: Demo) -> None:
    again = build_demo(tmp_path / "again", now=NOW)
    other = build_demo(tmp_path / "other", now=NOW, seed=21)
    assert rows_of(again) == rows_of(demo)
    assert (again.cookie, again.forged_cookie) == (demo.cookie, demo.forged_cookie)
    assert not {row[0] for row in rows_of(other)} & {row[0] for row in rows_of(demo)}


def test_times_move_with_now(tmp_path: Path, demo: Demo) -> None:
    later = build_demo(tmp_path / "later", now=NOW + timedelta(days=3))
    shifts = Counter(
        None if old[1] is None or new[1] is None else new[1] - old[1]
        for old, new in zip(rows_of(demo), rows_of(later), strict=True)
    )
    assert shifts == {3 * DAY_MS: SESSIONS - 2, 0: 1, None: 1}, "2099 stays"


# -- the tour --------------------------------------------------------------------------------------


def test_the_tour_is_in_plain_words(demo: Demo) -> None:
    for step in TOUR(demo):
        assert step.sentence.isascii()
        assert 1 <= len(step.lines) <= 2
        assert all(len(line) <= WIDTH for line in step.lines)


def test_the_tour_goes_in_this_order(demo: Demo) -> None:
    steps = TOUR(demo)
    assert [step.argv for step in steps] == [
        ("list", "--limit", "8"),
        ("list", "--user", "42"),
        ("list", "--count", "--expired"),
        ("decode", demo.cookie),
        ("verify", demo.cookie),
        ("verify", demo.forged_cookie),
        ("purge", "--expired", "--dry-run"),
        ("purge", "--expired", "--yes"),
        ("expire", "--user", "42", "--yes"),
        ("restore", "--last", "--yes"),
    ]
    assert [step.exit_code for step in steps] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_what_to_type_next_starts_with_the_configuration(tmp_path: Path) -> None:
    made = build_demo(tmp_path / "it's mine", now=NOW)
    commands = [command for command, _ in NEXT(made)]
    assert commands[0].startswith("export SESSCTL_CONFIG='")
    assert commands[0].endswith("mine/sessctl.toml'")
    assert commands[-1].startswith("rm -r '")
    assert all(command.startswith("sessctl ") for command in commands[1:-1])
    assert all(what.isascii() for _, what in NEXT(made))
