"""What a Redis server tells of its settings: with INFO where that says it, for few may ask CONFIG.

Source: Redis 7.2 `INFO`, `CONFIG GET`, `ACL GETUSER`, `ACL WHOAMI`; Valkey answers the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.stores.engines.redis_nodes import info
from sessctl.stores.facts import Fact, Topic, found_out, transport_facts
from sessctl.text import decode_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sessctl.stores.engines.redis_connect import Target

    Ask = Callable[..., list[Any]]  # a command to what every primary answers


def redis_facts(target: Target, ask: Ask, prefix: str) -> Iterator[Fact]:
    """Of several servers the worst counts."""
    if target.form != "unix":  # who may use a socket, its mode says
        secure = target.is_secure
        yield from transport_facts(target.url, encrypted=secure, verifies=secure)
        yield found_out(Topic.ANONYMOUS, "user default", lambda: _anonymous(target, ask))
    yield found_out(Topic.REMOTE, "protected-mode", lambda: _remote(ask))
    yield found_out(Topic.ALL_RIGHTS, "ACL", lambda: _all_rights(ask, prefix))
    yield found_out(Topic.EVICTION, "maxmemory-policy", lambda: _eviction(ask))
    yield found_out(Topic.DURABLE, "save, appendonly", lambda: _durable(ask))


def _anonymous(target: Target, ask: Ask) -> Fact:
    place, remedy = "user default", "ACL SETUSER default on resetpass >A-LONG-RANDOM-PASSWORD"
    if not target.has_password:
        return Fact(Topic.ANONYMOUS, True, place, remedy)
    if not target.username:
        return Fact(Topic.ANONYMOUS, False, place)  # a password that nobody needs is an error
    users = [_user(one) for one in ask("ACL", "GETUSER", "default")]
    is_open = any({"on", "nopass"} <= set(user.get("flags", [])) for user in users)
    return Fact(Topic.ANONYMOUS, is_open, place, "ACL SETUSER default off")


def _remote(ask: Ask) -> Fact:
    """Protected mode refuses other machines where there is no password; so does loopback."""
    modes = [_setting(one) for one in ask("CONFIG", "GET", "protected-mode")]
    bound = [_setting(one).split() for one in ask("CONFIG", "GET", "bind")]
    reached = [not places or not all(map(_is_loopback, places)) for places in bound]
    off = any(mode == "no" and far for mode, far in zip(modes, reached, strict=True))
    return Fact(Topic.REMOTE, off, "protected-mode", "CONFIG SET protected-mode yes")


def _is_loopback(place: str) -> bool:
    return place.removeprefix("-").startswith(("127.", "::1"))


def _all_rights(ask: Ask, prefix: str) -> Fact:
    name = decode_id(ask("ACL", "WHOAMI")[0])
    users = [_user(one) for one in ask("ACL", "GETUSER", name)]
    everything = any("+@all" in str(user.get("commands", "")).split() for user in users)
    remedy = f"ACL SETUSER shop on >PASSWORD ~{prefix}* -@all +get +set +del +expire +scan"
    return Fact(Topic.ALL_RIGHTS, name if everything else "", f"user {name}", remedy)


def _eviction(ask: Ask) -> Fact:
    told = [info(one) for one in ask("INFO", "memory")]
    limited = [one for one in told if one.get("maxmemory", "0") != "0"]
    evicting = [
        policy for one in limited if (policy := one.get("maxmemory_policy", "")) != "noeviction"
    ]
    remedy = "CONFIG SET maxmemory-policy noeviction"
    return Fact(Topic.EVICTION, evicting[0] if evicting else "", "maxmemory-policy", remedy)


def _durable(ask: Ask) -> Fact:
    place = "save, appendonly"
    appends = [info(one).get("aof_enabled") == "1" for one in ask("INFO", "persistence")]
    durable = all(appends) or all(_setting(one) for one in ask("CONFIG", "GET", "save"))
    return Fact(Topic.DURABLE, durable, place, "CONFIG SET appendonly yes")


def _setting(reply: Any) -> str:
    """The value of the one setting that CONFIG GET was asked for."""
    return decode_id(reply[1]) if isinstance(reply, list) and len(reply) == 2 else ""


def _user(reply: Any) -> dict[str, Any]:
    """ACL GETUSER's flat list of names and values."""
    if not isinstance(reply, list):
        return {}
    values = [
        [decode_id(item) for item in one if isinstance(item, bytes)]
        if isinstance(one, list)
        else decode_id(one)
        for one in reply
        if isinstance(one, list | bytes)
    ]
    return {str(name): value for name, value in zip(values[::2], values[1::2], strict=False)}
