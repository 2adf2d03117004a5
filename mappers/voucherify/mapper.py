"""The Voucherify mapper: which call each step is, how a lost answer is looked up, and what a refusal means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

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
    Customer,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    IssuedCard,
    Mapper,
    MapperError,
    Memo,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
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
from mappers.money import Currency
from mappers.options import checked_key
from mappers.redemptions import refunds
from mappers.voucherify import notes
from mappers.voucherify.cards import DIGITS, code_for, hundredths, issued_under, new_voucher, spendable, translate
from mappers.voucherify.client import MISSING, PAGE_SIZE, TooMany, connect
from mappers.voucherify.objects import Kind, Movement, Redemption, Rejected, Verdict, Voucher
from mappers.voucherify.purchases import CustomerKey, what_is_bought, who_pays
from mappers.voucherify.statement import Statement, added, redeemed, rolled_back

log = structlog.get_logger()

# What a redemption or validation beyond what is left is refused with.
TOO_MUCH = "gift_amount_exceeded"

REFUSALS: dict[str, tuple[type[Refused], str]] = {
    TOO_MUCH: (InsufficientFunds, "the card does not hold enough"),
    "voucher_disabled": (CardUnusable, "the card is switched off"),
    "voucher_expired": (CardUnusable, "the card has expired"),
    "voucher_not_active": (CardUnusable, "the card is not valid yet"),
    "voucher_not_active_now": (CardUnusable, "the card is not valid at this hour"),
    "quantity_exceeded": (CardUnusable, "the card was redeemed as often as it may be"),
    "customer_rules_violated": (CardUnusable, "the card is not for this customer"),
    "missing_customer": (CardUnusable, "the card is for known customers only"),
    "order_rules_violated": (CardUnusable, "the card is not for this order"),
    "redemption_rules_violated": (CardUnusable, "the card's own rules forbid it"),
}

# What a validation says of a card that is not ruled out, but cannot pay at all.
STATUSES = {
    "voucher_disabled": CardStatus.INACTIVE,
    "voucher_expired": CardStatus.EXPIRED,
    "voucher_not_active": CardStatus.NOT_STARTED,
    "quantity_exceeded": CardStatus.USED_UP,
}

# Of the vouchers that a customer holds so many are shown: each may cost a call.
MOST_HELD = 10

# How much older than its transaction a movement may seem and still be its own: clocks differ, and a transaction that
# Redis has lost is opened again when its request is repeated, within a day.
MARGIN = timedelta(days=1)

# What a voucher that is there already answers to being made again.
DUPLICATES = ("duplicate_found", "duplicate_resource_key")


@dataclass(frozen=True, slots=True)
class VoucherifyOptions:
    """The project's server-side keys, where its cluster is, and which name of a customer is the `source_id` there.

    `list_held`: a search without a code finds what the customer holds, shown as `loyalty_relation_name`.
    `locks`: what is reserved is locked in Voucherify too, so that its other channels cannot spend it.
    """

    app_id: str
    app_token: Secret
    base_url: str = "https://api.voucherify.io"
    customer_key: str = "email"
    locks: bool = False
    list_held: bool = False
    loyalty_relation_name: str | None = None


class Voucherify(Mapper):
    """Voucherify redeems, rolls back whole and adds value; it reserves nothing for us and replays no repeated call."""

    supported_holds = (Holds.LEDGER, Holds.UPFRONT)
    repeatable = False
    one_step_at_a_time = True  # whether two calls that change one balance can overlap safely is undocumented
    read_lag_seconds = 2.0  # undocumented: a little patience
    needs_reference = frozenset({Verb.DEBIT})
    where_references_are = (
        "Voucherify lists the transactions of a voucher. Name the id of the redemption, or of its rollback; of an "
        "addition the id of its transaction."
    )
    keeps_terms = True
    finds_by_customer = True
    Options = VoucherifyOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: VoucherifyOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        for name in ("app_id", "app_token"):
            checked_key(name, str(getattr(options, name)), "the project's server-side key")
        if currency.digits > DIGITS:
            message = (
                f"Voucherify counts in hundredths: {currency.code} has {currency.digits} digits, use another mapper"
            )
            raise InvalidOptions("currency", message)
        if options.customer_key not in tuple(CustomerKey):
            raise InvalidOptions("customer_key", 'customer_key must be "email", "document" or "id"')
        self._customer_key = CustomerKey(options.customer_key)
        self._client = connect(f"{provider_id} (voucherify)", options.base_url, options.app_id, str(options.app_token))

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its code, or the vouchers that a customer holds, where an option allows it."""
        if query.code is None:
            return self._held(query, deadline)
        if not query.code or len(query.code) > LONGEST_CODE:
            return []
        try:
            voucher = self._client.voucher(query.code, deadline, typed=True)
        except CardNotFound:
            return []
        # The path takes ids too, and an id is no secret: it must not pay. Codes may ignore case, a project setting.
        if voucher is None or voucher.code.casefold() != query.code.casefold():
            return []
        return [self._shown(voucher, query, deadline)]

    def _held(self, query: Query, deadline: Deadline) -> list[Card]:
        """Return the gift vouchers that the customer holds, where the option says that they may be listed."""
        source_id = self._customer_key.source_id(query.customer)
        if not self.options.list_held or not query.customer or not source_id:
            return []
        customer_id = self._client.customer_id(source_id, deadline)
        if customer_id is None:
            return []
        held = [voucher for voucher in self._client.vouchers_of(customer_id, deadline) if voucher.balance]
        cards = [self._shown(voucher, query, deadline) for voucher in held[:MOST_HELD]]
        relation_name = self.options.loyalty_relation_name
        return [
            replace(card, owner=card.owner or query.customer.key, relation_name=card.relation_name or relation_name)
            for card in cards
        ]

    def _shown(self, voucher: Voucher, query: Query, deadline: Deadline) -> Card:
        try:
            return self._card_for(voucher, query.customer, query.cart, deadline)
        except BackendUnavailable as error:
            if query.code is not None:
                raise
            log.warning("a card with rules is not shown", provider=self.provider_id, reason=str(error))
            return replace(translate(voucher, self.currency), status=CardStatus.RULED_OUT)

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return translate(self._voucher(card_id, deadline), self.currency)

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        """Return a card as a validation judges it. What is valid at some hours only counts as one that ends now."""
        voucher = self._voucher(card_id, deadline)
        card = self._card_for(voucher, memo.customer, memo.cart, deadline, exactly=True)
        return replace(card, expiring_date=datetime.now(UTC)) if voucher.has_hours else card

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a voucher whose code follows from `new.key`: a repeat finds it, or is refused as a duplicate."""
        code = code_for(new.key, str(self.options.app_token))
        voucher = self._client.voucher(code, deadline)
        if voucher is None:
            try:
                voucher = self._client.create_voucher(new_voucher(new, code, self.currency), deadline)
            except Rejected as rejected:
                if rejected.key not in DUPLICATES:
                    raise self._refusal(rejected) from rejected
                voucher = self._client.voucher(code, deadline)
                if voucher is None:
                    message = "Voucherify has the card but does not show it yet: repeat it"
                    raise OutcomeUnknown(message, answered=True) from rejected
        if issued_under(voucher) != new.key:
            raise CardUnusable("Voucherify has another voucher with the new card's code: repeat under another request")
        return IssuedCard(translate(voucher, self.currency), voucher.code)

    def ping(self, deadline: Deadline) -> None:
        self._client.verify(deadline)

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield what is on record of one card. No list has the additions of a whole project."""
        if card_id is None:
            raise Unsupported("Voucherify lists transactions card by card: ask for one card")
        return Statement(self._client, self.currency, page_seconds).of_card(card_id, since)

    def cards(self, page_seconds: float) -> Iterator[str]:
        """Yield the gift vouchers of the project, but for those that say to be in another currency."""
        for voucher in self._client.vouchers(page_seconds):
            card = translate(voucher, self.currency)
            if voucher.balance is not None and card.status is not CardStatus.WRONG_CURRENCY:
                yield card.id

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Return the calls `act` needs; what goes back are whole redemptions rolled back, and else value added."""
        planned: list[Step] = []
        for step in super().plan(act, transaction):
            is_refund = step.verb is Verb.REFUND
            planned += refunds(transaction, step.amount, parts=False) if is_refund else [step]
        return planned

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            match step.verb:
                case Verb.DEBIT:
                    return self._redeem(step, deadline)
                case Verb.REFUND if step.reference:
                    return self._roll_back(step, deadline)
                case Verb.REFUND | Verb.CREDIT:
                    return self._add(step, deadline)
        except Rejected as rejected:
            raise self._refusal(rejected) from rejected
        raise Unsupported(f"Voucherify has no {step.verb}")

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        try:
            if step.verb is Verb.DEBIT:
                return self._redeemed(step, deadline)
            if step.reference:
                redemption = self._redemption(step.reference, deadline)
                if redemption.rolled_back:
                    return rolled_back(redemption.rollback_id, step.reference)
            return self._added(step, deadline)
        except CardNotFound as error:
            evidence = {"card": step.card_id, "redemption": step.reference}
            raise Undecidable("Voucherify no longer has this voucher, nor its transactions", evidence) from error
        except TooMany as error:
            raise Undecidable(f"{error} since this could have happened", {"card": step.card_id}) from error

    def lock(self, transaction: TransactionFacts, reserved: int, deadline: Deadline) -> None:
        """Lock what is reserved of a card in its one session: the same key again takes the place of what was locked."""
        if not self.options.locks:
            return
        if reserved == 0:
            self._client.release(transaction.card_id, _session(transaction.card_id)["key"], deadline)
            return
        voucher, memo = self._voucher(transaction.card_id, deadline), transaction.memo
        body = self._purchase(voucher, hundredths(reserved, self.currency), memo.customer, memo.cart)
        body["session"] = _session(voucher.id)
        if transaction.hold_for:
            body["session"] |= {"ttl": int(transaction.hold_for.total_seconds()), "ttl_unit": "SECONDS"}
        try:
            said = self._client.validate(body, deadline)
        except Rejected as rejected:
            raise self._refusal(rejected) from rejected
        if said.credits == 0:
            raise self._refusal(Rejected(200, said.key))

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        """Find a redemption, a rollback or an addition among the card's transactions."""
        amount = hundredths(step.amount, self.currency)
        for movement in self._client.movements(step.card_id, lambda: deadline):
            match movement.kind:
                case Kind.REDEMPTION if step.verb is Verb.DEBIT and movement.redemption_id == reference:
                    redemption = self._redemption(reference, deadline)
                    note = notes.read(redemption.metadata.get(notes.REDEEMED))
                    others = {movement.source_id, note.key if note else ""} - {"", step.key}
                    if movement.amount == -amount and not others and not redemption.rolled_back:
                        return redeemed(movement, self.currency)
                case Kind.ROLLBACK if step.verb is Verb.REFUND and movement.rollback_id == reference:
                    if (movement.amount, movement.redemption_id) == (amount, step.reference):
                        return rolled_back(reference, step.reference)
                case Kind.ADDITION if step.verb is not Verb.DEBIT and reference in (movement.id, movement.source_id):
                    if movement.amount == amount and movement.source_id in ("", step.key):
                        return added(movement.id, movement.balance, self.currency)
        raise Conflict(f"This card has no {step.verb} {reference} of this amount that is nobody else's and stands")

    def _card_for(
        self,
        voucher: Voucher,
        customer: Customer | None,
        cart: Cart | None,
        deadline: Deadline,
        *,
        exactly: bool = False,
    ) -> Card:
        """Return a card, worth what it pays of a purchase; Voucherify is asked where the voucher may have rules.

        Without a cart the purchase is taken to be what the card can pay at most. `exactly`: what our own lock hides is
        let go, to be asked about; the authorization that asks locks all of it again.
        """
        card = translate(voucher, self.currency)
        if card.status is not CardStatus.ACTIVE or card.balance == 0 or not voucher.may_have_rules:
            return card
        asked = hundredths(min(card.balance, cart.total) if cart and cart.total else card.balance, self.currency)
        said = self._verdict(voucher, asked, customer, cart, deadline)
        if said.key == TOO_MUCH and self.options.locks:
            if not exactly:
                return card  # some is locked, perhaps for our other orders: those the ledger takes off by itself
            self._client.release(card.id, _session(card.id)["key"], deadline)
            said = self._verdict(voucher, asked, customer, cart, deadline)
        if said.credits >= asked:
            return card
        if said.credits or said.key == TOO_MUCH:  # for items only, or locked by another channel
            return replace(card, balance=spendable(said.credits, self.currency))
        log.info("card ruled out", provider=self.provider_id, card=card.id, reason=said.key)
        return replace(card, status=STATUSES.get(said.key, CardStatus.RULED_OUT))

    def _verdict(
        self, voucher: Voucher, asked: int, customer: Customer | None, cart: Cart | None, deadline: Deadline
    ) -> Verdict:
        try:
            return self._client.validate(self._purchase(voucher, asked, customer, cart), deadline)
        except Rejected as rejected:
            refusal = self._refusal(rejected)
            if isinstance(refusal, BackendUnavailable):
                raise refusal from rejected
            return Verdict(0, rejected.key)

    def _expect_payable(self, voucher: Voucher, step: Step, deadline: Deadline) -> None:
        """See that the rules allow what opens a debit: a redemption of more than they allow may take a part of it."""
        card = self._card_for(voucher, step.memo.customer, step.memo.cart, deadline)
        if card.status is not CardStatus.ACTIVE:
            raise CardUnusable(f"The card is {card.status}")
        if card.balance < step.amount:
            raise InsufficientFunds("The card does not hold enough for this order")

    def _purchase(self, voucher: Voucher, paid: int, customer: Customer | None, cart: Cart | None) -> dict[str, Any]:
        """Return what a validation or a redemption is told: the card pays `paid`, in hundredths, of a purchase."""
        # Only the code is documented here.
        redeemable = {"object": "voucher", "id": voucher.code, "gift": {"credits": paid}}
        return {
            "redeemables": [redeemable],
            "order": what_is_bought(cart, paid, self.currency),
            **who_pays(customer, self._customer_key),
        }

    def _redeem(self, step: Step, deadline: Deadline) -> Receipt:
        if receipt := self._redeemed(step, deadline, newest=PAGE_SIZE):
            return receipt  # a failover lost that it was sent
        voucher = self._voucher(step.card_id, deadline, breaker=step.opens)
        status = translate(voucher, self.currency).status
        if voucher.balance is None or status is CardStatus.WRONG_CURRENCY:
            raise CardUnusable(f"The card is {status}")
        amount = hundredths(step.amount, self.currency)
        if step.opens:
            self._expect_payable(voucher, step, deadline)
        if voucher.balance < amount:
            raise InsufficientFunds("The card does not hold enough")
        body = self._purchase(voucher, amount, step.memo.customer, step.memo.cart)
        body["order"]["source_id"] = step.key
        body["metadata"] = {notes.REDEEMED: notes.write(step)}
        if self.options.locks:  # what is locked for us must not stand in the way; the session ends with it
            body["session"] = _session(voucher.id)
        if step.memo.order_id:
            body["metadata"]["order_id"] = step.memo.order_id
        done = self._client.redeem(body, deadline, breaker=step.opens)
        _expect_amount(done, amount)
        return Receipt(done.id, None if done.balance is None else spendable(done.balance, self.currency))

    def _roll_back(self, step: Step, deadline: Deadline) -> Receipt:
        redemption = self._redemption(step.reference, deadline)
        if redemption.rolled_back:
            return rolled_back(redemption.rollback_id, step.reference)
        # It updates the redemption's metadata: what is there already is sent again, so that nothing is lost.
        metadata = {**redemption.metadata, notes.ROLLED_BACK: notes.write(step)}
        body = {"reason": notes.OURS, "metadata": metadata}
        try:
            done = self._client.roll_back(redemption, body, deadline)
        except Rejected as rejected:
            if rejected.key == "already_rolled_back":
                redemption = self._redemption(step.reference, deadline)
                return rolled_back(redemption.rollback_id, step.reference)
            if isinstance(self._refusal(rejected), BackendUnavailable):
                raise
            # Nothing was undone: what is older than three months is given back as new value.
            return self._add(step, deadline)
        _expect_amount(done, -hundredths(step.amount, self.currency))
        return rolled_back(done.id, step.reference)

    def _add(self, step: Step, deadline: Deadline) -> Receipt:
        if receipt := self._added(step, deadline, newest=PAGE_SIZE):
            return receipt
        body = {
            "amount": hundredths(step.amount, self.currency),
            "source_id": step.key,
            "reason": notes.write(step),
        }
        balance = self._client.change_balance(step.card_id, body, deadline, breaker=step.opens)
        return added(step.key, balance, self.currency)

    def _redeemed(self, step: Step, deadline: Deadline, newest: int | None = None) -> Receipt | None:
        """Return the receipt of the step's redemption where it stands. What was rolled back since has to be done."""
        amount = -hundredths(step.amount, self.currency)
        movements = self._movements(step, deadline, newest)
        gone = {movement.redemption_id for movement in movements if movement.kind == Kind.ROLLBACK}
        taken = [
            movement
            for movement in movements
            if movement.kind == Kind.REDEMPTION and movement.redemption_id not in gone
        ]
        found = [movement for movement in taken if movement.source_id == step.key]
        # That a transaction shows its order is documented; should it not, the redemption itself tells.
        for movement in taken:
            if not movement.source_id and movement.amount == amount:
                note = notes.read(self._redemption(movement.redemption_id, deadline).metadata.get(notes.REDEEMED))
                found += [movement] if note and note.key == step.key else []
        only = _only(step, found, amount)
        return redeemed(only, self.currency) if only else None

    def _added(self, step: Step, deadline: Deadline, newest: int | None = None) -> Receipt | None:
        movements = self._movements(step, deadline, newest)
        found = [
            movement for movement in movements if movement.kind == Kind.ADDITION and movement.source_id == step.key
        ]
        only = _only(step, found, hundredths(step.amount, self.currency))
        return added(step.key, only.balance, self.currency) if only else None

    def _movements(self, step: Step, deadline: Deadline, newest: int | None) -> list[Movement]:
        """Return what moved since the step could have happened, or as much of it as the `newest` are."""
        movements = self._client.movements(step.card_id, lambda: deadline, newest_first=True, breaker=step.opens)
        since = step.since and step.since - MARGIN
        return list(islice(takewhile(lambda movement: not since or movement.created >= since, movements), newest))

    def _voucher(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> Voucher:
        voucher = self._client.voucher(card_id, deadline, breaker=breaker)
        if voucher is None or voucher.id != card_id:  # the path takes codes too, and a code is no id
            raise CardNotFound("Voucherify does not know the card")
        return voucher

    def _redemption(self, redemption_id: str, deadline: Deadline) -> Redemption:
        redemption = self._client.redemption(redemption_id, deadline) if redemption_id else None
        if redemption is None:
            # None is ever deleted: its reads may lag behind.
            raise BackendUnavailable("Voucherify does not show the redemption yet")
        return redemption

    @staticmethod
    def _refusal(rejected: Rejected) -> MapperError:
        if rejected.key in MISSING:
            return CardNotFound("Voucherify does not know the card")
        if rejected.status == 404 or rejected.key == "multiple_requests":
            return BackendUnavailable(f"Voucherify cannot do it now ({rejected})")
        kind, reason = REFUSALS.get(rejected.key, (CardUnusable, "Voucherify does not do it"))
        return kind(f"{reason[0].upper()}{reason[1:]} ({rejected})")


def _session(voucher_id: str) -> dict[str, Any]:
    """Return the session in which everything of a voucher is locked that the ledger has reserved."""
    return {"type": "LOCK", "key": f"{notes.OURS}-{voucher_id}"}


def _only(step: Step, found: Sequence[Movement], amount: int) -> Movement | None:
    """Return the one movement found under the step's key, None where there is none."""
    if not found:
        return None
    if len(found) > 1:
        evidence = {"key": step.key, "first": found[0].id, "second": found[1].id}
        raise Undecidable("Voucherify did this more than once: undo what is too much by hand", evidence)
    if found[0].amount != amount:
        raise Conflict("Voucherify has something else under this key")
    return found[0]


def _expect_amount(done: Redemption, amount: int) -> None:
    if done.amount not in (None, amount):
        raise Undecidable(
            "Voucherify moved another amount than it was asked to: correct it by hand",
            {"asked": amount, "moved": done.amount, "redemption": done.id},
        )
