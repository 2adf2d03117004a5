"""Mappers that read a card wrongly, or show what must stay secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from mappers.base import (
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    IssuedCard,
    Memo,
    NewCard,
    Query,
    StatementLine,
)
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.memory.mapper import SEEDS, Memory

from .cases import caught_by


@caught_by("test_an_unknown_id_is_card_not_found")
class TakesNotFoundForEmpty(Memory):
    """A card that is not there is shown as one without money."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        try:
            return super().get_card(card_id, deadline)
        except CardNotFound:
            return Card(card_id, 0, self.currency.code)


@caught_by("test_a_card_that_cannot_be_read_is_unavailable_and_in_time")
class FindsNothingWhenItIsDown(LightrailV2):
    """A backend that cannot be asked has no such card."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        try:
            return super().find(query, deadline)
        except BackendUnavailable:
            return []


@caught_by("test_wrong_credentials_are_unavailable_rather_than_no_such_card")
class TakesWrongCredentialsForNotFound(LightrailV2):
    """Every 4xx of a read is a card that is not there."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        try:
            return super().get_card(card_id, deadline)
        except BackendUnavailable as error:
            raise CardNotFound("no such card") from error


@caught_by("test_a_card_that_cannot_be_read_is_unavailable_and_in_time")
class LetsBareErrorsOut(LightrailV2):
    """What it cannot read ends in the error that the reading happened to raise."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        try:
            return super().get_card(card_id, deadline)
        except BackendUnavailable as error:
            raise KeyError("balance") from error


@caught_by("test_a_card_never_shows_its_code")
class UsesTheCodeAsId(Memory):
    """The id stands in URLs, logs and Redis, and is the code."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        return [replace(card, id=query.code or card.id) for card in super().find(query, deadline)]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        codes = [code for code, *_ in SEEDS if code == card_id]
        return self.find(Query(codes[0]), deadline)[0] if codes else super().get_card(card_id, deadline)


@caught_by("test_a_card_that_cannot_be_used_pays_nothing")
class ShowsABlockedCardAsActive(LightrailV2):
    """Whether a card can pay is left for the shopper to find out."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        return [replace(card, status=CardStatus.ACTIVE) for card in super().find(query, deadline)]


@caught_by("test_what_only_resembles_a_code_does_not_find_its_card")
class FindsWhatBeginsSo(Memory):
    """The backend searches, and the first hit is taken for the card."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        codes = [code for code, *_ in SEEDS if code.startswith(query.code or " ")]
        return super().find(replace(query, code=codes[0]), deadline) if codes else []


@caught_by("test_a_code_finds_its_card_with_the_exact_balance")
class LogsTheCode(LightrailV2):
    """It only wanted to be found when something goes wrong."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        logging.getLogger(__name__).debug("looking for %s", query.code)
        return super().find(query, deadline)


@caught_by("test_a_card_that_cannot_be_read_is_unavailable_and_in_time")
class TellsTheCodeInAnError(LightrailV2):
    """The error says what was looked for, and whoever reads the error can pay with it."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        try:
            return super().find(query, deadline)
        except BackendUnavailable as error:
            raise BackendUnavailable(f"cannot look {query.code} up") from error


@caught_by("test_a_statement_tells_every_step_once")
class StatesWithoutKeys(Memory):
    """The statement tells what happened, and neither under which of our keys nor under which id of its own."""

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        entries = super().statement(page_seconds, card_id, since)
        return (replace(entry, key=None, receipt=replace(entry.receipt, reference="")) for entry in entries)


@caught_by("test_a_card_is_worth_what_its_rules_let_it_pay_for_the_cart")
class HoldsMoneyAgainstItsRules(LightrailV2):
    """The ledger is told what a card holds, and holds that for a cart that the card does not pay for."""

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        return self.get_card(card_id, deadline)


@caught_by("test_a_card_with_a_rule_is_not_offered_without_a_cart")
class OffersACardForAnything(LightrailV2):
    """Without a cart a rule is forgotten."""

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        return [replace(card, status=CardStatus.ACTIVE) for card in super().find(query, deadline)]


@caught_by("test_an_issued_card_shows_whom_it_is_restricted_to")
class ForgetsTheOwner(Memory):
    """A card says that it is restricted, and not to whom."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return replace(super().get_card(card_id, deadline), owner=None)


@caught_by("test_an_issued_card_shows_whether_it_is_for_one_payment_and_one_credit")
class ForgetsThatThereIsOneCredit(Memory):
    """A card that may get one credit does not say so."""

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return replace(super().get_card(card_id, deadline), multiple_credits=None)


@caught_by("test_a_repeat_answers_the_same_issued_card_whatever_else_it_says")
class IssuesAnotherCardForAnotherCaption(Memory):
    """What else a request says is part of the new card's name."""

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        return super().issue(replace(new, key=f"{new.key}{new.caption}"), deadline)
