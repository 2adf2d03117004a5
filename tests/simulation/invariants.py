"""The invariants of the money, stated once: at every moment, once everything is resolved, and in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.ledger.errors import AmountExceeded, RequestConflict, TransactionNotFound
from app.ledger.names import step_key
from app.ledger.transaction import KNOWN_TO_VTEX, ActRecord, ActState, Operation, State, Transaction, done_steps
from mappers.base import ActKind, Holds, Refused, Verb
from mappers.whole_capture import INSTEAD, NOTHING
from tests.simulation.backend_model import BackendModel
from tests.simulation.kinds import Kind
from tests.simulation.workload import Answer, entries


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything there is to compare: what the ledger wrote, what the backend has, and what VTEX was told."""

    kind: Kind
    records: Sequence[Transaction]
    due: Mapping[str, float]
    cards: Mapping[str, Counter[str]]  # what the ledger keeps of each card
    backend: BackendModel
    answers: Sequence[Answer]
    asked: Sequence[Answer] = ()  # with those that never had an answer
    totals: Mapping[str, int] = field(default_factory=dict)  # where they are looked at: of all time, by field


Rule = Callable[[Snapshot], Iterator[str]]


def broken(rules: Sequence[Rule], snapshot: Snapshot, waived: Collection[Rule] = ()) -> list[str]:
    """Return every violation of `rules`, each with the name of its rule. `waived` are not looked at."""
    asked = [rule for rule in rules if rule not in waived]
    return [f"{rule.__name__.replace('_', ' ')}: {what}" for rule in asked for what in rule(snapshot)]


# At every moment.


def a_step_has_at_most_one_effect(snapshot: Snapshot) -> Iterator[str]:
    times = Counter(effect.key for effect in snapshot.backend.effects if effect.ours)
    for key, count in times.items():
        if count > 1 and not snapshot.backend.was_made_anew(key):
            yield f"{key} took effect {count} times"


def every_effect_was_written_down_before(snapshot: Snapshot) -> Iterator[str]:
    acts = {act.oid for record in snapshot.records for act in record.acts}
    for effect in snapshot.backend.effects:
        if effect.key.rpartition("-")[0] not in acts:
            yield f"{effect.key} moved {effect.change}, and no act is on record for it"


def caps_hold(snapshot: Snapshot) -> Iterator[str]:
    for record in snapshot.records:
        sums = (record.captured, record.voided, record.refunded)
        if min(sums) < 0 or record.captured + record.voided > record.amount or record.refunded > record.captured:
            yield f"{record.id} of {record.amount}: captured, voided, refunded are {sums}"


def whatever_is_not_over_is_in_the_due_queue(snapshot: Snapshot) -> Iterator[str]:
    for record in snapshot.records:
        if record.id not in snapshot.due:
            yield f"{record.id} ({record.state}) waits for nobody"


def what_is_reserved_is_the_sum_of_open_holds(snapshot: Snapshot) -> Iterator[str]:
    for card_id, card in snapshot.cards.items():
        reserved = card["reserved"]
        holds = sum(_reserved(record) for record in snapshot.records if record.card_id == card_id)
        if reserved != holds:
            yield f"{reserved} of {card_id} are reserved, its open holds are {holds}"


def totals_are_the_sums_of_what_was_done(snapshot: Snapshot) -> Iterator[str]:
    sums = sums_of_what_was_done(snapshot.records)
    for what in sorted({*sums, *snapshot.totals}):
        if sums[what] != snapshot.totals.get(what, 0):
            yield f"{snapshot.totals.get(what, 0)} in total are {what}, the transactions have {sums[what]}"


ALWAYS: Sequence[Rule] = (
    a_step_has_at_most_one_effect,
    every_effect_was_written_down_before,
    caps_hold,
    whatever_is_not_over_is_in_the_due_queue,
    what_is_reserved_is_the_sum_of_open_holds,
    totals_are_the_sums_of_what_was_done,
)

# Once everything is resolved.


def nothing_is_unresolved_but_what_nobody_can_tell(snapshot: Snapshot) -> Iterator[str]:
    for record in snapshot.records:
        act = record.unresolved_act
        if act is None:
            continue
        # What was added, or put back for a moment, may not be taken again when it is spent or the card is suspended.
        again = record.operation is Operation.CREDIT or (
            act.kind is ActKind.REVERSAL and snapshot.backend.refused_payments
        )
        if act.state is not ActState.PARKED:
            yield f"{act.oid} is {act.state}"
        elif not (
            again or snapshot.kind.may_park or snapshot.backend.holds_expired or snapshot.backend.leaves_to_people
        ):
            yield f"{act.oid} ({act.kind}) is parked: {act.error}"


def no_card_is_busy(snapshot: Snapshot) -> Iterator[str]:
    for card_id, card in snapshot.cards.items():
        if card["busy"] or (card["taking"] != 0 and not _parked(snapshot, card_id)):
            yield f"{card_id} is marked busy, or taking {card['taking']}"


def the_backend_agrees_with_each_transaction(snapshot: Snapshot) -> Iterator[str]:
    for record in snapshot.records:
        taken = snapshot.backend.taken_by(record.id)
        certain = record.unresolved is None and not _hold_may_be_over(snapshot, record)
        if certain and taken != taken_by_the_ledger(record):
            yield f"{record.id} ({record.state}): {taken} left the card, {taken_by_the_ledger(record)} should have"


def the_backend_agrees_with_each_card(snapshot: Snapshot) -> Iterator[str]:
    for card_id, first_balance in snapshot.backend.first_balance.items():
        if _parked(snapshot, card_id):
            continue
        if any(_hold_may_be_over(snapshot, record) for record in snapshot.records if record.card_id == card_id):
            continue
        taken = sum(taken_by_the_ledger(record) for record in snapshot.records if record.card_id == card_id)
        balance = first_balance - taken - snapshot.backend.spent_elsewhere[card_id]
        if balance != snapshot.backend.balance[card_id]:
            yield f"{card_id} has {snapshot.backend.balance[card_id]}, and should have {balance}"


def _hold_may_be_over(snapshot: Snapshot, record: Transaction) -> bool:
    """Tell whether the backend may have ended a hold that the ledger has not looked at since."""
    held = record.holds is Holds.NATIVE and record.state is State.AUTHORIZED
    return held and snapshot.backend.holds_expired


def the_backend_holds_what_is_authorized_and_untouched(snapshot: Snapshot) -> Iterator[str]:
    wanted: Counter[str] = Counter()
    for record in snapshot.records:
        if snapshot.kind.captures_parts:
            untouched = record.rest > 0 and record.state is State.AUTHORIZED
        else:
            untouched = record.captured == record.voided == 0 and record.state is State.AUTHORIZED
        # A part is given back of what was captured whole; that it was, stays true where the part is refused.
        taken = any(step.verb is Verb.CAPTURE for act in record.acts for step in done_steps(act))
        untouched &= snapshot.kind.captures_parts or not taken
        if record.holds is Holds.NATIVE and record.operation is Operation.DEBIT and untouched:
            wanted[step_key(record.acts[record.opened_by].oid, 1)] = record.rest
    if wanted != Counter(snapshot.backend.holds) and not snapshot.backend.holds_expired:
        yield f"the backend holds {snapshot.backend.holds}, and should hold {dict(wanted)}"


def what_is_reserved_can_be_paid(snapshot: Snapshot) -> Iterator[str]:
    for card_id, card in snapshot.cards.items():
        reserved, balance = card["reserved"], snapshot.backend.balance[card_id]
        # What a person must decide about was to be taken back, and nobody was promised it.
        reserved -= sum(_set_aside(record) for record in snapshot.records if record.card_id == card_id)
        if reserved > balance and not snapshot.kind.elsewhere:
            yield f"{reserved} of {card_id} are reserved, and it has {balance}"


def what_vtex_was_told_of_a_payment_is_true(snapshot: Snapshot) -> Iterator[str]:
    by_id = {record.id: record for record in snapshot.records}
    for request, answers in _grouped(snapshot, "authorize"):
        outcomes = {answer.outcome for answer in answers} - {"retry"}
        ids = {answer.value for answer in answers if answer.outcome == "done"}
        if len(outcomes) > 1 or len(ids) > 1:
            yield f"{request} was answered {outcomes} {ids}"
        record = next((one for one in snapshot.records if one.request_id == request[1]), None)
        if "refused" in outcomes and record is not None and record.state is not State.REFUSED:
            yield f"{request} was refused to VTEX, and is {record.state}"
        for told in ids:
            if told not in by_id or by_id[told].state not in KNOWN_TO_VTEX or by_id[told].amount != answers[0].amount:
                yield f"{told} was approved to VTEX, and is {by_id.get(told)}"


def what_vtex_was_told_of_a_change_is_true(snapshot: Snapshot) -> Iterator[str]:
    by_id = {record.id: record for record in snapshot.records}
    credits_ = {record.id for record in snapshot.records if record.operation is Operation.CREDIT}
    for what in ("settle", "cancel"):
        for (transaction, request), answers in _grouped(snapshot, what):
            oids = {answer.value.oid for answer in answers if answer.outcome == "done"}
            amounts = {answer.amount for answer in answers if answer.outcome == "done"}
            if len(oids) > 1 or len(amounts) > 1:
                yield f"{what} {request} was answered {oids} {amounts}"
            for oid in oids:
                listed = [act for act in _listed(by_id.get(transaction), what) if act.oid == oid]
                if [act.amount for act in listed] != list(amounts):
                    yield f"{what} {request} was done for VTEX, and is listed as {listed}"
            excused = transaction in credits_ or snapshot.kind.elsewhere
            excused |= snapshot.backend.holds_expired or snapshot.backend.refused_payments
            yield from _unjust_refusals(answers, excused=excused)


def no_list_ever_missed_or_made_up_anything(snapshot: Snapshot) -> Iterator[str]:
    by_id = {record.id: record for record in snapshot.records}
    for what, change in (("settlements", "settle"), ("cancellations", "cancel")):
        for answer in (one for one in snapshot.answers if one.what == what and one.outcome == "done"):
            shown = entries(answer)
            final = {act.oid: act.amount for act in _listed(by_id.get(answer.transaction), change)}
            if not shown.items() <= final.items():
                yield f"{answer.transaction}: a list showed {shown}, in the end it is {final}"
            for told in snapshot.answers:
                same = told.transaction == answer.transaction and (told.what, told.outcome) == (change, "done")
                if same and told.answered_at < answer.asked_at and told.value.oid not in shown:
                    yield f"{answer.transaction}: a list did not show {told.value.oid}, done before"


WHEN_RESOLVED: Sequence[Rule] = (
    *ALWAYS,
    nothing_is_unresolved_but_what_nobody_can_tell,
    no_card_is_busy,
    the_backend_agrees_with_each_transaction,
    the_backend_agrees_with_each_card,
    the_backend_holds_what_is_authorized_and_untouched,
    what_is_reserved_can_be_paid,
    what_vtex_was_told_of_a_payment_is_true,
    what_vtex_was_told_of_a_change_is_true,
    no_list_ever_missed_or_made_up_anything,
)

# When every authorization's time is over.


def nothing_is_held_any_more(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.backend.holds and not any(record.unresolved is not None for record in snapshot.records):
        yield f"the backend holds {snapshot.backend.holds}"
    for record in snapshot.records:
        if record.unresolved is None and _reserved(record):
            yield f"{record.id} reserves {_reserved(record)}"


def what_vtex_was_never_told_took_nothing(snapshot: Snapshot) -> Iterator[str]:
    told = {answer.value for answer in snapshot.answers if answer.what == "authorize" and answer.outcome == "done"}
    for record in snapshot.records:
        if (
            record.id not in told
            and record.unresolved is None
            and not _refused_itself(record)
            and record.operation is Operation.DEBIT
            and taken_by_the_ledger(record)
        ):
            yield f"{record.id} ({record.state}) took {taken_by_the_ledger(record)}, and VTEX was never told"


def no_settled_money_goes_back_unasked(snapshot: Snapshot) -> Iterator[str]:
    """Whatever the ledger may have forgotten or believe: this is between VTEX and the backend alone."""
    for payment in payments(snapshot):
        if payment.lacks and not snapshot.backend.holds_expired:
            yield f"{payment}, and {payment.taken} were taken"


def what_vtex_gave_back_or_never_settled_is_not_taken(snapshot: Snapshot) -> Iterator[str]:
    for payment in payments(snapshot):
        most = min(payment.settled_at_most, payment.amount - payment.canceled)
        if payment.certain and payment.taken > most:
            yield f"{payment}, and {payment.taken} were taken"


def nothing_goes_back_that_was_never_taken(snapshot: Snapshot) -> Iterator[str]:
    for payment in payments(snapshot):
        if payment.taken < 0:
            yield f"{payment}, and {-payment.taken} were added to the card"


AT_THE_END: Sequence[Rule] = (
    *WHEN_RESOLVED,
    nothing_is_held_any_more,
    what_vtex_was_never_told_took_nothing,
    no_settled_money_goes_back_unasked,
    what_vtex_gave_back_or_never_settled_is_not_taken,
    nothing_goes_back_that_was_never_taken,
)

# Inside.

_KINDS = {"settle": ActKind.CAPTURE, "cancel": ActKind.REVERSAL}


@dataclass(frozen=True, slots=True)
class Payment:
    """What VTEX was told of one authorized debit, and what it may think; without a word of the ledger's."""

    id: str
    amount: int
    settled: int  # VTEX was told so
    settled_at_most: int  # with what it asked for and had no clear answer to
    canceled: int
    canceled_at_most: int
    taken: int  # by the backend
    certain: bool  # nothing of it is left for a person, or for a day on which the card can be given something again
    last_asked_at: int  # when VTEX last asked for anything of it

    @property
    def lacks(self) -> bool:
        """Tell whether settled money went back that nobody asked back."""
        return self.certain and self.taken < min(self.settled, self.amount) - self.canceled_at_most

    def __str__(self) -> str:
        settled, canceled = f"{self.settled} to {self.settled_at_most}", f"{self.canceled} to {self.canceled_at_most}"
        return f"{self.id} of {self.amount}: settled are {settled}, canceled {canceled}"


def payments(snapshot: Snapshot) -> Iterator[Payment]:
    by_id = {record.id: record for record in snapshot.records}
    authorized = {one.value: one for one in snapshot.answers if one.what == "authorize" and one.outcome == "done"}
    asked: dict[tuple[str, str], dict[str, list[Answer]]] = defaultdict(lambda: defaultdict(list))
    for answer in snapshot.asked:
        asked[answer.transaction, answer.what][answer.request_id].append(answer)
    for name, authorization in authorized.items():
        record = by_id.get(name)
        if authorization.credit:
            continue
        settled, canceled = (asked[name, what].values() for what in ("settle", "cancel"))
        yield Payment(
            name,
            authorization.amount,
            sum(_told(answers) for answers in settled),
            sum(_at_most(answers) for answers in settled),
            sum(_told(answers) for answers in canceled),
            sum(_at_most(answers) for answers in canceled),
            snapshot.backend.taken_by(name),
            record is None or not (record.unresolved is not None or _refused_itself(record)),
            max(answer.asked_at for answer in snapshot.asked if name in (answer.transaction, answer.value)),
        )


def _refused_itself(record: Transaction) -> bool:
    """Tell whether the ledger was refused what it wanted by itself, and goes on wanting it."""
    own = (act for act in record.acts if not act.asked_for)
    return record.state is State.AUTHORIZED and any(act.state is ActState.REFUSED for act in own)


def _told(answers: Sequence[Answer]) -> int:
    return max((answer.amount for answer in answers if answer.outcome == "done"), default=0)


def _at_most(answers: Sequence[Answer]) -> int:
    """Return what may have been done: all but what the caps or the card's own transactions forbade each time."""
    return max((answer.amount for answer in answers if not isinstance(answer.error, NEVER_DONE)), default=0)


NEVER_DONE = (AmountExceeded, RequestConflict, TransactionNotFound)


def _listed(record: Transaction | None, what: str) -> list[ActRecord]:
    return record.listed(_KINDS[what]) if record else []


def taken_by_the_ledger(record: Transaction) -> int:
    """Return what a transaction took off the card by what the ledger says; less than zero for a credit."""
    if record.state not in KNOWN_TO_VTEX:
        return 0
    if record.operation is Operation.CREDIT:
        return record.voided + record.refunded - record.amount
    if record.holds is Holds.LEDGER:
        return record.captured - record.refunded
    # The backend had ended the hold, or the payment. Where it was one of several redemptions, the others stand.
    gone = (step.receipt.data for act in record.acts for step in done_steps(act))
    if any(data.get(INSTEAD) == NOTHING and "deleted" not in data for data in gone):
        return 0
    return record.amount - record.voided - record.refunded


def sums_of_what_was_done(records: Iterable[Transaction]) -> Counter[str]:
    """Return what the totals of all time should be, by field."""
    sums: Counter[str] = Counter()
    for record in records:
        currency, credit = record.backend.currency, record.operation is Operation.CREDIT
        for act in (one for one in record.acts if one.state is ActState.DONE):
            moved = {"voided": act.voided, "refunded": act.refunded}
            if credit:
                moved = {"taken_back": act.voided + act.refunded}
            if act.opens or (act.kind is ActKind.CAPTURE and not credit):
                moved = {WORDS[act.kind]: act.amount}
            for kind, amount in moved.items():
                sums[f"{record.provider_id}/{currency.code}/{currency.digits}/{kind}"] += amount
    return +sums


WORDS = {ActKind.DEBIT: "authorized", ActKind.CREDIT: "credited", ActKind.CAPTURE: "captured"}


def _reserved(record: Transaction) -> int:
    """Return what the ledger itself holds for a transaction, with what a cancellation under way may (yet) take."""
    opening, act = record.acts[record.opened_by], record.unresolved_act
    if record.operation is Operation.CREDIT or record.holds is Holds.UPFRONT:
        return _set_aside(record)
    if record.holds is not Holds.LEDGER or opening.state is not ActState.DONE:
        return 0
    kept = record.captured - record.refunded if act and act.refunded else 0
    done = [act for act in record.acts[record.opened_by :] if act.state is ActState.DONE]
    return record.amount - sum(_freed(act) for act in done) + kept


def _set_aside(record: Transaction) -> int:
    """Return what an act under way is taking, or may take again, and is not to be had meanwhile."""
    act = record.unresolved_act
    if act is None or record.holds is Holds.NATIVE:
        return 0
    if act.kind is ActKind.REVERSAL and record.operation is Operation.CREDIT:
        return act.amount
    if record.holds is not Holds.UPFRONT:
        return 0
    left = record.amount - record.voided - record.refunded
    return {ActKind.DEBIT: record.amount, ActKind.REVERSAL: left}.get(act.kind, 0)


def _freed(act: ActRecord) -> int:
    return act.amount if act.kind is ActKind.CAPTURE else act.voided


def _parked(snapshot: Snapshot, card_id: str) -> bool:
    return any(record.unresolved is not None for record in snapshot.records if record.card_id == card_id)


def _grouped(snapshot: Snapshot, what: str) -> Iterator[tuple[tuple[str, str], list[Answer]]]:
    groups: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in snapshot.answers:
        if answer.what == what:
            groups[answer.transaction, answer.request_id].append(answer)
    yield from groups.items()


def _unjust_refusals(answers: Sequence[Answer], *, excused: bool) -> Iterator[str]:
    """Money that is authorized can be settled and given back, whatever happens in between."""
    done = next((answer for answer in answers if answer.outcome == "done"), None)
    for answer in (one for one in answers if one.outcome == "refused"):
        taken_back = done and done.answered_at < answer.asked_at and done.amount == answer.amount
        excuses = (AmountExceeded, RequestConflict, Refused) if excused else (AmountExceeded, RequestConflict)
        if taken_back or not isinstance(answer.error, excuses):
            yield f"{answer} was refused with {answer.error!r}"
