"""What was seen lately to be allowed with a card, and the only transactions of cards that allow one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.ledger.storage import keys
from app.ledger.storage.connection import Command, Connection
from app.ledger.transaction import Transaction
from mappers.base import ActKind

# A shopper finds a card anew in each checkout. After this long without, the backend is asked before the card pays.
SEEN_FOR = timedelta(days=1)

# In one script: two payments may want to be the only one at the same moment. What came to nothing is no more only as
# long as nobody attempts it again.
_CLAIM = r"""
local function attempt_of(key)
  local stored = redis.pcall('GET', key)
  if type(stored) == 'table' then return redis.call('HGET', key, 'attempt') end -- format 2
  return stored and tostring(cjson.decode(string.match(stored, '[^\n]*')).attempt)
end

local kind, transaction, other, attempt = unpack(cjson.decode(ARGV[1]))
local holder = redis.call('HGET', KEYS[1], kind)
local is_no_more = holder == other and attempt_of(KEYS[2]) == attempt
if holder and holder ~= transaction and not is_no_more then return holder end
redis.call('HSET', KEYS[1], kind, transaction)
return transaction
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a card allows: `payers` are digests of who may pay, `any_number_of` what it allows more than once."""

    payers: Sequence[str]
    any_number_of: Sequence[ActKind]


class TermsStorage:
    """The notes of what is allowed. Methods raise LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._claim = connection.script(
            _CLAIM, "claim"
        )  # it counts only once the replicas have it, as all that moves money

    @staticmethod
    def note(provider_id: str, account: str, card_id: str, allowed: Seen) -> Command:
        """Return what notes what is allowed with a card."""
        told = json.dumps({"payers": list(allowed.payers), "any_number_of": list(allowed.any_number_of)})
        return "SET", keys.terms(provider_id, account, card_id), told, "EX", int(SEEN_FOR.total_seconds())

    def seen(self, provider_id: str, account: str, card_id: str) -> Seen | None:
        """Return what was seen lately to be allowed with a card."""
        key = keys.terms(provider_id, account, card_id)
        told = self._connection.call(lambda client: client.get(key))
        if not isinstance(told, str):
            return None
        allowed = json.loads(told)
        return Seen(allowed["payers"], [ActKind(kind) for kind in allowed["any_number_of"]])

    def be_the_only(
        self, account: str, card_id: str, kind: ActKind, transaction_id: str, instead_of: Transaction | None = None
    ) -> str:
        """Make a transaction the only one of its kind on a card, unless one is; return the one that is.

        `instead_of` is one that came to nothing, as it was read.
        """
        other, attempt = (instead_of.id, instead_of.attempt) if instead_of else (transaction_id, 0)
        touched = keys.only(account, card_id), keys.of_transaction(other) or ""
        told = kind, transaction_id, other, str(attempt)
        return str(self._claim(touched, json.dumps(told)))
