"""Which codes were asked for and not found, each counted once: digests alone are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from app.ledger.storage.connection import Command, Connection

# Codes that were not found count this long, from the first.
WINDOW = timedelta(hours=1)

# A code that was found is asked for again without being counted.
FOUND_FOR = timedelta(days=7)

# In one script: a hundred guesses may come at once. Each code counts before the backend is asked, and is taken off
# again where it finds a card, or where nobody who asked for it was told that it finds none: a counter has how many of
# those there may be. Counters: everybody of the provider, who asks, and their address where it is known.
_COUNT = """
local found, refused, everybody, who, address = unpack(KEYS)
local code, window = ARGV[1], ARGV[2]
local flood_at, limit_of_everybody = tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('EXISTS', found) == 1 then return {'known', 0, 0} end

local flood = redis.call('HLEN', everybody) >= flood_at
local function spent(counter, limit)
  return redis.call('HEXISTS', counter, code) == 0 and redis.call('HLEN', counter) >= limit
end
if spent(who, tonumber(flood and ARGV[4] or ARGV[3])) or spent(everybody, limit_of_everybody)
  or (address and spent(address, tonumber(flood and ARGV[6] or ARGV[5]))) then
  local times = redis.call('INCR', refused)
  if times == 1 then redis.call('EXPIRE', refused, window) end
  return {'refused', times, 0}
end
local news = redis.call('HEXISTS', who, code) == 0 and 1 or 0
for counter = 3, #KEYS do
  redis.call('HINCRBY', KEYS[counter], code, 1)
  if redis.call('TTL', KEYS[counter]) < 0 then redis.call('EXPIRE', KEYS[counter], window) end
end
return {'counted', news, redis.call('HLEN', everybody)}
"""

_TAKE_BACK = """
for _, counter in ipairs(KEYS) do
  if redis.call('HINCRBY', counter, ARGV[1], -1) <= 0 then redis.call('HDEL', counter, ARGV[1]) end
end
return {}
"""


class Verdict(StrEnum):
    KNOWN = "known"  # it was found before, and is not counted
    COUNTED = "counted"
    REFUSED = "refused"


class Limit(NamedTuple):
    """How many codes may be counted; `in_flood` while too many are wrong everywhere."""

    usually: int
    in_flood: int


@dataclass(frozen=True, slots=True)
class Guess:
    """A code that is asked for: digests of it, of who asks, and of their address if known; and how much each may."""

    provider_id: str
    code: str
    who: str
    address: str | None
    limit_of_who: Limit
    limit_of_address: Limit
    flood_at: int
    limit_of_everybody: int

    @property
    def found(self) -> str:
        return _key(self.provider_id, f"found:{self.code}")

    @property
    def counters(self) -> list[str]:
        names = ["of-all", f"of:{self.who}", *([f"at:{self.address}"] if self.address else [])]
        return [_key(self.provider_id, name) for name in names]


class Counted(NamedTuple):
    """What became of a guess. `number`: of refusals in this window where it was refused, else 1 where it is new to who
    asks; `everybody`: how many codes are counted for the provider now."""

    verdict: Verdict
    number: int
    everybody: int


class Missed(NamedTuple):
    """What a provider's shoppers guessed in this window: wrong codes, and searches that were refused for it."""

    codes: int
    refused: int


class GuessStorage:
    """Counts guesses. Methods raise LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._count = connection.script(_COUNT, "count", replicated=False)
        self._take_back = connection.script(_TAKE_BACK, "take back", replicated=False)

    def count(self, guess: Guess) -> Counted:
        """Count a code, unless it was found before or the ration is spent."""
        keys = [guess.found, _key(guess.provider_id, "refused"), *guess.counters]
        arguments = [
            guess.code,
            int(WINDOW.total_seconds()),
            *guess.limit_of_who,
            *guess.limit_of_address,
            guess.flood_at,
            guess.limit_of_everybody,
        ]
        verdict, number, everybody = self._count(keys, *map(str, arguments))
        return Counted(Verdict(verdict), number, everybody)

    def take_back(self, guess: Guess) -> None:
        """Take one count of a code back, which brought no answer."""
        self._take_back(guess.counters, guess.code)

    def take_off(self, guess: Guess) -> list[Command]:
        """Return what takes a code off for good."""
        return [("HDEL", counter, guess.code) for counter in guess.counters]

    def keep_off(self, guess: Guess) -> Command:
        """Return what notes that a code was found: it is not counted for a while."""
        return "SET", guess.found, "1", "EX", int(FOUND_FOR.total_seconds())

    def missed(self, provider_id: str) -> Missed:
        """Return what was guessed in this window."""
        codes, refused = self._connection.pipeline(
            lambda pipeline: (
                pipeline.hlen(_key(provider_id, "of-all")),
                pipeline.get(_key(provider_id, "refused")),
            )
        )
        return Missed(codes, int(refused or 0))


def _key(provider_id: str, name: str) -> str:
    return f"gb:{{guesses:{provider_id}}}:{name}"
