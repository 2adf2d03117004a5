"""The Lightrail V1 mapper: how cards are found without a code, what a cart unlocks, and what a refusal means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from uuid import uuid4

import structlog

from mappers.base import (
    Act,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Cart,
    Conflict,
    DoneStep,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    IssuedCard,
    Mapper,
    Memo,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    ReferenceNotFound,
    Refused,
    Secret,
    StatementLine,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import LONGEST_CODE
from mappers.lightrail import Rejected, connect, unknown_if_unread
from mappers.lightrail_v1 import transactions
from mappers.lightrail_v1.cards import ACCOUNT_CARD, GIFT_CARD, has_restricted, spendable, status, translate
from mappers.lightrail_v1.client import Client
from mappers.lightrail_v1.contacts import ContactKey
from mappers.lightrail_v1.issuing import Issuing
from mappers.lightrail_v1.objects import CardRecord, Details, Posting
from mappers.money import Currency
from mappers.whole_capture import NOTHING, REFUNDED, all_went_back, instead, on_record, plan, taken_by

# Checkout shows ten cards, and each one more is another call within its patience.
MAXIMUM_OWN_CARDS = 10

# The transactionType of what gives back a drawdown.
REFUND = transactions.ENDINGS[Verb.REFUND][1]

# Lightrail's own default. A hold that somebody else ended is looked for among this many latest transactions.
PAGE = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LightrailV1Options:
    """`api_key` may read cards, contacts and programs and make transactions.

    `program_id` is the program that issued cards get; without it, a customer gets an account card. `contact_key` is
    what finds a customer's contact: "email" or "userSuppliedId". `loyalty_caption` and `loyalty_relation_name` are
    shown for account cards whose categories say nothing. `restricted_promotions`: whether a search counts promotions
    whose rules its cart meets.
    """

    api_key: Secret
    base_url: str = "https://api.lightrail.com/v1"
    program_id: str | None = None
    contact_key: str = "email"
    loyalty_caption: str | None = None
    loyalty_relation_name: str | None = None
    restricted_promotions: bool = True


class LightrailV1(Mapper):
    """Lightrail V1 holds, captures whole holds only, and replays the first result of whatever is repeated."""

    supported_holds = (Holds.NATIVE, Holds.UPFRONT)
    repeatable = True
    read_lag_seconds = 2.0  # undocumented: a little patience
    keeps_terms = True
    needs_reference = frozenset({Verb.HOLD, Verb.CAPTURE, Verb.DEBIT})
    where_references_are = "Lightrail lists the transactions of a card or contact, each with its transactionId."
    finds_by_customer = True
    Options = LightrailV1Options

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: LightrailV1Options) -> None:
        super().__init__(provider_id, currency, holds, options)
        if not re.fullmatch(r"[A-Z]{3}", currency.code):
            raise InvalidOptions(
                "currency",
                f"Lightrail V1 knows currencies of three capital letters only: not {currency.code!r}, XXX for points",
            )
        if options.contact_key not in tuple(ContactKey):
            raise InvalidOptions("contact_key", 'contact_key must be "email" or "userSuppliedId"')
        self._client = Client(connect("lightrail_v1", provider_id, options.base_url, options.api_key))
        self._contact_key = ContactKey(options.contact_key)
        self._issuing = Issuing(self._client, currency, options.program_id, self._contact_key)

    # Cards

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look a gift card up by its code, or the customer's own cards in our currency."""
        if query.code is None:
            return self._own_cards(query, deadline)
        code = query.code.strip()
        if code in ("", ".", "..") or len(code) > LONGEST_CODE:
            return []
        details = self._client.details_of_code(code, query.pin, deadline)
        if details is None:
            return []
        record = self._client.card(details.card_id, deadline)
        return [] if record is None else [self._card(details, record, query.cart, deadline, code)]

    def _own_cards(self, query: Query, deadline: Deadline) -> list[Card]:
        """Return the cards of the customer's contact: account cards first, then the gift cards attached to it."""
        wanted = self._contact_key.of(query.customer)
        if not wanted:
            return []
        # Both are compared, because a filter that a server does not know would find everybody's.
        records = [
            record
            for contact in self._contact_key.contacts(self._client, wanted, deadline)
            for record in self._client.cards(
                deadline, contactId=contact.id, currency=self.currency.code, limit=str(PAGE)
            )
            if record.contact_id == contact.id and record.currency == self.currency.code
        ]
        records.sort(key=lambda record: record.card_type != ACCOUNT_CARD)
        found = []
        for record in records[:MAXIMUM_OWN_CARDS]:
            details = self._client.details(record.id, deadline)
            if details:
                card = self._card(details, record, query.cart, deadline)
                found.append(replace(card, owner=card.owner or wanted[0]))
        return found

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        """Read one card. Without a cart, promotions with rules are not counted: this much it can pay for certain."""
        return self.card_for(card_id, Memo(), deadline)

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        details = self._client.details(card_id, deadline)
        record = self._client.card(card_id, deadline) if details else None
        if details is None or record is None:
            raise CardNotFound("Lightrail does not know the card")
        return self._card(details, record, memo.cart, deadline)

    def _card(
        self, details: Details, record: CardRecord, cart: Cart | None, deadline: Deadline, code: str = ""
    ) -> Card:
        card = translate(details, record, self.currency, code)
        if details.card_type == ACCOUNT_CARD:
            card = replace(
                card,
                caption=card.caption or self.options.loyalty_caption,
                relation_name=card.relation_name or self.options.loyalty_relation_name,
            )
        if cart is None or card.status is not CardStatus.ACTIVE or not has_restricted(details):
            return card
        payable = self._payable(details, cart, deadline) if self.options.restricted_promotions else card.balance
        return replace(card, balance=payable, status=CardStatus.ACTIVE if payable else CardStatus.RULED_OUT)

    def _payable(self, details: Details, cart: Cart, deadline: Deadline) -> int:
        """Return what the card can pay of this cart's order, as Lightrail works it out from the promotions' rules."""
        certain, most = spendable(details), spendable(details, restricted=True)
        body = {
            # An id that was used before would be answered with what was done under it.
            "userSuppliedId": f"gb-dry-run-{uuid4().hex}",
            "value": -most,
            "currency": self.currency.code,
            "metadata": transactions.metadata(Memo(cart=cart)),
        }
        payable = self._client.most_spendable(details.card_id, body, deadline)
        return certain if payable is None else max(0, min(payable, most))

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a gift card of the configured program, or an account card for the customer, under `new.key`."""
        body = self._issuing.body(new, deadline)
        try:
            record = self._client.create_card(body, deadline)
        except Rejected as rejected:
            record = self._issued_before(new.key, rejected, deadline)
        with unknown_if_unread("Lightrail made the card"):
            code = self._client.code(record.id, deadline) if record.card_type == GIFT_CARD else ""
            details = self._client.details(record.id, deadline)
        if details is None:
            raise OutcomeUnknown("Lightrail made the card but does not show it yet: repeat it", answered=True)
        return IssuedCard(self._card(details, record, None, deadline, code), code or None)

    def _issued_before(self, key: str, rejected: Rejected, deadline: Deadline) -> CardRecord:
        """Return the card that another request made under this key, such as one before the options changed."""
        if rejected.status == 409:
            with unknown_if_unread("the card may exist"):
                found = [card for card in self._client.cards(deadline, userSuppliedId=key) if card.key == key]
            if found:
                return found[0]
            raise OutcomeUnknown("Lightrail has a card under this id but does not show it", answered=True) from rejected
        raise CardUnusable(f"Lightrail does not issue this card: {rejected.reason}") from rejected

    def ping(self, deadline: Deadline) -> None:
        """Ask who the key belongs to, and log whether it moves real money."""
        log.info("lightrail mode", provider=self.provider_id, mode=self._client.mode(deadline))

    # Money

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        return plan(act, transaction, refund_whole=True)

    def on_record(self, done: Sequence[DoneStep]) -> Sequence[DoneStep]:
        return on_record(done)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        if receipt := self._given_back(step, deadline):
            return receipt
        path, body = transactions.call(step, self.currency)
        try:
            # What gives money back or settles is tried whatever happened before.
            posting = self._client.post(step.card_id, path, step.verb.value, body, deadline, breaker=step.opens)
        except Rejected as rejected:
            return self._explain(step, rejected, deadline)
        if posting.key not in ("", step.key):
            # A server or a proxy that is broken gave us the answer of another call. Ours may be on its way.
            raise OutcomeUnknown(f"Lightrail's answer is about another transaction ({step.verb})")
        if (posting.value, posting.currency) != (transactions.value(step), self.currency.code):
            raise Undecidable(
                "Lightrail moved another amount than it was asked to: correct it by hand",
                {"asked": transactions.value(step), "moved": posting.value, "transaction": posting.id},
            )
        return transactions.receipt(posting)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Look the step up by its key."""
        listed = self._client.transactions(step.card_id, deadline, userSuppliedId=step.key)
        posting = next((posting for posting in listed or () if posting.key == step.key), None)
        if posting is None:
            return None
        if transactions.is_done(step, posting, self.currency):
            return transactions.receipt(posting)
        if step.verb is Verb.VOID and posting.kind == REFUND:
            return instead(transactions.receipt(posting), REFUNDED)
        raise Conflict("Lightrail has another transaction under this id")

    def _given_back(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Return the receipt of a refund that adds money, where all that was taken went back by other means."""
        if step.verb is not Verb.REFUND or step.reference:
            return None
        if all_went_back(step):
            return instead(Receipt(), NOTHING)
        taken = taken_by(step)
        found = self._refund_of(step.card_id, taken, deadline) if taken else None
        if found is None:
            return None
        return self.ask(step, deadline) or instead(transactions.receipt(found), NOTHING)

    def _refund_of(self, card_id: str, drawdown: str, deadline: Deadline) -> Posting | None:
        """Return the transaction that gave a drawdown back, whoever made it."""
        refunds = self._client.transactions(card_id, deadline, transactionType=REFUND, limit=str(PAGE))
        return next((one for one in refunds or () if (one.parent, one.kind) == (drawdown, REFUND)), None)

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        """Find a transaction among the card's latest."""
        for posting in self._client.transactions(step.card_id, deadline, limit=str(PAGE)) or ():
            nobody_elses = posting.key == step.key or not transactions.is_ours(posting)
            fits = transactions.is_done(step, posting, self.currency) and posting.parent == step.reference
            if posting.id == reference and fits and nobody_elses:
                return transactions.receipt(posting)
        raise Conflict(f"Among the card's latest is no {step.verb} {reference} of this amount that is nobody else's")

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield one card's entries; of all cards, Lightrail V1 lists no transactions."""
        if card_id is None:
            raise Unsupported("Lightrail V1 lists transactions card by card only")
        found: dict[str, Posting] = {}
        while True:
            filters = {"limit": str(PAGE), "offset": str(len(found))}
            page = self._client.transactions(card_id, Deadline.after(page_seconds), **filters)
            if page is None:
                raise CardNotFound("Lightrail does not know the card")
            # What is made meanwhile pushes what was seen already onto the next page.
            new = {posting.id: posting for posting in page if posting.id not in found}
            if page and not new:
                raise BackendUnavailable("Lightrail lists the same transactions again, instead of the next ones")
            found |= new
            if len(page) < PAGE:
                break
        entries = (transactions.entry(posting, card_id, found) for posting in reversed(found.values()))
        dated = sorted((entry for entry in entries if entry), key=lambda entry: entry.date)
        yield from (entry for entry in dated if since is None or entry.date >= since)

    def cards(self, page_seconds: float) -> Iterator[str]:
        before: set[str] = set()
        for number in count():
            filters = {"currency": self.currency.code, "limit": str(PAGE), "offset": str(number * PAGE)}
            page = self._client.cards(Deadline.after(page_seconds), "list cards", **filters)
            found = {record.id: record.currency for record in page}
            if found and found.keys() <= before:
                raise BackendUnavailable("Lightrail lists the same cards again, instead of the next ones")
            # What is made meanwhile pushes what was seen already onto the next page.
            yield from (name for name, code in found.items() if name not in before and code == self.currency.code)
            before = set(found)
            if len(page) < PAGE:
                return

    def _explain(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt where a refusal means that it was done before, else raise what it means."""
        if rejected.status == 409:
            return self._done_before(step, rejected, deadline)
        # Older answers say so in the message only.
        if rejected.code == "InsufficientValue" or "insufficient value" in rejected.message.casefold():
            raise InsufficientFunds(f"the card does not hold enough ({rejected})") from rejected
        if rejected.code == "CardNotFound":
            raise CardNotFound("Lightrail does not know the card") from rejected
        ended = self._ended(step, deadline)
        if ended and (receipt := self._as_wanted(step, ended, deadline)):
            return receipt
        try:
            refusal = self._refusal(step, rejected, ended, deadline)
        except BackendUnavailable:
            refusal = CardUnusable(f"Lightrail refuses it ({rejected})")  # for whatever reason: it did not happen
        raise refusal from rejected

    def _done_before(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return what was done under the step's key, where a 409 says that something was."""
        with unknown_if_unread(f"Lightrail refused ({rejected})"):
            receipt = self.ask(step, deadline)
        if receipt is None:
            message = f"Lightrail has something under this id ({rejected}) but does not show it"
            raise OutcomeUnknown(message, answered=True) from rejected
        return receipt

    def _as_wanted(self, step: Step, ended: Posting, deadline: Deadline) -> Receipt | None:
        """Return the receipt where somebody else ended the hold as the step, or the act it serves, wants."""
        if ended.kind == transactions.kind(step):
            if step.verb is Verb.CAPTURE and not step.gives_back and self._refund_of(step.card_id, ended.id, deadline):
                return None
            return transactions.receipt(ended)
        if step.verb is Verb.CAPTURE and step.gives_back:
            return instead(transactions.receipt(ended), NOTHING)
        if step.verb is Verb.VOID and not step.unasked:
            refund = replace(step, verb=Verb.REFUND, reference=ended.id)
            return instead(self.run(refund, deadline), REFUNDED)
        return None

    def _ended(self, step: Step, deadline: Deadline) -> Posting | None:
        """Return what ended the step's hold (or gave back its drawdown) under another id: that happens only once."""
        if not step.reference:
            return None
        recent = self._client.transactions(step.card_id, deadline, limit=str(PAGE))
        return next((posting for posting in recent or () if transactions.ends(step, posting)), None)

    def _refusal(self, step: Step, rejected: Rejected, ended: Posting | None, deadline: Deadline) -> Refused:
        """Return what a 400 or 404 means. Most messageCodes are undocumented, so the card is looked at."""
        if ended:
            done = "captured: refund it instead" if (ended.kind, step.verb) == ("DRAWDOWN", Verb.VOID) else "given back"
            return CardUnusable(f"the hold was {done} ({rejected})")
        details = self._client.details(step.card_id, deadline, breaker=False)
        if details is None:
            return CardNotFound("Lightrail does not know the card")
        found = status(details, self.currency)
        if rejected.status == 404 and step.reference:
            return ReferenceNotFound(f"Lightrail does not know the hold or drawdown to act on ({rejected})")
        reason = "Lightrail refuses it" if found is CardStatus.ACTIVE else f"the card is {found}"
        return CardUnusable(f"{reason} ({rejected})")
