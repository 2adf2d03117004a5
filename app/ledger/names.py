"""Every name the ledger gives: ids are digests of what they name, so that a retry after a crash finds the same ones."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

# Cards are spread over this many buckets; all keys of a card share its bucket's hash tag and so one cluster slot.
# Changing the number orphans every record: it is part of the stored format.
BUCKETS = 128

# No transaction that was made again and again comes near it.
_MOST_OWN_ACTS = 1000

_TRANSACTION_ID = re.compile(r"gb-([0-7][0-9a-f])[0-9a-f]{32}")


def digest(*parts: str) -> str:
    """Return 32 hexadecimal characters that stand for exactly these parts (length-prefixed: no two lists collide)."""
    written = [part.encode() for part in parts]
    named = b"".join([len(part).to_bytes(4, "big") + part for part in written])
    return blake2b(named, digest_size=16).hexdigest()


@lru_cache(256)
def bucket_of_card(card_id: str) -> int:
    """Return the bucket of a card, for all providers: several may share it."""
    return int(digest("card", card_id)[:8], 16) % BUCKETS


def transaction_id(provider_id: str, card_id: str, operation: str, request_id: str) -> str:
    """Return the id of the transaction a request names: `gb-`, its bucket, a digest. It is the backend's key, too."""
    bucket = bucket_of_card(card_id)
    return f"gb-{bucket:02x}{digest('transaction', provider_id, card_id, operation, request_id)}"


def bucket_of_transaction(transaction_id: str) -> int | None:
    """Return the bucket that a transaction's id carries, or None for another id."""
    match = _TRANSACTION_ID.fullmatch(transaction_id)
    return int(match[1], 16) if match else None


def act_id(transaction_id: str, kind: str, request_id: str) -> str:
    """Return the oid of a settlement or cancellation; `kind` is part of it, as one requestId may name one of each."""
    return f"gb-{transaction_id[3:5]}{digest('act', transaction_id, kind, request_id)}"


def own_act_id(transaction_id: str, reason: str, number: int) -> str:
    """Return the oid of what the ledger does by itself after act `number`. No requestId can equal it."""
    return f"gb-{transaction_id[3:5]}{digest('own act', transaction_id, reason, str(number))}"


def opening_number(transaction_id: str, oid: str) -> int | None:
    """Return the number of the act that opened a transaction under this oid, None where it opens none; see open.lua."""
    if oid == transaction_id:
        return 0
    before, _, number = oid.rpartition("-r")
    return int(number) if before == transaction_id and number.isdecimal() else None


def own_act_number(transaction_id: str, reason: str, oid: str) -> int | None:
    """Return the number that `own_act_id` made this oid of."""
    numbers = range(_MOST_OWN_ACTS)
    return next((number for number in numbers if own_act_id(transaction_id, reason, number) == oid), None)


def step_key(oid: str, number: int) -> str:
    """Return the backend's idempotency key of an act's step; the first step is 1."""
    return f"{oid}-{number}"
