"""The mapper of another VTEX account's gift cards: which calls make a step, and how lists tell that it happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from mappers.base import (
    Act,
    ActKind,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    InvalidOptions,
    IssuedCard,
    Mapper,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    StatementLine,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import LONGEST_CODE, HttpBackend
from mappers.money import Currency, InvalidAmount
from mappers.options import checked_key
from mappers.vtex_giftcards.cards import MASK, may_have, minor, new_card, search_body, spendable, status, translate
from mappers.vtex_giftcards.client import Client
from mappers.vtex_giftcards.objects import GiftCard, Movement, Rejected, Transaction
from mappers.vtex_giftcards.orders import description, order_info
from mappers.vtex_giftcards.statement import CANCELLATIONS, SETTLEMENTS, Statement
from mappers.whole_capture import INSTEAD, NOTHING

# Of a customer's cards as many are read as checkout shows: each is a call of its own.
MOST_CARDS = 10

# Whose credentials are sent, and the headers that carry them.
HEADERS = {"vtex": "X-VTEX-API", "provider": "X-PROVIDER-API"}

OPERATIONS = {Verb.HOLD: "Debit", Verb.DEBIT: "Debit", Verb.CREDIT: "Credit"}
ENDINGS = {Verb.CAPTURE: SETTLEMENTS, Verb.VOID: CANCELLATIONS, Verb.REFUND: CANCELLATIONS}


@dataclass(frozen=True, slots=True)
class VtexGiftcardsOptions:
    """`base_url` is `https://{account}.vtexcommercestable.com.br/api`, the key one of that account's.

    With `credentials = "provider"`, `base_url` is the serviceUrl of a gift card provider instead, and the key is what
    it gave to the store.
    """

    base_url: str
    app_key: Secret
    app_token: Secret
    credentials: str = "vtex"


class VtexGiftcards(Mapper):
    """VTEX holds, captures and gives back any amount. Of the requestId it promises something for openings only.

    A settlement or cancellation is known by where it stands in its list: `before` is the sum of those before it.
    """

    supported_holds = (Holds.NATIVE,)
    # VTEX says so of transactions, and nothing of settlements and cancellations.
    repeatable = False
    # Undocumented.
    read_lag_seconds = 2.0
    needs_reference = frozenset({Verb.HOLD, Verb.DEBIT})
    where_references_are = (
        "VTEX lists the transactions of a gift card, each with its id. Of a settlement or a cancellation, name its oid."
    )
    finds_by_customer = True
    Options = VtexGiftcardsOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: VtexGiftcardsOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        if options.credentials not in HEADERS:
            raise InvalidOptions("credentials", f"credentials must be {' or '.join(HEADERS)}")
        prefix = HEADERS[options.credentials]
        headers = {
            f"{prefix}-AppKey": checked_key("app_key", options.app_key, "an application key"),
            f"{prefix}-AppToken": checked_key("app_token", options.app_token, "an application token"),
            # Only a search reads it.
            "REST-Range": f"resources=0-{MOST_CARDS - 1}",
        }
        self._client = Client(HttpBackend(f"{provider_id} (vtex_giftcards)", options.base_url, headers=headers))

    # Cards

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Search, then read each card: a search tells ids only."""
        if len(query.code or "") > LONGEST_CODE or not (query.code or "").strip():
            return [] if query.code or query.customer is None else self._read(query, deadline)
        found = self._read(query, deadline)
        return found if len(found) == 1 else []

    def _read(self, query: Query, deadline: Deadline) -> list[Card]:
        ids = self._client.search(search_body(query, self.currency), deadline)
        cards = (self._client.card(name, deadline) for name in ids[:MOST_CARDS])
        return [
            translate(card, self.currency) for card in cards if card and (not query.code or may_have(card, query.code))
        ]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return translate(self._card(card_id, deadline), self.currency)

    def _card(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> GiftCard:
        card = self._client.card(card_id, deadline, breaker=breaker)
        if card is None:
            raise CardNotFound("VTEX does not know the card")
        return card

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a card. VTEX makes it empty, so what it is to hold is added under the same key."""
        try:
            made = self._client.create_card(new_card(new, self.currency), deadline)
        except Rejected as rejected:
            raise CardUnusable(f"VTEX does not issue this card ({rejected})") from rejected
        code = made.code if made.code and MASK not in made.code else None
        if new.balance:
            self._fill(made, new, deadline)
            made = self._card(made.id, deadline)
        token = made.token if made.token and MASK not in made.token else None
        return IssuedCard(translate(made, self.currency), code, token)

    def _fill(self, card: GiftCard, new: NewCard, deadline: Deadline) -> None:
        step = Step(Verb.CREDIT, new.balance, card.id, key=new.key)
        if self._opened(step, deadline) is None:
            self._open(step, deadline)

    def ping(self, deadline: Deadline) -> None:
        self._client.verify(deadline)

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        if card_id is None:
            raise Unsupported("VTEX lists the transactions of one card at a time")
        entries = Statement(self._client, self.currency, page_seconds).of_card(card_id)
        yield from (entry for entry in entries if since is None or entry.date >= since)

    # Money

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Plan one call for each act. What is added can only be taken back by a debit that is settled at once."""
        step, hold = transaction.step, self._hold(transaction)
        match act.kind:
            case ActKind.REVERSAL if transaction.credit:
                return [step(Verb.DEBIT, act.amount), step(Verb.CAPTURE, act.amount, before=0)]
            case ActKind.REVERSAL:
                canceled = _sum(transaction, Verb.VOID, Verb.REFUND)
                if act.refunded:
                    return [step(Verb.REFUND, act.amount, hold, before=canceled)]
                settled = _sum(transaction, Verb.CAPTURE)
                whole = act.amount == transaction.amount - settled - canceled
                return [step(Verb.VOID, act.amount, hold, before=canceled, settled=settled, whole=whole)]
            case ActKind.CAPTURE if not transaction.credit:
                return [step(Verb.CAPTURE, act.amount, hold, before=_sum(transaction, Verb.CAPTURE))]
        return super().plan(act, transaction)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        if step.verb in OPERATIONS:
            return self._open(step, deadline)
        if step.verb in ENDINGS:
            return self._end(step, deadline)
        raise Unsupported(f"VTEX has no {step.verb}")

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        if step.verb in OPERATIONS:
            return self._opened(step, deadline)
        return self._ended(step, self._listed(step, deadline))

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        if step.verb in OPERATIONS:
            found = self._client.transaction(step.card_id, reference, deadline)
            if found is None or found.request_id != step.key:
                raise Conflict("VTEX's transaction of this id is not on this card, or has another requestId")
            return self._receipt(step, reference, found)
        named = [one for one in self._listed(step, deadline) if one.oid == reference]
        if not named or minor(named[0].value, self.currency) != step.amount:
            raise Conflict(f"VTEX has no such entry among the {ENDINGS[step.verb]}, or one of another amount")
        return Receipt(reference)

    # Openings

    def _open(self, step: Step, deadline: Deadline) -> Receipt:
        """Make a transaction. VTEX does not look whether the card can be used, so we do."""
        card = self._card(step.card_id, deadline, breaker=step.opens)
        self._expect_usable(step, card)
        body: dict[str, Any] = {
            "operation": OPERATIONS[step.verb],
            "value": self.currency.to_decimal(step.amount),
            "description": description(step.verb, step.memo),
            "redemptionToken": step.pin or card.token,
            "redemptionCode": card.code,
            "requestId": step.key,
            "orderInfo": order_info(step.memo, self.currency),
        }
        try:
            # What gives money back is tried whatever happened before.
            return Receipt(self._client.open(step.card_id, body, deadline, breaker=step.opens))
        except Rejected as rejected:
            return self._explain(step, rejected, deadline)

    def _expect_usable(self, step: Step, card: GiftCard) -> None:
        if (found := status(card, self.currency)) is not CardStatus.ACTIVE:
            raise CardUnusable(f"the card is {found}")
        if step.verb is not Verb.CREDIT and spendable(card, self.currency) < step.amount:
            raise InsufficientFunds("the card does not hold enough")

    def _explain(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt where a refusal says that it was done before, else raise what it means.

        Which code says what is undocumented, so the card is looked at.
        """
        try:
            if rejected.status == 409 and (receipt := self._opened(step, deadline)):
                return receipt
            card = self._client.card(step.card_id, deadline, breaker=False)
        except BackendUnavailable as error:
            raise OutcomeUnknown(f"VTEX refused ({rejected}), and cannot be asked why", answered=True) from error
        if card is None:
            raise CardNotFound(f"VTEX does not know the card ({rejected})")
        self._expect_usable(step, card)
        raise CardUnusable(f"VTEX refuses it ({rejected})")

    def _opened(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Look for a transaction of the step's requestId on its card, among the latest first."""
        names = self._client.transactions(step.card_id, deadline) or []
        for name in reversed(names):
            found = self._client.transaction(step.card_id, name, deadline)
            if found and found.request_id == step.key:
                return self._receipt(step, name, found)
        return None

    def _receipt(self, step: Step, name: str, found: Transaction) -> Receipt:
        if (found.operation, minor(found.value, self.currency)) != (OPERATIONS[step.verb].lower(), step.amount):
            raise Conflict("VTEX has another transaction under this requestId")
        return Receipt(name)

    # Settlements and cancellations

    def _end(self, step: Step, deadline: Deadline) -> Receipt:
        """Settle or cancel. The list is read first, as VTEX does: a ledger that lost its last changes repeats one."""
        listed = self._listed(step, deadline)
        if self._total(listed) >= _before(step) and (receipt := self._ended(step, listed)):
            return receipt
        self._expect_nothing_else_settled(step, deadline)
        body = {"value": self.currency.to_decimal(step.amount), "requestId": step.key}
        try:
            done = self._client.end(step.card_id, _debit(step), ENDINGS[step.verb], body, deadline)
        except Rejected as rejected:
            return self._explain_end(step, rejected, deadline)
        try:
            as_asked = self.currency.to_minor(done.value) == step.amount
        except InvalidAmount:
            as_asked = False
        if not as_asked:
            self._undecidable(step, "VTEX did another amount than it was asked to", str(done.value))
        return Receipt(done.oid)

    def _expect_nothing_else_settled(self, step: Step, deadline: Deadline) -> None:
        """Make sure that a cancellation of what is reserved gives back nothing that was settled: VTEX would."""
        known = step.data.get("settled")
        if known is None:  # it refunds, or was planned by a version before
            return
        settled = self._total(self._client.ended(step.card_id, _debit(step), SETTLEMENTS, deadline))
        if settled > int(known):
            self._undecidable(step, "more is settled than the ledger knows", settled)

    def _explain_end(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt where the list shows it all the same; else it did not happen."""
        try:
            receipt = self._ended(step, self._listed(step, deadline))
        except Undecidable:
            receipt = None  # of others; ours was refused
        except BackendUnavailable as error:
            raise OutcomeUnknown(f"VTEX refused ({rejected}), and cannot be asked why", answered=True) from error
        if receipt is None:
            raise CardUnusable(f"VTEX refuses it ({rejected}): see what it has for the transaction {_debit(step)}")
        return receipt

    def _listed(self, step: Step, deadline: Deadline) -> list[Movement]:
        return self._client.ended(step.card_id, _debit(step), ENDINGS[step.verb], deadline)

    def _ended(self, step: Step, listed: Sequence[Movement]) -> Receipt | None:
        """Return the entry that stands where the step's must; None where the list ends before it."""
        before, total = _before(step), self._total(listed)
        if total < before:
            raise OutcomeUnknown("VTEX does not show yet what was done before", answered=True)
        for number, one in enumerate(listed):
            if self._total(listed[:number]) == before and minor(one.value, self.currency) == step.amount:
                return Receipt(one.oid)
        if step.data.get("whole") and total - before >= step.amount:
            return Receipt("", data={INSTEAD: NOTHING})
        if total > before:
            self._undecidable(step, "others settled or canceled a part of the transaction", total)
        return None

    def _total(self, listed: Sequence[Movement]) -> int:
        return sum(minor(one.value, self.currency) for one in listed)

    def _undecidable(self, step: Step, message: str, found: int | str) -> NoReturn:
        seen = {"transaction": _debit(step), "list": ENDINGS[step.verb]}
        raise Undecidable(f"{message}: compare by hand", {**seen, "before": _before(step), "found": found})


def _sum(transaction: TransactionFacts, *verbs: Verb) -> int:
    """Return what the transaction's list must show by now, in minor units."""
    return sum(step.amount for step in transaction.done if step.verb in verbs)


def _before(step: Step) -> int:
    return int(step.data.get("before") or 0)


def _debit(step: Step) -> str:
    """Return the transaction that a step ends: it was opened before, or by the step before."""
    return step.reference or (step.earlier[-1].reference if step.earlier else "")
