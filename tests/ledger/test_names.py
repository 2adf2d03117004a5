"""Names: each stands for exactly what it names."""

from __future__ import annotations

from app.ledger import names
from app.ledger.storage import keys
from mappers.types import KEY_PREFIX


def test_two_lists_of_parts_have_two_digests() -> None:
    """Parts are what stores and shoppers chose: a provider, a card, a requestId."""
    assert names.digest("ab", "c") != names.digest("a", "bc")
    assert names.digest("ab", "") != names.digest("ab")


def test_cards_of_two_providers_have_two_names() -> None:
    assert keys.of_card("north", "1-card") != keys.of_card("north1", "-card")
    ids = {names.transaction_id("acme", card, "Debit", request) for card, request in (("1", "23"), ("12", "3"))}
    assert len(ids) == 2


def test_every_key_starts_as_mappers_know_them_by() -> None:
    transaction = names.transaction_id("acme", "card", "Debit", "request")
    oids = (transaction, names.act_id(transaction, "capture", "1"), names.own_act_id(transaction, "expiry", 1))
    assert all(names.step_key(oid, 1).startswith(KEY_PREFIX) for oid in oids)
