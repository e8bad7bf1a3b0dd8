"""The Redis scripts: one key each, so that they are safe on a cluster and block for microseconds.

Value and expiry are compared, because a `touch` renews a session without changing its value, and
the server's clock judges, in the same script that deletes (safety promise S1).
"""

from __future__ import annotations

from hashlib import sha1

# KEYS[1]; ARGV: 1 sha1 of the value read, 2 its expiry in ms (-1 none), 3 tolerance in ms,
# 4 the instant in ms that must lie behind the server's clock, or ''; to replace it 4 the new
# expiry, or '' for none, 5 the new value, which is left out where it stays.
# 'old' spells PEXPIRETIME for servers before 7.0.
_CHECK = """
local value = redis.pcall('GET', KEYS[1])
if not value then return 0 end
if type(value) == 'table' then
  if string.sub(value.err, 1, 9) == 'WRONGTYPE' then return 2 end
  return value
end
local function clock()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end
local ends = %s
local apart = ends - tonumber(ARGV[2])
if apart < 0 then apart = -apart end
if (ends < 0) ~= (tonumber(ARGV[2]) < 0) or apart > tonumber(ARGV[3]) then return 2 end
if redis.sha1hex(value) ~= ARGV[1] then return 2 end
"""
_NEW = "redis.call('PEXPIRETIME', KEYS[1])"
_OLD = "redis.call('PTTL', KEYS[1])\nif ends >= 0 then ends = ends + clock() end"
_DELETE = """
if ARGV[4] ~= '' and clock() < tonumber(ARGV[4]) then return 2 end
redis.call('UNLINK', KEYS[1])
return 1
"""
_REPLACE = """
if ARGV[4] ~= '' and tonumber(ARGV[4]) <= clock() then return 3 end
if ARGV[5] then redis.call('SET', KEYS[1], ARGV[5]) end
if ARGV[4] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
return 1
"""

GONE, DONE, CHANGED, LAPSED = 0, 1, 2, 3


class Script:
    """A script's text and the digest it is called by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest().encode()


def scripts(*, absolute_expiry: bool) -> tuple[Script, Script]:
    """(conditional delete, conditional replacement); without PEXPIRETIME from `PTTL`."""
    check = _CHECK % (_NEW if absolute_expiry else _OLD)
    return Script(check + _DELETE), Script(check + _REPLACE)
