"""The use cases of a card: find those that can pay, show one, issue one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.ledger.errors import LedgerUnavailable
from app.ledger.guesses import Guesses, Refused
from app.ledger.notes import Notes
from app.ledger.refusals import Reason, Refusals, why_nothing
from app.ledger.searches import SharedSearches
from app.ledger.storage.connection import Command
from app.ledger.storage.storage import Storage
from app.ledger.terms import expect_kept, may_pay, note
from app.ledger.threads import BackendThreads
from mappers.base import BackendUnavailable, Card, CardNotFound, CardStatus, Holds, IssuedCard, NewCard, Query
from mappers.deadline import Deadline
from providers.provider import Provider

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SpendableCard:
    """A card and what can be spent of it now: minor units, our own reservations taken off, 0 when it cannot pay."""

    card: Card
    balance: int


class CardService:
    """What can be done with cards. Methods raise mapper errors and LedgerUnavailable."""

    def __init__(self, storage: Storage, guesses: Guesses, threads: BackendThreads, refusals: Refusals) -> None:
        self._storage = storage
        self._guesses = guesses
        self._refusals = refusals
        self._threads = threads
        self._searches = SharedSearches(threads)
        self._notes = Notes(storage)

    def search(self, provider: Provider, query: Query, deadline: Deadline) -> list[SpendableCard]:
        """Return the cards that can pay now; an unknown code, or one guess too many, finds none."""
        if query.code is None:
            found = _allowed(self._searches.find(provider, query, deadline), query)
            return self._spendable(provider, [card for card in found if _has_relation(card, query)], query)
        if not query.code:
            self._refusals.search(provider, query, Reason.NO_CODE)
            return []
        try:
            admitted = self._guesses.admit(provider, query, self._notes.has_lately)
        except Refused:
            self._refusals.search(provider, query, Reason.TOO_MANY)
            return []
        try:
            cards = self._searches.find(provider, query, deadline)
        except BackendUnavailable:
            self._guesses.take_back(admitted)
            if admitted.reached:
                self._refusals.search(provider, query, Reason.NO_ANSWER)
            raise
        allowed = _allowed(cards, query)
        spendable = self._spendable(provider, allowed, query, admitted.found if allowed else ())
        if not spendable and admitted.reached:
            self._refusals.search(provider, query, why_nothing(cards, allowed), cards[0] if cards else None)
        return spendable

    def get(self, provider: Provider, card_id: str, deadline: Deadline) -> SpendableCard:
        """Return one card, whatever its status. Raises CardNotFound, BackendUnavailable, LedgerUnavailable."""
        try:
            with self._threads.one_for(provider.backend):
                card = provider.mapper.get_card(card_id, deadline)
        except CardNotFound as error:
            if not self._storage.new_for(provider.backend.account, card_id):
                raise
            raise BackendUnavailable("the card was made just now, and does not show yet; repeat the request") from error
        return SpendableCard(card, self._balance(provider, card))

    def issue(self, provider: Provider, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Issue a card. Raises Unsupported, CardUnusable, BackendUnavailable, OutcomeUnknown."""
        provider.require_mapper()
        expect_kept(provider, new)
        with self._threads.one_for(provider.backend):
            issued = provider.mapper.issue(new, deadline)
        self._note_made(provider, issued.card)
        self._write(note(self._storage, provider, [issued.card], new.customer))
        return issued

    def _note_made(self, provider: Provider, card: Card) -> None:
        read_lag = timedelta(seconds=provider.mapper.read_lag_seconds)
        if not read_lag:
            return
        try:
            self._storage.card_made(provider.backend.account, card.id, read_lag)
        except LedgerUnavailable:
            log.warning("a new card was not noted: Redis cannot be reached")

    def _spendable(
        self, provider: Provider, cards: Sequence[Card], query: Query, found: Sequence[Command] = ()
    ) -> list[SpendableCard]:
        self._write([*found, *note(self._storage, provider, cards, query.customer)])
        spendable = [SpendableCard(card, self._balance(provider, card)) for card in cards]
        return [one for one in spendable if one.balance > 0]

    def _write(self, commands: Sequence[Command]) -> None:
        try:
            self._notes.write(commands)
        except LedgerUnavailable:
            log.warning("what a search saw was not noted: Redis cannot be reached")

    def _balance(self, provider: Provider, card: Card) -> int:
        if card.status is not CardStatus.ACTIVE:
            return 0
        if Holds.LEDGER not in provider.mapper.supported_holds:
            return max(0, card.balance)
        return max(0, card.balance - self._storage.standing(provider.backend.account, card.id).reserved)


def _allowed(cards: Sequence[Card], query: Query) -> list[Card]:
    """Return the cards that a customer may pay with. Of others they are told what an unknown code is told."""
    return [card for card in cards if may_pay(query.customer, card)]


def _has_relation(card: Card, query: Query) -> bool:
    return query.relation_name is None or card.relation_name == query.relation_name
