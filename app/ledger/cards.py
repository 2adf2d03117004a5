"""The use cases of a card: find those that can pay, show one, issue one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.ledger.errors import LedgerUnavailable
from app.ledger.names import digest
from app.ledger.storage.connection import Fleet
from app.ledger.storage.storage import Storage
from app.ledger.terms import expect_kept, may_pay, note
from app.ledger.threads import BackendThreads
from mappers.base import Card, CardStatus, Customer, Holds, IssuedCard, NewCard, Query
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()

# Guesses are counted over this long; the settings say how many are free.
MISSES_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SpendableCard:
    """A card and what can be spent of it now: minor units, our own reservations taken off, 0 when it cannot pay."""

    card: Card
    balance: int


class CardService:
    """What can be done with cards. Methods raise mapper errors and LedgerUnavailable."""

    def __init__(
        self,
        storage: Storage,
        fleet: Fleet,
        threads: BackendThreads,
        misses_per_customer: int,
        misses_per_provider: int,
    ) -> None:
        self._storage = storage
        self._threads = threads
        self._fleet = fleet
        self._misses_per_customer = misses_per_customer
        self._misses_per_provider = misses_per_provider

    def search(self, provider: Provider, query: Query, deadline: Deadline) -> list[SpendableCard]:
        """Return the cards that can pay now; an unknown code, or one guess too many, finds none."""
        if query.code is None:
            found = [card for card in self._find(provider, query, deadline) if _has_relation(card, query)]
            return self._spendable(provider, found, query)
        counters = self._counters(provider, query)
        if self._spent(counters):
            log.warning("guesses spent", provider=provider.id)
            return []
        # Who may not pay with a card is told what an unknown code is told.
        found = [card for card in self._find(provider, query, deadline) if may_pay(query.customer, card)]
        if not found:
            self._count_miss(counters)
        return self._spendable(provider, found, query)

    def get(self, provider: Provider, card_id: str, deadline: Deadline) -> SpendableCard:
        """Return one card, whatever its status. Raises CardNotFound, BackendUnavailable, LedgerUnavailable."""
        with self._threads.one_for(provider.backend):
            card = provider.mapper.get_card(card_id, deadline)
        return SpendableCard(card, self._balance(provider, card))

    def issue(self, provider: Provider, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Issue a card. Raises Unsupported, CardUnusable, BackendUnavailable, OutcomeUnknown."""
        expect_kept(provider, new)
        with self._threads.one_for(provider.backend):
            issued = provider.mapper.issue(new, deadline)
        self._note_made(provider, issued.card)
        self._note(provider, [issued.card], new.customer)
        return issued

    def _note_made(self, provider: Provider, card: Card) -> None:
        read_lag = timedelta(seconds=provider.mapper.read_lag_seconds)
        if not read_lag:
            return
        try:
            self._storage.card_made(provider.backend.account, card.id, read_lag)
        except LedgerUnavailable:
            log.warning("a new card was not noted: Redis cannot be reached")

    def _find(self, provider: Provider, query: Query, deadline: Deadline) -> Sequence[Card]:
        with self._threads.one_for(provider.backend):
            return provider.mapper.find(query, deadline)

    def _spendable(self, provider: Provider, cards: Sequence[Card], query: Query) -> list[SpendableCard]:
        found = [SpendableCard(card, self._balance(provider, card)) for card in cards]
        spendable = [one for one in found if one.balance > 0]
        self._note(provider, [one.card for one in spendable], query.customer)
        return spendable

    def _note(self, provider: Provider, cards: Sequence[Card], customer: Customer | None) -> None:
        try:
            if cards:
                note(self._storage, provider, cards, customer)
        except LedgerUnavailable:
            log.warning("what cards allow was not noted: Redis cannot be reached")

    def _balance(self, provider: Provider, card: Card) -> int:
        if card.status is not CardStatus.ACTIVE:
            return 0
        if Holds.LEDGER not in provider.mapper.supported_holds:
            return max(0, card.balance)
        return max(0, card.balance - self._storage.standing(provider.backend.account, card.id).reserved)

    def _counters(self, provider: Provider, query: Query) -> list[tuple[str, int]]:
        counters = [(f"provider:{provider.id}", self._misses_per_provider)]
        if query.customer is not None:
            customer = digest("customer", provider.id, query.customer.key)
            counters.append((f"customer:{customer}", self._misses_per_customer))
        return counters

    def _spent(self, counters: list[tuple[str, int]]) -> bool:
        # The ration protects against guessing; without Redis, shoppers are served rather than rationed.
        try:
            misses = self._fleet.misses(*(name for name, _ in counters))
        except LedgerUnavailable:
            return False
        return any(count >= ration for count, (_, ration) in zip(misses, counters, strict=True))

    def _count_miss(self, counters: list[tuple[str, int]]) -> None:
        try:
            self._fleet.count_miss(MISSES_WINDOW, *(name for name, _ in counters))
        except LedgerUnavailable:
            log.warning("a miss was not counted: Redis cannot be reached")


def _has_relation(card: Card, query: Query) -> bool:
    return query.relation_name is None or card.relation_name == query.relation_name
