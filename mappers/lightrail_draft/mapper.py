"""The mapper of the Lightrail V2 draft: how a code finds its card without a lookup, and what a refusal can mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mappers.base import (
    Act,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Cart,
    Conflict,
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
    Secret,
    Step,
    TransactionFacts,
    Undecidable,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import LONGEST_CODE, segment
from mappers.lightrail import (
    KEY_TAKEN,
    Program,
    Rejected,
    card_id,
    connect,
    step_metadata,
    unknown_if_unread,
)
from mappers.lightrail_draft.cards import line_items, new_store, status, translate
from mappers.lightrail_draft.client import TOO_LITTLE, Client
from mappers.lightrail_draft.objects import Hold, Posting, ValueStore
from mappers.money import Currency
from mappers.whole_capture import NOTHING, REFUNDED, all_went_back, instead, plan

# Smallest on purpose: a server that would not know "simulate" could take no more than this. What the card holds is
# read from the card.
SIMULATED_AMOUNT = 1

# The draft says that a pending transaction is voided by itself, and not when. This is what the released V2 does with
# what is sent here, `pending: true`.
LONGEST_HOLD = timedelta(days=7)

# What ends a hold: the word after the transaction's path, and what the transaction then shows.
ENDINGS = {Verb.CAPTURE: ("capture", Hold.CAPTURED), Verb.VOID: ("void", Hold.VOIDED)}
TAKES = (Verb.HOLD, Verb.DEBIT)


@dataclass(frozen=True, slots=True)
class LightrailDraftOptions:
    """`api_key` may read value stores and make transactions. `program_id` is the program that issued cards get."""

    api_key: Secret
    base_url: str = "https://api.lightrail.com/v2"
    program_id: str | None = None


class LightrailDraft(Mapper):
    """The draft holds, captures whole holds only, reverses nothing, and refuses what is repeated.

    A debit by id passes a value store's redemption rule by, so the rule is asked before a debit is opened.
    """

    supported_holds = (Holds.NATIVE, Holds.UPFRONT)
    repeatable = True
    # Undocumented; the released V2 reads from a replica.
    read_lag_seconds = 2.0
    longest_hold = LONGEST_HOLD
    keeps_terms = True
    Options = LightrailDraftOptions

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: LightrailDraftOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        if options.program_id in ("", ".", ".."):
            raise InvalidOptions("program_id", "program_id must be the id of a program, or left out")
        self._client = Client(connect("lightrail_draft", provider_id, options.base_url, options.api_key))

    # Cards

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its code: the value store that would pay a debit of one minor unit.

        A customer's cards are not known: what filters a list the draft does not say, and all would come.
        """
        code = (query.code or "").strip()
        if not code or len(code) > LONGEST_CODE:
            return []
        source = {"rail": "lightrail", "code": code}
        body = {"source": source, "amount": SIMULATED_AMOUNT, "currency": self.currency.code}
        payers = [*self._client.simulate("/debit", "find", body, deadline)]
        if len(payers) != 1:
            # A code of several value stores is a promotion's, not a gift card's.
            return []
        store = self._client.store(payers[0], deadline)
        return [] if store is None else [self._for_cart(store, query.cart, deadline, code)]

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        store = self._client.store(card_id, deadline)
        if store is None:
            raise CardNotFound("Lightrail does not know the card")
        return translate(store, self.currency)

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        store = self._client.store(card_id, deadline)
        if store is None:
            raise CardNotFound("Lightrail does not know the card")
        return self._for_cart(store, memo.cart, deadline)

    def _for_cart(self, store: ValueStore, cart: Cart | None, deadline: Deadline, code: str | None = None) -> Card:
        """Return the card, worth what its redemption rule lets it pay of an order of this cart."""
        card = translate(store, self.currency, code)
        if not store.ruled or card.status is not CardStatus.ACTIVE:
            return card
        payable = self._payable(store, cart, deadline)
        return replace(card, balance=payable, status=CardStatus.ACTIVE if payable else CardStatus.RULED_OUT)

    def _payable(self, store: ValueStore, cart: Cart | None, deadline: Deadline) -> int:
        if cart is None:
            return 0
        source = {"rail": "lightrail", "valueStoreId": store.id}
        order = {"currency": self.currency.code, "lineItems": line_items(cart), "sources": [source]}
        taken = self._client.simulate("/orders", "simulate", order, deadline).get(store.id, 0)
        return max(0, min(taken, cart.total, store.value or 0))

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a value store of the configured program; its id is made of `new.key`, so that a repeat finds it."""
        program = self._program(deadline)
        if program is None:
            raise Unsupported("Lightrail issues gift cards through a program: set the option program_id")
        if problem := program.problem(new.balance, self.currency):
            raise CardUnusable(f"Lightrail's program {program.id} {problem}")
        try:
            store = self._client.create_store(new_store(new, program.id), deadline)
        except Rejected as rejected:
            store = self._issued_before(new, rejected, deadline)
        with unknown_if_unread("Lightrail made the card"):
            code = self._client.code(store.id, deadline)
        return IssuedCard(translate(store, self.currency, code), code)

    def _issued_before(self, new: NewCard, rejected: Rejected, deadline: Deadline) -> ValueStore:
        """Return the card that this key made before; which 4xx a repeat is answered is undocumented."""
        with unknown_if_unread("the card may exist"):
            store = self._client.store(card_id(new.key), deadline)
        if store is not None:
            return store
        if rejected.code.endswith("Exists"):
            raise OutcomeUnknown("Lightrail has the card but does not show it yet: repeat it", answered=True)
        raise CardUnusable(f"Lightrail does not issue this card: {rejected.reason}") from rejected

    def ping(self, deadline: Deadline) -> None:
        """Read the configured program and see that its currency is ours; without one, read the list of programs."""
        program = self._program(deadline)
        if program is None:
            self._client.list_programs(deadline)
        elif program.currency != self.currency.code:
            raise BackendUnavailable(
                f"the program in the option program_id issues cards in {program.currency}, "
                f"not in {self.currency.code}: make them equal"
            )

    def _program(self, deadline: Deadline) -> Program | None:
        """Return the configured program, None where none is."""
        program_id = self.options.program_id
        if program_id is None:
            return None
        program = self._client.program(program_id, deadline)
        if program is None:
            raise BackendUnavailable("Lightrail does not know the program in the option program_id")
        return program

    # Money

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        return plan(act, transaction, refund_whole=False)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        if step.verb is Verb.REFUND and all_went_back(step):
            return instead(Receipt(), NOTHING)
        if step.opens and step.verb in TAKES and (receipt := self._ruled_out(step, deadline)):
            return receipt
        path, body = self._call(step)
        try:
            # What gives money back or settles is tried whatever happened before.
            posting = self._client.post(path, step.verb.value, body, deadline, breaker=step.opens)
        except Rejected as rejected:
            return self._explain(step, rejected, deadline)
        if step.verb in ENDINGS:
            return self._ended(step, posting, deadline)
        try:
            return self._made(step, posting)
        except Conflict as error:
            raise Undecidable(
                "Lightrail did something else than it was asked to: correct it by hand",
                {"asked": step.amount, "moved": sum(change.amount for change in posting.changes)},
            ) from error

    def _ruled_out(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Refuse a debit that the card's rules forbid; return its receipt where it was done before they did."""
        store = self._client.store(step.card_id, deadline)
        if store is None or not (store.ruled or store.promotion):
            return None
        found = status(store, self.currency)
        payable = self._payable(store, step.memo.cart, deadline) if found is CardStatus.ACTIVE else 0
        if payable >= step.amount:
            return None
        if receipt := self.ask(step, deadline):
            return receipt
        if payable:
            raise InsufficientFunds("the card's rule lets it pay less of this order")
        raise CardUnusable(f"the card is {CardStatus.RULED_OUT if found is CardStatus.ACTIVE else found}")

    def _call(self, step: Step) -> tuple[str, dict[str, Any] | None]:
        """Return the path after /transactions and the body."""
        if step.verb in ENDINGS:
            return f"/{segment(step.reference)}/{ENDINGS[step.verb][0]}", None
        party = {"rail": "lightrail", "valueStoreId": step.card_id}
        body = {
            "transactionId": step.key,
            "amount": step.amount,
            "currency": self.currency.code,
            "metadata": step_metadata(step.memo, step.origin, operation=step.verb.value),
        }
        match step.verb:
            case Verb.HOLD:
                return "/debit", body | {"source": party, "pending": True}
            case Verb.DEBIT:
                return "/debit", body | {"source": party}
            case Verb.CREDIT | Verb.REFUND:
                return "/credit", body | {"destination": party}
        raise Unsupported(f"Lightrail has no {step.verb}")

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        if step.verb in ENDINGS:
            # Whoever did it: a hold ends only once, and capture and void have no id of their own.
            held = self._client.transaction(step.reference, deadline)
            if held and held.hold is ENDINGS[step.verb][1]:
                return Receipt(held.id)
            if held and held.hold is Hold.CAPTURED and (refund := self.ask(_refund(step), deadline)):
                return instead(refund, REFUNDED)
            return None
        posting = self._client.transaction(step.key, deadline)
        return None if posting is None else self._made(step, posting)

    def _made(self, step: Step, posting: Posting) -> Receipt:
        """Return the receipt of a transaction under the step's key, if it is what the step asks for."""
        takes = step.verb in TAKES
        wanted = [(step.card_id, -step.amount if takes else step.amount)]
        moved = [(change.store_id, change.amount) for change in posting.changes]
        kind = "debit" if takes else "credit"
        if (posting.kind, posting.currency, moved) != (kind, self.currency.code, wanted):
            raise Conflict("Lightrail has another transaction under this id")
        if (posting.hold is not Hold.NONE) is not (step.verb is Verb.HOLD):
            raise Undecidable(
                "Lightrail made a hold of what was to be taken, or took what was to be held: correct it by hand",
                {"transaction": posting.id, "amount": step.amount},
            )
        return Receipt(posting.id, posting.changes[-1].value_after)

    def _ended(self, step: Step, held: Posting, deadline: Deadline) -> Receipt:
        """Return the receipt where a hold shows that it ended as the step, or the act it serves, wants."""
        if held.hold is ENDINGS[step.verb][1]:
            return Receipt(held.id)
        if held.hold is Hold.VOIDED and step.gives_back:
            return instead(Receipt(held.id), NOTHING)
        if held.hold is Hold.CAPTURED and not step.unasked:
            # Somebody else took what was to be voided.
            return instead(self.run(_refund(step), deadline), REFUNDED)
        if held.hold is Hold.CAPTURED:
            raise Conflict("the hold was captured already: refund it instead")
        if held.hold is Hold.VOIDED:
            raise CardUnusable("the hold has expired or was given back")
        raise OutcomeUnknown("Lightrail says that it is done, but the hold does not show it yet", answered=True)

    def _explain(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt where a refusal means that it was done before, else raise what it means.

        Nothing is replayed, and a repeat meets other checks first: of a card that it emptied, it may say so.
        """
        with unknown_if_unread(f"Lightrail refused ({rejected})"):
            if step.verb in ENDINGS:
                held = self._client.transaction(step.reference, deadline)
                if held is None:
                    raise ReferenceNotFound(f"Lightrail does not know the hold ({rejected})") from rejected
                if held.hold is not Hold.OPEN:
                    return self._ended(step, held, deadline)
            elif receipt := self.ask(step, deadline):
                return receipt
        raise self._refusal(step, rejected, deadline) from rejected

    def _refusal(self, step: Step, rejected: Rejected, deadline: Deadline) -> Exception:
        """Return what a refusal means of which reads show no trace.

        One messageCode stands for every card that cannot be used, so the card is looked at.
        """
        if rejected.code in TOO_LITTLE and step.verb in TAKES:
            return InsufficientFunds(f"the card does not hold enough ({rejected})")
        if rejected.code in KEY_TAKEN:
            return OutcomeUnknown(f"Lightrail says {rejected} but does not show it yet", answered=True)
        with unknown_if_unread(f"Lightrail refused ({rejected})"):
            store = self._client.store(step.card_id, deadline, breaker=False)
        if store is None:
            return CardNotFound("Lightrail does not know the card")
        if (found := status(store, self.currency)) is not CardStatus.ACTIVE:
            return CardUnusable(f"the card is {found} ({rejected})")
        if step.verb in TAKES and (store.value or 0) < step.amount:
            return InsufficientFunds(f"the card does not hold enough ({rejected})")
        if rejected.status == 409 and (step.verb in ENDINGS or not rejected.code):
            # It may say that it is done already, which reads do not show yet.
            return OutcomeUnknown(f"Lightrail refused ({rejected}) for no reason that shows", answered=True)
        return CardUnusable(f"Lightrail refuses it: {rejected.reason}")


def _refund(void: Step) -> Step:
    """Return what gives back, under the same key, what somebody took of a hold that was to be voided."""
    return replace(void, verb=Verb.REFUND, reference="")
