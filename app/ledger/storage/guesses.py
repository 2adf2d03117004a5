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
# again where it finds a card. Counters: who asks, their address, everybody of the provider.
_COUNT = """
local found, who, address, everybody, refused = unpack(KEYS)
local code, window = ARGV[1], ARGV[2]
local flood_at, limit_of_everybody = tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('EXISTS', found) == 1 then return {'known', 0, 0} end

local flood = redis.call('SCARD', everybody) >= flood_at
local function spent(counter, limit)
  return redis.call('SISMEMBER', counter, code) == 0 and redis.call('SCARD', counter) >= limit
end
if spent(who, tonumber(flood and ARGV[4] or ARGV[3])) or spent(address, tonumber(flood and ARGV[6] or ARGV[5]))
  or spent(everybody, limit_of_everybody) then
  local times = redis.call('INCR', refused)
  if times == 1 then redis.call('EXPIRE', refused, window) end
  return {'refused', times, 0}
end
local news = redis.call('SADD', who, code)
redis.call('SADD', address, code)
redis.call('SADD', everybody, code)
for _, counter in ipairs({who, address, everybody}) do
  if redis.call('TTL', counter) < 0 then redis.call('EXPIRE', counter, window) end
end
return {'counted', news, redis.call('SCARD', everybody)}
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
    def counters(self) -> tuple[str, str, str]:
        who = _key(self.provider_id, f"who:{self.who}")
        address = _key(self.provider_id, f"address:{self.address}") if self.address else who
        return who, address, _key(self.provider_id, "everybody")


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

    def count(self, guess: Guess) -> Counted:
        """Count a code, unless it was found before or the ration is spent."""
        keys = [guess.found, *guess.counters, _key(guess.provider_id, "refused")]
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

    def take_off(self, guess: Guess) -> list[Command]:
        """Return what takes a code off again."""
        return [("SREM", counter, guess.code) for counter in dict.fromkeys(guess.counters)]

    def keep_off(self, guess: Guess) -> list[Command]:
        """Return what notes that a code was found: it is not counted for a while."""
        return [("SET", guess.found, "1", "EX", int(FOUND_FOR.total_seconds()))]

    def missed(self, provider_id: str) -> Missed:
        """Return what was guessed in this window."""
        codes, refused = self._connection.pipeline(
            lambda pipeline: (
                pipeline.scard(_key(provider_id, "everybody")),
                pipeline.get(_key(provider_id, "refused")),
            )
        )
        return Missed(codes, int(refused or 0))


def _key(provider_id: str, name: str) -> str:
    return f"gb:{{guesses:{provider_id}}}:{name}"
