"""What must be true of finding and issuing cards, and the watch that sees what it is judged by."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from app.ledger.guesses import CEILING, FLOOD_TRIES, Rations
from app.ledger.storage.guesses import Verdict
from app.ledger.transaction import KNOWN_TO_VTEX, Operation
from mappers import customers
from mappers.base import CardNotFound, NewCard, Query
from tests.simulation.backend_model import BackendModel
from tests.simulation.faults import READ_LAG_MS
from tests.simulation.invariants import Snapshot
from tests.simulation.shoppers import CARD_DEADLINE_SECONDS, WRONG_CODES, Asked, Hour, Shopping


@dataclass(frozen=True, slots=True)
class Standing:
    """How a card stands from a moment on. `reserved`: in the ledger."""

    since: int
    balance: int
    reserved: int
    pays: bool


EVERYBODY = ("everybody",)


@dataclass
class CardWatch:
    """Sees what happens to cards and counters, whatever the service thinks of it."""

    shopping: Shopping
    backend: BackendModel
    rations: Rations
    search_cache_ms: int
    is_counted: Callable[[Query], bool]  # in Redis
    histories: dict[str, list[Standing]] = field(default_factory=lambda: defaultdict(list))
    hour: Hour = field(default_factory=Hour)
    wanted: dict[str, NewCard] = field(default_factory=dict)  # the new cards that were asked for, by relation name
    owned: dict[str, NewCard] = field(default_factory=dict)  # those that there are, by the id of the card
    unnoted: set[str] = field(default_factory=set)  # ids of new cards, while Redis could not be reached

    def note_standings(self, reserved: Mapping[str, int]) -> None:
        """Remember how each card stands from this moment on."""
        backend = self.backend
        for card_id, balance in backend.balance.items():
            pays = backend.suspended != card_id and not backend.has_ended(card_id)
            history, kept = self.histories[card_id], reserved.get(card_id, 0)
            if not history or (history[-1].balance, history[-1].reserved, history[-1].pays) != (balance, kept, pays):
                history.append(Standing(backend.now, balance, kept, pays))

    def standings(self, card_id: str, asked: Asked) -> list[Standing]:
        """Return how a card stood at any moment that an answer may speak of: equal searches share an older one."""
        since = asked.asked_at - READ_LAG_MS - self.search_cache_ms - int(CARD_DEADLINE_SECONDS * 1000)
        history = self.histories[card_id]
        return [one for one in history if one.since <= since][-1:] + [one for one in history if one.since > since]

    def limits(self, query: Query, codes: dict[tuple[str, ...], set[str]]) -> dict[tuple[str, ...], int]:
        """Return what each counter of a search may have, where the counters have these codes."""
        rations, floods = self.rations, len(codes[EVERYBODY]) >= self.rations.per_provider
        name, address = next(iter(customers.names(query.customer)), ""), query.address or ""
        who: tuple[str, ...] = ("who", name, address)
        if address:
            per_address = FLOOD_TRIES if floods else rations.per_address
            return {who: rations.per_customer, ("address", address): per_address, EVERYBODY: 2**53}
        # Who has neither shares one ration with all the others.
        usually, in_flood = (rations.per_customer, FLOOD_TRIES) if name else (rations.per_provider, 0)
        return {who: in_flood if floods else usually, EVERYBODY: CEILING * rations.per_provider}

    def is_spent(self, query: Query) -> bool:
        """Tell whether the ration may be spent on other codes."""
        counted = self.hour.counted
        return any(len(counted[name] - {query.code}) >= most for name, most in self.limits(query, counted).items())


# Whenever something was answered.

Judge = Callable[[CardWatch, Asked], Iterator[str]]


def no_more_wrong_codes_are_told_of_than_the_ration(watch: CardWatch, asked: Asked) -> Iterator[str]:
    """Whatever crashes or is lost, but for what was asked while Redis could not be reached."""
    code, hour = asked.query.code, asked.hour
    if asked.uncounted and code:
        watch.hour.free.add(code)
    if code not in WRONG_CODES or not asked.told or hour is None or code in hour.free:
        return
    for counter in asked.limits:
        told, limit = hour.told[counter], hour.allowed[counter, code]
        if code not in told:
            told.add(code)
            if len(told) > limit:
                yield f"{counter} was told of {len(told)} wrong codes, the ration is {limit}"


def a_code_that_was_found_is_not_counted(watch: CardWatch, asked: Asked) -> Iterator[str]:
    if asked.cards and asked.verdict is Verdict.COUNTED and not asked.unwritten:
        if watch.is_counted(asked.query):
            yield f"{asked} is counted"
        for counter in asked.limits:
            watch.hour.counted[counter].discard(asked.query.code or "")


def a_right_code_is_found(watch: CardWatch, asked: Asked) -> Iterator[str]:
    """Once reads show it, unless the ration is spent on others. Where nobody can tell, the answer is an error."""
    card_id = watch.backend.codes.get(asked.query.code or "")
    if asked.what != "search" or card_id is None or asked.outcome != "done" or asked.cards or not asked.in_time:
        return
    issued, new = watch.backend.issued.get(card_id), watch.owned.get(card_id)
    standings = watch.standings(card_id, asked)
    if issued is not None and issued.shown_from > asked.asked_at - watch.search_cache_ms - CARD_DEADLINE_SECONDS * 1000:
        return
    if new and new.restricted_to_owner and not _is_owner(asked, new):
        return
    if not all(one.pays for one in standings):
        return
    if min(one.balance for one in standings) <= max(one.reserved for one in standings):
        return
    if asked.verdict is Verdict.REFUSED and (asked.hour is None or asked.spent):
        return
    yield f"{asked}, and it is the code of {card_id}"


def nobody_finds_the_card_of_somebody_else(watch: CardWatch, asked: Asked) -> Iterator[str]:
    for found in asked.cards if asked.what == "search" else ():
        new = watch.owned.get(found.card.id)
        if new and new.restricted_to_owner and not _is_owner(asked, new):
            yield f"{asked}, which is {new.customer}'s"


def no_more_is_told_than_can_be_spent(watch: CardWatch, asked: Asked) -> Iterator[str]:
    """But for settlements in this moment: the balance is read first, and then what is reserved."""
    for found in asked.cards if asked.in_time else ():
        stood = watch.standings(found.card.id, asked)
        balances = accumulate((one.balance if one.pays else 0 for one in stood), max)
        most = max((balance - one.reserved for balance, one in zip(balances, stood, strict=True)), default=0)
        if found.balance > max(0, most):
            yield f"{asked}: {found.card.id} could spend {most} at most"


def a_new_card_is_there(watch: CardWatch, asked: Asked) -> Iterator[str]:
    known = asked.card_id in watch.backend.balance and asked.card_id not in watch.unnoted
    if asked.what == "get" and known and asked.in_time and isinstance(asked.error, CardNotFound):
        yield f"{asked}, and VTEX was told that it was made"


WHEN_ANSWERED: Sequence[Judge] = (
    no_more_wrong_codes_are_told_of_than_the_ration,
    a_code_that_was_found_is_not_counted,
    a_right_code_is_found,
    nobody_finds_the_card_of_somebody_else,
    no_more_is_told_than_can_be_spent,
    a_new_card_is_there,
)

# Once everything is resolved.


def a_card_is_issued_once(watch: CardWatch, _: Snapshot) -> Iterator[str]:
    for name in watch.wanted:
        if len(made := _made(watch, name)) > 1:
            yield f"{name} was made {len(made)} times: {made}"


def what_vtex_was_told_of_a_new_card_is_true(watch: CardWatch, _: Snapshot) -> Iterator[str]:
    for name in watch.wanted:
        answers = [one for one in watch.shopping.asked if one.new and one.new.relation_name == name]
        made = _made(watch, name)
        told = {(one.issued.card.id, one.issued.code) for one in answers if one.issued}
        if told - {(card_id, watch.backend.code(card_id)) for card_id in made}:
            yield f"{name} was told as {told}, and is {made}"
        for one in answers:
            if one.outcome == "refused" and made:
                yield f"{one}, and it was made: {made}"


def nobody_pays_with_the_card_of_somebody_else(watch: CardWatch, snapshot: Snapshot) -> Iterator[str]:
    backend = watch.backend
    for record in snapshot.records:
        new = watch.owned.get(record.card_id)
        if new is None or not new.restricted_to_owner or record.operation is Operation.CREDIT:
            continue
        customer = watch.shopping.orders.get(record.request_id)
        if set(customers.names(customer)).isdisjoint(customers.names(new.customer)):
            moved = [one for one in backend.effects if backend.transactions.get(one.key) == record.id]
            if moved or record.state in KNOWN_TO_VTEX:
                yield f"{record.request_id} is {record.state}, and moved {moved} of {record.card_id}"


def a_card_for_one_payment_makes_one(watch: CardWatch, snapshot: Snapshot) -> Iterator[str]:
    for card_id in (name for name, new in watch.owned.items() if not new.multiple_redemptions):
        paid = [
            one.request_id
            for one in snapshot.records
            if one.card_id == card_id
            and one.operation is Operation.DEBIT
            and one.state in KNOWN_TO_VTEX
            and one.amount > one.voided + one.refunded
        ]
        if len(paid) > 1:
            yield f"{card_id} pays for {paid}"


WHEN_RESOLVED: Sequence[Callable[[CardWatch, Snapshot], Iterator[str]]] = (
    a_card_is_issued_once,
    what_vtex_was_told_of_a_new_card_is_true,
    nobody_pays_with_the_card_of_somebody_else,
    a_card_for_one_payment_makes_one,
)

# Inside.


def _is_owner(asked: Asked, new: NewCard) -> bool:
    return not set(customers.names(asked.query.customer)).isdisjoint(customers.names(new.customer))


def _made(watch: CardWatch, name: str) -> list[str]:
    """Return the cards that were made by this relation name, wherever a backend keeps it."""
    return [card_id for card_id, one in watch.backend.issued.items() if name in json.dumps(one.told, default=str)]
