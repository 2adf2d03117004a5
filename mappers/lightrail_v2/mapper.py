"""The Lightrail V2 mapper: which call each step is, and what a 409 means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from mappers.base import (
    KEY_PREFIX,
    Act,
    BackendUnavailable,
    Card,
    CardNotFound,
    CardStatus,
    CardUnusable,
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
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.http import LONGEST_CODE, segment
from mappers.lightrail import KEY_TAKEN, Rejected, card_id, connect, unknown_if_unread
from mappers.lightrail_v2 import notes
from mappers.lightrail_v2.cards import new_value, shows, translate
from mappers.lightrail_v2.client import LARGEST_AMOUNT, Client
from mappers.lightrail_v2.contacts import ContactBy
from mappers.lightrail_v2.objects import Posting, Value
from mappers.lightrail_v2.rules import ruled
from mappers.lightrail_v2.statement import Statement, receipt_of
from mappers.money import Currency
from mappers.whole_capture import NOTHING, REFUNDED, all_went_back, instead, on_record, plan, taken_by

log = structlog.get_logger()

# A hold lasts PT1H to P3M (three calendar months, of which the shortest have 89 days).
SHORTEST_HOLD = timedelta(hours=1)
LONGEST_HOLD_IN_DAYS = timedelta(days=89)

# The transactionType that each verb makes.
KINDS = {
    Verb.HOLD: "debit",
    Verb.DEBIT: "debit",
    Verb.CREDIT: "credit",
    Verb.REFUND: "credit",
    Verb.CAPTURE: "capture",
    Verb.VOID: "void",
}

REFUSALS: dict[str, tuple[type[Refused], str]] = {
    "InsufficientBalance": (InsufficientFunds, "the card does not hold enough"),
    "InsufficientUsesRemaining": (CardUnusable, "the card is used as often as it may be"),
    "NullBalance": (CardUnusable, "the card has a balance rule instead of a balance"),
    "InvalidParty": (CardNotFound, "Lightrail does not know the card"),
    "ValueNotFound": (CardNotFound, "Lightrail does not know the card"),
    "WrongCurrency": (CardUnusable, "the card is in another currency"),
    "ValueFrozen": (CardUnusable, "the card is frozen"),
    "ValueCanceled": (CardUnusable, "the card is canceled"),
    "ValueInactive": (CardUnusable, "the card is inactive"),
    "ValueNotStarted": (CardUnusable, "the card is not valid yet"),
    "ValueEnded": (CardUnusable, "the card has expired"),
    "ValueExpired": (CardUnusable, "the card has expired"),
    "ValueBalanceTooLarge": (CardUnusable, "the card cannot hold that much"),
    "TransactionVoided": (CardUnusable, "the hold has expired or was given back"),
    "TransactionVoiding": (CardUnusable, "the hold has expired"),
    "TransactionNotFound": (ReferenceNotFound, "Lightrail does not know the hold or transaction to act on"),
    "TransactionCaptured": (Conflict, "the hold was captured already: refund it instead"),
}

# Refusals that say "that is done", by this step or by somebody: reads must come to show it.
DONE_ALREADY = {
    Verb.CAPTURE: {"TransactionCaptured"},
    Verb.VOID: {"TransactionVoided", "TransactionVoiding"},
    Verb.REFUND: {"TransactionReversed"},
}

# The same of a hold that was to be captured only to give a part of it back.
GONE_BACK = {"TransactionVoided", "TransactionVoiding"}


@dataclass(frozen=True, slots=True)
class LightrailV2Options:
    """`api_key` may list and read values and make transactions. `program_id` is the program that issued cards get.

    `contact_by` lists a customer's own values, where it is given: by the contact's "email", or its "id". It is left out
    at first: a guest may type anybody's e-mail address.
    """

    api_key: Secret
    base_url: str = "https://api.lightrail.com/v2"
    program_id: str | None = None
    contact_by: str | None = None


class LightrailV2(Mapper):
    """Lightrail V2 holds, captures whole holds only, and answers a repeat with one of several 409s, never a replay."""

    supported_holds = (Holds.NATIVE, Holds.UPFRONT)
    repeatable = True
    # Reads come from a replica.
    read_lag_seconds = 2.0
    longest_hold = LONGEST_HOLD_IN_DAYS
    keeps_terms = True
    needs_reference = frozenset({Verb.HOLD, Verb.CAPTURE, Verb.DEBIT})
    where_references_are = "Lightrail lists the transactions of a value, each with its id."
    finds_by_customer = True
    Options = LightrailV2Options

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: LightrailV2Options) -> None:
        super().__init__(provider_id, currency, holds, options)
        if options.contact_by not in (None, *ContactBy):
            raise InvalidOptions("contact_by", 'contact_by must be "email" or "id", or be left out')
        self._client = Client(connect("lightrail_v2", provider_id, options.base_url, options.api_key))
        self._contact_by = ContactBy(options.contact_by) if options.contact_by else None

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        """Look one card up by its code, or the customer's own values, where an option says what finds the contact."""
        if query.code is None:
            return self._own(query, deadline)
        code = query.code.strip()
        if not code or len(code) > LONGEST_CODE:
            return []
        values = [value for value in self._client.values_with_code(code, deadline) if shows(value, code)]
        if len(values) > 1:
            raise BackendUnavailable("Lightrail lists several values for one code: check the option base_url")
        return [self._shown(value, query, deadline, code) for value in values]

    def _own(self, query: Query, deadline: Deadline) -> list[Card]:
        if self._contact_by is None or query.customer is None:
            return []
        owner = query.customer.key
        values = self._contact_by.values(self._client, query.customer, self.currency.code, deadline)
        cards = [self._shown(value, query, deadline) for value in values]
        return [replace(card, owner=card.owner or owner) for card in cards]

    def _shown(self, value: Value, query: Query, deadline: Deadline, code: str = "") -> Card:
        card = translate(value, self.currency, code)
        try:
            return ruled(self._client, value, card, query.cart, deadline)
        except BackendUnavailable as error:
            if query.code is not None:
                raise
            log.warning("a card with a rule is not shown", provider=self.provider_id, reason=str(error))
            return replace(card, status=CardStatus.RULED_OUT)

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        return translate(self._value(card_id, deadline), self.currency)

    def card_for(self, card_id: str, memo: Memo, deadline: Deadline) -> Card:
        return self._paying(self._value(card_id, deadline), memo, deadline)

    def _value(self, card_id: str, deadline: Deadline) -> Value:
        value = self._client.value(card_id, deadline)
        if value is None:
            raise CardNotFound("Lightrail does not know the card")
        return value

    def _paying(self, value: Value, memo: Memo, deadline: Deadline) -> Card:
        """Return a value as a card, worth what it pays of a purchase."""
        return ruled(self._client, value, translate(value, self.currency), memo.cart, deadline)

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        """Make a value with a generated code; its id is made of `new.key`, so that a repeat finds it."""
        if new.balance > LARGEST_AMOUNT:
            raise CardUnusable(f"a Lightrail card cannot hold more than {LARGEST_AMOUNT} of the smallest unit")
        if problem := self._program_problem(new.balance, deadline):
            found = self._client.value(card_id(new.key), deadline, show_code=True)
            if found is None:
                raise CardUnusable(problem)
            return IssuedCard(translate(found, self.currency, found.code or ""), found.code)
        try:
            value = self._client.create_value(new_value(new, self.currency, self.options.program_id), deadline)
        except Rejected as rejected:
            with unknown_if_unread("the card may exist"):
                found = self._client.value(card_id(new.key), deadline, show_code=True)
            if found is None:
                raise self._not_issued(rejected) from rejected
            value = found
        return IssuedCard(translate(value, self.currency, value.code or ""), value.code)

    def _program_problem(self, balance: int, deadline: Deadline) -> str | None:
        """Return why the program of issued cards would make none with this balance, or none that can be used."""
        if self.options.program_id is None:
            return None
        program = self._client.program(self.options.program_id, deadline)
        problem = program.problem(balance, self.currency) if program else None
        return problem and f"Lightrail's program {self.options.program_id} {problem}"

    def _not_issued(self, rejected: Rejected) -> Exception:
        match rejected.code:
            case "ValueIdExists":
                return OutcomeUnknown("Lightrail has the card but does not show it yet: repeat it", answered=True)
            case "ValueCodeExists":
                return BackendUnavailable("Lightrail generated a code that exists: repeat it")
            case "ProgramNotFound":
                return BackendUnavailable("Lightrail does not know the program in the option program_id")
            case "CurrencyNotFound":
                return BackendUnavailable(f"Lightrail does not know the currency {self.currency.code}: add it there")
        return CardUnusable(f"Lightrail does not issue this card: {rejected.reason}")

    def ping(self, deadline: Deadline) -> None:
        """See that values can be listed, our currency has our digits there, and the program makes empty cards.

        Money would be off by powers of ten. What the key may not read, as payments do not need it, is not looked at.
        """
        self._client.list_one_value(deadline)
        self._check_digits(deadline)
        # VTEX makes cards without value, and adds it afterwards.
        if problem := self._program_problem(0, deadline):
            raise BackendUnavailable(
                f"{problem}: VTEX makes cards without value and adds it then; set another program_id, or none"
            )

    def _check_digits(self, deadline: Deadline) -> None:
        currencies = self._client.currencies(deadline)
        if currencies is None:
            return
        places = currencies.get(self.currency.code)
        if places is None:
            raise BackendUnavailable(f"Lightrail does not know the currency {self.currency.code}: add it there")
        if places != self.currency.digits:
            raise BackendUnavailable(
                f"{self.currency.code} has {places} decimal places at Lightrail and {self.currency.digits} here: "
                "make them equal"
            )

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        """Yield our transactions, and what others ended of them. Entries a little before `since` may come, too."""
        statement = Statement(self._client, self.currency, page_seconds)
        return statement.of_account(since) if card_id is None else statement.of_card(card_id, since)

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Return the calls `act` needs: only whole holds can be captured, and only whole captures reversed."""
        return plan(act, transaction, refund_whole=True)

    def on_record(self, done: Sequence[DoneStep]) -> Sequence[DoneStep]:
        return on_record(done)

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        if step.amount > LARGEST_AMOUNT:
            kind = InsufficientFunds if step.verb in (Verb.HOLD, Verb.DEBIT) else CardUnusable
            raise kind(f"a Lightrail card cannot hold more than {LARGEST_AMOUNT} of the smallest unit")
        if receipt := self._given_back(step, deadline):
            return receipt
        path, body = self._call(step)
        body |= {"id": step.key, "metadata": notes.metadata(step)}
        if step.opens and step.verb in (Verb.HOLD, Verb.DEBIT):
            value = self._client.value(step.card_id, deadline)
            if value and (refusal := self._ruled_out(step, value, deadline)):
                return self._done_before(step, refusal, deadline)
            body |= self._uses(value)
        try:
            # What gives money back or settles is tried whatever happened before.
            return receipt_of(self._client.post(path, step.verb.value, body, deadline, breaker=step.opens))
        except OutcomeUnknown as unknown:
            if inactive := self._inactive(step, unknown, deadline):
                raise inactive from unknown
            raise
        except Rejected as rejected:
            if rejected.status == 409:
                return self._explain(step, rejected, deadline)
            raise _refusal(rejected) from rejected

    def _uses(self, value: Value | None) -> dict[str, Any]:
        """Return how many uses a payment takes. By its amount alone it takes none, and of no other value any."""
        return {} if value is None or value.uses_remaining is None else {"uses": 1}

    def _inactive(self, step: Step, unknown: OutcomeUnknown, deadline: Deadline) -> OutcomeUnknown | None:
        """Return why Lightrail failed inside, where it always does: what gives back to an inactive value."""
        if step.verb not in (Verb.VOID, Verb.REFUND) or not unknown.answered:
            return None
        try:
            value = self._client.value(step.card_id, deadline)
        except BackendUnavailable:
            return None
        if value is None or value.active:
            return None
        return OutcomeUnknown(
            "the card is inactive, so Lightrail fails to give back to it: activate it there, and this goes on",
            answered=True,
        )

    def _ruled_out(self, step: Step, value: Value, deadline: Deadline) -> Refused | None:
        """Return why a value's rules do not let it pay for this cart: a debit itself looks at no rule."""
        if not value.ruled:
            return None
        card = self._paying(value, step.memo, deadline)
        if card.status is CardStatus.RULED_OUT:
            return CardUnusable(f"the card is {card.status}")
        if card.status is CardStatus.ACTIVE and card.balance < step.amount:
            return InsufficientFunds("by its rules the card does not pay so much of this cart")
        return None

    def _done_before(self, step: Step, refusal: Refused, deadline: Deadline) -> Receipt:
        """Return the receipt of what was done before the rules forbade it."""
        with unknown_if_unread("the card's rules forbid it"):
            receipt = self.ask(step, deadline)
        if receipt is None:
            raise refusal
        return receipt

    def _given_back(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Return the receipt of a refund that adds money, where all that was taken went back by other means."""
        if step.verb is not Verb.REFUND or step.reference:
            return None
        if all_went_back(step):
            return instead(Receipt(), NOTHING)
        taken = taken_by(step)
        found = self._in_chain(taken, "reverse", deadline) if taken else None
        return found and (self.ask(step, deadline) or instead(found, NOTHING))

    def _call(self, step: Step) -> tuple[str, dict[str, Any]]:
        """Return the path after /transactions and what its body holds beside id and metadata."""
        party = {"rail": "lightrail", "valueId": step.card_id}
        money = {"amount": step.amount, "currency": self.currency.code}
        match step.verb:
            case Verb.HOLD:
                return "/debit", {"source": party} | money | {"pending": _duration(step.hold_for)}
            case Verb.DEBIT:
                return "/debit", {"source": party} | money
            case Verb.REFUND if step.reference:
                return f"/{segment(step.reference)}/reverse", {}
            case Verb.CREDIT | Verb.REFUND:
                return "/credit", {"destination": party} | money
            case Verb.CAPTURE:
                return f"/{segment(step.reference)}/capture", {}
            case Verb.VOID:
                return f"/{segment(step.reference)}/void", {}
        raise Unsupported(f"Lightrail has no {step.verb}")

    def _explain(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Return the receipt where a 409 means that it was done before, else raise what the 409 means.

        The checks that come before the look at the id make a repeat that succeeded answer like a refusal.
        """
        with unknown_if_unread(f"Lightrail refused ({rejected})"):
            receipt = self.ask(step, deadline)
            if receipt is None and rejected.code in KEY_TAKEN and step.verb in (Verb.CAPTURE, Verb.VOID):
                other = self._client.transaction(step.key, deadline)
                if other and other.kind != KINDS[step.verb]:
                    raise Conflict("Lightrail has another transaction under this id")
        if receipt is not None:
            return receipt
        if rejected.code == "TransactionCaptured" and step.verb is Verb.VOID and not step.unasked:
            return self._refund_instead(step, rejected, deadline)
        gone_back = GONE_BACK if step.verb is Verb.CAPTURE and step.gives_back else set()
        if rejected.code in KEY_TAKEN | DONE_ALREADY.get(step.verb, set()) | gone_back:
            raise OutcomeUnknown(f"Lightrail says {rejected} but does not show it yet", answered=True) from rejected
        raise _refusal(rejected) from rejected

    def _refund_instead(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        """Give back, under the step's key, what somebody else took of the hold that was to be voided."""
        with unknown_if_unread(f"Lightrail refused ({rejected})"):
            capture = self._in_chain(step.reference, "capture", deadline)
        if capture is None:
            raise OutcomeUnknown(f"Lightrail says {rejected} but does not show it yet", answered=True) from rejected
        return instead(self.run(replace(step, verb=Verb.REFUND, reference=capture.reference), deadline), REFUNDED)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        match step.verb:
            case Verb.CAPTURE | Verb.VOID:
                # Whoever did it, under whatever id: a hold ends only once. Lightrail itself voids holds in time.
                return self._hold_ended(step, deadline)
            case Verb.REFUND if step.reference:
                found = self._under_key(step, "reverse", deadline)
                return found or self._in_chain(step.reference, "reverse", deadline)
        return self._under_key(step, KINDS[step.verb], deadline)

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        """Read one transaction; what ends another one is found in the chain of that."""
        another = Conflict(
            f"Lightrail has no such {step.verb} of this card and amount that is nobody else's: {reference}"
        )
        if reference.startswith(KEY_PREFIX) and reference != step.key:
            raise another
        if step.reference:
            kind = KINDS[step.verb] if step.verb in (Verb.CAPTURE, Verb.VOID) else "reverse"
            chain = self._client.chain(step.reference, deadline)
            posting = next((one for one in chain if (one.id, one.kind) == (reference, kind)), None)
        else:
            posting = self._client.transaction(reference, deadline)
            posting = posting if posting and self._fits(step, KINDS[step.verb], posting) else None
        if posting is None:
            raise another
        return receipt_of(posting)

    def _hold_ended(self, step: Step, deadline: Deadline) -> Receipt | None:
        """Return the receipt where the step's hold ended as the step, or the act it serves, wants."""
        ended = {posting.kind: receipt_of(posting) for posting in self._client.chain(step.reference, deadline)}
        captured, voided, reversed_ = ended.get("capture"), ended.get("void"), ended.get("reverse")
        if step.verb is Verb.VOID:
            return voided or (reversed_ and instead(reversed_, REFUNDED))
        if voided and step.gives_back:
            return instead(voided, NOTHING)
        if captured and captured.reference != step.key and reversed_ and not step.gives_back:
            raise CardUnusable("the hold was captured by somebody else, and given back")
        return captured

    def _in_chain(self, transaction_id: str, kind: str, deadline: Deadline) -> Receipt | None:
        chain = self._client.chain(transaction_id, deadline)
        return next((receipt_of(posting) for posting in chain if posting.kind == kind), None)

    def _under_key(self, step: Step, kind: str, deadline: Deadline) -> Receipt | None:
        posting = self._client.transaction(step.key, deadline)
        if posting is None:
            return None
        if not self._fits(step, kind, posting):
            raise Conflict("Lightrail has another transaction under this id")
        return receipt_of(posting)

    def _fits(self, step: Step, kind: str, posting: Posting) -> bool:
        """Tell whether a transaction is what a step would have made."""
        sign = -1 if step.verb in (Verb.HOLD, Verb.DEBIT) else 1
        changes = [(change.value_id, change.amount) for change in posting.changes]
        same_kind = (posting.kind, posting.pending) == (kind, step.verb is Verb.HOLD)
        same_money = (posting.currency, changes) == (self.currency.code, [(step.card_id, sign * step.amount)])
        return same_kind and same_money


def _refusal(rejected: Rejected) -> Refused:
    if rejected.status == 422:
        return CardUnusable(f"Lightrail does not accept the request: {rejected.reason}")
    kind, message = REFUSALS.get(rejected.code, (CardUnusable, "Lightrail refuses it"))
    return kind(f"{message} ({rejected})")


def _duration(hold_for: timedelta | None) -> str | bool:
    """Return how long a hold lasts as an ISO 8601 duration; True is Lightrail's own week."""
    if hold_for is None:
        return True
    if hold_for > LONGEST_HOLD_IN_DAYS:
        return "P3M"
    length = max(hold_for, SHORTEST_HOLD)
    return f"P{length.days}D" if not length.seconds else f"PT{length.days * 86400 + length.seconds}S"
