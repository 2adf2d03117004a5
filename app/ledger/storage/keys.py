"""Where everything lies in Redis: all keys of a card carry its bucket's hash tag, and so share one cluster slot."""

from __future__ import annotations

from functools import lru_cache

from app.ledger import names
from app.ledger.transaction import Address

# Bytes of a digest: what is left of a transaction's id without its bucket.
SHORT = 16

# Small hashes take a third of the memory of large ones: a bucket's names are spread over so many.
NAME_SHARDS = 64


def in_bucket(bucket: int, name: str) -> str:
    """Return a key of one bucket: `due`, `over`, `all`, `packed`, ... or `tx:` and an id."""
    return f"gb:{{b{bucket:03d}}}:{name}"


def of_transaction(transaction_id: str, kind: str = "tx") -> str | None:
    """Return the key of a transaction (`tx`) or its events (`ev`); None for an id that the ledger did not give."""
    bucket = names.bucket_of_transaction(transaction_id)
    return None if bucket is None else in_bucket(bucket, f"{kind}:{transaction_id}")


def standing_of_card(account: str, card_id: str) -> str:
    """Return the key of how a card stands, which all providers on its account share."""
    return in_bucket(names.bucket_of_card(card_id), f"card:{names.digest('card', account, card_id)}")


def just_given(account: str, card_id: str) -> str:
    """Return the key of until when the backend may not show what was given to a card."""
    return in_bucket(names.bucket_of_card(card_id), f"given:{names.digest('card', account, card_id)}")


def just_made(account: str, card_id: str) -> str:
    """Return the key of until when the backend may not show a card that was issued."""
    return in_bucket(names.bucket_of_card(card_id), f"made:{names.digest('card', account, card_id)}")


def of_card(provider_id: str, card_id: str) -> str:
    """Return the key of the list of one provider's transactions of a card."""
    return in_bucket(names.bucket_of_card(card_id), f"of:{_list_of_card(provider_id, card_id)}")


def terms(provider_id: str, account: str, card_id: str) -> str:
    """Return the key of the note of what a provider saw lately to be allowed with a card of an account."""
    return in_bucket(names.bucket_of_card(card_id), f"terms:{names.digest('terms', provider_id, account, card_id)}")


def only(account: str, card_id: str) -> str:
    """Return the key of which transactions are the only ones that a card allows."""
    return in_bucket(names.bucket_of_card(card_id), f"only:{names.digest('only', account, card_id)}")


# Stands among the complete lists of each bucket while Redis may have forgotten something.
DOUBTED = "doubted"


def completeness(provider_id: str, card_id: str) -> tuple[str, str]:
    """Return the key of the lists that are complete, and what stands for this one in it."""
    return in_bucket(names.bucket_of_card(card_id), "complete"), _list_of_card(provider_id, card_id)


def _list_of_card(provider_id: str, card_id: str) -> str:
    return names.digest("of", provider_id, card_id)


@lru_cache(256)
def for_scripts(address: Address, account: str) -> tuple[str, ...]:
    """Return the keys of a transaction in the order the scripts unpack them: one call runs two scripts or more."""
    bucket = names.bucket_of_card(address.card_id)
    return (
        in_bucket(bucket, f"tx:{address.id}"),
        standing_of_card(account, address.card_id),
        in_bucket(bucket, "due"),
        in_bucket(bucket, f"ev:{address.id}"),
        of_card(address.provider_id, address.card_id),
        in_bucket(bucket, "all"),
        in_bucket(bucket, "parked"),
        in_bucket(bucket, "index"),
        in_bucket(bucket, "over"),
        just_given(account, address.card_id),
        terms(address.provider_id, account, address.card_id),
        only(account, address.card_id),
        in_bucket(bucket, "totals"),
        in_bucket(bucket, "packed"),
        in_bucket(bucket, "complete"),
    )


# Of packed transactions: bytes, which Redis is given as they are, and which come back in a text that carries them.


def short(transaction_id: str) -> bytes:
    """Return what stands for a transaction within its bucket, instead of its id."""
    return bytes.fromhex(transaction_id[5:])


def in_full(bucket: int, row: str) -> str:
    """Return the id that a row of a bucket stands for: it is one, or short."""
    return _id(bucket, written) if len(written := in_bytes(row)) == SHORT else row


def in_bytes(row: str) -> bytes:
    """Return a row as it lies in Redis."""
    return row.encode(errors="surrogateescape")


def packed_row(transaction_id: str, over_since: int) -> bytes:
    """Return the row of a packed transaction in the list of its bucket."""
    return short(transaction_id) + over_since.to_bytes(6, "big")


def read_packed_row(bucket: int, row: str) -> tuple[int, str]:
    """Return since when a packed transaction is over, and its id."""
    written = in_bytes(row)
    return int.from_bytes(written[SHORT:], "big"), _id(bucket, written[:SHORT])


def name_of_packed(kind: str, value: str) -> tuple[str, bytes]:
    """Return under which key of a bucket packed transactions are found by a name, and under which field of it."""
    digest = bytes.fromhex(names.digest(kind, value))
    return f"names:{digest[0] % NAME_SHARDS:02x}", digest[1:9]


def ids_of_packed(bucket: int, found: str | None) -> list[str]:
    """Return the ids that such a field holds."""
    written = in_bytes(found or "")
    return [_id(bucket, written[start : start + SHORT]) for start in range(0, len(written), SHORT)]


def _id(bucket: int, digest: bytes) -> str:
    return f"gb-{bucket:02x}{digest.hex()}"


def index_entries(transaction_id: str, request_id: str, order_id: str | None) -> list[str]:
    """Return the rows under which a transaction can be found by its request and its order."""
    rows = [f"{index_prefix('request', request_id)}{transaction_id}"]
    return [*rows, f"{index_prefix('order', order_id)}{transaction_id}"] if order_id else rows


def index_prefix(kind: str, value: str) -> str:
    return f"{kind}:{names.digest(kind, value)}:"
